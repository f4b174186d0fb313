//! The single file of old, in every spelling that it has had.

use super::*;
use crate::diag::Location;
use crate::kom::legacy::rewrite;
use crate::kom::model::{ComposeSource, Project};

/// The form that the last version of the single file had.
const CURRENT: &str = "version: v1
workspace:
  name: ops
provider:
  name: aks1
  driver: aks
  settings:
    AZURE_AUTH_METHOD: azure_cli
    AZURE_SUBSCRIPTION_ID: 9473abf6-f25e-420e-b3f2-128c1c7b46f2
    AZURE_LOCATION: eastus
cluster:
  name: cluster1
  existing: false
  ingress:
    certEmail: ops@example.com
    certResolver: staging
    domain: apps.example.com
    certificates:
      - name: wild
        source: https://kv1.vault.azure.net/secrets/wild
  settings:
    AZURE_AKS_SYSTEM_VM_ZONES:
    AZURE_AKS_USER_VM_ZONES: 1
app:
  name: app1
  compose: file:compose.yml
  ingress:
    certResolver: staging
    rules:
      - name: main
        port: 3000
        hosts: [git.example.org]
  deployment:
    zone: \"1\"
  volumes:
    - name: default
      size: 10Gi
      options:
        sku: PremiumV2_LRS
";

fn load_legacy(text: &str) -> Result<Loaded, Diagnostics> {
    Folder::new(&[("kompoxops.yml", text)]).load()
}

/// A project without the places of its parts.
fn shape(project: &Project) -> String {
    let text = format!("{project:#?}");
    let places = regex::Regex::new(
        r#"(?s)Location \{.*?\},|doc_index: \d+|file: "[^"]*"|base_dir: "[^"]*"|"ops.kompox.dev/doc-[a-z]+": "[^"]*",|InlineTree\(.*?\)|index: \{.*\},"#,
    );
    places.unwrap().replace_all(&text, "").into_owned()
}

#[track_caller]
fn warned(result: &Result<Loaded, Diagnostics>) -> Vec<String> {
    let found = findings(result);
    let (old, rest): (Vec<String>, Vec<String>) =
        found.into_iter().partition(|line| line.contains("is the older format"));
    assert_eq!(old.len(), 1, "{rest:?}");
    assert!(old[0].starts_with("warning[legacy-file] kompoxops.yml:1:1"), "{old:?}");
    assert!(old[0].contains("kompox init --from kompoxops.yml"), "{old:?}");
    rest
}

#[test]
fn it_loads_where_it_is_the_only_input() {
    let folder = Folder::bare(&[("kompoxops.yml", CURRENT)]);
    let result = folder.load();
    assert_eq!(warned(&result), [""; 0]);
    let project = result.unwrap().project;
    let ids: Vec<&str> = project.metas().map(|meta| meta.id.as_str()).collect();
    assert_eq!(
        ids,
        ["/ws/ops", "/ws/ops/prv/aks1", "/ws/ops/prv/aks1/cls/cluster1", "/ws/ops/prv/aks1/cls/cluster1/app/app1"]
    );
    let app = &project.apps[0];
    assert_eq!(project.default_app.as_ref(), Some(&app.meta.id));
    assert!(app.meta.in_app_file, "it may refer to local files");
    assert_eq!(app.base_dir, folder.path("").canonicalize().unwrap());
    assert_eq!(app.meta.location, Location::new("kompoxops.yml", 24, 1));
    assert_eq!(project.clusters[0].settings.value("AZURE_AKS_SYSTEM_VM_ZONES"), Some(""));
}

#[test]
fn it_is_no_input_beside_kom() {
    let folder = Folder::new(&[("kompoxops.yml", CURRENT), (".kompox/kom/a.yml", &ground())]);
    let found = findings(&folder.load());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("warning[legacy-file] kompoxops.yml is not read: the project has KOM"), "{found:?}");
    folder.write("kompoxapp.yml", &ground());
    fs::remove_file(folder.path(".kompox/kom/a.yml")).unwrap();
    assert_eq!(findings(&folder.load()), [""; 0], "kompoxapp.yml has taken its place");
    folder.write("kompoxapp.yml", &format!("{}{CURRENT}", ground()));
    let found = lines(&errors(folder.load()));
    assert!(
        found[0].starts_with("error[legacy-file] kompoxapp.yml:28:1: this is the legacy single-file format, which"),
        "{found:?}"
    );
}

