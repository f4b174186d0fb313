use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::object::CONTENT_HASH;
use super::*;
use crate::compose::files::{FileError, Files};
use crate::compose::load::project::Printing;
use crate::compose::model::Located;
use crate::compose::names;
use crate::compose::project::ComposeProject;
use crate::compose::{Input, ReadRequest, read};
use crate::diag::{Location, Severity};
use crate::yaml::{self, Limits, Source};

mod boxes;
mod listening;
mod objects;
mod real;
mod running;
mod support;

const GITEA: &str = r#"
services:
  gitea:
    image: docker.gitea.com/gitea:1.24.6
    environment:
      - USER_UID=1000
      - USER_GID=1000
    env_file:
      - compose-gitea.env
    volumes:
      - ./data/gitea:/data
    ports:
      - "3000:3000"
  postgres:
    image: postgres:17
    env_file:
      - compose-postgres.env
    volumes:
      - ./data/postgres:/var/lib/postgresql/data
"#;

/// Files held in memory.
struct Memory(BTreeMap<&'static str, &'static [u8]>);

impl Files for Memory {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        self.0.get(relative.trim_start_matches("./")).map(|b| b.to_vec()).ok_or(FileError::NotFound)
    }
    fn is_file(&self, relative: &str) -> bool {
        self.0.contains_key(relative)
    }
    fn is_dir(&self, relative: &str) -> bool {
        relative.ends_with("sub")
    }
}

fn files() -> Memory {
    Memory(BTreeMap::from([
        ("compose-gitea.env", &b"GITEA__database__PASSWD=hunter2\nGITEA__database__HOST=postgres\n"[..]),
        ("compose-postgres.env", b"POSTGRES_PASSWORD=hunter2\n"),
        ("conf/app.ini", b"[server]\n"),
        ("other.yml", b"services: {db: {image: other, command: a}, aside: {image: z}}\n"),
        ("part.yml", b"services: {db: {image: 'other:${PART:-1}', volumes: ['./d:/d']}}\n"),
        ("part.env", b"PART=2\n"),
        ("token.bin", b"\x00\xff"),
        ("quoted.env", b"A='b c'\n"),
    ]))
}

fn project(text: &str) -> ComposeProject {
    let (project, diagnostics) = read_text(text);
    project.unwrap_or_else(|| panic!("{}", lines(&diagnostics)))
}

fn read_text(text: &str) -> (Option<ComposeProject>, Diagnostics) {
    let environment =
        BTreeMap::from([("DB_PASS".to_owned(), "hunter2".to_owned()), ("TAG".to_owned(), "1.2".to_owned())]);
    read(ReadRequest {
        inputs: vec![Input::Text(Source::new("compose.yml", text))],
        profiles: &["web".to_owned()],
        gate: &crate::compose::gate::Gate::new(environment, Some(&["DB_PASS".to_owned(), "TAG".to_owned()])),
        files: &files(),
    })
}

/// The project as a compose file.
fn canonical(project: &ComposeProject, show_secrets: bool) -> String {
    project.canonical.yaml(Printing { files: None, show_secrets }).0.unwrap()
}

fn lines(diagnostics: &Diagnostics) -> String {
    diagnostics.iter().map(|d| format!("{:?} {} {d}\n", d.severity, d.code)).collect()
}

fn volume(name: &str, id: &str) -> VolumeInput {
    VolumeInput {
        name: name.to_owned(),
        disk: None,
        access: Access::ReadWriteOnce,
        size_bytes: 10 << 30,
        source: VolumeSource::Csi {
            driver: "disk.csi.azure.com".to_owned(),
            handle: id.to_owned(),
            attributes: BTreeMap::from([("fsType".to_owned(), "ext4".to_owned())]),
        },
        storage_class: "managed-csi".to_owned(),
        previous_handle: None,
        origin: None,
    }
}

/// The image of a Box, as a manifest names it.
fn boxed_image(name: &str) -> Located<String> {
    Located { value: name.to_owned(), location: Location::new("kompoxapp.yml", 31, 10) }
}

fn scope() -> Scope {
    Scope {
        workspace: "aks-e2e-gitea-20250925-060355".to_owned(),
        provider: "aks1".to_owned(),
        cluster: "cluster1".to_owned(),
        app: "app1".to_owned(),
    }
}

/// Pods in pools and zones, each with whether the manifest names one.
fn placed(pools: (&[&str], bool), zones: (&[&str], bool)) -> Placement {
    let label = |key, (values, single): (&[&str], bool)| NodeLabel {
        key,
        values: values.iter().map(|value| (*value).to_owned()).collect(),
        single,
    };
    let labels = vec![label("kompox.dev/node-pool", pools), label("kompox.dev/node-zone", zones)];
    Placement { labels, tolerations: Vec::new() }
}

fn input<'a>(scope: &'a Scope, compose: &'a ComposeProject) -> ConvertInput<'a> {
    ConvertInput {
        scope: scope.clone(),
        provider_driver: "aks",
        compose,
        volumes: vec![volume("default", "/subscriptions/s/disks/d1")],
        ingress: IngressInput {
            namespace: "traefik".to_owned(),
            class: "traefik".to_owned(),
            ..IngressInput::default()
        },
        placement: placed((&["user"], true), (&["1"], true)),
        resources: BTreeMap::new(),
        isolation: IsolationInput::default(),
        network_rules: Vec::new(),
        boxes: Vec::new(),
        live_secret_hashes: BTreeMap::new(),
    }
}

