//! What real compose files do: hooks, processors, names, long forms; and that nothing which can be written panics.

use super::*;

#[test]
fn hooks_become_one_command_each() {
    let rendered = converted(&service(
        r#"    post_start: [{command: chown -R 1 /data}]
    pre_stop:
      - {command: [sh, -c, "echo $$HOME"], working_dir: /a b}
      - {command: ./stop.sh, environment: {MODE: fast, API_TOKEN: abc}}
"#,
    ))
    .unwrap();
    let lifecycle = &pod(&rendered)["containers"][0]["lifecycle"];
    assert_eq!(lifecycle["postStart"]["exec"]["command"], json!(["chown", "-R", "1", "/data"]));
    assert_eq!(
        lifecycle["preStop"]["exec"]["command"],
        json!(["/bin/sh", "-c", "(cd '/a b' && sh -c 'echo $HOME') && (env 'API_TOKEN=abc' 'MODE=fast' ./stop.sh)"])
    );
    let deployment = rendered.objects.iter().find(|o| o.kind == ObjectKind::Deployment).unwrap();
    let masked = deployment.masked();
    let masked = &masked["spec"]["template"]["spec"]["containers"][0]["lifecycle"];
    assert_eq!(masked["preStop"]["exec"]["command"][2], "(sensitive)");
    assert_eq!(masked["postStart"]["exec"]["command"][0], "chown");
}

#[test]
fn processors_are_limits_and_leave_the_defaults() {
    let (scope, project) = (scope(), project(&service("    gpus: [{count: 2}]\n")));
    let resources = BTreeMap::from([("cpu".to_owned(), "500m".to_owned())]);
    let rendered = convert(&ConvertInput { resources, ..input(&scope, &project) }).0.unwrap();
    assert_eq!(
        pod(&rendered)["containers"][0]["resources"],
        json!({"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": "2"}})
    );
}

#[test]
fn a_service_without_replicas_is_left_out() {
    let text = "services: {a: {image: x, ports: ['80:80']}, b: {image: y, scale: 0, ports: ['80:80'], env_file: compose-postgres.env}}";
    let rendered = converted(text).unwrap();
    assert!(rendered.objects.iter().all(|o| o.address_name != "b" && o.kind != ObjectKind::Secret));
    assert!(findings(text).contains("Note compose-replicas"));
}

#[test]
fn names_besides_the_services_own() {
    let text = "services: {a: {image: x, container_name: A_1, networks: {n: {aliases: [one, b, one]}}, links: ['b:two']}, b: {image: y, container_name: three}}\nnetworks: {n: {}}";
    let rendered = converted(text).unwrap();
    let services: Vec<&str> =
        rendered.objects.iter().filter(|o| o.kind == ObjectKind::Service).map(|o| o.address_name.as_str()).collect();
    assert_eq!(services, ["a", "b", "two", "one", "three"]);
    assert!(!findings(text).contains("Warning"));
}

#[test]
fn names_with_underscores_of_configs_and_secrets() {
    let text = "services: {a: {image: x, secrets: [db_password]}}\nsecrets: {db_password: {environment: DB_PASS}}";
    let rendered = converted(text).unwrap();
    assert_eq!(find(&rendered, "Secret", "app1-app--sec-db-password")["data"], json!({"db_password": "aHVudGVyMg=="}));
    let mount = &pod(&rendered)["containers"][0]["volumeMounts"][0];
    assert_eq!(
        *mount,
        json!({"name": "sec-db-password", "mountPath": "/run/secrets/db_password", "subPath": "db_password", "readOnly": true})
    );
}

#[test]
fn an_address_of_the_host_matters_where_a_rule_opens_it() {
    let (scope, project) = (
        scope(),
        project("services: {a: {image: x, ports: ['127.0.0.1:3000:80', '0.0.0.0:81:81', '10.0.0.1:82:82']}}"),
    );
    let (_, found) = convert(&ConvertInput { ingress: gitea_ingress(), ..input(&scope, &project) });
    let found = lines(&found);
    assert!(found.contains("Warning compose-port") && found.contains("opens it to everybody"), "{found}");
    assert_eq!(found.matches("compose-key-noted").count(), 1, "{found}");
}

