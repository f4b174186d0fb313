//! Compose Boxes: services in Pods of their own.

use super::*;

const TEXT: &str = r#"
services:
  web:
    image: x
    ports: ["8080:80"]
    volumes: ["./web:/data"]
    configs: [c]
    depends_on: [db]
  db:
    image: postgres
    ports: ["5432:5432"]
    env_file: compose-postgres.env
    volumes: ["./db:/var/lib/postgresql/data"]
    configs: [c]
    networks: {default: {aliases: [database]}}
  backup:
    image: y
    network_mode: "service:db"
  cache: {image: redis, expose: [80]}
configs: {c: {content: a}}
"#;

fn named(name: &str) -> BoxInput {
    BoxInput {
        name: name.to_owned(),
        image: None,
        command: Vec::new(),
        args: Vec::new(),
        network_rules: Vec::new(),
        location: Some(Location::new("kompoxapp.yml", 30, 1)),
    }
}

fn with(text: &str, boxes: Vec<BoxInput>) -> Result<Rendered, String> {
    let (scope, project) = (scope(), project(text));
    let ingress = IngressInput {
        class: "traefik".to_owned(),
        rules: vec![
            RuleInput { name: "main".into(), port: 8080, hosts: vec!["a.example.com".into()], location: None },
            RuleInput { name: "db".into(), port: 5432, hosts: vec!["b.example.com".into()], location: None },
        ],
        domain: Some("example.net".to_owned()),
        ..gitea_ingress()
    };
    let (rendered, found) = convert(&ConvertInput { boxes, ingress, ..input(&scope, &project) });
    rendered.ok_or_else(|| lines(&found))
}

fn list(rendered: &Rendered) -> Vec<String> {
    rendered.objects.iter().map(|o| format!("{} {}", o.kind, o.address_name)).collect()
}

fn containers<'a>(rendered: &'a Rendered, deployment: &str) -> Vec<&'a str> {
    let spec = &find(rendered, "Deployment", deployment)["spec"]["template"]["spec"];
    spec["containers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn a_compose_box_takes_its_service_and_those_on_its_network() {
    let text = TEXT.replace("expose: [80]", "expose: [81]");
    let rendered = with(&text, vec![named("db")]).unwrap();
    assert_eq!(containers(&rendered, "app1-app"), ["web", "cache"]);
    assert_eq!(containers(&rendered, "app1-db"), ["db", "backup"]);
    assert_eq!(
        list(&rendered)[7..],
        [
            "ConfigMap app1-app--cfg-c",
            "Deployment app1-app",
            "Service app1-app",
            "Service app1-db",
            "Service web",
            "Service db",
            "Service backup",
            "Service cache",
            "Service database",
            "Ingress app1-app-default",
            "Ingress app1-app-custom",
            "Ingress app1-db-default",
            "Ingress app1-db-custom",
            "ConfigMap app1-db--cfg-c",
            "Secret app1-db-db-base",
            "Deployment app1-db",
        ]
    );
    for (service, component) in [("web", "app"), ("db", "db"), ("backup", "db"), ("cache", "app"), ("database", "db")] {
        let body = find(&rendered, "Service", service);
        assert_eq!(body["spec"]["selector"]["app"], format!("app1-{component}"), "{service}");
        assert_eq!(body["metadata"]["labels"]["app.kubernetes.io/component"], component);
    }
    assert_eq!(find(&rendered, "Service", "app1-db")["spec"]["ports"][0]["port"], 5432);
    assert_eq!(
        rendered.hosts,
        ["app1-13o40q-8080.example.net", "app1-13o40q-5432.example.net", "a.example.com", "b.example.com",]
    );
    let spec = &find(&rendered, "Deployment", "app1-db")["spec"]["template"]["spec"];
    let term = &spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(term["labelSelector"], json!({"matchLabels": {"app": "app1-app"}}));
    assert_eq!(spec["initContainers"][0]["command"][2], "mkdir -m 1777 -p /work/default/db");
    assert_eq!(spec["containers"][0]["envFrom"][0]["secretRef"]["name"], "app1-db-db-base");
    assert_eq!(spec["volumes"][1]["configMap"]["name"], "app1-db--cfg-c");
    let app = &find(&rendered, "Deployment", "app1-app")["spec"]["template"]["spec"];
    assert_eq!(app["initContainers"][1]["command"][2], "mkdir -m 1777 -p /work/default/web");
    // Each may start while the other does not run yet: one may need the other.
    let deployment = rendered.objects.iter().find(|o| o.address_name == "app1-db" && o.kind == ObjectKind::Deployment);
    assert!(deployment.unwrap().after.iter().all(|(kind, _)| *kind != ObjectKind::Deployment));
    edges_lead_back(&rendered);
}

fn edges_lead_back(rendered: &Rendered) {
    let addresses: Vec<_> = rendered.objects.iter().map(|o| (&o.kind, &o.address_name)).collect();
    for (index, object) in rendered.objects.iter().enumerate() {
        for (kind, name) in &object.after {
            let at = addresses.iter().position(|address| *address == (kind, name));
            assert!(at.is_some_and(|at| at < index), "{} after {kind} {name}", object.address_name);
        }
    }
}