fn gitea_ingress() -> IngressInput {
    IngressInput {
        class: "traefik".to_owned(),
        namespace: "traefik".to_owned(),
        domain: Some("cluster1.aks1.exp.kompox.dev".to_owned()),
        cert_resolver: Some("staging".to_owned()),
        rules: vec![RuleInput {
            name: "main".to_owned(),
            port: 3000,
            hosts: vec!["gitea.custom.exp.kompox.dev".to_owned()],
            location: None,
        }],
    }
}

fn gitea() -> Rendered {
    let (scope, project) = (scope(), project(GITEA));
    let (rendered, diagnostics) = convert(&ConvertInput { ingress: gitea_ingress(), ..input(&scope, &project) });
    rendered.unwrap_or_else(|| panic!("{}", lines(&diagnostics)))
}

/// Converts a text with the plain input: the objects, or what is wrong.
fn converted(text: &str) -> Result<Rendered, String> {
    let (project, found) = read_text(text);
    let Some(project) = project else { return Err(lines(&found)) };
    let scope = scope();
    let (rendered, diagnostics) = convert(&input(&scope, &project));
    rendered.ok_or_else(|| lines(&diagnostics))
}

fn find<'a>(rendered: &'a Rendered, kind: &str, name: &str) -> &'a Value {
    let found = rendered.objects.iter().find(|o| o.kind.name() == kind && o.address_name == name);
    &found.unwrap_or_else(|| panic!("no {kind} {name}")).body
}

fn pod(rendered: &Rendered) -> &Value {
    &find(rendered, "Deployment", "app1-app")["spec"]["template"]["spec"]
}

/// Findings of reading and converting below errors, as `severity code message`.
fn findings(text: &str) -> String {
    let (project, found) = read_text(text);
    let mut all = lines(&found);
    if let Some(project) = project {
        let scope = scope();
        all.push_str(&lines(&convert(&input(&scope, &project)).1));
    }
    all
}

/// A project with one service that has these lines.
fn service(body: &str) -> String {
    format!("services:\n  web:\n    image: x\n{body}")
}

#[test]
fn gitea_has_the_objects_of_the_published_run() {
    let rendered = gitea();
    let list: Vec<String> = rendered
        .objects
        .iter()
        .map(|o| format!("{} {}", o.kind, o.body["metadata"]["name"].as_str().unwrap()))
        .collect();
    let pv = names::persistent_volume("50vf7y", "default", "13o40q", "/subscriptions/s/disks/d1");
    assert_eq!(
        list,
        [
            "Namespace k4x-50vf7y-app1-13o40q",
            "ServiceAccount app1",
            "Role app1-access",
            "RoleBinding app1-access",
            "NetworkPolicy app1",
            &format!("PersistentVolume {pv}"),
            &format!("PersistentVolumeClaim {pv}"),
            "Secret app1-app-gitea-base",
            "Secret app1-app-postgres-base",
            "Deployment app1-app",
            "Service app1-app",
            "Service gitea",
            "Service postgres",
            "Ingress app1-app-default",
            "Ingress app1-app-custom",
        ]
    );
    assert_eq!(rendered.hosts, ["app1-13o40q-3000.cluster1.aks1.exp.kompox.dev", "gitea.custom.exp.kompox.dev"]);
}

#[test]
fn addresses_have_no_hashes_and_edges_lead_to_objects() {
    let rendered = gitea();
    let addresses: Vec<(ObjectKind, String)> =
        rendered.objects.iter().map(|o| (o.kind, o.address_name.clone())).collect();
    assert!(addresses.contains(&(ObjectKind::Namespace, "app1".to_owned())));
    assert!(addresses.contains(&(ObjectKind::PersistentVolumeClaim, "default".to_owned())));
    for (index, object) in rendered.objects.iter().enumerate() {
        for edge in &object.after {
            let at = addresses.iter().position(|address| address == edge);
            assert!(at.is_some_and(|at| at < index), "{} after {edge:?}", object.address_name);
        }
    }
    // Pods look each other up while they start, so names never wait for the rollout.
    let service = rendered.objects.iter().find(|o| o.address_name == "gitea").unwrap();
    assert_eq!(service.after, [(ObjectKind::Namespace, "app1".to_owned())]);
}

