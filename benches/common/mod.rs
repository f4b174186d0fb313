//! What benches share: sizes from the command line, the median of runs, the program, a project of many apps.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Any error ends a bench.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The program that is measured.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kompox");

/// Runs of each measurement.
const RUNS: usize = 7;

/// The numbers among the arguments, or the usual sizes.
pub fn sizes(usual: &[usize]) -> Vec<usize> {
    let sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() { usual.to_vec() } else { sizes }
}

/// The median of some runs.
pub fn median(mut measure: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..RUNS).map(|_| measure()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

/// How long the program takes, from its start to its exit, and what it printed.
pub fn run(folder: &Path, arguments: &[&str]) -> Result<(Duration, Vec<u8>)> {
    let started = Instant::now();
    let output = Command::new(PROGRAM).current_dir(folder).args(arguments).stdin(Stdio::null()).output()?;
    let time = started.elapsed();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} ended with {}: {error}", output.status).into());
    }
    Ok((time, output.stdout))
}

/// Writes a KOM project of so many apps on one cluster, each with a disk, a rule and the compose file of its number.
pub fn write_project(folder: &Path, apps: usize, compose: impl Fn(usize) -> String) -> Result<()> {
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
        let indented: String = compose(number).lines().map(|line| format!("    {line}\n")).collect();
        let spec = format!(
            "  compose: |\n{indented}  ingress:\n    rules:\n      - {{name: main, port: 80, hosts: [a{number}.example.org]}}\n  deployment: {{zone: \"1\"}}\n  volumes:\n    - {{name: default, size: 4Gi}}"
        );
        let id = format!("/ws/bench/prv/p1/cls/c1/app/app{number}");
        std::fs::write(kom.join(format!("app{number}.yml")), document("App", &id, &spec))?;
    }
    Ok(())
}
