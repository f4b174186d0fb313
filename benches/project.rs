//! The front door: a KOM project of many apps, applied and planned by the program itself against the embedded sandbox over
//! HTTP, and how long the program takes to start. Where `KOMPOX_BENCH_BEFORE` names another program, such as the one of the
//! last release, both are measured in turns.
//!
//!     cargo bench --bench project            70 apps, about 1,200 objects
//!     cargo bench --bench project -- 70 700  other sizes
//!     KOMPOX_BENCH_BEFORE=/tmp/kompox-before cargo bench --bench project

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use std::path::Path;

use common::{RUNS, Result, compose, cost, costs, programs, run, sizes, write_project};

fn main() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, release build\n");
    println!("| what | apps | objects | program | seconds | of processors | peak MB |");
    println!("|---|---|---|---|---|---|---|");
    for (name, cost) in costs(&[Path::new("."); 2], &["version"], RUNS)? {
        println!("| version | | | {name} | {cost} |");
    }
    for apps in sizes(&[70]) {
        // Each program has a project of its own: an older one need not read what a newer one wrote.
        let mut folders = Vec::new();
        let mut applied = Vec::new();
        for (name, program) in programs() {
            let folder = tempfile::tempdir()?;
            write_project(folder.path(), apps, compose)?;
            applied.push((name, cost(&program, folder.path(), &["--sandbox", "apply", "--auto-approve"])?));
            folders.push(folder);
        }
        let folders: Vec<&Path> = folders.iter().map(tempfile::TempDir::path).collect();
        let newest = folders.last().ok_or("no program")?;
        let (_, listed) = run(newest, &["--sandbox", "state", "list", "--json"])?;
        let objects = serde_json::from_slice::<Vec<serde_json::Value>>(&listed)?.len();
        for (name, cost) in applied {
            println!("| apply | {apps} | {objects} | {name} | {cost} |");
        }
        for (what, arguments) in [
            ("validate", vec!["--sandbox", "validate"]),
            ("plan, nothing to change", vec!["--sandbox", "plan", "--detailed-exitcode"]),
            ("drift, none", vec!["--sandbox", "drift"]),
        ] {
            for (name, cost) in costs(&folders, &arguments, RUNS)? {
                println!("| {what} | {apps} | {objects} | {name} | {cost} |");
            }
        }
    }
    Ok(())
}
