//! Whatever `init` writes is valid: compose projects made by chance, of every form that services, ports, volumes and
//! files may have. Where one cannot work, `init` says so at a line of it, and never at one that it wrote itself.
//!
//! `KOMPOX_INIT_GENERATED=5000 KOMPOX_INIT_SEED=7` searches longer and elsewhere; `KOMPOX_INIT_KEEP=DIR` keeps the
//! projects that are valid.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use super::frame::Frame;
use super::{draft, folder, identity, planned};
use crate::cli::error::CliError;
use crate::cli::flow::offline::offline;
use crate::cli::global::Global;
use crate::compose::gate::Gate;
use crate::diag::{Diagnostics, Severity};
use crate::resources::drivers;
use crate::resources::expand::Keep;

/// Numbers that look random and are the same every time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.roll() % bound.max(1) as u64) as usize
    }

    fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }
}

/// A compose project: its files, the first being the compose file.
fn project(seed: u64) -> (String, Vec<(String, String)>) {
    let dice = &mut Dice(seed);
    let folder = dice.one(&[
        "app",
        "My App",
        "2048",
        "null",
        "Ünïcode",
        "a-very-long-folder-name-that-goes-on-and-on",
        "x.y",
        "-",
    ]);
    let mut files: Vec<(String, String)> = Vec::new();
    let mut out = String::new();
    if dice.percent(30) {
        let name = dice.one(&["shop", "my_shop", "0day", "a-name-of-a-project-that-is-rather-long", "true"]);
        let _ = writeln!(out, "name: \"{name}\"");
    }
    out.push_str("services:\n");
    let services = 1 + dice.below(7);
    let mut names: Vec<String> = Vec::new();
    let mut host = 8000;
    for _ in 0..services {
        let name = service_name(dice);
        if names.contains(&name) {
            continue;
        }
        service(dice, &mut out, &name, &names, &mut host, &mut files);
        names.push(name);
    }
    out.push_str("volumes:\n");
    for name in NAMED {
        let tail = match dice.below(12) {
            0 => "{external: true}",
            1 => "{name: shared}",
            2 => "{driver_opts: {type: none, o: bind, device: /srv/x}}",
            3 => "{driver: local}",
            _ => "",
        };
        let _ = writeln!(out, "  {name}: {tail}");
    }
    out.push_str("networks: {front: , back: }\nconfigs:\n  plain: {file: ./conf/plain.conf}\n  inline: {content: \"a: ${A:-b}\"}\n  Up_Case: {file: ./conf/pw.ini}\nsecrets:\n  token: {file: ./conf/token.txt}\n  of_env: {environment: HOME_SECRET}\n");
    for (file, text) in [
        ("conf/plain.conf", "server { listen 8088; proxy_pass http://web:80; }\n"),
        ("conf/pw.ini", "password = hunter2\n"),
        ("conf/token.txt", "x\n"),
        ("conf.d/a.conf", "a\n"),
        ("conf.d/b b.conf", "b\n"),
        ("conf.d/.hidden", "b\n"),
        ("src/main.py", "print()\n"),
        ("data/x.bin", "\u{0}"),
        ("a.env", "A=1\n"),
        ("run.sh", "#!/bin/sh\n"),
        ("Dockerfile", "FROM x\nCOPY . .\n"),
        ("ünï/côde.txt", "x\n"),
    ] {
        files.push((file.to_owned(), text.to_owned()));
    }
    if dice.percent(20) {
        files.push((".env".to_owned(), "A=1\nHOME_SECRET=x\nCOMPOSE_PROFILES=debug,\n".to_owned()));
    }
    files.insert(0, ("compose.yml".to_owned(), out));
    (folder.to_owned(), files)
}

const NAMED: [&str; 9] =
    ["data", "pg_data", "pg-data", "Default", "default", "cfg-plain", "a-very-long-volume-name-", "x.y", "sec-token"];

fn service_name(dice: &mut Dice) -> String {
    let names = [
        "web",
        "db",
        "api",
        "app",
        "box",
        "worker",
        "cache",
        "administration",
        "hoppscotch-app",
        "a-b-c-d-e-f-g-h-i-j",
        "main",
        "x",
        "proxy",
        "front-end",
        "service-with-a-long-name-of-more-than-thirty",
        "port-8000",
        "null",
        "geo",
    ];
    if dice.percent(3) {
        return match dice.below(6) {
            0 => "my_db".to_owned(),
            1 => "Web".to_owned(),
            2 => "a.b".to_owned(),
            3 => "n".repeat(63 + dice.below(3)),
            4 => "2fa".to_owned(),
            _ => format!("{}-app", dice.one(&["app", "shop", "x"])),
        };
    }
    dice.one(&names).to_owned()
}

