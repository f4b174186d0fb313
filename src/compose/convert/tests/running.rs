//! How services run and end: health, grace periods, services that end, what the Namespace lets them do.

use super::*;

/// The containers of an app whose ingress rule leads to the host port 8080.
fn ruled(text: &str) -> Rendered {
    let (scope, project) = (scope(), project(text));
    let rules = vec![RuleInput { name: "main".to_owned(), port: 8080, hosts: Vec::new(), location: None }];
    let ingress = IngressInput { rules, ..gitea_ingress() };
    convert(&ConvertInput { ingress, ..input(&scope, &project) }).0.unwrap()
}

fn container<'r>(rendered: &'r Rendered, name: &str) -> &'r Value {
    let lists = ["initContainers", "containers"].map(|key| pod(rendered)[key].as_array().cloned().unwrap_or_default());
    let found = lists.iter().flatten().position(|one| one["name"] == name).unwrap();
    let init = lists[0].len();
    if found < init { &pod(rendered)["initContainers"][found] } else { &pod(rendered)["containers"][found - init] }
}

#[test]
fn a_health_check_never_kills_unless_asked_to() {
    let text = "services:\n  web:\n    image: x\n    ports: ['8080:80']\n    \
        healthcheck: {test: [CMD, a], interval: 30s, timeout: 7s, retries: 4, start_period: 2m}\n  \
        db:\n    image: y\n    healthcheck: {test: [CMD, b], interval: 10s}\n  \
        slow:\n    image: z\n    x-kompox: {liveness: true}\n    healthcheck: {test: [CMD, c], interval: 5m, retries: 2}\n  \
        old:\n    image: z\n    labels: {autoheal: 'true'}\n    healthcheck: {test: [CMD, d]}\n  \
        off:\n    image: z\n    labels: [autoheal=false]\n    healthcheck: {test: [CMD, e]}\n";
    let rendered = ruled(text);
    for name in ["web", "db", "slow", "old", "off"] {
        let start = &container(&rendered, name)["startupProbe"];
        let number = |key: &str| start[key].as_i64().unwrap();
        assert!(number("periodSeconds") * number("failureThreshold") >= 86_400, "{name}: {start}");
        assert!(number("failureThreshold") <= i64::from(i32::MAX));
        // Who waits for it waits no longer than docker would let it.
        assert!(number("periodSeconds") <= 5, "{name}: {start}");
    }
    let has = |name: &str, probe: &str| container(&rendered, name).get(probe).cloned();
    assert_eq!(
        has("web", "readinessProbe"),
        Some(json!({"exec": {"command": ["a"]}, "periodSeconds": 30, "timeoutSeconds": 7, "failureThreshold": 4}))
    );
    assert_eq!(
        has("slow", "livenessProbe"),
        Some(json!({"exec": {"command": ["c"]}, "periodSeconds": 300, "timeoutSeconds": 30, "failureThreshold": 2}))
    );
    assert!(has("old", "livenessProbe").is_some());
    for name in ["db", "slow", "old", "off"] {
        assert_eq!(has(name, "readinessProbe"), None, "a sick {name} must not take the site away");
    }
    for name in ["web", "db", "off"] {
        assert_eq!(has(name, "livenessProbe"), None, "{name}");
    }
    let found = findings(&service("    x-kompox: {liveness: true}\n"));
    assert!(found.contains("compose-healthcheck compose.yml:4:16: web: there is no health check"), "{found}");
}

#[test]
fn what_is_waited_for_to_be_healthy_starts_before_with_what_it_needs() {
    let text = "services:\n  web:\n    image: x\n    \
        depends_on: {db: {condition: service_healthy}, cache: {condition: service_healthy}}\n  \
        db:\n    image: y\n    depends_on: [key]\n    healthcheck: {test: [CMD, a]}\n  \
        key: {image: z}\n  cache: {image: c}\n";
    let rendered = converted(text).unwrap();
    let names = |key: &str| -> Vec<String> {
        let list = pod(&rendered)[key].as_array().unwrap();
        list.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        (names("initContainers"), names("containers")),
        (vec!["key".into(), "db".into()], vec!["web".into(), "cache".into()])
    );
    for name in ["key", "db"] {
        assert_eq!(container(&rendered, name)["restartPolicy"], "Always", "{name}");
    }
    assert!(container(&rendered, "db").get("startupProbe").is_some());
    // Of one without a check nobody knows whether it is healthy.
    let found = findings(text);
    assert!(found.contains("web does not wait for cache") && !found.contains("wait for db"), "{found}");
}

