// Command reference answers what `docker compose config --format json` makes of a project, by the library that
// `docker compose` itself uses. It reads one request per line on stdin and writes one answer per line to stdout, so that
// thousands of projects cost one process.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/docker/cli/pkg/kvfile"
	"github.com/sirupsen/logrus"
)

// request is one project. Dir is the working directory of the command; everything else is what a user would write
// behind `docker compose`. Env is the whole environment: nothing of the process's own is seen.
type request struct {
	Dir              string            `json:"dir"`
	Files            []string          `json:"files"`
	Profiles         []string          `json:"profiles"`
	Env              map[string]string `json:"env"`
	EnvFiles         []string          `json:"env_files"`
	ProjectName      string            `json:"project_name"`
	ProjectDirectory string            `json:"project_directory"`
}

// answer holds either the project as `config --format json` prints it, or why there is none.
type answer struct {
	OK     json.RawMessage `json:"ok,omitempty"`
	Error  string          `json:"error,omitempty"`
	Micros int64           `json:"micros"`
}

func main() {
	logrus.SetOutput(io.Discard)
	dotenv.RegisterFormat("raw", raw)
	in := bufio.NewReaderSize(os.Stdin, 1<<20)
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	for {
		line, err := in.ReadBytes('\n')
		if len(line) > 0 {
			if err := encoder.Encode(judge(line)); err != nil {
				fatal(err)
			}
			if err := out.Flush(); err != nil {
				fatal(err)
			}
		}
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			fatal(err)
		}
	}
}

// raw is the format that `docker compose` itself adds to the library's: lines as they are.
func raw(r io.Reader, filename string, vars map[string]string, lookup func(key string) (string, bool)) error {
	lines, err := kvfile.ParseFromReader(r, lookup)
	if err != nil {
		return fmt.Errorf("failed to parse env_file %s: %w", filename, err)
	}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, "=")
		vars[name] = value
	}
	return nil
}

func fatal(err error) {
	fmt.Fprintln(os.Stderr, "reference:", err)
	os.Exit(2)
}

// judge never lets one project end the process: a panic of the library is an answer too.
func judge(line []byte) (result answer) {
	start := time.Now()
	defer func() {
		if caught := recover(); caught != nil {
			result = answer{Error: fmt.Sprintf("panic: %v", caught)}
		}
		result.Micros = time.Since(start).Microseconds()
	}()
	var project request
	if err := json.Unmarshal(line, &project); err != nil {
		fatal(fmt.Errorf("request: %w", err))
	}
	printed, err := load(project)
	if err != nil {
		text := err.Error()
		if strings.TrimSpace(text) == "" {
			text = "(no message)"
		}
		return answer{Error: text}
	}
	return answer{OK: printed}
}

// load uses the options of `docker compose config`, in its order. Networks and volumes that no service uses stay.
func load(project request) ([]byte, error) {
	os.Clearenv()
	for name, value := range project.Env {
		if err := os.Setenv(name, value); err != nil {
			fatal(err)
		}
	}
	if err := os.Chdir(project.Dir); err != nil {
		fatal(err)
	}
	options, err := cli.NewProjectOptions(project.Files,
		cli.WithInterpolation(true),
		cli.WithResolvedPaths(true),
		cli.WithNormalization(true),
		cli.WithConsistency(true),
		cli.WithDiscardEnvFile,
		cli.WithWorkingDirectory(project.ProjectDirectory),
		cli.WithOsEnv,
		cli.WithEnvFiles(project.EnvFiles...),
		cli.WithDotEnv,
		cli.WithConfigFileEnv,
		cli.WithDefaultConfigPath,
		cli.WithEnvFiles(project.EnvFiles...),
		cli.WithDotEnv,
		cli.WithDefaultProfiles(project.Profiles...),
		cli.WithName(project.ProjectName),
	)
	if err != nil {
		return nil, err
	}
	loaded, err := options.LoadProject(context.Background())
	if err != nil {
		return nil, err
	}
	return loaded.MarshalJSON()
}
