//! The front door: a KOM project of many apps, applied and planned by the program itself against the embedded sandbox over
//! HTTP, and how long the program takes to start.
//!
//!     cargo bench --bench project            70 apps, about 1,000 objects
//!     cargo bench --bench project -- 10 70   other sizes

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod common;

use std::path::Path;

use common::{Result, median, run, sizes, write_project};

fn main() -> Result<()> {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, release build\n");
    println!("| what | apps | objects | seconds |");
    println!("|---|---|---|---|");
    let start = median(|| run(Path::new("."), &["version"]).map(|(time, _)| time))?;
    println!("| version | | | {:.4} |", start.as_secs_f64());
    for apps in sizes(&[70]) {
        let folder = tempfile::tempdir()?;
        write_project(folder.path(), apps, compose)?;
        let (apply, _) = run(folder.path(), &["--sandbox", "apply", "--auto-approve"])?;
        let (_, listed) = run(folder.path(), &["--sandbox", "state", "list", "--json"])?;
        let objects = serde_json::from_slice::<Vec<serde_json::Value>>(&listed)?.len();
        println!("| apply | {apps} | {objects} | {:.3} |", apply.as_secs_f64());
        for (what, arguments) in [
            ("validate", vec!["--sandbox", "validate"]),
            ("plan, nothing to change", vec!["--sandbox", "plan", "--detailed-exitcode"]),
            ("drift, none", vec!["--sandbox", "drift"]),
        ] {
            let time = median(|| run(folder.path(), &arguments).map(|(time, _)| time))?;
            println!("| {what} | {apps} | {objects} | {:.3} |", time.as_secs_f64());
        }
    }
    Ok(())
}

/// A compose file of one service.
fn compose(number: usize) -> String {
    format!(
        "services:\n  web:\n    image: nginx:1.29\n    environment: {{APP: \"{number}\"}}\n    ports: [\"80:8080\"]\n    volumes: [\"default/html:/data\"]\n"
    )
}