#[test]
fn folders_are_filled_from_images_and_given_away_where_that_is_asked_for() {
    let text = "services:\n  web:\n    image: x\n    volumes: ['./a b:/srv', './read:/r:ro']\n    \
        x-kompox: {copyUp: true, chown: '5:6'}\n  db:\n    image: y\n    volumes: ['default:/all']\n    x-kompox: {chown: 7}\n";
    let rendered = converted(text).unwrap();
    let names: Vec<_> = pod(&rendered)["initContainers"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["disk-fence", "init-volume-subpaths", "init-copy-up", "init-copy-up-1"]);
    assert_eq!(
        container(&rendered, "init-volume-subpaths")["command"][2],
        "mkdir -m 1777 -p '/work/default/a b'\nmkdir -m 1777 -p /work/default/read\nchown 7:7 /work/default\n\
         chown 5:6 '/work/default/a b'\nchown 5:6 /work/default/read"
    );
    let copy = container(&rendered, "init-copy-up-1");
    assert_eq!((&copy["image"], &copy["securityContext"]["runAsUser"]), (&json!("x"), &json!(0)));
    assert_eq!(
        copy["env"],
        json!([
            {"name": "FROM", "value": "/srv"}, {"name": "FOLDER", "value": "/.kompox/volumes/default/a b"},
            {"name": "OWNER", "value": "5:6"},
        ])
    );
    let found = findings(
        "services:\n  web:\n    image: x\n    volumes: ['default:/srv']\n    x-kompox: {copyUp: true}\n  \
         a:\n    image: x\n    volumes: ['./x:/x']\n    x-kompox: {chown: 1}\n  \
         b:\n    image: x\n    volumes: ['./x:/x']\n    x-kompox: {chown: 2}\n",
    );
    for part in [
        "web: copyUp fills a folder of a volume, and /srv is the whole volume default",
        "b: another service gives the folder at /x to another owner",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    for wrong in ["data", "[data]", "[{}]"] {
        let found = findings(&service(&format!("    x-kompox: {{leaveOut: {wrong}}}\n")));
        assert!(found.contains("x-kompox.leaveOut must be a list of paths of mounts"), "{found}");
    }
    let found = findings(&service("    x-kompox: {chown: me}\n"));
    assert!(found.contains("x-kompox.chown must be \"UID\" or \"UID:GID\", in numbers"), "{found}");
}

#[test]
fn a_folder_is_filled_when_what_its_service_waits_for_has_ended() {
    let text = "services:\n  web:\n    image: x\n    volumes: ['./html:/srv']\n    x-kompox: {copyUp: true}\n    \
        depends_on: {first: {condition: service_completed_successfully}}\n  \
        other:\n    image: y\n    volumes: ['./other:/srv']\n    x-kompox: {copyUp: true}\n  \
        first:\n    image: busybox\n    volumes: ['default:/to']\n  \
        last:\n    image: busybox\n    depends_on: {first: {condition: service_completed_successfully}}\n  \
        end:\n    image: z\n    depends_on: {last: {condition: service_completed_successfully}}\n";
    let rendered = converted(text).unwrap();
    let names: Vec<&str> =
        pod(&rendered)["initContainers"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let fills = names.iter().position(|name| *name == "init-copy-up").unwrap();
    assert_eq!(names[fills..], ["init-copy-up", "init-copy-up-2", "first", "init-copy-up-1", "last"]);
}

#[test]
fn probes_and_folders_keep_their_dollars() {
    let text = "services:\n  web:\n    image: x\n    volumes: ['./a$$$$b:/d']\n    \
        healthcheck: {test: 'curl $$(hostname) $$$$ $$HOME'}\n";
    let rendered = converted(text).unwrap();
    let web = container(&rendered, "web");
    assert_eq!(web["startupProbe"]["exec"]["command"][2], "curl $$(hostname) $$$ $HOME");
    assert_eq!(web["volumeMounts"][0]["subPath"], "a$$b");
    assert_eq!(container(&rendered, "init-volume-subpaths")["command"][2], "mkdir -m 1777 -p '/work/default/a$$$b'");
}

#[test]
fn the_pod_has_time_for_its_slowest_and_for_each_sidecar() {
    let grace = |services: &str| {
        let rendered = converted(&format!("services:\n{services}")).unwrap();
        pod(&rendered).get("terminationGracePeriodSeconds").and_then(Value::as_i64)
    };
    assert_eq!(grace("  a: {image: x}\n  b: {image: y}\n"), None);
    assert_eq!(grace("  a: {image: x, stop_grace_period: 1s}\n  b: {image: y}\n"), Some(10));
    assert_eq!(grace("  a: {image: x, stop_grace_period: 1s}\n"), Some(1));
    assert_eq!(grace("  a: {image: x, stop_grace_period: 2m}\n  b: {image: y}\n"), Some(120));
    // A Pod that ends at once is forgotten while its containers run.
    assert_eq!(grace("  a: {image: x, stop_grace_period: 0s}\n"), Some(1));
    let chain = "  a: {image: x, depends_on: {m: {condition: service_completed_successfully}}}\n  \
        m: {image: y, depends_on: [db, cache]}\n  db: {image: z, stop_grace_period: 60s}\n  cache: {image: w}\n";
    assert_eq!(grace(chain), Some(80));
}

const ENDING: &str = r#"
services:
  web:
    image: nginx:1.27
    ports: ["8080:80"]
  db:
    image: postgres
    restart: "no"
    healthcheck: {test: [CMD, pg_isready]}
    volumes: ["./db:/var/lib/postgresql/data"]
  seed:
    image: seed
    restart: on-failure:3
    depends_on:
      db: {condition: service_healthy}
      schema: {condition: service_completed_successfully}
    volumes: ["./db:/data"]
    env_file: quoted.env
  schema: {image: schema}
  hello:
    image: busybox
    command: ["sh", "-c", "echo hello"]
    restart: "no"
"#;

#[test]
fn services_that_end_run_as_jobs() {
    let rendered = converted(ENDING).unwrap();
    let names: Vec<&str> =
        pod(&rendered)["containers"].as_array().unwrap().iter().map(|c| c["name"].as_str().unwrap()).collect();
    // A database that must not be restarted is no service that ends.
    assert_eq!(names, ["web", "db"]);
    let hello = find(&rendered, "Job", "app1-job-hello");
    assert_eq!((&hello["spec"]["backoffLimit"], &hello["spec"]["podReplacementPolicy"]), (&json!(0), &json!("Failed")));
    let template = &hello["spec"]["template"];
    assert_eq!(template["spec"]["restartPolicy"], "Never");
    assert_eq!(template["metadata"]["labels"]["app"], "app1-job-hello");
    assert!(template["spec"].get("affinity").is_none() && template["spec"].get("volumes").is_none());
    let seed = find(&rendered, "Job", "app1-job-seed");
    // It cannot wait for the database, so it is tried more often than it says.
    assert_eq!(seed["spec"]["backoffLimit"], 6);
    let spec = &seed["spec"]["template"]["spec"];
    let init: Vec<&Value> = spec["initContainers"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(init, ["init-volume-subpaths", "schema"]);
    let near = &spec["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0];
    assert_eq!(near["labelSelector"], json!({"matchLabels": {"app": "app1-app"}}));
    assert_eq!(find(&rendered, "Secret", "app1-app-seed-base")["data"]["A"], "YiBj");
    let role = find(&rendered, "Role", "app1-access");
    assert_eq!(role["rules"].as_array().unwrap().last().unwrap()["resources"], json!(["jobs"]));
    let found = findings(ENDING);
    assert!(
        found.contains("Note compose-job compose.yml:23:14: hello: restart no, and nobody waits for it"),
        "{found}"
    );
    assert!(found.contains("Warning compose-restart compose.yml:8:14: db: restart no is not kept"), "{found}");
}

#[test]
fn what_others_need_is_no_job() {
    for other in [
        "    ports: ['9000:9000']\n",
        "    expose: ['9000']\n",
        "    healthcheck: {test: [CMD, a]}\n",
        "    network_mode: 'service:web'\n",
    ] {
        let text = format!("services:\n  web: {{image: x}}\n  job:\n    image: y\n    restart: 'no'\n{other}");
        assert!(converted(&text).unwrap().objects.iter().all(|object| object.kind != ObjectKind::Job), "{other}");
    }
    for web in ["depends_on: [job]", "network_mode: 'service:job'", "environment: {URL: 'http://job/x'}"] {
        let text = format!("services:\n  web: {{image: x, {web}}}\n  job: {{image: y, restart: on-failure}}\n");
        assert!(converted(&text).unwrap().objects.iter().all(|object| object.kind != ObjectKind::Job), "{web}");
    }
}

#[test]
fn the_namespace_enforces_what_its_pods_keep() {
    let level = |more: &str| {
        let rendered = converted(&service(more)).unwrap();
        find(&rendered, "Namespace", "app1")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"].clone()
    };
    assert_eq!(level(""), "baseline");
    assert_eq!(level("    cap_drop: [ALL]\n    cap_add: [CHOWN]\n"), "baseline");
    for more in [
        "    privileged: true\n",
        "    cap_add: [NET_ADMIN]\n",
        "    cap_add: [ALL]\n",
        "    security_opt: ['seccomp=unconfined']\n",
        "    security_opt: ['apparmor=unconfined']\n",
        "    sysctls: {net.core.somaxconn: 1024}\n",
    ] {
        assert_eq!(level(more), "privileged", "{more}");
    }
    let one_shot = "services:\n  web: {image: x}\n  job: {image: y, restart: 'no', privileged: true}\n";
    let rendered = converted(one_shot).unwrap();
    let labels = &find(&rendered, "Namespace", "app1")["metadata"]["labels"];
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "privileged");
}

#[test]
fn lines_of_configs_that_are_secrets_are_covered() {
    let text = "services: {web: {image: x, configs: [a]}}\nconfigs:\n  a:\n    content: |\n      host = db\n      password = tr0ub4dor\n      url = pg://u:hun@db/x\n";
    let rendered = converted(text).unwrap();
    let shown = manifest(&rendered, false).unwrap();
    assert!(!shown.contains("tr0ub4dor") && !shown.contains("hun@"), "{shown}");
    assert!(shown.contains("host = db") && shown.contains("password = (sensitive)"), "{shown}");
    assert!(manifest(&rendered, true).unwrap().contains("tr0ub4dor"));
}

/// What reading and converting say of a text with variables of the process that nobody named.
fn unnamed(text: &str, variables: &[(&str, &str)]) -> (Option<Rendered>, String) {
    let process = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let gate = crate::compose::gate::Gate::new(process, None);
    let inputs = vec![Input::Text(Source::new("compose.yml", text))];
    let (project, mut found) = read(ReadRequest { inputs, profiles: &[], gate: &gate, files: &files() });
    let scope = scope();
    let rendered = project.and_then(|project| {
        let (rendered, more) = convert(&input(&scope, &project));
        found.extend(more);
        rendered
    });
    let told = found
        .iter()
        .map(|one| format!("{one} {}\n", one.help.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")))
        .collect();
    (rendered, told)
}

#[test]
fn values_of_the_process_are_never_shown() {
    let value = "tOpSeCrEt-gh0-Zq81";
    for field in [
        "image: 'reg.io/x:${V}'",
        "ports: ['${V}:80']",
        "container_name: '${V}'",
        "hostname: '${V}'",
        "volumes: ['default:/d/${V}']",
        "volumes: ['./data/${V}:/d']",
        "volumes: ['/etc/${V}:/d']",
        "env_file: ['${V}.env']",
        "environment: ['${V}=1']",
        "environment: {A: '${NOPE:?${V}}'}",
        "annotations: {a: '${V}'}",
        "user: '${V}'",
        "working_dir: '/${V}'",
        "extends: {file: '${V}.yml', service: x}",
        "mem_limit: '${V}'",
        "cpus: '${V}'",
        "restart: '${V}'",
        "depends_on: ['${V}']",
        "extra_hosts: ['h:${V}']",
        "dns: ['${V}']",
        "dns_search: ['${V}']",
        "cap_add: ['${V}']",
        "sysctls: {'net.a': '${V}'}",
        "network_mode: 'service:${V}'",
        "deploy: {replicas: '${V}'}",
        "command: 'echo ${V}'",
        "entrypoint: [a, '${V}']",
        "command: \"echo '${V}\"",
        "tmpfs: ['/${V}']",
        "tmpfs: ['/t:size=${V}']",
        "pull_policy: '${V}'",
        "stop_grace_period: '${V}'",
        "secrets: ['${V}']",
        "configs: [{source: c, target: '/${V}'}]",
        "shm_size: '${V}'",
        "read_only: '${V}'",
        "group_add: ['${V}']",
        "security_opt: ['${V}']",
        "healthcheck: {test: [CMD, '${V}']}",
        "healthcheck: {test: [CMD, a], interval: '${V}'}",
        "post_start: [{command: [a, '${V}']}]",
        "x-kompox: {limits: {cpu: '${V}'}}",
    ] {
        for variable in ["V", "GH_TOKEN"] {
            let text =
                format!("services:\n  web:\n    image: x\n    {field}\nconfigs: {{c: {{content: 'a ${{V}}'}}}}\n")
                    .replace("    image: x\n    image", "    image")
                    .replace("${V}", &format!("${{{variable}}}"));
            let (rendered, told) = unnamed(&text, &[(variable, value)]);
            let shown = rendered.map(|rendered| manifest(&rendered, false).unwrap()).unwrap_or_default();
            for output in [&told, &shown] {
                assert!(!output.to_lowercase().contains(&value.to_lowercase()), "{field}: {output}");
            }
        }
    }
    // What becomes a name cannot be hidden: it is said how to allow it.
    let (rendered, told) =
        unnamed("services: {web: {image: x, volumes: ['./a:/d/${FOLDER}']}}", &[("FOLDER", "some-where-42")]);
    assert!(rendered.is_none() && told.contains("${FOLDER} becomes a name (mountPath of a Deployment)"), "{told}");
    assert!(told.contains("--env-allow FOLDER"), "{told}");
}

#[test]
fn variables_that_are_withheld_are_named() {
    let text = "services:\n  web:\n    image: 'x:${TAG:-1}'\n    environment: [PASSED]\n    secrets: [s]\nsecrets: {s: {environment: KEPT}}\n";
    let (rendered, told) = unnamed(text, &[("TAG", "9.9"), ("PASSED", "a"), ("KEPT", "b"), ("CI", "true")]);
    assert!(rendered.is_none());
    for name in ["TAG", "PASSED", "KEPT"] {
        assert!(told.contains(&format!("--env-allow {name}, or KOMPOX_ENV_ALLOW={name}")), "{name}: {told}");
    }
    assert!(!told.contains("9.9"), "{told}");
    let (rendered, told) = unnamed("services: {web: {image: 'x:${TAG:-1}'}}", &[("TAG", "9.9"), ("CI", "1")]);
    assert_eq!(container(&rendered.unwrap(), "web")["image"], "x:1", "{told}");
}

#[test]
fn later_env_files_win() {
    let text = service("    env_file: [first.env, second.env]\n");
    struct Two;
    impl Files for Two {
        fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
            match relative.trim_start_matches("./") {
                "first.env" => Ok(b"A=first\nB=first\n".to_vec()),
                "second.env" => Ok(b"A=second\nC=second\n".to_vec()),
                _ => Err(FileError::NotFound),
            }
        }
        fn is_file(&self, _: &str) -> bool {
            true
        }
        fn is_dir(&self, _: &str) -> bool {
            false
        }
    }
    let inputs = vec![Input::Text(Source::new("compose.yml", text))];
    let (project, _) = read(ReadRequest { inputs, profiles: &[], gate: &Default::default(), files: &Two });
    let values = project.unwrap().services.remove(0).env_file.unwrap();
    let values: Vec<(&str, &str)> = values.iter().map(|(name, text)| (name.as_str(), text.value.as_str())).collect();
    assert_eq!(values, [("A", "second"), ("B", "first"), ("C", "second")]);
}

#[test]
fn labels_have_at_most_63_characters() {
    for (length, fits) in [(63 - "app1-job-".len(), true), (64 - "app1-job-".len(), false)] {
        let name = "a".repeat(length);
        let text = format!("services:\n  web: {{image: x}}\n  {name}: {{image: y, restart: 'no'}}\n");
        let told = findings(&text);
        assert_eq!(told.contains("too long for a label"), !fits, "{length}: {told}");
    }
}

#[test]
fn volumes_that_hide_files_of_an_image_are_told() {
    let told = |volume: &str, more: &str| {
        let text = format!("services:\n  web:\n    image: drupal:10\n    volumes: [{volume}]\n{more}");
        let (_, found) = read_text(&text);
        lines(&found).contains("compose-volume-empty")
    };
    for volume in
        ["sites:/var/www/html/sites", "html:/usr/share/nginx/html", "files:/opt/x", "files:/app", "files/b:/var/www/x"]
    {
        assert!(told(&format!("'{volume}'"), ""), "{volume}");
    }
    for volume in ["files:/var/lib/mysql", "files:/data", "./a:/var/www/html", "files:/apples"] {
        assert!(!told(&format!("'{volume}'"), ""), "{volume}");
    }
    assert!(!told("{type: volume, source: a, target: /opt/x, volume: {nocopy: true}}", ""));
    let filled = "    depends_on: {fill: {condition: service_completed_successfully}}\n  fill:\n    image: drupal:10\n    \
        volumes: ['sites:/copy']\n";
    assert!(!told("'sites:/var/www/html/sites'", filled));
    // As the warning says.
    assert!(!told("'sites/files:/var/www/html/sites'", "    x-kompox: {copyUp: true}\n"));
}

#[test]
fn ports_of_schemes_and_of_configs_are_signs() {
    let text = r#"
services:
  gateway:
    image: nginx:1.27
    ports: ["8080:80"]
    configs: [{source: site, target: /etc/nginx/conf.d/default.conf}]
  geo:
    image: example.com/geo:1
    healthcheck: {test: ["CMD", "curl", "-f", "http://localhost/v1/health"]}
  api:
    image: example.com/api:1
    environment: {GEO_URL: "http://geo/v1"}
configs:
  site: {content: "server { listen 80; location / { proxy_pass http://api:80; } }\n"}
"#;
    let told = findings(text);
    assert!(told.contains("api, gateway and geo seem to listen on one port, 80"), "{told}");
    let told = findings("services: {a: {image: x}, b: {image: y}, c: {image: z, expose: [80]}}");
    assert!(told.contains("the ports of these services are not known: a, b;"), "{told}");
}

#[test]
fn places_that_two_services_reach_by_different_ways_are_told() {
    let two = |a: &str, b: &str| {
        let text =
            format!("services:\n  web: {{image: x, volumes: ['{a}']}}\n  backup: {{image: x, volumes: ['{b}']}}\n");
        let project = read_text(&text).0.unwrap();
        let found = convert(&input(&scope(), &project)).1;
        let told = found.iter().filter(|finding| finding.code.starts_with("compose-mount"));
        let told = told.map(|finding| {
            let help: Vec<String> = finding.help.iter().map(ToString::to_string).collect();
            format!("{} {finding}\n{}\n", finding.code, help.join("\n"))
        });
        told.collect::<String>()
    };
    // The first volume is `default`.
    let found = two("default/data:/srv", "./data/new:/d");
    for part in [
        "compose-mount-shared compose.yml:3:32: backup: ./data/new is the folder data/new of the volume default, which web has as \
         default/data",
        "give it a folder of its own: ./backup/data/new:/d",
        "where both are to have the same files, say so: default/data/new:/d",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    let found = two("default/data:/srv", "default:/all");
    for part in [
        "compose-mount-whole compose.yml:3:32: backup: /all is the whole volume default, of which web has default/data",
        "where both are to have the same files, write default/data:/all",
    ] {
        assert!(found.contains(part), "{part}: {found}");
    }
    // As they say.
    for b in ["./backup/data/new:/d", "default/data/new:/d", "default/data:/all"] {
        assert!(two("default/data:/srv", b).is_empty(), "{b}");
    }
    assert_eq!(two("./data:/srv", "./data:/d"), "");
    assert_eq!(two("default/data:/srv", "./database:/d"), "");
}