fn service(
    dice: &mut Dice,
    out: &mut String,
    name: &str,
    others: &[String],
    host: &mut u16,
    files: &mut Vec<(String, String)>,
) {
    let _ = writeln!(out, "  \"{name}\":");
    let image = dice.one(&[
        "nginx",
        "postgres:17",
        "x",
        "registry.example.com:5000/a/b:c",
        "mysql",
        "redis:7",
        "nextcloud:fpm",
        "drupal",
        "wordpress",
        "traefik",
        "httpd:2@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ]);
    match dice.below(10) {
        0 => out.push_str("    build: .\n"),
        1 => out.push_str("    build: {context: ./src, dockerfile: ../Dockerfile}\n"),
        2 => {
            let _ = writeln!(out, "    build: {{context: .}}\n    image: mine");
        }
        _ => {
            let _ = writeln!(out, "    image: {image}");
        }
    }
    for _ in 0..dice.below(4) {
        if !out.ends_with("ports:\n")
            && !out.lines().rev().take_while(|line| !line.starts_with("  \"")).any(|line| line == "    ports:")
        {
            out.push_str("    ports:\n");
        }
        let target = [80, 443, 3000, 8080, 5432, 22, 65535, 53][dice.below(8)];
        *host += 1 + dice.below(3) as u16;
        let host = if dice.percent(2) { 8001 } else { *host };
        let port = match dice.below(14) {
            0 => format!("\"{target}\""),
            1 => format!("127.0.0.1:{host}:{target}"),
            2 => format!("\"[::1]:{host}:{target}\""),
            3 => format!("\"{}-{}:9000-9002\"", u32::from(host) + 1000, u32::from(host) + 1002),
            4 => format!("\"{host}:{target}/udp\""),
            5 => format!("{{target: {target}, published: \"{host}\"}}"),
            6 => format!("{{target: {target}, published: \"{host}\", host_ip: 127.0.0.1, protocol: tcp, mode: host}}"),
            7 => format!("{{target: {target}}}"),
            8 => format!("{target}"),
            9 => format!("\"0.0.0.0:{host}:{target}\""),
            10 => format!("\"127.0.0.1::{target}\""),
            11 => format!("\"${{PORT_{host}:-{host}}}:{target}\""),
            _ => format!("\"{host}:{target}\""),
        };
        let _ = writeln!(out, "      - {port}");
    }
    volumes(dice, out);
    if dice.percent(20) {
        let profile = dice.one(&["[debug]", "[\"\"]", "[\"${P:-}\"]", "[debug, tools]", "[]", "[\"\", debug]"]);
        let _ = writeln!(out, "    profiles: {profile}");
    }
    if dice.percent(15) {
        let uses = dice.one(&[
            "[plain]",
            "[inline, plain]",
            "[{source: plain, target: /etc/nginx/conf.d/default.conf, mode: 0440}]",
            "[Up_Case]",
        ]);
        let _ = writeln!(out, "    configs: {uses}");
    }
    if dice.percent(15) {
        let uses = dice.one(&["[token]", "[{source: token, target: /run/t, uid: \"1\"}]", "[token, of_env]"]);
        let _ = writeln!(out, "    secrets: {uses}");
    }
    if dice.percent(20) {
        let uses = dice.one(&[
            "a.env",
            "[a.env, ./a.env]",
            "[{path: missing.env, required: false}]",
            "missing.env",
            ".env",
            "[../x.env, a.env]",
            "[/etc/x.env]",
        ]);
        let _ = writeln!(out, "    env_file: {uses}");
    }
    if dice.percent(30) {
        let environment = dice.one(&[
            "{A: \"1\", B: , C: null, D: true}",
            "[A=1, B, \"C=x y\"]",
            "{URL: \"http://web/v1\", DB: \"postgres://u:p@db/x\"}",
            "{VIRTUAL_HOST: a.example.com, VIRTUAL_PORT: \"8080\"}",
            "{PASSWORD: \"${PASSWORD:?set it}\", EMPTY: \"${NOTHING}\"}",
            "[\"A=$$x\", \"LONG=${A:-${B:-c}}\"]",
        ]);
        let _ = writeln!(out, "    environment: {environment}");
    }
    if dice.percent(20) {
        let test = dice.one(&[
            "{test: [CMD, curl, \"http://localhost/\"]}",
            "{test: \"nc -z localhost 8080\", interval: 5s, retries: 3, start_period: 1m}",
            "{test: [NONE]}",
            "{disable: true}",
            "{test: [CMD-SHELL, \"pg_isready -U $$USER\"], timeout: 1m30s}",
        ]);
        let _ = writeln!(out, "    healthcheck: {test}");
    }
    if dice.percent(25) && !others.is_empty() {
        let other = &others[dice.below(others.len())];
        let condition =
            dice.one(&["service_started", "service_healthy", "service_completed_successfully", "service_started"]);
        let _ = match dice.below(3) {
            0 => writeln!(out, "    depends_on: [\"{other}\"]"),
            1 => writeln!(out, "    depends_on: {{\"{other}\": {{condition: {condition}}}}}"),
            _ => writeln!(out, "    depends_on: {{\"{other}\": {{condition: {condition}, required: false}}}}"),
        };
    } else if dice.percent(8) && !others.is_empty() {
        let _ = writeln!(out, "    network_mode: \"service:{}\"", others[dice.below(others.len())]);
    } else if dice.percent(20) {
        out.push_str("    networks: {front: {aliases: [www]}, back: }\n");
    }
    for (chance, line) in [
        (15, "restart: on-failure"),
        (15, "restart: \"no\""),
        (10, "restart: unless-stopped"),
        (10, "command: [\"sh\", \"-c\", \"echo $$A\"]"),
        (10, "entrypoint: sh -c 'sleep 1'"),
        (10, "expose: [\"3000\", 9000-9002]"),
        (10, "labels: [\"traefik.http.services.w.loadbalancer.server.port=8065\"]"),
        (5, "user: \"1000:1000\""),
        (5, "deploy: {resources: {limits: {cpus: \"0.5\", memory: 256M}}}"),
        (5, "tmpfs: [/tmp, \"/run:size=64m\"]"),
        (5, "container_name: the_container"),
        (5, "hostname: some.host"),
        (5, "stop_grace_period: 30s"),
        (5, "shm_size: 128m"),
        (5, "logging: {driver: json-file}"),
    ] {
        let key = line.split(':').next().unwrap_or("");
        let own = out
            .lines()
            .rev()
            .take_while(|line| !line.starts_with("  \""))
            .any(|known| known.trim_start().starts_with(&format!("{key}:")));
        if dice.percent(chance) && !own {
            let _ = writeln!(out, "    {line}");
        }
    }
    let _ = files;
}

fn volumes(dice: &mut Dice, out: &mut String) {
    let count = dice.below(5);
    if count == 0 {
        return;
    }
    out.push_str("    volumes:\n");
    for index in 0..count {
        let target = match dice.below(9) {
            0 => "/var/lib/data/files".to_owned(),
            1 => format!("/srv/{index}/cache/files"),
            2 => "/app/node_modules".to_owned(),
            3 => format!("/Ünï/{index}"),
            4 => format!("/a b/{index}"),
            5 => "/usr/share/nginx/html".to_owned(),
            _ => format!("/t{index}"),
        };
        let named = dice.one(&NAMED);
        let bind = dice.one(&[
            "./data",
            "./Data",
            "./data/db",
            "./new",
            ".",
            "./src",
            "./conf",
            "/srv/media",
            "/srv/Media/x",
            "~/music",
            "../shared",
            "../shared/x",
            "./web/files",
            "./ünï",
            "./a/../data",
            "/etc/localtime",
            "/var/run/docker.sock",
            "/dev/dri",
            "/",
            "..",
            "~",
        ]);
        let file =
            dice.one(&["./conf/plain.conf", "./run.sh", "./conf/token.txt", "./.env", "./ünï/côde.txt", "./no.conf"]);
        let read_only = if dice.percent(30) { ":ro" } else { "" };
        let volume = match dice.below(12) {
            0..=2 => format!("\"{named}:{target}{read_only}\""),
            3..=5 => format!("\"{bind}:{target}{read_only}\""),
            6 => format!("\"{file}:{target}/f.conf{read_only}\""),
            7 | 8 => format!("\"{target}\""),
            9 => format!("{{type: volume, source: {named}, target: \"{target}\", volume: {{nocopy: true}}}}"),
            10 => format!("{{type: tmpfs, target: \"{target}\", tmpfs: {{size: 1000000}}}}"),
            _ => format!("{{type: bind, source: ./conf.d, target: \"{target}\", read_only: true}}"),
        };
        let _ = writeln!(out, "      - {volume}");
    }
}

enum Outcome {
    Valid,
    Refused,
}

/// Every error has a line of a file that is not ours.
fn told(findings: &Diagnostics, step: &str) -> Result<Outcome, String> {
    let ours = ["kompoxapp.yml", "compose.kompox.yml"];
    for finding in findings.iter().filter(|finding| finding.severity == Severity::Error) {
        let at = finding.location.as_ref().filter(|at| at.line > 0 && !ours.contains(&&*at.file));
        if at.is_none() {
            return Err(format!(
                "{step}: {finding}\n{}",
                finding.help.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
            ));
        }
    }
    Ok(Outcome::Refused)
}

fn global(folder: &Path) -> Global {
    Global {
        directory: Some(folder.to_owned()),
        kompox_root: None,
        kompox_dir: None,
        kom_paths: Vec::new(),
        kom_app: None,
        app_id: None,
        app_name: None,
        cluster_id: None,
        cluster_name: None,
        sandbox: true,
        sandbox_endpoint: None,
        json: false,
        no_color: true,
        lock_timeout: 0,
        env_allow: None,
        allow_exec: false,
        revision: None,
        called: String::new(),
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

fn check(seed: u64) -> Result<Outcome, String> {
    let (name, files) = project(seed);
    let outer = tempfile::tempdir().unwrap();
    let root = outer.path().join(name);
    files.iter().for_each(|(path, text)| write(&root, path, text));
    let environment = BTreeMap::from([("HOME".to_owned(), "/home/tester".to_owned())]);
    let draft = match draft::read(&[root.join("compose.yml")], &Gate::new(environment, None)) {
        Ok(draft) => draft,
        Err(draft::DraftError::Wrong(findings)) => return told(&findings, "reading"),
        Err(other) => return Err(other.to_string()),
    };
    let app = super::identity::name_of(&draft);
    let mut place = identity::Place::of_folder(&draft.root, &[]);
    let frame = Frame::of(drivers::find("aks").expect("registered"), &mut place, &global(&root));
    let planned = match planned(&draft, &app, &place, &frame) {
        Ok(planned) => planned,
        Err(CliError::Diagnostics(findings)) => return told(&findings, "planning"),
        Err(other) => return Err(format!("{other:?}")),
    };
    // The schema, which is for editors, takes long to make.
    write(&root, ".kompox/config.yml", super::CONFIG);
    for (path, text) in &planned.files {
        assert!(!root.join(path).exists(), "{path} is overwritten");
        write(&root, path, text);
    }
    let shown = || {
        let ours = planned.files.iter().filter(|(path, _)| path != ".env");
        ours.map(|(path, text)| format!("--- {path}\n{text}")).collect::<String>()
    };
    match offline(&global(&root), Keep::Graph) {
        Ok((_, findings)) if !findings.has_errors() => {
            if let Ok(keep) = std::env::var("KOMPOX_INIT_KEEP") {
                let kept = Path::new(&keep).join(seed.to_string());
                for (path, text) in files.iter().chain(&planned.files).chain(&folder().unwrap()) {
                    write(&kept, path, text);
                }
            }
            Ok(Outcome::Valid)
        }
        Ok((_, findings)) | Err(CliError::Diagnostics(findings)) => {
            told(&findings, "checking").map_err(|error| format!("{error}\n{}", shown()))
        }
        Err(other) => Err(format!("{other:?}\n{}", shown())),
    }
}

#[test]
fn whatever_is_written_is_valid_or_refused_at_a_line_of_the_users() {
    let number = |name: &str, default: u64| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let (count, first) = (number("KOMPOX_INIT_GENERATED", 200), number("KOMPOX_INIT_SEED", 1));
    let mut valid = 0;
    let mut failed: Vec<String> = Vec::new();
    for seed in first..first + count {
        match check(seed) {
            Ok(Outcome::Valid) => valid += 1,
            Ok(Outcome::Refused) => {}
            Err(error) => failed.push(format!("=== seed {seed}: {error}\n--- compose.yml\n{}", project(seed).1[0].1)),
        }
    }
    let heads = || failed.iter().filter_map(|one| one.lines().next()).collect::<Vec<_>>().join("\n");
    let shown = || failed.iter().take(3).cloned().collect::<String>();
    assert!(failed.is_empty(), "{} of {count}\n{}\n{}", failed.len(), heads(), shown());
    assert!(valid * 3 > count, "too few of {count} projects are valid to tell anything: {valid}");
}