#[test]
fn rewritten_it_is_the_same_project() {
    for text in [CURRENT, DRAFT, SECOND] {
        let before = load_legacy(text).unwrap().project;
        let rewritten = rewrite(&Source::new("kompoxops.yml", text)).unwrap().text;
        let after = Folder::new(&[("kompoxapp.yml", &rewritten)]).load();
        assert_eq!(findings(&after), [""; 0], "{rewritten}");
        let (before, after) = (shape(&before), shape(&after.unwrap().project));
        for (before, after) in before.lines().zip(after.lines()) {
            assert_eq!(before, after, "{rewritten}");
        }
        assert_eq!(before.len(), after.len());
    }
}

/// The form of the command line's first description: `service`, an inline compose file, a bare list of rules.
const SECOND: &str = "version: v1
service:
  name: ops
provider:
  name: aks1
  driver: aks
  settings:
    AZURE_AUTH_METHOD: azure_cli
cluster:
  name: cluster1
  ingress: {controller: traefik, namespace: traefik, domain: ops.example.com}
app:
  name: app1
  compose:
    services:
      app:
        image: ghcr.io/kompox/app
        ports: [\"8080:80\", \"8081:8080\"]
        x-kompox:
          resources: {cpu: 100m}
  ingress:
    - name: main
      port: 8080
      hosts: [www.example.org]
    - name: admin
      port: 8081
      hosts: [admin.example.org]
  volumes:
    - name: default
      size: 32Gi
    - name: db
      size: 64Gi
";

/// The form of the first draft.
const DRAFT: &str = "version: 1
service:
  name: ops
  domain: ops.example.com
cluster:
  name: my-aks
  auth:
    type: kubectl
    kubeconfig: ~/.kube/config
    context: my-aks
  ingress:
    controller: traefik
    namespace: traefik
  provider: aks
  settings:
    AZURE_TOKEN_CREDENTIALS: dev
    AZURE_TENANT_ID: t
    AZURE_SUBSCRIPTION_ID: s
    AZURE_RESOURCE_GROUP_NAME: rg-myapp
    AZURE_LOCATION: japaneast
app:
  name: my-app
  compose: compose.yml
  ingress:
    http_80: www.example.org
    http_8080: admin.example.org
  resources:
    cpu: 500m
    memory: 1Gi
  settings:
    AZURE_DISK_SIZE: 50
    AZURE_DISK_TYPE: Standard_LRS
";

#[test]
fn a_service_and_a_bare_list_of_rules_load() {
    let result = load_legacy(SECOND);
    assert_eq!(warned(&result), [""; 0]);
    let project = result.unwrap().project;
    let app = &project.apps[0];
    let rules: Vec<(&str, u16, &str)> =
        app.ingress.rules.iter().map(|rule| (rule.name.as_str(), rule.port, rule.hosts[0].value.as_str())).collect();
    assert_eq!(rules, [("main", 8080, "www.example.org"), ("admin", 8081, "admin.example.org")]);
    assert!(matches!(app.compose, ComposeSource::InlineTree(_)));
    assert_eq!(app.volumes.len(), 2);
}

#[test]
fn the_first_draft_loads() {
    let result = load_legacy(DRAFT);
    let said = warned(&result);
    let starts = [
        "warning[legacy-domain] kompoxops.yml:4:3: the service's \"domain\" becomes the cluster's `ingress.domain`",
        "warning[legacy-auth] kompoxops.yml:7:3: the cluster's \"auth\" is not read",
        "note[legacy-provider] kompoxops.yml:14:3: the cluster names its driver \"aks\"",
    ];
    assert_eq!(said.len(), starts.len(), "{said:#?}");
    for (line, start) in said.iter().zip(starts) {
        assert!(line.starts_with(start), "{said:#?}");
    }
    let project = result.unwrap().project;
    let provider = &project.providers[0];
    assert_eq!(provider.meta.id.as_str(), "/ws/ops/prv/aks");
    let settings: Vec<(&str, &str)> =
        provider.settings.iter().map(|(key, value)| (key.as_str(), value.value.as_str())).collect();
    assert_eq!(
        settings,
        [
            ("AZURE_AUTH_METHOD", "azure_cli"),
            ("AZURE_LOCATION", "japaneast"),
            ("AZURE_SUBSCRIPTION_ID", "s"),
            ("AZURE_TENANT_ID", "t")
        ]
    );
    let cluster = &project.clusters[0];
    assert_eq!(cluster.existing, Some(true));
    assert_eq!(cluster.ingress.domain.as_deref(), Some("my-aks.ops.example.com"));
    assert_eq!(cluster.settings.keys().collect::<Vec<_>>(), ["AZURE_RESOURCE_GROUP_NAME"]);
    let app = &project.apps[0];
    let ComposeSource::File(files) = &app.compose else { panic!("{:?}", app.compose) };
    assert_eq!((files[0].value.as_str(), &files[0].location), ("compose.yml", &Location::new("kompoxops.yml", 23, 12)));
    let rules: Vec<(&str, u16, &str)> =
        app.ingress.rules.iter().map(|rule| (rule.name.as_str(), rule.port, rule.hosts[0].value.as_str())).collect();
    assert_eq!(rules, [("http-80", 80, "www.example.org"), ("http-8080", 8080, "admin.example.org")]);
    let volume = &app.volumes[0];
    assert_eq!((volume.name.as_str(), volume.size_bytes), ("default", Some(50 << 30)));
    assert_eq!(volume.options["sku"].value, "Standard_LRS");
    assert!(app.settings.is_empty());
}

#[test]
fn what_is_wrong_in_it_is_said_at_its_place() {
    let with = |from: &str, to: &str, text: &str| {
        assert_eq!(text.matches(from).count(), 1, "{from}");
        text.replace(from, to)
    };
    for (text, expected) in [
        (
            with("version: v1", "version: v2", CURRENT),
            "error[kom-value] kompoxops.yml:1:10: \"version\" cannot be \"v2\" | it is v1",
        ),
        (
            with("app:\n  name: app1", "app:\n  nane: app1", CURRENT),
            "error[kom-required] kompoxops.yml:25:3: the app has no \"name\"",
        ),
        (
            with("name: app1", "name: App", CURRENT),
            "error[kom-name] kompoxops.yml:25:9: \"name\" of the app cannot be \"App\"",
        ),
        (
            with("provider:", "providers:", CURRENT),
            "error[kom-unknown-key] kompoxops.yml:4:1: the legacy file has no key \"providers\" | did you mean \"provider\"?",
        ),
        (
            with("    zone: \"1\"", "    zonee: \"1\"", CURRENT),
            "error[kom-unknown-key] kompoxops.yml:34:5: the deployment of an App has no key \"zonee\" | did you mean \"zone\"?",
        ),
        (with("port: 3000", "port: 70000", CURRENT), "error[kom-value] kompoxops.yml:31:15: \"port\" cannot be 70000"),
        (
            with("driver: aks", "driver: azure", CURRENT),
            "error[kom-value] kompoxops.yml:6:11: \"driver\" cannot be \"azure\"",
        ),
        (
            format!("{CURRENT}service: {{name: x}}\n"),
            "error[kom-exclusive] kompoxops.yml:40:1: \"workspace\" and \"service\" are the same thing",
        ),
        (with("http_80:", "http_x:", DRAFT), "error[kom-unknown-key] kompoxops.yml:25:5: \"http_x\" names no port"),
        (
            with("http_80: www.example.org", "http_80: WWW", DRAFT),
            "error[kom-host] kompoxops.yml:25:14: \"WWW\" is no host name",
        ),
        (
            with("AZURE_TOKEN_CREDENTIALS: dev", "AZURE_TOKEN_CREDENTIALS: prod", DRAFT),
            "error[kom-value] kompoxops.yml:16:30: AZURE_TOKEN_CREDENTIALS can only be \"dev\"",
        ),
        (
            with("    AZURE_DISK_SIZE: 50", "    AZURE_DISK_SIZE: big", DRAFT),
            "error[kom-quantity] kompoxops.yml:31:22: \"size\" cannot be \"big\"",
        ),
        (
            format!("{DRAFT}  volumes: [{{name: a, size: 1Gi}}]\n"),
            "error[kom-exclusive] kompoxops.yml:31:5: \"AZURE_DISK_SIZE\" and \"volumes\" exclude each other",
        ),
        (
            with("  provider: aks\n", "", DRAFT),
            "error[kom-required] kompoxops.yml:1:1: the legacy file has no \"provider\"",
        ),
        (
            "version: v1\nservice: {name: ops}\n".to_owned(),
            "error[kom-required] kompoxops.yml:1:1: the legacy file has no \"cluster\"",
        ),
    ] {
        let found = lines(&errors(load_legacy(&text)));
        assert!(found.iter().any(|line| line.starts_with(expected)), "wanted {expected}\nfound {found:#?}");
    }
}

#[test]
fn what_is_not_the_single_file_is_not_rewritten() {
    let error = rewrite(&Source::new("k.yml", "a: 1\n")).unwrap_err();
    assert!(
        lines(&error)[0].starts_with("error[legacy-file] k.yml:1:1: k.yml is not in the legacy single-file format")
    );
    let error = rewrite(&Source::new("k.yml", "a: [\n")).unwrap_err();
    assert!(lines(&error)[0].starts_with("error[yaml-syntax] k.yml:"), "{error:?}");
}
