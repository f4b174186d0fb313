//! Reading and converting: a project of many apps validated and rendered by the program, one compose file from the
//! program's start to its end, and, where `go` is on the PATH, the same compose files through the reference loader.
//!
//!     cargo bench --bench config              1,000 apps
//!     cargo bench --bench config -- 100 1000  other sizes

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const PROGRAM: &str = env!("CARGO_BIN_EXE_kompox");
/// Runs of each measurement; the median counts.
const RUNS: usize = 7;

fn main() -> Result<()> {
    let mut sizes: Vec<usize> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    if sizes.is_empty() {
        sizes.push(1_000);
    }
    println!("{} cores, release build\n", std::thread::available_parallelism()?);
    println!("| what | apps | program | seconds |");
    println!("|---|---|---|---|");
    let reference = reference();
    let one = tempfile::tempdir()?;
    std::fs::write(one.path().join("compose.yml"), compose(0))?;
    let config = ["compose", "config", "--format", "json", "--project-name", "bench"];
    let time = median(|| kompox(one.path(), &config))?;
    println!("| one compose file, start to exit | 1 | kompox | {:.4} |", time.as_secs_f64());
    if let Ok(program) = &reference {
        let time = median(|| ask(program, one.path(), &["compose.yml".to_owned()]).map(|(whole, _)| whole))?;
        println!("| one compose file, start to exit | 1 | compose-go | {:.4} |", time.as_secs_f64());
    }
    for apps in sizes {
        let folder = tempfile::tempdir()?;
        let files = write_project(folder.path(), apps)?;
        for arguments in [vec!["validate"], vec!["render", "--out-manifest", "objects.yml"]] {
            let time = median(|| kompox(folder.path(), &arguments))?;
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

fn median(mut measure: impl FnMut() -> Result<Duration>) -> Result<Duration> {
    let mut times = (0..RUNS).map(|_| measure()).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    Ok(times[RUNS / 2])
}

/// How long the program takes, from its start to its exit.
fn kompox(folder: &Path, arguments: &[&str]) -> Result<Duration> {
    let started = Instant::now();
    let output = Command::new(PROGRAM).current_dir(folder).args(arguments).stdin(Stdio::null()).output()?;
    let time = started.elapsed();
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{arguments:?} ended with {}: {error}", output.status).into());
    }
    Ok(time)
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

/// A compose file of three services, as long as real ones are.
fn compose(number: usize) -> String {
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

/// Writes a KOM project of so many apps, and each app's compose file again for the reference. Gives the names of these.
fn write_project(folder: &Path, apps: usize) -> Result<Vec<String>> {
    let kom = folder.join(".kompox/kom");
    std::fs::create_dir_all(&kom)?;
    std::fs::create_dir_all(folder.join("reference"))?;
    let document = |kind: &str, id: &str, spec: &str| {
        let name = id.rsplit('/').next().unwrap_or_default();
        format!(
            "apiVersion: ops.kompox.dev/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations:\n    ops.kompox.dev/id: {id}\nspec:\n{spec}\n---\n"
        )
    };
    let settings = "  driver: aks\n  settings:\n    AZURE_AUTH_METHOD: azure_cli\n    AZURE_SUBSCRIPTION_ID: 11111111-2222-3333-4444-555555555555\n    AZURE_LOCATION: japaneast";
    let mut base = document("Workspace", "/ws/bench", "  settings: {}");
    base.push_str(&document("Provider", "/ws/bench/prv/p1", settings));
    base.push_str(&document("Cluster", "/ws/bench/prv/p1/cls/c1", "  ingress: {domain: apps.example.com}"));
    std::fs::write(kom.join("base.yml"), base)?;
    let mut files = Vec::new();
    for number in 0..apps {
        let text = compose(number);
        let indented: String = text.lines().map(|line| format!("    {line}\n")).collect();
        let spec = format!(
            "  compose: |\n{indented}  ingress:\n    rules:\n      - {{name: main, port: 80, hosts: [a{number}.example.org]}}\n  deployment: {{zone: \"1\"}}\n  volumes:\n    - {{name: default, size: 4Gi}}"
        );
        let id = format!("/ws/bench/prv/p1/cls/c1/app/app{number}");
        std::fs::write(kom.join(format!("app{number}.yml")), document("App", &id, &spec))?;
        let file = format!("reference/app{number}.yml");
        std::fs::write(folder.join(&file), text)?;
        files.push(file);
    }
    Ok(files)
}
