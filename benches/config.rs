//! Reading and converting: a project of many apps validated and rendered by the program, one compose file from the
//! program's start to its end, and, where `go` is on the PATH, the same compose files through the reference loader.
//!
//!     cargo bench --bench config              1,000 apps
//!     cargo bench --bench config -- 100 1000  other sizes

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use common::{PROGRAM, Result, compose, median, run, sizes, write_project};

fn main() -> Result<()> {
    println!("{} cores, release build\n", std::thread::available_parallelism()?);
    println!("| what | apps | program | seconds |");
    println!("|---|---|---|---|");
    let reference = reference();
    let one = tempfile::tempdir()?;
    std::fs::write(one.path().join("compose.yml"), compose(0))?;
    let config = ["compose", "config", "--format", "json", "--project-name", "bench"];
    let time = median(|| run(one.path(), &config).map(|(time, _)| time))?;
    println!("| one compose file, start to exit | 1 | kompox | {:.4} |", time.as_secs_f64());
    if let Ok(program) = &reference {
        let time = median(|| ask(program, one.path(), &["compose.yml".to_owned()]).map(|(whole, _)| whole))?;
        println!("| one compose file, start to exit | 1 | compose-go | {:.4} |", time.as_secs_f64());
    }
    for apps in sizes(&[1_000]) {
        let folder = tempfile::tempdir()?;
        write_project(folder.path(), apps, compose)?;
        let files = write_composes(folder.path(), apps)?;
        for arguments in [vec!["validate"], vec!["render", "--out-manifest", "objects.yml"]] {
            let time = median(|| run(folder.path(), &arguments).map(|(time, _)| time))?;
            println!("| {} | {apps} | kompox | {:.3} |", arguments[0], time.as_secs_f64());
        }
        if let Ok(program) = &reference {
            let time = median(|| ask(program, folder.path(), &files).map(|(_, loading)| loading))?;
            println!(
                "| load the compose files only, in one process | {apps} | compose-go | {:.3} |",
                time.as_secs_f64()
            );
        }
    }
    if let Err(reason) = reference {
        println!("\nThe reference loader was not measured: {reason}");
    }
    Ok(())
}

/// Builds the reference loader, as `tests/reference` does, and gives its path; or why there is none.
fn reference() -> std::result::Result<PathBuf, String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference");
    let program = Path::new(PROGRAM).with_file_name("compose-reference");
    let built = Command::new("go").args(["build", "-o"]).arg(&program).arg(".").current_dir(source).output();
    let built = built.map_err(|error| format!("go: {error}"))?;
    if built.status.success() { Ok(program) } else { Err(String::from_utf8_lossy(&built.stderr).into_owned()) }
}

/// Loads the files one by one in one process of the reference: the time of the whole process, and what it says that the
/// loading took.
fn ask(program: &Path, folder: &Path, files: &[String]) -> Result<(Duration, Duration)> {
    let started = Instant::now();
    let mut process = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut input = process.stdin.take().ok_or("no stdin")?;
    let mut answers = BufReader::new(process.stdout.take().ok_or("no stdout")?).lines();
    let mut loading = 0;
    for file in files {
        let request = json!({"dir": folder, "files": [file], "profiles": [], "env": {}, "project_name": "bench"});
        writeln!(input, "{request}")?;
        let answer: Value = serde_json::from_str(&answers.next().ok_or("no answer")??)?;
        loading += answer["micros"].as_u64().filter(|_| answer["ok"].is_object()).ok_or_else(|| answer.to_string())?;
    }
    drop(input);
    process.wait()?;
    Ok((started.elapsed(), Duration::from_micros(loading)))
}

/// Writes each app's compose file again for the reference. Gives the names of these.
fn write_composes(folder: &Path, apps: usize) -> Result<Vec<String>> {
    std::fs::create_dir_all(folder.join("reference"))?;
    let write = |number| {
        let file = format!("reference/app{number}.yml");
        std::fs::write(folder.join(&file), compose(number))?;
        Ok(file)
    };
    (0..apps).map(write).collect()
}
