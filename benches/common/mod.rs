//! What benches share: sizes from the command line, the median of runs, the program, a project of many apps.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Any error ends a bench.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The program that is measured.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_kompox");

/// Runs of each measurement.
pub const RUNS: usize = 7;

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

/// The programs that are measured: this one, and one from before where `KOMPOX_BENCH_BEFORE` names it. They take turns, so
/// that whatever else the machine does is shared by both.
pub fn programs() -> Vec<(&'static str, OsString)> {
    let before = std::env::var_os("KOMPOX_BENCH_BEFORE").map(|path| ("before", path));
    before.into_iter().chain([("now", PROGRAM.into())]).collect()
}

/// What a run of a program took.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd)]
pub struct Cost {
    /// Seconds from its start to its exit.
    pub wall: f64,
    /// Seconds of its processors, its own and the kernel's for it; none without GNU time.
    pub processor: Option<f64>,
    /// The most memory that it had, in megabytes; none without GNU time.
    pub peak: Option<f64>,
}

impl std::fmt::Display for Cost {
    /// As three cells of a table.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |number: Option<f64>, digits: usize| {
            number.map_or_else(|| "?".to_owned(), |number| format!("{number:.digits$}"))
        };
        write!(f, "{:.3} | {} | {}", self.wall, text(self.processor, 2), text(self.peak, 0))
    }
}

/// The cost of each program in a folder of its own, in turns, the median of every number by itself.
pub fn costs(folders: &[&Path], arguments: &[&str], runs: usize) -> Result<Vec<(&'static str, Cost)>> {
    let programs = programs();
    let mut all: Vec<Vec<Cost>> = vec![Vec::new(); programs.len()];
    for _ in 0..runs {
        for ((costs, folder), (_, program)) in all.iter_mut().zip(folders).zip(&programs) {
            costs.push(cost(program, folder, arguments)?);
        }
    }
    let middle = |mut numbers: Vec<f64>| {
        numbers.sort_by(f64::total_cmp);
        numbers.get(numbers.len() / 2).copied()
    };
    let median = |costs: &[Cost]| Cost {
        wall: middle(costs.iter().map(|cost| cost.wall).collect()).unwrap_or_default(),
        processor: middle(costs.iter().filter_map(|cost| cost.processor).collect()),
        peak: middle(costs.iter().filter_map(|cost| cost.peak).collect()),
    };
    Ok(programs.iter().zip(&all).map(|((name, _), costs)| (*name, median(costs))).collect())
}

/// Runs a program once, below GNU time where that is there to ask.
pub fn cost(program: &OsStr, folder: &Path, arguments: &[&str]) -> Result<Cost> {
    let time = Path::new("/usr/bin/time");
    let report = tempfile::NamedTempFile::new()?;
    let mut command = if time.is_file() {
        let mut command = Command::new(time);
        command.args(["-f", "%U %S %M", "-o"]).arg(report.path()).arg(program);
        command
    } else {
        Command::new(program)
    };
    let started = Instant::now();
    let output = command.current_dir(folder).args(arguments).stdin(Stdio::null()).output()?;
    let wall = started.elapsed().as_secs_f64();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} ended with {}: {error}", output.status).into());
    }
    let report = std::fs::read_to_string(report.path())?;
    let numbers: Vec<f64> = report.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    Ok(match numbers[..] {
        [user, system, kilobytes] => Cost { wall, processor: Some(user + system), peak: Some(kilobytes / 1024.0) },
        _ => Cost { wall, ..Cost::default() },
    })
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

/// A KOM document.
fn document(kind: &str, id: &str, spec: &str) -> String {
    let name = id.rsplit('/').next().unwrap_or_default();
    format!(
        "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations:\n    ops.kompox.dev/id: {id}\nspec:\n{spec}\n---\n"
    )
}

/// A text as the value of a key of a spec.
pub fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}

