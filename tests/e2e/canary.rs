//! Secrets in every place where a project can have one, through a whole life cycle, on every backend of the state: searched
//! in every spelling in what was printed, in every file of the project and in whatever the server of the state keeps.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use crate::harness::backend::Backend;
use crate::harness::project::Project;
use crate::hidden::{self, INPUTS, Values};

/// Where the values are, with characters that look otherwise in JSON, in URLs, and in base64 for URLs.
const VALUES: Values = [
    ("dotenv", "Canary-Dotenv-Q1\"\\/é+&?>~r4"),
    ("env file", "Canary-EnvFile-T5\"\\/é+&?>~i8"),
    ("yaml env file", "Canary-EnvYaml-O9\"\\/é+&?>~s2"),
    ("json env file", "Canary-EnvJson-D3\"\\/é+&?>~h6"),
    ("secret file", "Canary-SecretFile-J7\"\\/é+&?>~z0"),
    ("literal", "Canary-Literal-X1\"\\/é+&?>~b4"),
    ("config", "Canary-Config-N5\"\\/é+&?>~w8"),
];

/// What the env file holds after a change.
const NEXT: &str = "Canary-Next-H4\"\\/é+&?>~u6";

/// Every spelling of a value: as is, in JSON (also in JSON within JSON, and in ASCII), in a URL, in hex, and in base64 at each of
/// the three places where it may begin in a longer text.
fn spellings(value: &str) -> Vec<String> {
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    let json = |text: &str| serde_json::to_string(text).unwrap().trim_matches('"').to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escaped = |byte: u8| if is_plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    let url: String = value.bytes().map(escaped).collect();
    let mut all = vec![value.to_owned(), json(value), json(value).replace('é', "\\u00e9"), json(&json(value))];
    all.extend([url.to_lowercase(), url, hex.to_uppercase(), hex]);
    // Without its odd end, so that a part of it is found as well.
    all.push(value.split('"').next().unwrap().to_owned());
    for engine in [STANDARD, URL_SAFE] {
        for before in 0..3 {
            let text = engine.encode([&vec![0; before], value.as_bytes()].concat());
            // What depends on the neighbours is cut off.
            all.push(text[[0, 2, 3][before]..(before + value.len()) / 3 * 4].to_owned());
        }
    }
    all
}

/// The files below these that have one of the patterns in them, in any of their bytes.
fn found(patterns: &Path, places: &[PathBuf]) -> Vec<String> {
    let mut grep = Command::new("grep");
    grep.args(["-r", "-l", "-a", "-F", "-i", "-f"]).arg(patterns).args(places).env("LC_ALL", "C");
    let output = grep.output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What a user does with an app, from its first plan to its end, and with its state.
fn life(project: &Project, home: &str) {
    project.run(&["init", "--from", "compose.yml"]).done();
    project.write(".kompox/config.yml", &format!("version: 1\nstate: {{type: sqlite, sandbox: {home}}}\n"));
    project.run(&["plan", "--verbose", "--out", "p.kplan"]).done();
    project.run(&["show", "--verbose", "--format", "json", "p.kplan"]).done();
    project.run(&["apply", "p.kplan"]).done();
    project.run(&["drift"]).done();
    project.write("web.env", &format!("A='{NEXT}'\n"));
    project.run(&["--json", "apply", "--auto-approve"]).done();
    project.run(&["--json", "state", "show", "Deployment/canary-app"]).done();
    project.run(&["--json", "state", "history"]).done();
    project.run(&["state", "verify", "--online"]).done();
    project.run(&["state", "pull", "whole.state"]).done();
    project.run(&["--json", "doctor"]);
    project.run(&["destroy", "--auto-approve"]).done();
}

fn hides(backend: Backend) {
    let Some(home) = backend.home() else { return };
    let mut project = hidden::project(&VALUES);
    home.variables.iter().for_each(|(name, value)| project.set(name, value));
    life(&project, &home.text);

    let folder = project.folder();
    let patterns = folder.join("patterns");
    let values: Vec<&str> = VALUES.iter().map(|(_, value)| *value).chain([NEXT]).collect();
    let all: Vec<String> = values.iter().copied().flat_map(spellings).collect();
    std::fs::write(&patterns, all.join("\n") + "\n").unwrap();
    let printed = folder.join("printed");
    std::fs::write(&printed, project.printed()).unwrap();

    // The pretended cloud has them, as a real one would: whoever searches finds them there.
    let world = project.root().join(".kompox/sandbox");
    assert!(!found(&patterns, std::slice::from_ref(&world)).is_empty(), "the search finds what there is");
    let inputs: Vec<PathBuf> = INPUTS.iter().map(|file| project.root().join(file)).collect();
    let is_searched = |file: &PathBuf| !file.starts_with(&world) && !inputs.contains(file);
    let mut places: Vec<PathBuf> = project.files().into_iter().filter(is_searched).collect();
    assert!(places.iter().any(|file| file.ends_with("whole.state")), "{places:?}");
    let files = places.len();
    places.push(printed);
    places.extend(backend.kept_in());
    let hits = found(&patterns, &places);
    assert_eq!(hits, [] as [&str; 0], "{}", backend.name());
    let (places, server) = (values.len(), backend.kept_in().map_or("", |_| ", all files of the server"));
    let _ = writeln!(
        std::io::stderr(),
        "\ncanary: {}: {places} values, {} spellings; {files} files, all output{server}: 0 hits",
        backend.name(),
        all.len(),
    );
}

macro_rules! no_secret_is_kept {
    ($($name:ident: $backend:ident),+) => {
        $(#[test]
        fn $name() {
            hides(Backend::$backend);
        })+
    };
}

no_secret_is_kept!(
    no_secret_is_kept_in_sqlite: File,
    no_secret_is_kept_in_a_folder: Folder,
    no_secret_is_kept_in_versitygw: Versitygw,
    no_secret_is_kept_in_azurite: Azurite,
    no_secret_is_kept_in_gcs: Gcs,
    no_secret_is_kept_in_postgres: Pgbouncer
);
