//! The two sides: the reference, a Go program fed line by line, and our own binary.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use kompox::compose::files::UserFiles;
use kompox::compose::load::Input;
use kompox::compose::load::project::{Printing, Project, Strictness};
use kompox::compose::load::{Name, Request, dotenv, load};
use kompox::diag::Severity;
use kompox::yaml::Source;
use serde_json::{Value, json};

use crate::corpus::{Answer, Case};

/// The running reference. Dropping it closes its input, which ends it.
pub struct Reference {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Reference {
    /// Builds and starts the reference. The error says why there is none: no Go, or the module did not build.
    pub fn start() -> Result<Self, String> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
        let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("reference").join("reference");
        let built = Command::new("go")
            .args(["build", "-o"])
            .arg(&program)
            .arg(".")
            .current_dir(source)
            .output()
            .map_err(|e| format!("no `go`: {e}"))?;
        if !built.status.success() {
            return Err(format!("the module did not build: {}", String::from_utf8_lossy(&built.stderr).trim()));
        }
        let mut process = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("it did not start: {e}"))?;
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().ok_or("it has no output")?);
        Ok(Self { process, input, output })
    }

    /// The answer of the reference, places replaced by markers.
    pub fn ask(&mut self, case: &Case) -> Answer {
        let request = json!({
            "dir": case.dir,
            "files": case.files(),
            "profiles": case.invocation.profiles,
            "env": case.env(),
            "env_files": case.invocation.env_files,
            "project_name": case.invocation.project_name,
            "project_directory": case.invocation.project_directory,
        });
        let input = self.input.as_mut().expect("the input is open until drop");
        writeln!(input, "{request}").and_then(|()| input.flush()).expect("the reference reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the reference answers");
        let mut answer: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{}: {e}: {line:?}", case.name));
        let answer = match answer.get_mut("ok") {
            Some(project) => Answer::Project(project.take()),
            None => Answer::Failure(answer["error"].as_str().unwrap_or_default().to_owned()),
        };
        case.normalise(answer)
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        self.input = None;
        // Only a leftover process could come of an error here, and the operating system ends that with us.
        let _ = self.process.wait();
    }
}

/// Our answer to a generated project: the library behind the command, without a process each.
pub fn ourselves(case: &Case) -> Answer {
    let environment = match variables(case) {
        Ok(environment) => environment,
        Err(why) => return Answer::Failure(why),
    };
    let files = UserFiles::new(&case.dir);
    let read = |name: String| {
        let path = case.dir.join(&name);
        let text = std::fs::read_to_string(&path).expect("the generated file is there");
        (Input::Text(Source::new(name, text)), path.to_string_lossy().into_owned())
    };
    let folder = case.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let request = Request {
        inputs: case.files().into_iter().map(read).collect(),
        name: Name::Found(folder),
        working_dir: case.dir.to_string_lossy().into_owned(),
        home: environment.get("HOME").cloned(),
        environment,
        files: &files,
        display: &str::to_owned,
    };
    let (loaded, _, mut findings) = load(request);
    let project = loaded.and_then(|loaded| {
        let (project, found) = Project::complete(loaded, &case.invocation.profiles, Strictness::Compose);
        findings.extend(found);
        project
    });
    let json = project.and_then(|project| {
        let (json, found) = project.json(Printing { files: Some(&files), show_secrets: true });
        findings.extend(found);
        json
    });
    let errors: Vec<String> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.message.clone())
        .collect();
    case.normalise(match json {
        Some(json) if errors.is_empty() => Answer::Project(json),
        _ => Answer::Failure(errors.join("; ")),
    })
}

/// The variables of a generated project: its environment, completed by its `.env`. The error says why it is refused.
fn variables(case: &Case) -> Result<BTreeMap<String, String>, String> {
    let mut environment = case.env();
    if let Ok(bytes) = std::fs::read(case.dir.join(".env")) {
        let mut found = BTreeMap::new();
        dotenv::complete(&environment, &mut found, &bytes).map_err(|error| error.to_string())?;
        for (name, value) in found {
            environment.entry(name).or_insert(value);
        }
    }
    Ok(environment)
}

/// The answer of our binary, places replaced by markers.
pub fn kompox(case: &Case) -> Answer {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kompox"));
    command.args(["compose", "config", "--show-secrets", "--format", "json"]);
    for file in case.files() {
        command.args(["-f", &file]);
    }
    for profile in &case.invocation.profiles {
        command.args(["--profile", profile]);
    }
    for file in &case.invocation.env_files {
        command.args(["--env-file", file]);
    }
    if !case.invocation.project_name.is_empty() {
        command.args(["--project-name", &case.invocation.project_name]);
    }
    if !case.invocation.project_directory.is_empty() {
        command.args(["--project-directory", &case.invocation.project_directory]);
    }
    let output = command.current_dir(&case.dir).env_clear().envs(case.env()).output().expect("the binary runs");
    let messages = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let answer = if output.status.success() {
        match serde_json::from_slice(&output.stdout) {
            Ok(project) => Answer::Project(project),
            Err(error) => panic!("{}: not JSON: {error}", case.name),
        }
    } else {
        assert!(!messages.is_empty() && !messages.contains("panicked"), "{}: {messages:?}", case.name);
        Answer::Failure(messages)
    };
    case.normalise(answer)
}