/// Writes a KOM project of so many apps on one cluster, from the specs of its provider, its cluster and each app.
pub fn write_apps(
    folder: &Path,
    apps: usize,
    provider: &str,
    cluster: &str,
    app: impl Fn(usize) -> String,
) -> Result<()> {
    let kom = folder.join(".kompox/kom");
    std::fs::create_dir_all(&kom)?;
    let base = [
        document("Workspace", "/ws/bench", "  settings: {}"),
        document("Provider", "/ws/bench/prv/p1", provider),
        document("Cluster", "/ws/bench/prv/p1/cls/c1", cluster),
    ];
    std::fs::write(kom.join("base.yml"), base.concat())?;
    for number in 0..apps {
        let id = format!("/ws/bench/prv/p1/cls/c1/app/app{number}");
        std::fs::write(kom.join(format!("app{number}.yml")), document("App", &id, &app(number)))?;
    }
    Ok(())
}

/// The same on AKS, each app with a disk, a rule and the compose file of its number.
pub fn write_project(folder: &Path, apps: usize, compose: impl Fn(usize) -> String) -> Result<()> {
    let settings = "  driver: aks\n  settings:\n    AZURE_AUTH_METHOD: azure_cli\n    AZURE_SUBSCRIPTION_ID: 11111111-2222-3333-4444-555555555555\n    AZURE_LOCATION: japaneast";
    let cluster = "  ingress: {domain: apps.example.com}\n  settings: {AZURE_AKS_USER_VM_PRIORITY: Regular, AZURE_AKS_USER_VM_ZONES: 1}";
    write_apps(folder, apps, settings, cluster, |number| {
        format!(
            "  compose: |\n{}  ingress:\n    rules:\n      - {{name: main, port: 80, hosts: [a{number}.example.org]}}\n  deployment: {{zone: \"1\"}}\n  volumes:\n    - {{name: default, size: 4Gi}}",
            indented(&compose(number))
        )
    })
}

/// A compose file of three services, as long as real ones are.
pub fn compose(number: usize) -> String {
    format!(
        r#"x-logging: &logging
  logging: {{driver: json-file, options: {{max-size: 10m}}}}
services:
  web:
    <<: *logging
    image: registry.example.com/team/web:1.{number}.0
    command: ["serve", "--port", "8080"]
    environment:
      APP: "app{number}"
      DATABASE_URL: postgres://db:5432/app
      CACHE_URL: ${{CACHE_URL:-redis://127.0.0.1:6379}}
      LOG_LEVEL: info
    ports: ["80:8080"]
    volumes:
      - {{type: volume, source: default, target: /var/www, volume: {{subpath: html}}}}
      - {{type: volume, source: default, target: /var/uploads, read_only: true, volume: {{subpath: uploads}}}}
    depends_on: {{db: {{condition: service_healthy}}}}
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8080/health"]
      interval: 30s
      timeout: 5s
      retries: 3
      start_period: 1m
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 512M}}, reservations: {{memory: 128M}}}}}}
    restart: unless-stopped
  worker:
    <<: *logging
    image: registry.example.com/team/web:1.{number}.0
    command: worker --queues default,mail --concurrency 4
    environment: [APP=app{number}, ROLE=worker]
    volumes: [{{type: volume, source: default, target: /var/uploads, volume: {{subpath: uploads}}}}]
    depends_on: [web, db]
    mem_limit: 256m
    restart: always
  db:
    <<: *logging
    image: postgres:17.5
    user: "999:999"
    environment:
      POSTGRES_DB: app
      POSTGRES_HOST_AUTH_METHOD: trust
    volumes: [{{type: volume, source: default, target: /var/lib/postgresql/data, volume: {{subpath: postgres}}}}]
    expose: ["5432"]
    shm_size: 128m
    healthcheck: {{test: pg_isready -U postgres, interval: 10s}}
    stop_grace_period: 1m30s
volumes: {{default: {{}}}}
configs:
  motd: {{content: "Welcome to app{number}"}}
"#
    )
}
