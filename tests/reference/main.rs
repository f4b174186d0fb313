//! `kompox compose config` against the reference: compose-go, the library that `docker compose` itself uses.
//!
//! The corpus (`cases/<topic>/<name>/`) carries the answers of the reference, so it is compared without Go too. With
//! `go` on the PATH the reference is built and asked again: a committed answer that it no longer gives fails, and so do
//! generated files on which the two disagree. Arguments choose cases by a part of their name.
//!
//! Environment: `KOMPOX_REFERENCE_UPDATE=1` writes the answers and the table for the documentation anew,
//! `KOMPOX_REFERENCE_REQUIRED=1` fails without Go, `KOMPOX_REFERENCE_GENERATED=<n>` compares that many generated
//! projects instead of 300, `KOMPOX_REFERENCE_SEED=<n>` chooses others.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use compare::{Difference, Table, differences};
use corpus::{Answer, Case};
use judge::Reference;

mod compare;
mod corpus;
mod coverage;
mod generate;
mod generated;
mod judge;
mod words;

/// Differences shown of one case; the rest is counted.
const SHOWN: usize = 12;

/// What the run says, and whether it failed.
#[derive(Default)]
struct Report {
    failures: Vec<String>,
}

impl Report {
    fn fail(&mut self, text: impl Into<String>) {
        self.failures.push(text.into());
    }

    fn differences(&mut self, name: &str, found: &[Difference]) {
        if found.is_empty() {
            return;
        }
        let mut text = name.to_owned();
        for difference in found.iter().take(SHOWN) {
            let place = if difference.path.is_empty() { "verdict" } else { &difference.path };
            text +=
                &format!("\n  {place}\n    reference: {}\n    kompox:    {}", difference.reference, difference.ours);
        }
        if found.len() > SHOWN {
            text += &format!("\n  and {} more", found.len() - SHOWN);
        }
        self.fail(text);
    }
}

fn say(line: &str) {
    // A closed standard output is nothing a test could mend.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn flag(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0")
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        say("reference: test");
        return ExitCode::SUCCESS;
    }
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let mut cases = corpus::read(&root.join("cases")).expect("the corpus is readable");
    let whole = filters.is_empty();
    cases.retain(|case| whole || filters.iter().any(|filter| case.name.contains(filter.as_str())));
    if cases.is_empty() {
        return ExitCode::SUCCESS;
    }

    let table = Table::read(&root.join("differences.json"));
    let mut report = Report::default();
    let update = flag("KOMPOX_REFERENCE_UPDATE");
    let mut reference = Reference::start();
    if let Ok(reference) = &mut reference {
        ask_again(reference, &cases, update, &mut report);
    } else if update || flag("KOMPOX_REFERENCE_REQUIRED") {
        report.fail("the reference is required");
    }
    let refused = compare_corpus(&cases, &table, &mut report);
    if whole {
        check_documentation(&table, update, &mut report);
        table.unused().iter().for_each(|what| report.fail(format!("differences.json: no case needs {what:?}")));
    }

    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../src/compose/load/compose-spec.json")).expect("the schema is JSON");
    let coverage = coverage::measure(&schema, &cases);
    if whole && !coverage.missing().is_empty() {
        report.fail(format!("no case uses\n  {}", coverage.missing().join("\n  ")));
    }

    let generated = match &mut reference {
        Ok(reference) if whole && !update => {
            let (count, seed) = (number("KOMPOX_REFERENCE_GENERATED", 300), number("KOMPOX_REFERENCE_SEED", 1));
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let found = generated::run(reference, &schema, &table, count, seed).expect("the projects can be written");
            found.disagreements.iter().for_each(|text| report.fail(text.clone()));
            format!("{} generated projects compared (seed {seed}), {} of them accepted", found.compared, found.accepted)
        }
        _ => "no generated projects compared: this needs Go and the whole corpus".into(),
    };

    for failure in &report.failures {
        say(&format!("\nFAILED {failure}"));
    }
    let (service_keys, all_service_keys) = coverage.service_keys();
    let (keys, all_keys) = coverage.keys();
    say(&format!("\nreference: {} cases, {refused} of them must fail", cases.len()));
    say(&format!(
        "reference: {service_keys} of {all_service_keys} service keys, {keys} of {all_keys} keys, {} of {} keys and variants",
        coverage.all.len() - coverage.missing().len(),
        coverage.all.len(),
    ));
    say(&format!("reference: {generated}"));
    say(&format!("reference: {} differences kept", table.len()));
    match &reference {
        Ok(_) => say("reference: compose-go judged live"),
        Err(why) => say(&format!("reference: the committed answers judged, compose-go did not run ({why})")),
    }
    if report.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        say(&format!("reference: {} failures", report.failures.len()));
        ExitCode::FAILURE
    }
}

/// The committed answers are what the reference says today.
fn ask_again(reference: &mut Reference, cases: &[Case], update: bool, report: &mut Report) {
    for case in cases {
        let now = reference.ask(case);
        if update {
            case.write_expected(&now).expect("the answer can be written");
            continue;
        }
        let committed = case.expected();
        // Which of several errors is found first depends on the order of Go's maps.
        let same = match (&committed, &now) {
            (Some(Answer::Failure(_)), Answer::Failure(_)) => true,
            (Some(committed), now) => committed == now,
            (None, _) => false,
        };
        if same {
            continue;
        }
        let found = committed.map(|committed| differences(&now, &committed)).unwrap_or_default();
        report.fail(format!("{}: the committed answer is not the reference's; KOMPOX_REFERENCE_UPDATE=1", case.name));
        report.differences(&case.name, &found);
    }
}

/// Our answers against the committed ones. Gives how many cases must fail.
fn compare_corpus(cases: &[Case], table: &Table, report: &mut Report) -> usize {
    let ours = ask_ourselves(cases);
    let mut refused = 0;
    for case in cases {
        let Some(expected) = case.expected() else {
            report.fail(format!("{}: no expected answer; KOMPOX_REFERENCE_UPDATE=1 writes it", case.name));
            continue;
        };
        refused += usize::from(matches!(expected, Answer::Failure(_)));
        let found = differences(&expected, &ours[&case.name]);
        report.differences(&case.name, &table.unexplained(Some(&case.name), found));
    }
    refused
}

fn ask_ourselves(cases: &[Case]) -> BTreeMap<String, Answer> {
    let next = AtomicUsize::new(0);
    let answers = Mutex::new(BTreeMap::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let answer = judge::kompox(case);
                    answers.lock().expect("no thread panicked").insert(case.name.clone(), answer);
                }
            });
        }
    });
    answers.into_inner().expect("no thread panicked")
}

/// The documentation shows the table that the test uses.
fn check_documentation(table: &Table, update: bool, report: &mut Report) {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/compose-differences.md");
    let text = format!(
        "# Where `kompox compose config` is not `docker compose config`\n\nThe reference is compose-go, the library that \
         `docker compose` itself uses. Everything else gives equal values.\n\n{}",
        table.markdown()
    );
    if update {
        std::fs::write(path, text).expect("the documentation can be written");
    } else if std::fs::read_to_string(path).unwrap_or_default() != text {
        report.fail("docs/compose-differences.md is not the table; KOMPOX_REFERENCE_UPDATE=1 writes it");
    }
}