#[test]
fn secrets_are_marked_masked_and_never_debugged() {
    let (scope, project) = (scope(), project(GITEA));
    assert!(!format!("{project:?}").contains("hunter2"));
    let (rendered, _) = convert(&input(&scope, &project));
    let rendered = rendered.unwrap();
    assert!(!format!("{rendered:?}").contains("hunter2"));
    let masked = manifest(&rendered, false).unwrap();
    assert!(!masked.contains("hunter2") && !masked.contains("aHVudGVyMg") && masked.contains("(sensitive)"));
    assert!(manifest(&rendered, true).unwrap().contains("aHVudGVyMg"));
    let secret = rendered.objects.iter().find(|o| o.address_name == "app1-app-postgres-base").unwrap();
    assert_eq!(secret.sensitive, [vec!["metadata", "annotations", CONTENT_HASH], vec!["data", "POSTGRES_PASSWORD"]]);
    let hash = names::content_hash(&BTreeMap::from([("POSTGRES_PASSWORD", "hunter2")]));
    assert_eq!(secret.body["metadata"]["annotations"][CONTENT_HASH], hash);
    let deployment = rendered.objects.iter().find(|o| o.kind == ObjectKind::Deployment).unwrap();
    let hash = &deployment.body["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH];
    assert_eq!(deployment.masked()["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH], "(sensitive)");
    assert!(!masked.contains(hash.as_str().unwrap()));
}

#[test]
fn what_is_sensitive_in_a_service() {
    let text = service(
        r#"    command: ["run", "--db", "${DB_PASS}", "--api-token", "abc", "--key=x"]
    environment:
      PLAIN: visible
      FROM: "p-${DB_PASS}"
      API_TOKEN: literal
      DATABASE_URL: postgres://u:pw@db/x
      DB_PASS:
    healthcheck: {test: "check ${DB_PASS}"}
    ports: ["80${NONE-80}:80"]
"#,
    )
    .replace("image: x", "image: x:${TAG}");
    let rendered = converted(&text).unwrap();
    let deployment = rendered.objects.iter().find(|o| o.kind == ObjectKind::Deployment).unwrap();
    let masked = &deployment.masked()["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(masked["image"], "x:1.2");
    assert_eq!(masked["args"], json!(["run", "--db", "(sensitive)", "--api-token", "(sensitive)", "(sensitive)"]));
    let env: BTreeMap<&str, &str> = masked["env"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["name"].as_str().unwrap(), e["value"].as_str().unwrap()))
        .collect();
    assert_eq!(env["PLAIN"], "visible");
    for name in ["FROM", "API_TOKEN", "DATABASE_URL", "DB_PASS"] {
        assert_eq!(env[name], "(sensitive)", "{name}");
    }
    assert_eq!(masked["startupProbe"]["exec"]["command"], json!(["/bin/sh", "-c", "(sensitive)"]));
    assert_eq!(masked["ports"], json!([{"containerPort": 80}]));
    let shown = canonical(&project(&text), false);
    assert!(!shown.contains("hunter2") && !shown.contains("literal") && shown.contains("visible"));
}

#[test]
fn diagnostics_never_show_lines_with_secrets() {
    let text = "services: {web: {image: x, environment: {PASSWORD: hunter2}, ports: ['bad']}}";
    let (_, diagnostics) = read_text(text);
    assert!(diagnostics.has_errors());
    assert!(diagnostics.iter().all(|d| d.source_line.is_none()), "{}", lines(&diagnostics));
    let (_, diagnostics) = read_text("services:\n  web:\n    environment: {PASSWORD: hunter2, \"a: b\n");
    assert!(diagnostics.has_errors() && diagnostics.iter().all(|d| d.source_line.is_none()));
    let (_, diagnostics) = read_text(&service("    ports: ['bad']\n"));
    assert!(diagnostics.iter().any(|d| d.source_line.as_deref() == Some("    ports: ['bad']")));
}

#[test]
fn pod_hash_follows_its_secrets() {
    let (scope, project) = (scope(), project(GITEA));
    let hash = |live: &[(&str, &str)]| {
        let live_secret_hashes = live.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let rendered = convert(&ConvertInput { live_secret_hashes, ..input(&scope, &project) }).0.unwrap();
        let deployment = find(&rendered, "Deployment", "app1-app").clone();
        (
            deployment["spec"]["template"]["metadata"]["annotations"][CONTENT_HASH].as_str().unwrap().to_owned(),
            deployment,
        )
    };
    let base = |pairs: &[(&str, &str)]| names::content_hash(&pairs.iter().copied().collect::<BTreeMap<_, _>>());
    let gitea = base(&[("GITEA__database__HOST", "postgres"), ("GITEA__database__PASSWD", "hunter2")]);
    let postgres = base(&[("POSTGRES_PASSWORD", "hunter2")]);
    assert_eq!(hash(&[]).0, names::pod_content_hash(&[&gitea, &postgres]));
    let (live, deployment) = hash(&[("app1-app-postgres-override", "oooooo"), ("app1-app--pull", "pppppp")]);
    assert_eq!(live, names::pod_content_hash(&["pppppp", &gitea, &postgres, "oooooo"]));
    assert_eq!(deployment["spec"]["template"]["spec"]["imagePullSecrets"], json!([{"name": "app1-app--pull"}]));
}

#[test]
fn persistent_volume_sizes_and_disk_switch() {
    let project = project("services: {web: {image: x}}");
    let scope = scope();
    let one = VolumeInput {
        disk: Some("green".to_owned()),
        size_bytes: (10 << 30) + 1,
        access: Access::ReadWriteMany,
        previous_handle: Some("/old".to_owned()),
        ..volume("default", "/new")
    };
    let rendered = convert(&ConvertInput { volumes: vec![one], ..input(&scope, &project) }).0.unwrap();
    let pv = find(&rendered, "PersistentVolume", "default.green");
    assert_eq!(pv["spec"]["capacity"]["storage"], "10241Mi");
    assert_eq!(pv["spec"]["accessModes"], json!(["ReadWriteMany"]));
    assert_eq!(pv["metadata"]["annotations"], json!({"kompox.dev/volume-handle-previous": "/old"}));
    assert_eq!(pv["spec"]["csi"]["volumeAttributes"], json!({"fsType": "ext4"}));
    let claim = find(&rendered, "PersistentVolumeClaim", "default.green");
    assert_eq!(claim["spec"]["volumeName"], pv["metadata"]["name"]);
}

#[test]
fn completion_makes_init_containers_and_what_they_need() {
    let text = r#"
services:
  web:
    image: x
    depends_on:
      migrate: {condition: service_completed_successfully}
      cache: {condition: service_started}
  migrate:
    image: x
    restart: on-failure
    healthcheck: {test: [CMD, "true"]}
    depends_on: {db: {condition: service_healthy}}
  db:
    image: postgres
    healthcheck: {test: [CMD, pg_isready], interval: 5s}
  cache: {image: redis}
"#;
    let rendered = converted(text).unwrap();
    let pod = pod(&rendered);
    let names =
        |key: &str| -> Vec<&str> { pod[key].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect() };
    assert_eq!(names("initContainers"), ["db", "migrate"]);
    assert_eq!(names("containers"), ["web", "cache"]);
    let init = &pod["initContainers"];
    assert_eq!(init[0]["restartPolicy"], "Always");
    assert_eq!(init[0]["startupProbe"]["periodSeconds"], 5);
    assert!(init[1].get("restartPolicy").is_none() && init[1].get("startupProbe").is_none());
    let found = findings(text);
    assert!(found.contains("Note compose-depends-on compose.yml:7:7: web does not wait for cache"), "{found}");
    assert!(!found.contains("compose-restart"));
}

#[test]
fn placement_by_pools_and_zones() {
    let (scope, project) = (scope(), project("services: {web: {image: x}}"));
    let render = |pools: &[&str], single_pool, zones: &[&str], single_zone| {
        let placement = placed((pools, single_pool), (zones, single_zone));
        let one = ConvertInput { placement, ..input(&scope, &project) };
        pod(&convert(&one).0.unwrap()).clone()
    };
    let plain = render(&["user"], true, &[], false);
    assert_eq!(plain["nodeSelector"], json!({"kompox.dev/node-pool": "user"}));
    assert!(plain.get("affinity").is_none());
    let several = render(&["a", "b"], false, &["1"], true);
    assert_eq!(several["nodeSelector"], json!({"kompox.dev/node-zone": "1"}));
    let terms = &several["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(
        terms["nodeSelectorTerms"][0]["matchExpressions"],
        json!([{"key": "kompox.dev/node-pool", "operator": "In", "values": ["a", "b"]}])
    );
}

#[test]
fn default_resources_go_to_services_without_any() {
    let (scope, project) = (scope(), project("services: {a: {image: x}, b: {image: x, cpus: 2}}"));
    let resources = BTreeMap::from([("cpu".to_owned(), "500m".to_owned())]);
    let rendered = convert(&ConvertInput { resources, ..input(&scope, &project) }).0.unwrap();
    assert_eq!(pod(&rendered)["containers"][0]["resources"], json!({"requests": {"cpu": "500m"}}));
    assert_eq!(pod(&rendered)["containers"][1]["resources"], json!({"limits": {"cpu": "2"}}));
}

#[test]
fn services_without_rules_list_published_ports() {
    let text = "services: {a: {image: x, ports: ['8081:81', '53:53/udp', '8080:80']}}";
    let rendered = converted(text).unwrap();
    assert_eq!(
        find(&rendered, "Service", "app1-app")["spec"]["ports"],
        json!([
            {"name": "p53-udp", "port": 53, "protocol": "UDP", "targetPort": 53},
            {"name": "p8080", "port": 8080, "targetPort": 80},
            {"name": "p8081", "port": 8081, "targetPort": 81},
        ])
    );
    assert!(rendered.objects.iter().all(|o| o.kind != ObjectKind::Ingress));
    let none = converted("services: {a: {image: x}}").unwrap();
    assert!(none.objects.iter().all(|o| o.address_name != "app1-app" || o.kind != ObjectKind::Service));
}

#[test]
fn every_error_has_its_code_and_place() {
    let mut missed = Vec::new();
    for (text, expected) in [
        (
            service("    volumes: ['/abs:/mnt']\n"),
            "compose-volume compose.yml:4:15: volumes: \"/abs\" is a path of one",
        ),
        (service("    volumes: ['~/x:/mnt']\n"), "compose-volume compose.yml:4:15"),
        (service("    volumes: ['../x:/mnt']\n"), "leaves the volume"),
        (
            service("    volumes: ['other:/mnt']\n"),
            "compose-volume-undeclared compose.yml:4:15: web: the app has no volume other",
        ),
        (service("    volumes: ['/mnt']\n"), "names no volume"),
        (service("    volumes: ['./conf/app.ini:/x']\n"), "compose-bind-file compose.yml:4:15"),
        (service("    volumes: [{type: npipe, source: a, target: /b}]\n"), "volumes.type: npipe cannot be used"),
        (service("    ports: ['0:80']\n"), "compose-port compose.yml:4:13"),
        (
            service("    env_file: nope.env\n"),
            "compose-local-file compose.yml:4:15: env_file: nope.env cannot be used: there is no such file",
        ),
        (service("    configs: [nope]\n"), "compose-undefined compose.yml:4:15"),
        (
            service("    depends_on: [nope]\n"),
            "compose-dependency compose.yml:4:18: web depends on nope, which is no service",
        ),
        (
            service("    depends_on: [web]\n"),
            "compose-dependency-cycle compose.yml:4:18: depends_on goes round in a circle: web → web",
        ),
        (
            service("    enviroment: {A: 1}\n"),
            "compose-unknown-key compose.yml:4:5: services.web has no key \"enviroment\"",
        ),
        (service("    extends: {service: a}\n"), "compose-extends compose.yml:4:14: services.web extends a, which"),
        (service("    volumes_from: [a]\n"), "compose-key-refused"),
        (service("    command: 'a \"b'\n"), "compose-command"),
        (
            service("    environment: {A: '${X:?say why}'}\n"),
            "compose-interpolation compose.yml:4:22: services.web.environment.A: the variable X is required: say why",
        ),
        (service("    environment: {A: '${'}\n"), "compose-interpolation"),
        (
            service("    mem_limit: lots\n"),
            "compose-type compose.yml:4:16: services.web.mem_limit: \"lots\" is no size such as 512m or 1gb",
        ),
        (service("    healthcheck: {test: [a]}\n"), "compose-healthcheck"),
        (service("    stop_grace_period: soon\n"), "is no duration"),
        (service("    restart: sometimes\n"), "compose-restart"),
        (service("    x-kompox: {limits: {cpu: lots}}\n"), "compose-type"),
        ("services: {web: {build: .}}".to_owned(), "compose-image compose.yml:1:18: web has only a build"),
        ("services: {web: {}}".to_owned(), "compose-image compose.yml:1:12: web has no image"),
        ("services: {My_App: {image: x}}".to_owned(), "compose-name compose.yml:1:12"),
        ("services: {app1-app2: {image: x}}".to_owned(), "is reserved"),
        (
            "services: {a: {image: x, ports: ['1:80']}, b: {image: x, expose: [80]}}".to_owned(),
            "compose-port-conflict compose.yml:1:67: a and b both use container port 80",
        ),
        (
            "services: {a: {image: x, ports: ['1:80']}, b: {image: x, ports: ['1:81']}}".to_owned(),
            "host port 1 is published twice",
        ),
        (
            "include: [a.yml]\nservices: {a: {image: x}}".to_owned(),
            "compose-local-file compose.yml:1:11: include: a.yml",
        ),
        ("serivces: {}".to_owned(), "compose-unknown-key compose.yml:1:1"),
        ("services: {a: {image: x, profiles: [off]}}".to_owned(), "compose-no-services"),
        ("[]".to_owned(), "compose-type compose.yml:1:1"),
        ("".to_owned(), "compose-empty"),
        ("a: [".to_owned(), "yaml-syntax"),
        (
            "services: {a: {image: x, configs: [c]}}\nconfigs: {c: {file: token.bin}}".to_owned(),
            "compose-file-content compose.yml:2:21: config c is not UTF-8",
        ),
        ("services: {a: {image: x, configs: [c]}}\nconfigs: {c: {}}".to_owned(), "compose-file-source"),
        (
            "services: {a: {image: x, configs: [c_d, c-d]}}\nconfigs: {c_d: {content: x}, c-d: {content: y}}"
                .to_owned(),
            "compose-name compose.yml:2:11: the configs c-d and c_d would both be c-d",
        ),
        (
            "services: {a: {image: x, sysctls: {net.a: 1}}, b: {image: x, sysctls: {net.a: 2}}}".to_owned(),
            "two services set net.a",
        ),
        (service("    sysctls: [vm.max_map_count=262144]\n"), "compose-sysctl compose.yml:4:"),
        (service("    cap_add: [NETADMIN]\n"), "compose-capability compose.yml:4:15: cap_add: NETADMIN is no"),
        (service("    dns: [resolver]\n"), "compose-dns compose.yml:4:11"),
        (service("    extra_hosts: ['a_b=10.0.0.1']\n"), "compose-extra-hosts"),
        (service("    extra_hosts: ['a=b']\n"), "compose-extra-hosts"),
        (service("    volumes: ['./a:/']\n"), "nothing can be mounted at"),
        (
            service("    network_mode: 'service:nope'\n"),
            "compose-dependency compose.yml:4:19: web: network_mode names nope",
        ),
        (service("    network_mode: 'service:web'\n"), "depends_on goes round in a circle: web → web"),
        (
            service("    pull_policy: sometimes\n"),
            "compose-type compose.yml:4:18: services.web.pull_policy must be one of",
        ),
        (service("    gpus: [{count: 0}]\n"), "cannot be 0"),
        (service("    scale: -1\n"), "compose-scale compose.yml:4:12: web: the number of replicas must be 0 or more"),
        (service("    links: [nope]\n"), "compose-dependency compose.yml:3:5: web depends on nope"),
        (service("    mem_limit: 64m\n    mem_reservation: 65m\n"), "compose-resources compose.yml:2:3"),
        (service("    pre_stop: [{user: root}]\n"), "has no command"),
        (
            "services: {a: {image: x, secrets: [b]}}\nsecrets: {b: {external: true, name: B_c}}".to_owned(),
            "compose-name compose.yml:2:11: B_c cannot be the name",
        ),
    ] {
        let error = converted(&text).expect_err(&text);
        if !error.lines().any(|line| line.starts_with("Error ") && line.contains(expected)) {
            missed.push(format!("{text}\nexpected: {expected}\n{error}"));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
}

#[test]
fn nothing_is_dropped_in_silence() {
    for (body, expected) in [
        ("    hostname: a\n", "Note compose-key-noted compose.yml:4:15: web: the host name is that"),
        ("    hostname: mail.example.com\n", "Warning compose-hostname compose.yml:4:15"),
        ("    networks: {default: {aliases: [a_b]}}\n", "Warning compose-alias"),
        ("    links: ['db:a_b']\n  db: {image: y}\n", "Warning compose-alias"),
        ("    gpus: all\n", "Warning compose-gpu compose.yml:4:11"),
        ("    sysctls: {net.core.somaxconn: 1}\n", "Warning compose-sysctl"),
        (
            "    user: '1000'\n    configs: [{source: c, mode: 0400}]\nconfigs: {c: {content: a}}\n",
            "Warning compose-file-mode",
        ),
        ("    annotations: {'a b': c}\n", "Warning compose-annotation"),
        ("    annotations: {kompox.dev/a: c}\n", "Warning compose-annotation"),
        ("    scale: 0\n  db: {image: y, depends_on: [web]}\n", "Warning compose-depends-on"),
        ("    healthcheck: {interval: 5s}\n", "Warning compose-healthcheck"),
        ("    labels: {a: b}\n", "Note compose-key-noted"),
        ("    devices: [/dev/dri]\n", "Warning compose-key-warned compose.yml:4:5"),
        ("    network_mode: host\n", "Warning compose-key-warned"),
        ("    restart: 'no'\n", "Warning compose-restart compose.yml:4:14"),
        ("    user: git\n", "Warning compose-user"),
        ("    scale: 3\n", "Warning compose-replicas"),
        ("    ports: ['80']\n", "Warning compose-port compose.yml:4:13"),
        ("    ports: ['127.0.0.1:80:80']\n", "Note compose-key-noted compose.yml:4:13"),
        ("    build: .\n", "Note compose-key-noted compose.yml:4:5: web: build is not used"),
        (
            "    environment: [NOT_SET]\n",
            "Note compose-variable-unset compose.yml:4:19: web: not set in the environment, and left out of environment: NOT_SET",
        ),
        ("    command: ${NOT_SET}\n", "Warning compose-variable-unset compose.yml:4:14"),
    ] {
        let found = findings(&service(body));
        assert!(found.contains(expected), "{body}{found}");
    }
}

#[test]
fn an_ingress_rule_needs_a_published_port() {
    let (scope, project) = (scope(), project("services: {a: {image: x, ports: ['8080:80']}}"));
    let (rendered, diagnostics) = convert(&ConvertInput {
        ingress: IngressInput {
            class: "traefik".to_owned(),
            rules: vec![RuleInput {
                location: Some(Location::new("kompoxapp.yml", 9, 17)),
                ..gitea_ingress().rules.remove(0)
            }],
            ..gitea_ingress()
        },
        ..input(&scope, &project)
    });
    assert!(rendered.is_none());
    let error = diagnostics.iter().next().unwrap();
    assert_eq!(
        error.to_string(),
        "kompoxapp.yml:9:17: ingress rule main: no service in compose.yml publishes host port 3000"
    );
    assert_eq!(error.help, ["published are 8080"]);
}

#[test]
fn several_files_profiles_and_dotenv() {
    let base = "services:\n  web: {image: 'x:${TAG}', environment: {A: 1, B: 2}, ports: ['80:80']}\n  debug: {image: y, profiles: [debug]}\n";
    let over = "services:\n  web: {environment: [B=3], ports: !override ['81:80']}\n  debug: {profiles: [web]}\n";
    struct Dotenv;
    impl Files for Dotenv {
        fn read(&self, _: &str) -> Result<Vec<u8>, FileError> {
            Ok(b"TAG=9\n".to_vec())
        }
        fn is_file(&self, relative: &str) -> bool {
            relative == ".env"
        }
        fn is_dir(&self, _: &str) -> bool {
            false
        }
    }
    let (project, diagnostics) = read(ReadRequest {
        inputs: vec![Input::Text(Source::new("a.yml", base)), Input::Text(Source::new("b.yml", over))],
        profiles: &["web".to_owned()],
        gate: &Default::default(),
        files: &Dotenv,
    });
    let project = project.unwrap_or_else(|| panic!("{}", lines(&diagnostics)));
    let (json, _) = project.canonical.json(Printing { files: None, show_secrets: true });
    let services = &json.unwrap()["services"];
    assert_eq!((&services["web"]["image"], &services["debug"]["image"]), (&json!("x:9"), &json!("y")));
    assert_eq!(services["web"]["environment"], json!({"A": "1", "B": "3"}));
    let port = json!([{"mode": "ingress", "target": 80, "published": "81", "protocol": "tcp"}]);
    assert_eq!(services["web"]["ports"], port);
}

#[test]
fn what_render_prints_of_a_compose_file_gives_the_same_objects() {
    let rich = "name: shop\nx-all: &all {cpu: 250m}\nservices:\n  web:\n    image: x:${TAG}\n    profiles: [web]\n    \
        x-kompox: {resources: *all}\n    command: sh -c 'echo $$HOME \\$$1'\n    environment:\n      A: 1.10\n      B: \"1.10\"\n      \
        C: 0x1F\n      D: True\n      E: \"${DB_PASS}\"\n      F: 'a$$b'\n      G:\n      DB_PASS:\n      H: \"2024-01-02\"\n    \
        env_file: [part.env, {path: none.env, required: false}]\n    ports: ['8080-8081:80-81', '127.0.0.1:53:53/udp']\n    expose: [9000, '9001-9002/udp']\n    \
        volumes: ['./data:/data:ro', 'db/sub:/db', {type: tmpfs, target: /t, tmpfs: {size: 1m}}]\n    tmpfs: /run:size=64k\n    \
        configs: [app]\n    secrets: [{source: key, target: k, mode: 0400}]\n    healthcheck: {test: curl x, interval: 1m30s}\n    \
        deploy: {resources: {limits: {cpus: 0.50, memory: 64m}}}\n    depends_on: {job: {condition: service_completed_successfully}}\n    \
        annotations: [a=1.10]\n    labels: {v: 1.10}\n    sysctls: {net.core.somaxconn: 1024}\n    extra_hosts: ['a:10.0.0.1', 'b=[::1]']\n    \
        user: '1000:1000'\n    stop_grace_period: 90s\n    ulimits: {nofile: 1024}\n    post_start: [{command: [a, b]}]\n    shm_size: 64m\n  \
        job:\n    image: y\n    scale: 1\nconfigs:\n  app: {content: 'v=${TAG} $$x'}\nsecrets:\n  key: {environment: DB_PASS}\n";
    for text in [&std::fs::read_to_string("examples/gitea/compose.yml").unwrap(), rich] {
        let first = match read_text(text) {
            (Some(first), _) => first,
            (None, found) => panic!("{}", lines(&found)),
        };
        let printed = canonical(&first, true);
        assert_eq!(printed, canonical(&first, true), "stable to the byte");
        let second = match read_text(&printed) {
            (Some(second), _) => second,
            (None, found) => panic!("{printed}{}", lines(&found)),
        };
        assert_eq!(printed, canonical(&second, true), "what is canonical stays");
        let bodies = |compose: &ComposeProject| -> Vec<Value> {
            let (scope, found) = (scope(), |found: &Diagnostics| lines(found));
            let input =
                ConvertInput { volumes: vec![volume("default", "/d"), volume("db", "/e")], ..input(&scope, compose) };
            let (rendered, diagnostics) = convert(&input);
            let rendered = rendered.unwrap_or_else(|| panic!("{}", found(&diagnostics)));
            rendered.objects.into_iter().map(|object| object.body).collect()
        };
        assert_eq!(bodies(&first), bodies(&second));
    }
}

#[test]
fn numbers_reach_containers_as_docker_compose_gives_them() {
    let text = service(
        "    environment: {A: 1.10, B: \"1.10\", C: 0777, D: 1e3, E: 0x1F, F: True, G: 2024-01-02, H: 10, API_KEY: 0x2A}\n    \
         annotations: {v: 1.10}\n    sysctls: {net.core.somaxconn: 0x10}\n",
    );
    let (project, found) = read_text(&text);
    let project = project.unwrap_or_else(|| panic!("{}", lines(&found)));
    let (json, _) = project.canonical.json(Printing { files: None, show_secrets: true });
    let web = &project.services[0];
    let environment: BTreeMap<&str, &str> =
        web.environment.iter().map(|(key, text)| (key.as_str(), text.value.as_str())).collect();
    assert_eq!(json!(environment), json.unwrap()["services"]["web"]["environment"]);
    assert_eq!((environment["A"], environment["B"], environment["C"]), ("1.1", "1.10", "511"));
    assert_eq!(
        (web.annotations["v"].value.value.as_str(), web.sysctls["net.core.somaxconn"].value.as_str()),
        ("1.1", "16")
    );
    let told = lines(&found);
    assert_eq!(told.matches("compose-plain-value").count(), 9, "{told}");
    assert!(told.contains("web: environment: A: 1.10 is not in quotes, and becomes \"1.1\""), "{told}");
    assert!(!told.contains("0x2A") && !told.contains("42"), "{told}");
    // What a later file says counts, and is told of only where it stands.
    let inputs = [service("    environment: {A: 1.10, B: 2.50}\n"), service("    environment: {A: x}\n")];
    let (project, found) = read(ReadRequest {
        inputs: inputs
            .iter()
            .map(|text| Input::Text(Source::new(format!("{}.yml", text.len()), text.as_str())))
            .collect(),
        profiles: &[],
        gate: &Default::default(),
        files: &files(),
    });
    let environment = project.unwrap().services.remove(0).environment;
    assert_eq!((environment["A"].value.as_str(), environment["B"].value.as_str()), ("x", "2.5"));
    assert_eq!(lines(&found).matches("compose-plain-value").count(), 1, "{}", lines(&found));
}

#[test]
fn manifests_are_stable_and_read_back() {
    let rendered = gitea();
    let text = manifest(&rendered, true).unwrap();
    assert_eq!(text, manifest(&gitea(), true).unwrap());
    let documents = yaml::parse(&Source::new("m", text.as_str()), Limits::default()).unwrap();
    let back: Vec<Value> = documents.iter().map(yaml::Node::to_json).collect();
    let bodies: Vec<Value> = rendered.objects.iter().map(|object| object.body.clone()).collect();
    assert_eq!(back, bodies);
}

proptest! {
    #[test]
    fn any_environment_value_survives_the_manifest(value in "\\PC{0,40}") {
        let quoted = serde_json::to_string(&value.replace('$', "$$")).unwrap();
        let rendered = converted(&service(&format!("    environment: {{A: {quoted}}}\n"))).unwrap();
        let text = manifest(&rendered, true).unwrap();
        let documents = yaml::parse(&Source::new("m", text.as_str()), Limits::default()).unwrap();
        let deployment = documents.iter().map(yaml::Node::to_json).find(|d| d["kind"] == "Deployment").unwrap();
        prop_assert_eq!(&deployment, find(&rendered, "Deployment", "app1-app"));
    }

    #[test]
    fn reading_never_panics(text in "(services|image|ports|volumes|web|x|[-:{}\\[\\]$ '\"\n!&*]|  ){0,60}") {
        let _ = converted(&text);
    }
}

#[test]
fn an_empty_variable_is_an_empty_text() {
    let rendered = converted(&service("    environment: {A: $NOT_SET, B: '${NOT_SET}'}\n")).unwrap();
    assert_eq!(pod(&rendered)["containers"][0]["env"], json!([{"name": "A"}, {"name": "B"}]));
}

#[test]
fn an_aliased_line_is_reported_once() {
    let text = "x-a: &a {A: $NOT_SET}\nservices: {a: {image: x, environment: *a}, b: {image: x, environment: *a}}";
    assert_eq!(findings(text).matches("NOT_SET").count(), 1);
}

#[test]
fn messages_hide_what_interpolation_brought() {
    for body in ["    environment: ['$DB_PASS']\n", "    healthcheck: {test: a, interval: '$DB_PASS'}\n"] {
        let found = findings(&service(body));
        assert!(!found.is_empty() && !found.contains("hunter2"), "{found}");
    }
    let (_, diagnostics) = read_text("x-env:\n  URL: postgres://u:pw@$NOT_SET/db\nservices: {a: {image: x}}\n");
    assert!(diagnostics.iter().any(|d| d.message.contains("NOT_SET")));
    assert!(diagnostics.iter().all(|d| d.source_line.is_none()));
}

#[test]
fn a_mapping_inside_another_document_keeps_its_places() {
    let source =
        Source::new("kompoxapp.yml", "spec:\n  compose:\n    services:\n      web: {image: x, enviroment: {}}\n");
    let document = yaml::parse(&source, Limits::default()).unwrap().remove(0);
    let node = document.get("spec").unwrap().get("compose").unwrap().clone();
    let (project, diagnostics) = read(ReadRequest {
        inputs: vec![Input::Tree(node, source)],
        profiles: &[],
        gate: &Default::default(),
        files: &files(),
    });
    assert!(project.is_none());
    let error = diagnostics.iter().next().unwrap();
    assert_eq!(error.to_string(), "kompoxapp.yml:4:23: services.web has no key \"enviroment\"");
    assert_eq!(error.help, ["did you mean \"environment\"?"]);
    assert_eq!(error.source_line.as_deref(), Some("      web: {image: x, enviroment: {}}"));
}

#[test]
fn local_files_of_a_folder_and_none_at_all() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("compose-gitea.env"), "A=1\n").unwrap();
    std::fs::write(dir.path().join("compose-postgres.env"), "B=1\n").unwrap();
    let gate = Default::default();
    let request = |files: &dyn Files| {
        let inputs = vec![Input::Text(Source::new("compose.yml", GITEA))];
        read(ReadRequest { inputs, profiles: &[], gate: &gate, files })
    };
    let (project, _) = request(&crate::compose::files::LocalFiles::new(dir.path()));
    assert_eq!(project.unwrap().services[0].env_file.as_ref().unwrap()["A"].value, "1");
    let none = crate::compose::files::NoFiles::new("an app from komPath may not use local files");
    let (project, diagnostics) = request(&none);
    assert!(project.is_none());
    // Two env files and two relative mounts.
    assert_eq!(diagnostics.iter().filter(|d| d.code == "compose-local-file").count(), 4, "{}", lines(&diagnostics));
}

#[test]
fn hostile_sizes_are_refused_quickly() {
    let services: String = (0..501).map(|i| format!("  s{i}: {{image: x}}\n")).collect();
    let items: String = (1..1000).map(|i| format!("'{i}-{}:1-900',", i + 899)).collect();
    let many: String = (0..2001).map(|i| format!("'{i}',")).collect();
    let servers: String = (0..2001).map(|n| format!("10.0.{}.{},", n / 250, n % 250)).collect();
    for text in [
        format!("services:\n{services}"),
        service(&format!("    ports: [{items}]\n")),
        service(&format!("    expose: [{many}]\n")),
        service(&format!("    dns: [{servers}]\n")),
    ] {
        let error = converted(&text).expect_err("too much");
        assert!(error.contains("compose-limit"), "{error}");
    }
}
