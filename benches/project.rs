//! The front door: a KOM project of many apps, applied and planned by the program itself against the embedded sandbox over
//! HTTP, and how long the program takes to start.
//!
//!     cargo bench --bench project            70 apps, about 1,000 objects
//!     cargo bench --bench project -- 10 70   other sizes

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_kompox");
/// Runs of each measurement that changes nothing; the median counts.
const RUNS: usize = 5;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(70);
    }
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{cores} cores, release build\n");
    println!("| what | apps | objects | seconds |");
    println!("|---|---|---|---|");
    let start = median(|| run(Path::new("."), &["version"]).map(|(time, _)| time))?;
    println!("| version | | | {:.4} |", start.as_secs_f64());
    for apps in sizes {
        let folder = tempfile::tempdir()?;
        write_project(folder.path(), apps)?;
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

fn median(
    mut measure: impl FnMut() -> Result<Duration, Box<dyn std::error::Error>>,
) -> Result<Duration, Box<dyn std::error::Error>> {
    let mut times = (0..RUNS).map(|_| measure()).collect::<Result<Vec<_>, _>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

fn run(folder: &Path, arguments: &[&str]) -> Result<(Duration, Vec<u8>), Box<dyn std::error::Error>> {
    let started = Instant::now();
    let output = Command::new(PROGRAM).current_dir(folder).args(arguments).stdin(Stdio::null()).output()?;
    let time = started.elapsed();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} ended with {}: {error}", output.status).into());
    }
    Ok((time, output.stdout))
}

fn write_project(folder: &Path, apps: usize) -> std::io::Result<()> {
    let kom = folder.join(".kompox/kom");
    std::fs::create_dir_all(&kom)?;
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap_or_default();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations:\n    ops.kompox.dev/id: {id}\nspec:\n{spec}\n---\n"
        )
    };
    let settings = "  driver: aks\n  settings:\n    AZURE_AUTH_METHOD: azure_cli\n    AZURE_SUBSCRIPTION_ID: 11111111-2222-3333-4444-555555555555\n    AZURE_LOCATION: japaneast";
    let cluster = "  ingress: {domain: apps.example.com}\n  settings: {AZURE_AKS_USER_VM_PRIORITY: Regular, AZURE_AKS_USER_VM_ZONES: 1}";
    let mut base = document("Workspace", "/ws/bench", "  settings: {}");
    base.push_str(&document("Provider", "/ws/bench/prv/p1", settings));
    base.push_str(&document("Cluster", "/ws/bench/prv/p1/cls/c1", cluster));
    std::fs::write(kom.join("base.yml"), base)?;
    for number in 0..apps {
        let spec = format!(
            "  compose: |\n    services:\n      web:\n        image: nginx:1.29\n        environment: {{APP: \"{number}\"}}\n        ports: [\"80:8080\"]\n        volumes: [\"default/html:/data\"]\n  ingress:\n    rules:\n      - {{name: main, port: 80, hosts: [a{number}.example.org]}}\n  deployment: {{zone: \"1\"}}\n  volumes:\n    - {{name: default, size: 4Gi}}"
        );
        let id = format!("/ws/bench/prv/p1/cls/c1/app/app{number}");
        std::fs::write(kom.join(format!("app{number}.yml")), document("App", &id, &spec))?;
    }
    Ok(())
}
