//! Generated projects on both sides, shrunk to the smallest that they disagree on.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::{fs, io};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::Value;

use crate::compare::{Difference, Table, differences};
use crate::corpus::{Answer, Case, Invocation};
use crate::generate::{Project, projects};
use crate::judge::{Reference, ourselves};

/// Projects between two fresh starts of the generator: a disagreement costs the rest of its round.
const ROUND: u32 = 50;
/// Disagreements after which the search ends.
const ENOUGH: usize = 8;

/// What the search found.
#[derive(Default)]
pub struct Outcome {
    /// Projects compared, those while shrinking not counted.
    pub compared: u32,
    /// How many of them the reference accepts.
    pub accepted: u32,
    /// A project and what differs, ready to read.
    pub disagreements: Vec<String>,
}

/// Compares `count` projects. The same seed gives the same projects.
pub fn run(reference: &mut Reference, schema: &Value, table: &Table, count: u32, seed: u64) -> io::Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let case = Case {
        name: "generated".into(),
        dir: folder.path().canonicalize()?.join("cases/generated/project"),
        invocation: Invocation::default(),
    };
    let (mut outcome, reference) = (Outcome::default(), RefCell::new(reference));
    let strategy = projects(schema);
    let (compared, accepted, shrinking) = (Cell::new(0), Cell::new(0), Cell::new(false));
    let judge = |project: &Project| -> io::Result<(bool, Vec<Difference>)> {
        let case = place(project, &case)?;
        let theirs = reference.borrow_mut().ask(&case);
        let found = differences(&theirs, &ourselves(&case));
        Ok((matches!(theirs, Answer::Project(_)), table.unexplained(None, found)))
    };
    let mut round = 0_u64;
    while compared.get() < count && outcome.disagreements.len() < ENOUGH {
        let config = Config {
            cases: ROUND.min(count - compared.get()),
            failure_persistence: None,
            max_shrink_iters: 1500,
            ..Config::default()
        };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&round.to_le_bytes());
        round += 1;
        shrinking.set(false);
        let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let result = runner.run(&strategy, |project| {
            let (ok, found) = judge(&project).map_err(|error| TestCaseError::reject(error.to_string()))?;
            if !shrinking.get() {
                compared.set(compared.get() + 1);
                accepted.set(accepted.get() + u32::from(ok));
            }
            if found.is_empty() {
                return Ok(());
            }
            shrinking.set(true);
            Err(TestCaseError::fail("the answers differ"))
        });
        match result {
            Ok(()) => {}
            Err(TestError::Fail(_, smallest)) => {
                let (_, found) = judge(&smallest)?;
                outcome.disagreements.push(describe(&smallest, &found));
            }
            Err(TestError::Abort(reason)) => return Err(io::Error::other(reason.to_string())),
        }
    }
    (outcome.compared, outcome.accepted) = (compared.get(), accepted.get());
    Ok(outcome)
}

/// Writes the project's files and gives the invocation.
fn place(project: &Project, case: &Case) -> io::Result<Case> {
    if case.dir.exists() {
        fs::remove_dir_all(&case.dir)?;
    }
    for (path, text) in files(project) {
        let path = case.dir.join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, text)?;
    }
    let mut case = case.clone();
    case.invocation = Invocation {
        files: Some((0..project.files.len()).map(file_name).collect()),
        profiles: project.profiles.clone(),
        env: project.environment.clone(),
        ..Invocation::default()
    };
    Ok(case)
}

fn file_name(index: usize) -> String {
    if index == 0 { "compose.yml".into() } else { format!("more{index}.yml") }
}

fn files(project: &Project) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        project.files.iter().enumerate().map(|(index, file)| (file_name(index), file.file())).collect();
    files.push(("sub/base.yml".into(), project.base.file()));
    files.push(("inc/compose.yml".into(), project.included.file()));
    for folder in ["", "sub/", "inc/"] {
        files.push((format!("{folder}one.env"), "A=file\nONE=1\n".into()));
        files.push((format!("{folder}two.env"), "TWO=\"t${NUM:-2}\"\nA=\n".into()));
    }
    if !project.dotenv.is_empty() {
        let lines: Vec<_> = project.dotenv.iter().map(|(name, value)| format!("{name}='{value}'\n")).collect();
        files.push((".env".into(), lines.concat()));
    }
    files
}

fn describe(project: &Project, found: &[Difference]) -> String {
    let mut text = String::from("a generated project\n");
    for (path, content) in files(project) {
        let constant = path.ends_with("one.env") || path.ends_with("two.env");
        let unused = path.contains("/") && !project.files.iter().any(|file| file.file().contains(&path));
        if !constant && !unused {
            text += &format!("--- {path}\n{content}");
        }
    }
    text += &format!("environment {:?}, profiles {:?}\n", project.environment, project.profiles);
    for difference in found {
        let place = if difference.path.is_empty() { "verdict" } else { &difference.path };
        text += &format!("  {place}\n    reference: {}\n    kompox:    {}\n", difference.reference, difference.ours);
    }
    text
}
