//! No secret is printed or kept, in any spelling.

use std::path::Path;

use base64::Engine as _;
use insta::assert_snapshot;
use sha2::{Digest as _, Sha256};

use crate::harness::project::Project;
use crate::hidden::{self, INPUTS, Values};

/// Every spelling in which a value must not be found: as is, in base64 at each of the three places where it may begin in
/// a longer text, in hex, and as an unkeyed digest, which could be guessed.
fn spellings(value: &str) -> Vec<Vec<u8>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut all = vec![value.to_owned(), hex(value.as_bytes()), hex(value.as_bytes()).to_uppercase()];
    all.push(hex(&Sha256::digest(value)));
    for before in 0..3 {
        let engines = [base64::engine::general_purpose::STANDARD, base64::engine::general_purpose::URL_SAFE];
        for engine in engines {
            let text = engine.encode([&vec![0; before], value.as_bytes()].concat());
            // What depends on the neighbours is cut off.
            let whole = (before + value.len()) / 3 * 4;
            all.push(text[[0, 2, 3][before]..whole].to_owned());
        }
    }
    all.into_iter().map(String::into_bytes).collect()
}

fn assert_absent(value: &str, bytes: &[u8], place: &dyn std::fmt::Display) {
    for spelling in spellings(value) {
        let found = bytes.windows(spelling.len()).any(|window| window == spelling);
        assert!(!found, "{value} is in {place} as {}", String::from_utf8_lossy(&spelling));
    }
}

/// Searches everything printed, and every file of the project but those that hold the values and the pretended cloud.
fn assert_nowhere(project: &Project, values: &[&str], inputs: &[&str]) {
    let printed = project.printed();
    let sandbox = project.root().join(".kompox/sandbox");
    let inputs: Vec<_> = inputs.iter().map(|file| project.root().join(file)).collect();
    let files: Vec<_> =
        project.files().into_iter().filter(|f| !f.starts_with(&sandbox) && !inputs.contains(f)).collect();
    let has = |name: &str| files.iter().any(|file| file.ends_with(name));
    assert!(has(".kompox/state/sandbox.db") && has("p.kplan"), "{files:?}");
    for value in values {
        assert_absent(value, &printed, &"the output");
        for file in &files {
            assert_absent(value, &std::fs::read(file).unwrap(), &file.display());
        }
    }
}

#[test]
fn a_search_finds_every_spelling() {
    let engine = base64::engine::general_purpose::STANDARD;
    for before in ["", "a", "ab", "abc"] {
        let text = engine.encode(format!("{before}Sesame-Open-42{before}"));
        let found =
            spellings("Sesame-Open-42").iter().any(|spelling| text.contains(std::str::from_utf8(spelling).unwrap()));
        assert!(found, "{text}");
    }
}

