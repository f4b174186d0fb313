package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// The world of one driver, as files:
//
//	volumes/<handle>    what is on the volume. A handle is in lower case here and may hold slashes (the Resource ID of a
//	                    disk does): whoever makes such a folder has made a disk of that handle
//	snapshots/<handle>  what was on the volume
//	facts/<hash>.json   what else is known of the volume or snapshot, if anything
//	attached/<hash>     the node that the volume is attached to
//	nodes/<hash>        the zone of the node
type store struct{ root string }

// What is known of a volume or a snapshot beside its content.
type facts struct {
	Name   string    `json:"name"`             // whom the request named
	Size   int64     `json:"size"`             // in bytes; not enforced
	Zone   string    `json:"zone,omitempty"`   // of a volume
	Source string    `json:"source,omitempty"` // of a snapshot: handle of the volume
	Made   time.Time `json:"made"`
}

func openStore(root string) (*store, error) {
	for _, folder := range []string{"volumes", "snapshots", "facts", "attached", "nodes"} {
		if err := os.MkdirAll(filepath.Join(root, folder), 0o755); err != nil {
			return nil, err
		}
	}
	return &store{root}, nil
}

// The folder of a volume or a snapshot; an error if the handle would lead elsewhere.
func (s *store) folder(kind, handle string) (string, error) {
	relative := strings.TrimPrefix(strings.ToLower(handle), "/")
	if !filepath.IsLocal(relative) || relative == "." {
		return "", fmt.Errorf("the handle %q is no path below a folder", handle)
	}
	return filepath.Join(s.root, kind, relative), nil
}

func (s *store) exists(kind, handle string) bool {
	folder, err := s.folder(kind, handle)
	if err != nil {
		return false
	}
	info, err := os.Stat(folder)
	return err == nil && info.IsDir()
}

// Makes the content of a volume or snapshot: a copy of `from`, or that of a new disk. It appears whole or not at all.
func (s *store) make(kind, handle, from string) error {
	folder, err := s.folder(kind, handle)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return err
	}
	unfinished := folder + ".unfinished"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if from == "" {
		// A new ext4 is not quite empty, which some programs stumble over.
		err = os.MkdirAll(filepath.Join(unfinished, "lost+found"), 0o700)
		if err == nil {
			err = os.Chmod(unfinished, 0o755)
		}
	} else {
		var output []byte
		output, err = exec.Command("cp", "-a", "--reflink=auto", "--sparse=always", from, unfinished).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("cp: %w: %s", err, output)
		}
	}
	if err != nil {
		return err
	}
	return os.Rename(unfinished, folder)
}

func (s *store) remove(kind, handle string) error {
	folder, err := s.folder(kind, handle)
	if err != nil {
		return err
	}
	return errors.Join(os.RemoveAll(folder), os.RemoveAll(s.factsPath(kind, handle)))
}

func (s *store) hashed(folder, key string) string {
	sum := sha256.Sum256([]byte(strings.ToLower(key)))
	return filepath.Join(s.root, folder, hex.EncodeToString(sum[:8]))
}

func (s *store) factsPath(kind, handle string) string {
	return s.hashed("facts", kind+" "+handle) + ".json"
}

// What is known; nothing is known of a folder that somebody else made.
func (s *store) facts(kind, handle string) (known facts, err error) {
	text, err := os.ReadFile(s.factsPath(kind, handle))
	if errors.Is(err, fs.ErrNotExist) {
		return facts{}, nil
	}
	if err != nil {
		return facts{}, err
	}
	return known, json.Unmarshal(text, &known)
}

func (s *store) putFacts(kind, handle string, known facts) error {
	text, err := json.Marshal(known)
	if err != nil {
		return err
	}
	path := s.factsPath(kind, handle)
	if err := os.WriteFile(path+".unfinished", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".unfinished", path)
}

// Attaches a volume to a node, unless it is attached to another: the answer is where it is now.
func (s *store) attach(handle, node string) (string, error) {
	path := s.hashed("attached", handle)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return s.attachedTo(handle)
	}
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(node)
	return node, errors.Join(err, file.Close())
}

// The node that a volume is attached to, or nothing.
func (s *store) attachedTo(handle string) (string, error) {
	text, err := os.ReadFile(s.hashed("attached", handle))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

func (s *store) detach(handle string) error { return os.RemoveAll(s.hashed("attached", handle)) }

func (s *store) putNode(node, zone string) error {
	return os.WriteFile(s.hashed("nodes", node), []byte(zone), 0o644)
}

// The zone of a node; an error if there is no such node.
func (s *store) zone(node string) (string, error) {
	text, err := os.ReadFile(s.hashed("nodes", node))
	return string(text), err
}

// The facts of all snapshots that were made here, by handle.
func (s *store) snapshots() (map[string]facts, error) {
	entries, err := os.ReadDir(filepath.Join(s.root, "snapshots"))
	if err != nil {
		return nil, err
	}
	all := map[string]facts{}
	for _, entry := range entries {
		known, err := s.facts("snapshots", entry.Name())
		if err != nil {
			return nil, err
		}
		if !known.Made.IsZero() {
			all[entry.Name()] = known
		}
	}
	return all, nil
}