/// What loading hands over: long forms with everything that is assumed filled in.
#[test]
fn long_forms_mean_what_short_ones_do() {
    let short = r#"
services:
  web:
    image: x
    command: a "b c"
    ports: ["8080:80", "53:53/udp"]
    volumes: ["./data:/data:ro", "default/x:/x"]
    configs: [c]
    secrets: [s]
    depends_on: [db]
    env_file: compose-postgres.env
    environment: [A=1]
    healthcheck: {test: check it}
    extra_hosts: ["h:10.0.0.1"]
    dns: 1.1.1.1
    tmpfs: /run
    gpus: [{count: 1}]
    mem_limit: 512m
    ulimits: {nofile: 5}
  db: {image: y}
configs: {c: {content: a}}
secrets: {s: {environment: DB_PASS}}
"#;
    let long = r#"
name: p
services:
  web:
    image: x
    command: [a, b c]
    entrypoint: null
    ports:
      - {mode: ingress, target: 80, published: "8080", protocol: tcp}
      - {mode: ingress, target: 53, published: "53", protocol: udp}
    volumes:
      - {type: bind, source: ./data, target: /data, read_only: true, bind: {create_host_path: true}}
      - {type: volume, source: default/x, target: /x, volume: {}}
    configs: [{source: c, target: /c}]
    secrets: [{source: s, target: /run/secrets/s}]
    depends_on: {db: {condition: service_started, required: true}}
    env_file: [{path: compose-postgres.env, required: true}]
    environment: {A: "1"}
    healthcheck: {test: [CMD-SHELL, check it]}
    extra_hosts: ["h=10.0.0.1"]
    dns: [1.1.1.1]
    tmpfs: [/run]
    gpus: [{count: 1, capabilities: [gpu]}]
    mem_limit: "536870912"
    networks: {default: null}
    ulimits: {nofile: {soft: 5, hard: 5}}
    deploy: {resources: {}}
  db: {image: y, networks: {default: null}}
configs: {c: {name: p_c, content: a}}
secrets: {s: {name: p_s, environment: DB_PASS}}
networks: {default: {name: p_default}}
"#;
    let bodies = |text: &str| converted(text).unwrap().objects.into_iter().map(|o| o.body).collect::<Vec<_>>();
    assert_eq!(bodies(short), bodies(long));
    let kinds = |text: &str| {
        let mut codes: Vec<String> = findings(text).lines().map(|line| line.split(' ').take(2).collect()).collect();
        codes.sort();
        codes
    };
    assert_eq!(kinds(short), kinds(long), "{}\n{}", findings(short), findings(long));
}

/// Values of every shape, for keys of every kind.
fn value() -> impl Strategy<Value = String> {
    let scalar = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("-1".to_owned()),
        Just("0".to_owned()),
        Just("99999999999999999999".to_owned()),
        Just("'a:b:c'".to_owned()),
        Just("'1.5'".to_owned()),
        "[a-z0-9./:=_-]{0,8}".prop_map(|text| format!("'{text}'")),
    ];
    scalar.prop_recursive(3, 12, 3, |inner| {
        let key = prop_oneof![
            Just("source"),
            Just("target"),
            Just("type"),
            Just("command"),
            Just("condition"),
            Just("count"),
            Just("resources"),
            Just("limits"),
            Just("aliases"),
            Just("test"),
            Just("size")
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::btree_map(key, inner, 0..3).prop_map(|entries| {
                let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", entries.join(", "))
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any service gives objects that Kubernetes' types know, or errors that say where.
    #[test]
    fn any_service_converts_or_says_where(
        keys in proptest::collection::vec((0..SERVICE_NAMES.len(), value()), 1..4)
    ) {
        let mut body = String::new();
        let mut seen = std::collections::BTreeSet::new();
        for (at, value) in keys {
            let key = SERVICE_NAMES[at];
            if key != "image" && seen.insert(key) {
                body.push_str(&format!("    {key}: {value}\n"));
            }
        }
        let text = service(&body);
        let (project, found) = read_text(&text);
        prop_assert_eq!(project.is_none(), found.has_errors());
        let Some(project) = project else {
            for one in found.iter().filter(|one| one.severity == Severity::Error) {
                prop_assert!(one.location.is_some(), "{}", one);
            }
            return Ok(());
        };
        let scope = scope();
        let (rendered, found) = convert(&input(&scope, &project));
        prop_assert_eq!(rendered.is_none(), found.has_errors());
        for object in rendered.iter().flat_map(|rendered| &rendered.objects) {
            prop_assert_eq!(&objects::typed(&object.body), &object.body);
        }
    }
}

/// Keys of a service.
static SERVICE_NAMES: std::sync::LazyLock<Vec<&'static str>> =
    std::sync::LazyLock::new(|| crate::compose::support::service_names("").collect());
