//! Runs of the program.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::within;

/// How a run ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The exit code; none after a kill.
    pub code: Option<i32>,
    /// Data.
    pub stdout: String,
    /// Everything else.
    pub stderr: String,
    /// The program with the options that commands in its messages need.
    here: String,
}

impl Finished {
    /// Runs a command to its end.
    pub fn of(mut command: Command) -> Self {
        let here = here(&command);
        let Output { status, stdout, stderr } = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let finished = Self { code: status.code(), stdout: text(stdout), stderr: text(stderr), here };
        published(&finished.stdout);
        finished
    }

    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// Demands exit code 0.
    #[track_caller]
    pub fn done(self) -> Self {
        self.exits(0)
    }

    /// Demands an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }

    /// Demands that all of these are said, where `kompox HERE …` is the program with the options of this call: folder,
    /// sandbox and its endpoint.
    #[track_caller]
    pub fn says(self, parts: &[&str]) -> Self {
        let text = self.text();
        let here = &self.here;
        for part in parts {
            let part = part.replace("kompox HERE", here);
            assert!(text.contains(&part), "not said: {part:?} in:\n{text}");
        }
        self
    }

    /// The data as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// Why it failed, as `--json` says it: the last line of the data.
    #[track_caller]
    pub fn reasons(&self) -> Value {
        let line = self.stdout.lines().last().unwrap_or_default();
        let mut said: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {}", self.text()));
        assert_eq!(said["type"], "problems");
        said["problems"].take()
    }

    /// Only the errors of what was printed beside the data; warnings go.
    pub fn errors(&self) -> String {
        self.stderr.find("error").map_or(String::new(), |start| self.stderr[start..].to_owned())
    }
}

/// Holds what is for machines to the schema that is published for them.
#[track_caller]
fn published(stdout: &str) {
    match stdout {
        _ if stdout.starts_with("<?xml") => return reported(stdout),
        _ if stdout.starts_with('{') && stdout.contains("/sarif-schema-2.1.0.json\"") => return found(stdout),
        _ => {}
    }
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
        let schema = include_str!("../../docs/output.schema.json");
        jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap()
    });
    let is_document = stdout.starts_with('{') && stdout.contains("\"format_version\"");
    let is_findings = stdout.starts_with('[') && stdout.contains("\"severity\"");
    if !(is_document || is_findings) {
        return;
    }
    for document in serde_json::Deserializer::from_str(stdout).into_iter::<Value>() {
        // What is cut by a kill is no document.
        let Ok(document) = document else { return };
        let wrong: Vec<String> = SCHEMA.iter_errors(&document).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "not what docs/output.schema.json says: {wrong:?}\n{document:#}");
    }
}

/// Holds findings to the schema of SARIF, and to what code hosts want beyond it.
#[track_caller]
fn found(stdout: &str) {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
        // As it is published, the pattern of `language` has a bracket too many, and is no regular expression.
        let schema = include_str!("../data/sarif-2.1.0-rtm.5.json").replace("{2}]?$", "{2}?$");
        jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
    });
    let log: Value = serde_json::from_str(stdout).unwrap();
    let wrong: Vec<String> = SCHEMA.iter_errors(&log).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "no SARIF: {wrong:?}\n{log:#}");
    let rules = &log["runs"][0]["tool"]["driver"]["rules"];
    let mut prints = std::collections::BTreeSet::new();
    for result in log["runs"][0]["results"].as_array().unwrap() {
        let rule = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(result["ruleId"], rules[rule]["id"], "{result:#}");
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()), "{result:#}");
        let place = &result["locations"][0]["physicalLocation"];
        assert!(!place["artifactLocation"]["uri"].as_str().unwrap().is_empty(), "{result:#}");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0, "{result:#}");
        let print = result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap();
        assert!(prints.insert(print.to_owned()), "two findings are one for a code host: {result:#}");
    }
}

/// Holds a test report to the schema that Jenkins has of it.
#[track_caller]
fn reported(stdout: &str) {
    const SCHEMA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/junit-10.xsd");
    let mut lint = Command::new("xmllint");
    lint.args(["--noout", "--nonet", "--schema", SCHEMA, "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut lint) = lint.spawn() else {
        super::skip("test reports are not held to their schema: xmllint cannot be started");
        return;
    };
    std::io::Write::write_all(&mut lint.stdin.take().unwrap(), stdout.as_bytes()).unwrap();
    let output = lint.wait_with_output().unwrap();
    assert!(output.status.success(), "{}\n{stdout}", String::from_utf8_lossy(&output.stderr));
}

/// A run that goes on.
pub struct Live {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<std::thread::JoinHandle<()>>,
    here: String,
}

impl Live {
    /// Starts a command.
    pub fn start(mut command: Command) -> Self {
        let here = here(&command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![
            collect(child.stdout.take().unwrap(), Arc::clone(&out)),
            collect(child.stderr.take().unwrap(), Arc::clone(&err)),
        ];
        Self { child, out, err, readers, here }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has said on stderr.
    pub fn err(&self) -> String {
        self.err.lock().unwrap().clone()
    }

    /// Waits until stderr says this.
    pub fn until_says(&self, text: &str) {
        within(&format!("stderr to say {text:?}"), || self.err().contains(text));
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        // The child is not waited for yet, so its id is nobody else's.
        kill_process(pid, signal).unwrap();
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub fn end(mut self) -> Finished {
        let mut status = None;
        within(&format!("the process to end; it said {}", self.err()), || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        for reader in self.readers {
            reader.join().unwrap();
        }
        let text = |from: &Arc<Mutex<String>>| from.lock().unwrap().clone();
        let code = status.and_then(|status| status.code());
        Finished { code, stdout: text(&self.out), stderr: text(&self.err), here: self.here }
    }
}

/// How a command is called, without its own words.
fn here(command: &Command) -> String {
    let mut words = vec!["kompox".to_owned()];
    let mut arguments = command.get_args().map(|argument| argument.to_string_lossy().into_owned());
    while let Some(option) =
        arguments.next().filter(|word| ["-C", "--sandbox", "--sandbox-endpoint"].contains(&word.as_str()))
    {
        let value = (option != "--sandbox").then(|| arguments.next()).flatten();
        words.push(option);
        words.extend(value);
    }
    words.join(" ")
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        }
    })
}