#[test]
fn container_ports_are_those_of_one_pod() {
    let error = with(TEXT, Vec::new()).unwrap_err();
    assert!(error.contains("web and cache both use container port 80"), "{error}");
    assert!(with(TEXT, vec![named("cache")]).is_ok());
}

#[test]
fn boxes_may_take_every_service() {
    let text = "services: {a: {image: x, volumes: ['./a:/a'], ports: ['8080:80', '5432:1']}, b: {image: y, volumes: ['./b:/b']}}";
    let tools = BoxInput { image: Some(boxed_image("debian")), ..named("tools") };
    let rendered = with(text, vec![named("a"), named("b"), tools]).unwrap();
    assert!(rendered.objects.iter().all(|o| o.kind != ObjectKind::Deployment || o.address_name != "app1-app"));
    for name in ["app1-a", "app1-b", "app1-tools"] {
        let spec = &find(&rendered, "Deployment", name)["spec"]["template"]["spec"];
        let term = &spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
        let values = &term["labelSelector"]["matchExpressions"][0]["values"];
        assert_eq!(*values, json!(["app1-a", "app1-b", "app1-tools"]));
    }
    edges_lead_back(&rendered);
}

#[test]
fn a_box_without_a_disk_goes_anywhere() {
    let rendered = with(TEXT, vec![named("cache")]).unwrap();
    let spec = &find(&rendered, "Deployment", "app1-cache")["spec"]["template"]["spec"];
    assert!(spec.get("affinity").is_none() && spec.get("volumes").is_none());
}

#[test]
fn what_a_box_cannot_take() {
    for (text, name, expected) in [
        (TEXT, "tool", "there is none that runs"),
        (TEXT, "backup", "shares the network of db"),
        (
            &TEXT.replace("depends_on: [db]", "depends_on: {db: {condition: service_completed_successfully}}"),
            "db",
            "web must wait for db to complete, but a Box runs it",
        ),
        (
            &TEXT.replace("  cache: {image: redis, expose: [80]}", "  app1-web: {image: x}"),
            "web",
            "there would be two of",
        ),
    ] {
        let error = with(text, vec![named(name)]).expect_err(expected);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn several_components_are_stable_and_read_back() {
    let text = TEXT.replace("expose: [80]", "expose: [81]");
    let boxes = || {
        let rules = vec![json!({"from": [{"podSelector": {}}]})];
        vec![BoxInput { network_rules: rules, ..named("db") }, named("cache")]
    };
    let rendered = with(&text, boxes()).unwrap();
    assert_eq!(manifest(&rendered, true).unwrap(), manifest(&with(&text, boxes()).unwrap(), true).unwrap());
    for object in &rendered.objects {
        assert_eq!(objects::typed(&object.body), object.body, "{} {}", object.kind, object.address_name);
    }
    let policy = find(&rendered, "NetworkPolicy", "app1-db");
    assert_eq!(policy["spec"]["podSelector"], json!({"matchLabels": {"app": "app1-db"}}));
}

#[test]
fn secrets_in_the_command_line_of_a_box_are_marked() {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let tools = BoxInput {
        image: Some(boxed_image("debian")),
        command: words(&["sh", "-c", "x --password=hunter2; PGPASSWORD=hunter2 psql", "--token"]),
        args: words(&["hunter2", "plain"]),
        ..named("tools")
    };
    let rendered = with("services: {web: {image: x, ports: ['8080:80', '5432:80']}}", vec![tools]).unwrap();
    let object = rendered.objects.iter().find(|object| object.address_name == "app1-tools").unwrap();
    let marked: Vec<String> = object.sensitive.iter().map(|path| path.join(".")).collect();
    let at = "spec.template.spec.containers.0";
    assert_eq!(marked, [format!("{at}.command.2"), format!("{at}.args.0")]);
}

#[test]
fn an_image_that_no_runtime_takes_is_an_error_at_its_line() {
    let tools = BoxInput { image: Some(boxed_image("Debian:13")), ..named("tools") };
    let text = "services:\n  web: {image: 'nginx:${UNSET}', ports: ['8080:80', '5432:80']}\n";
    let found = with(text, vec![tools]).unwrap_err();
    assert!(
        found.contains("compose-image compose.yml:2:16: web: no runtime takes the image \"nginx:\": the tag after the colon is empty"),
        "{found}"
    );
    assert!(
        found.contains("compose-image kompoxapp.yml:31:10: tools: no runtime takes the image \"Debian:13\": its name must be in lower case"),
        "{found}"
    );
    // A URL is no name, and what it holds is no one's business.
    let text = "services:\n  web: {image: 'https://bob:hunter2@example.com/x', ports: ['8080:80', '5432:80']}\n";
    let found = with(text, Vec::new()).unwrap_err();
    assert!(
        found.contains("no runtime takes the image \"https://bob:(sensitive)@example.com/x\": it is a URL"),
        "{found}"
    );
    assert!(!found.contains("hunter2"), "{found}");
}