#[test]
fn a_changed_value_of_an_env_file_is_never_shown() {
    let project = Project::gitea_applied();
    let (old, new) = ("example-only-7Hq2vXr9Lm", "example-new-Wk8zQp4Dt");
    project.edit("compose-gitea.env", old, new);
    let plan = project.run(&["plan", "--detailed-exitcode", "--out", "p.kplan"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Secret/app1-app-gitea-base  2 fields change  (compose.yml:7)
          ~ data.GITEA__database__PASSWD: (sensitive) changed
          ~ metadata.annotations["kompox.dev/compose-content-hash"]: (sensitive) changed
      ~ Deployment/app1-app  spec.template.metadata.annotations["kompox.dev/compose-content-hash"] (sensitive) changed  (compose.yml:2)
          ~ spec.template.metadata.annotations["kompox.dev/compose-content-hash"]: (sensitive) changed

    Plan: 0 to create, 2 to update, 0 to delete; 31 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app  spec.template.metadata.annotations["kompox.dev/compose-content-hash"] changes

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);
    project.run(&["show", "p.kplan"]).done();
    for format in ["markdown", "json", "dot", "mermaid"] {
        project.run(&["plan", "--format", format]).done();
    }
    project.run(&["apply", "p.kplan"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
    project.run(&["state", "show", "Secret/app1-app-gitea-base"]).done();
    project.run(&["sandbox", "inspect", "--json"]).done();
    let secret = project.object("/secrets/app1-app-gitea-base");
    assert!(!secret.to_string().contains(new), "inspect hides it too: {secret}");
    assert_nowhere(&project, &[old, new], &["compose-gitea.env", "compose-postgres.env"]);
}

const COMPOSE: &str = r#"
services:
  gitea:
    image: docker.gitea.com/gitea:${TAG}
    command: ["gitea", "--token", "${API_TOKEN}"]
    environment:
      DB_PASSWORD: LiteralPass-Bz5tRw2N
      GREETING: visible-literal
      DSN: postgres://gitea:${DSN_PART}@db/gitea
    env_file:
      - compose-gitea.env
    healthcheck:
      test: ["CMD", "probe", "--auth=${PROBE_AUTH}"]
    volumes:
      - ./data/gitea:/data
    secrets:
      - signing
    configs:
      - source: app-ini
        target: /etc/app.ini
    ports:
      - "3000:3000"
secrets:
  signing:
    file: ./signing.pem
configs:
  app-ini:
    content: |
      [security]
      token = ${INI_TOKEN}
"#;

#[test]
fn no_kind_of_secret_is_printed_or_kept() {
    let project = Project::gitea();
    let values = [
        "example-only-7Hq2vXr9Lm",
        "LiteralPass-Bz5tRw2N",
        "ApiTok-Lc3vHn8Q",
        "DsnPart-Xe6uKm1J",
        "ProbeAuth-Fs4dYb7G",
        "IniTok-Po9iUy2T",
        "SigningKey-Ra5eWq3Z",
    ];
    project.write("compose.yml", COMPOSE);
    project.write("signing.pem", values[6]);
    let dot_env = |api: &str, tag: &str| {
        format!(
            "TAG={tag}\nAPI_TOKEN={api}\nDSN_PART={}\nPROBE_AUTH={}\nINI_TOKEN={}\n",
            values[3], values[4], values[5]
        )
    };
    project.write(".env", &dot_env(values[2], "1.24.6"));
    let first = project.run(&["plan", "--verbose"]).done();
    assert!(first.stdout.contains("gitea:1.24.6"), "an image tag stays visible");
    assert!(first.stdout.contains("visible-literal"), "an innocent literal stays visible");
    project.run(&["apply", "--auto-approve"]).done();
    let deployment = project.object("/deployments/app1-app");
    assert!(deployment.to_string().contains(values[2]), "the cluster gets the real value: {deployment:#}");

    let newer = ["ApiTok-New-Mw7cJx5K", "SigningNew-Ud8sVh6B", "LiteralNew-Gt3kZn9X"];
    project.write(".env", &dot_env(newer[0], "1.24.7"));
    project.write("signing.pem", newer[1]);
    project.edit("compose.yml", values[1], newer[2]);
    let plan = project.run(&["plan", "--detailed-exitcode", "--out", "p.kplan"]).exits(2);
    assert_snapshot!(project.data(&plan), @r#"
    /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
      ~ Secret/app1-app--sec-signing  2 fields change  (compose.yml:24)
          ~ data["signing.pem"]: (sensitive) changed
          ~ metadata.annotations["kompox.dev/compose-content-hash"]: (sensitive) changed
      ~ Deployment/app1-app  4 fields change  (compose.yml:3)
          ~ spec.template.metadata.annotations["kompox.dev/compose-content-hash"]: (sensitive) changed
          ~ spec.template.spec.containers[gitea].args[2]: (sensitive) changed
          ~ spec.template.spec.containers[gitea].env[DB_PASSWORD].value: (sensitive) changed
          ~ spec.template.spec.containers[gitea].image:
              - "docker.gitea.com/gitea:1.24.6"
              + "docker.gitea.com/gitea:1.24.7"

    Plan: 0 to create, 2 to update, 0 to delete; 31 unchanged

    Restarts (one replica each, down until the new one is ready):
      /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1/Deployment/app1-app  spec.template.metadata.annotations["kompox.dev/compose-content-hash"], spec.template.spec.containers[gitea].args[2], spec.template.spec.containers[gitea].env[DB_PASSWORD].value, spec.template.spec.containers[gitea].image changes

    Hosts:
      app1-13o40q-3000.cluster1.aks1.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
      gitea.custom.exp.kompox.dev  (/ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1)
    "#);
    for format in ["markdown", "json", "dot", "mermaid"] {
        project.run(&["plan", "--verbose", "--format", format]).done();
        project.run(&["show", "--verbose", "--format", format, "p.kplan"]).done();
    }
    project.run(&["render", "--out-manifest", "manifest.yml", "--out-compose", "normalised.yml"]).done();
    project.run(&["validate", "--format", "json"]).done();
    project.run(&["graph"]).done();
    project.run(&["apply", "--json", "p.kplan"]).done();
    project.run(&["drift", "--format", "json"]).done();
    for record in ["Deployment/app1-app", "Secret/app1-app--sec-signing", "ConfigMap/app1-app--cfg-app-ini"] {
        let shown = project.run(&["state", "show", record, "--json"]);
        assert!(shown.code == Some(0) || shown.stderr.contains("no "), "{}", shown.stderr);
    }
    project.run(&["state", "history", "--json"]).done();
    let all: Vec<&str> = values.iter().chain(&newer).copied().collect();
    assert_nowhere(
        &project,
        &all,
        &[".env", "signing.pem", "compose.yml", "compose-gitea.env", "compose-postgres.env"],
    );
}

#[test]
fn render_shows_secrets_only_when_asked() {
    let project = Project::gitea();
    let arguments = ["render", "--out-manifest", "-", "--out-compose", "compose.out"];
    let masked = project.run(&arguments).done();
    let again = project.run(&arguments).done();
    assert_eq!(masked.stdout, again.stdout, "rendering is stable to the byte");
    assert_absent("example-only-7Hq2vXr9Lm", masked.stdout.as_bytes(), &"the manifest");
    assert_absent("example-only-7Hq2vXr9Lm", project.read("compose.out").as_bytes(), &"the compose file");
    let shown = project.run(&["render", "--show-secrets"]).done();
    let again = project.run(&["render", "--show-secrets"]).done();
    assert_eq!(shown.stdout, again.stdout);
    let value = base64::engine::general_purpose::STANDARD.encode("example-only-7Hq2vXr9Lm");
    assert!(shown.stdout.contains(&value) || shown.stdout.contains("example-only-7Hq2vXr9Lm"), "{}", shown.stdout);
    let masked_part = masked.stdout.split("---\n").find(|part| part.contains("app1-app-postgres-base\n")).unwrap();
    assert_snapshot!(masked_part, @"
    apiVersion: v1
    data:
      POSTGRES_DB: (sensitive)
      POSTGRES_PASSWORD: (sensitive)
      POSTGRES_USER: (sensitive)
    kind: Secret
    metadata:
      annotations:
        kompox.dev/compose-content-hash: (sensitive)
      labels:
        app: app1-app
        app.kubernetes.io/component: app
        app.kubernetes.io/instance: app1-2aopo7
        app.kubernetes.io/managed-by: kompox
        app.kubernetes.io/name: app1
        kompox.dev/app-id-hash: 13o40q
        kompox.dev/app-instance-hash: 2aopo7
      name: app1-app-postgres-base
      namespace: k4x-50vf7y-app1-13o40q
    type: Opaque
    ");
    assert!(!Path::new(&project.root().join(".kompox/state")).exists(), "rendering needs and makes no state");
}

/// Values that nobody else may see.
const HIDDEN: Values = [
    ("dotenv", "Hidden-Dotenv-Q1w2E3r4"),
    ("env file", "Hidden-EnvFile-T5y6U7i8"),
    ("yaml env file", "Hidden-EnvYaml-O9p0A1s2"),
    ("json env file", "Hidden-EnvJson-D3f4G5h6"),
    ("secret file", "Hidden-SecretFile-J7k8L9z0"),
    ("literal", "Hidden-Literal-X1c2V3b4"),
    ("config", "Hidden-Config-N5m6Q7w8"),
];

fn values() -> Vec<&'static str> {
    HIDDEN.iter().map(|(_, value)| *value).collect()
}

/// Every command that reads a compose file, on one that is right.
#[test]
fn no_command_shows_what_a_compose_file_hides() {
    let project = hidden::project(&HIDDEN);
    project.run(&["init", "--from", "compose.yml"]).done();
    for format in ["text", "json", "sarif"] {
        project.run(&["validate", "--format", format]).done();
    }
    project.run(&["--json", "validate"]).done();
    // This one reads as `docker compose` does, for which env files have one format.
    project.edit("compose.yml", "[web.env, web.env.yml, web.env.json]", "[web.env]");
    for format in ["yaml", "json"] {
        project.run(&["compose", "config", "--format", format]).done();
    }
    project.write("compose.yml", &hidden::compose(&HIDDEN));
    project.run(&["render", "--out-manifest", "-"]).done();
    project.run(&["render", "--out-compose", "-"]).done();
    project.run(&["render", "--out-manifest", "objects.yml", "--out-compose", "normal.yml"]).done();
    project.run(&["plan", "--out", "p.kplan"]).done();
    for format in ["text", "markdown", "json", "mermaid", "dot"] {
        project.run(&["plan", "--format", format]).done();
    }
    project.run(&["apply", "p.kplan"]).done();
    project.run(&["drift"]).done();
    project.run(&["graph", "--format", "mermaid"]).done();
    project.run(&["state", "show", "Secret/canary-app-web-base"]).done();
    project.edit("compose.yml", "    depends_on: [db]\n", "    depends_on: [db]\n    user: \"1000\"\n");
    project.run(&["--json", "apply", "--auto-approve"]).done();
    project.run(&["destroy", "--auto-approve"]).done();
    assert_nowhere(&project, &values(), &INPUTS);
    // The pretended cloud has them, as a real one would, and nobody but its owner reads it.
    #[cfg(unix)]
    for path in [".kompox/sandbox", ".kompox/sandbox/world.db", ".kompox/state", ".kompox/state/sandbox.db"] {
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &std::fs::metadata(project.root().join(path)).unwrap().permissions(),
        );
        assert_eq!(mode & 0o077, 0, "{path} has the mode {mode:o}");
    }
}

/// The same on files that are wrong at the very line of the secret.
#[test]
fn no_error_shows_what_a_line_hides() {
    let literal = hidden::at(&HIDDEN, "literal");
    let colon = format!("DB_PASSWORD: '{literal}'");
    let breaks: Vec<(&str, String, String)> = vec![
        ("compose.yml", colon.clone(), format!("DB_PASSWORD: [{literal}")),
        ("compose.yml", colon.clone(), format!("DB_PASSWORD: [{literal}]")),
        ("compose.yml", colon.clone(), format!("DB_PASSWORD {literal}")),
        ("compose.yml", colon.clone(), format!("DB_PASSWORD: \"{literal}")),
        ("compose.yml", colon.clone(), format!("DB_PASSWORD: '{literal} ${{'")),
        ("compose.yml", colon, format!("DB_PASSWORD: {{{literal}: 1}}")),
        ("compose.yml", "\"--auth=${PART}\"], start".into(), "\"--auth=${PART}\", 5: 6], start".into()),
        ("compose.yml", "[\"serve\", \"--auth=${PART}\"]".into(), "\"serve '--auth=${PART}\"".into()),
        ("compose.yml", "configs: {ini: {content: ".into(), "configs: {ini: {contnt: ".into()),
        ("compose.yml", "    environment: [".into(), "    enviroment: [".into()),
        (".env", "PART=".into(), "PART ".into()),
        (".env", "PART=".into(), "PART='".into()),
        (".env", "PART=".into(), "PART=\"${X".into()),
        ("web.env", "A=".into(), "A ".into()),
        ("web.env", "A=".into(), "A='".into()),
        ("web.env", "A=".into(), "A=\u{1}".into()),
        ("web.env", "A=".into(), "1A=".into()),
        ("web.env.yml", "B: ".into(), "B: [".into()),
        ("web.env.yml", "B: ".into(), "B: [1, ".into()),
        ("web.env.json", "\"C\": \"".into(), "\"C\": [\"".into()),
        ("web.env.json", "\"C\": \"".into(), "\"C\": x\"".into()),
    ];
    for (number, (file, from, to)) in breaks.iter().enumerate() {
        let project = hidden::project(&HIDDEN);
        if number % 2 == 0 {
            project.run(&["init", "--from", "compose.yml"]).done();
        }
        project.edit(file, from, to);
        project.run(&["init", "--from", "compose.yml"]);
        for command in [
            &["validate"][..],
            &["validate", "--strict"],
            &["validate", "--format", "json"],
            &["validate", "--format", "sarif"],
            &["compose", "config"],
            &["compose", "config", "--format", "json"],
            &["render", "--out-compose", "-"],
            &["render"],
            &["plan"],
            &["plan", "--format", "markdown"],
            &["apply", "--auto-approve"],
        ] {
            project.run(command);
        }
        for value in values() {
            assert_absent(value, &project.printed(), &format!("what is said of {file} with {to:?}"));
        }
    }
}

/// A credential in the single file of old is neither shown nor written a second time.
#[test]
fn a_credential_of_the_legacy_file_stays_there() {
    let project = Project::empty("legacy");
    let credential = "Hidden-Credential-E9r8T7y6";
    project.write("compose.yml", "services:\n  web: {image: \"web:1\", ports: [\"8080:80\"]}\n");
    let legacy = format!(
        "version: v1\nworkspace: {{name: ops}}\n\
         provider: {{settings: {{AZURE_CLIENT_SECRET: {credential}, AZURE_LOCATION: x}}, name: p, driver: aks}}\n\
         cluster: {{name: c, ingress: {{domain: x.example.com}}}}\napp: {{name: a, compose: \"file:compose.yml\"}}\n"
    );
    project.write("kompoxops.yml", &legacy);
    for format in ["text", "json", "sarif"] {
        project.run(&["validate", "--format", format]).exits(1);
    }
    let words = project.run(&["init", "--from", "kompoxops.yml"]).exits(1).stderr;
    let told = "AZURE_CLIENT_SECRET is a credential and was left out: set the environment variable AZURE_CLIENT_SECRET";
    assert!(words.contains(told), "{words}");
    project.run(&["validate"]).exits(1);
    assert_absent(credential, &project.printed(), &"the output");
    for file in project.files().into_iter().filter(|file| !file.ends_with("kompoxops.yml")) {
        assert_absent(credential, &std::fs::read(&file).unwrap(), &file.display());
    }
}
