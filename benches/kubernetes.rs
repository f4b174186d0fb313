//! Many apps on a real API server (etcd and kube-apiserver on loopback, no kubelet), and the same objects by `kubectl`, each
//! on a server of its own that nobody else asks; what it was asked is counted by the server itself.
//!
//!     export KUBEBUILDER_ASSETS=$(tests/controlplane/build)
//!     cargo bench --bench kubernetes            1,000 apps, about 15,000 objects
//!     cargo bench --bench kubernetes -- 100     another size
#![expect(clippy::print_stdout, reason = "a table is what this program is for")]

mod common;
#[path = "../tests/controlplane/mod.rs"]
#[allow(dead_code, clippy::unwrap_used, reason = "it belongs to the tests, which use more of it")]
mod controlplane;

use std::path::Path;

use common::{PROGRAM, Result, cost, indented, sizes, write_apps};
use controlplane::ControlPlane;

/// The name of the peer, to be found on the PATH.
const PEER: &str = "kubectl";

fn main() -> Result<()> {
    let Some(assets) = controlplane::assets() else {
        return Err("KUBEBUILDER_ASSETS is not set; tests/controlplane/build makes what it names".into());
    };
    for apps in sizes(&[1_000]) {
        let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        write_project(ours.path(), apps)?;
        // Secrets in clear: kubectl is to write the same.
        let manifest = theirs.path().join("all.yml");
        let manifest = manifest.to_str().ok_or("a folder whose name is no text")?;
        cost(PROGRAM.as_ref(), ours.path(), &["render", "--show-secrets", "--out-manifest", manifest])?;
        let objects = std::fs::read_to_string(manifest)?.matches("\nkind: ").count();

        let plan = ["plan", "--detailed-exitcode"];
        let (server, name) = start(&assets, ours.path())?;
        println!("{name}, {apps} apps, {objects} objects\n");
        println!("| what | program | seconds | of processors | peak MB | requests |");
        println!("|---|---|---|---|---|---|");
        let measure =
            |what: &str, program: &str, arguments: &[&str], server: &ControlPlane, folder: &Path| -> Result<()> {
                let before = requests(server)?;
                let cost = cost(program.as_ref(), folder, arguments)?;
                let asked = requests(server)? - before;
                let name = Path::new(program).file_name().unwrap_or_default().display();
                println!("| {what} | `{name} {}` | {cost} | {asked} |", arguments[..2].join(" "));
                Ok(())
            };
        measure("apply, all new", PROGRAM, &["apply", "--auto-approve", "--no-wait"], &server, ours.path())?;
        measure("nothing to change", PROGRAM, &plan, &server, ours.path())?;
        drop(server);

        let (server, _) = start(&assets, theirs.path())?;
        let file = ["--server-side", "--kubeconfig=kubeconfig", "--filename", manifest];
        let command = |verb| [&[verb][..], &file].concat();
        measure("apply, all new", PEER, &command("apply"), &server, theirs.path())?;
        measure("nothing to change", PEER, &command("diff"), &server, theirs.path())?;
        println!();
    }
    Ok(())
}

/// A server whose kubeconfig is in a folder, and its name.
fn start(assets: &Path, folder: &Path) -> Result<(ControlPlane, String)> {
    let server = ControlPlane::start(assets, false);
    std::fs::write(folder.join("kubeconfig"), server.kubeconfig())?;
    let name = server.name();
    Ok((server, name))
}

/// How many requests a server has answered; watches count once they end, so they do not here.
fn requests(server: &ControlPlane) -> Result<u64> {
    let (status, text) = server.send("GET", "/metrics", "", b"");
    if status != 200 {
        return Err(format!("/metrics answers {status}").into());
    }
    let counts = String::from_utf8(text)?;
    let lines = counts.lines().filter(|line| line.starts_with("apiserver_request_total{"));
    let asked = lines.filter(|line| !line.contains("verb=\"WATCH\"")).filter_map(|line| line.rsplit_once(' '));
    Ok(asked.filter_map(|(_, count)| count.parse::<f64>().ok()).sum::<f64>() as u64)
}

/// Writes a project of so many apps on the server whose kubeconfig is in the folder. They keep no data: disks take a node.
fn write_project(folder: &Path, apps: usize) -> Result<()> {
    let provider = "  driver: k3s\n  settings: {K3S_KUBECONFIG: ../../kubeconfig, K3S_CONTEXT: c}";
    write_apps(folder, apps, provider, "  ingress: {domain: apps.example.com}", |number| {
        format!(
            "  compose: |\n{}  ingress:\n    rules:\n      - {{name: main, port: 80, hosts: [a{number}.example.org]}}",
            indented(&compose(number))
        )
    })
}

/// A compose file of four services.
fn compose(number: usize) -> String {
    format!(
        r#"services:
  web:
    image: registry.example.com/team/web:1.{number}.0
    command: ["serve", "--port", "8080"]
    environment: {{APP: app{number}, CACHE_URL: "redis://cache:6379", LOG_LEVEL: info}}
    ports: ["80:8080"]
    configs: [motd]
    healthcheck: {{test: [CMD, curl, -f, "http://localhost:8080/health"], interval: 30s, retries: 3}}
    deploy: {{resources: {{limits: {{cpus: "0.5", memory: 512M}}, reservations: {{memory: 128M}}}}}}
    depends_on: [cache]
  worker:
    image: registry.example.com/team/web:1.{number}.0
    command: worker --queues default,mail --concurrency 4
    environment: [APP=app{number}, ROLE=worker]
    expose: ["9100"]
    depends_on: [cache]
  mail:
    image: registry.example.com/team/mail:2
    expose: ["25"]
  cache:
    image: redis:8
    expose: ["6379"]
configs:
  motd: {{content: "Welcome to app{number}"}}
"#
    )
}
