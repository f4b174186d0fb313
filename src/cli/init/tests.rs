//! What is decided about compose projects of many shapes.

use std::path::Path;

use super::found::{Change, FileUse, Remark, Survey};
use super::survey::survey;
use super::{draft, files};

/// The survey of a compose file in a folder with these other files.
fn look(compose: &str, others: &[(&str, &str)]) -> Survey {
    look_with(compose, others, 4)
}

fn look_with(compose: &str, others: &[(&str, &str)], disks: usize) -> Survey {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("app");
    let write = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        if name.ends_with('/') { std::fs::create_dir_all(path).unwrap() } else { std::fs::write(path, text).unwrap() }
    };
    others.iter().for_each(|(name, text)| write(name, text));
    write("compose.yml", compose);
    let draft = draft::read(&[Path::new(&folder).join("compose.yml")], &Default::default()).unwrap();
    survey(&draft, "app", |_| disks)
}

fn mounts(volumes: &str) -> String {
    format!("services:\n  a:\n    image: x\n    ports: ['80:80']\n    volumes:\n{volumes}")
}

fn change<'s>(survey: &'s Survey, service: &str) -> &'s Change {
    &survey.changes.iter().find(|(name, _)| name == service).expect("the service changes").1
}

fn texts(remarks: &[Remark]) -> Vec<String> {
    remarks
        .iter()
        .map(|one| one.at.as_ref().map_or(one.text.clone(), |at| format!("{}: {}", at.line, one.text)))
        .collect()
}

#[test]
fn relative_folders_stay_as_they_are() {
    let found = look(
        &mounts("      - ./data/a:/a\n      - ./data/b/:/b:rw\n      - {type: bind, source: ./c, target: /c}\n"),
        &[],
    );
    assert_eq!(found.volumes.len(), 1);
    assert_eq!(found.volumes[0].0, "default");
    assert!(found.changes.is_empty(), "{:?}", found.changes);
    assert_eq!(found.volumes[0].1, "./c, ./data/a, ./data/b");
    let found = look(&mounts("      - ./data/a:/a\n      - ./b:/b:ro\n"), &[]);
    assert!(found.changes.is_empty(), "{:?}", found.changes);
}

#[test]
fn named_volumes_are_disks_with_valid_names() {
    let found = look(&mounts("      - pg_data:/a\n      - pg-data:/b\n      - a_very_long_volume_name:/c:ro\n"), &[]);
    let names: Vec<&str> = found.volumes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["pg-data", "pg-data-2", "a-very-long-volu"]);
    assert_eq!(
        change(&found, "a").volumes.as_deref().unwrap(),
        ["pg-data/data:/a", "pg-data-2/data:/b", "a-very-long-volu/data:/c:ro"]
    );
    assert_eq!(found.decided.len(), 3, "{:?}", found.decided);
}

#[test]
fn more_named_volumes_than_a_node_holds_share_a_disk() {
    let found = look_with(&mounts("      - aa:/a\n      - b_b:/b\n      - ./c:/c\n"), &[], 2);
    assert_eq!(found.volumes.len(), 1);
    assert_eq!(change(&found, "a").volumes.as_deref().unwrap(), ["./aa:/a", "./b-b:/b", "./c:/c"]);
    assert!(
        texts(&found.decided)[0].starts_with("6: the 2 named volumes are folders of one disk"),
        "{:?}",
        found.decided
    );
}

#[test]
fn a_volume_that_services_share_is_one_folder() {
    let compose = "services:\n  a: {image: x, volumes: ['html:/a']}\n  b: {image: y, volumes: ['html:/b:ro']}\n";
    let found = look(compose, &[]);
    assert_eq!(found.volumes.len(), 1);
    assert_eq!(change(&found, "a").volumes.as_deref().unwrap(), ["html/data:/a"]);
    assert_eq!(change(&found, "b").volumes.as_deref().unwrap(), ["html/data:/b:ro"]);
}

#[test]
fn single_files_are_configs_and_secrets() {
    let compose = mounts(
        "      - ./nginx.conf:/etc/nginx/nginx.conf:ro\n      - ./tls.key:/tls.key:ro\n      - ./run.sh:/run.sh\n      - ./conf.d:/etc/conf.d:ro\n      - ./missing.conf:/etc/missing.conf\n",
    );
    let files =
        [("nginx.conf", "x"), ("tls.key", "x"), ("run.sh", "x"), ("conf.d/a.conf", "1"), ("conf.d/b.conf", "2")];
    let found = look(&compose, &files);
    let change = change(&found, "a");
    assert_eq!(change.volumes.as_deref().unwrap(), [""; 0]);
    let uses: Vec<(&str, &str)> = change.configs.iter().map(|one| (one.source.as_str(), one.target.as_str())).collect();
    assert_eq!(
        uses,
        [
            ("nginx-conf", "/etc/nginx/nginx.conf"),
            ("run-sh", "/run.sh"),
            ("conf-d-a-conf", "/etc/conf.d/a.conf"),
            ("conf-d-b-conf", "/etc/conf.d/b.conf")
        ]
    );
    assert_eq!((change.secrets[0].source.as_str(), change.secrets[0].target.as_str()), ("tls-key", "/tls.key"));
    assert_eq!(found.configs[0], ("conf-d-a-conf".to_owned(), "conf.d/a.conf".to_owned()));
    assert_eq!(
        texts(&found.decided),
        [
            "7: a: ./tls.key is a secret, since its name says so",
            "8: a: ./run.sh is a config, which the service can read and not change"
        ]
    );
    assert_eq!(
        texts(&found.todo),
        [
            "10: a: ./missing.conf does not exist; write it, or take its mount out; then take away what init wrote and run it again"
        ]
    );
    assert!(found.volumes.is_empty());
}

#[test]
fn a_folder_that_one_service_writes_and_another_reads_is_one() {
    let compose = "services:\n  app:\n    image: a\n    volumes: ['./static:/app/static']\n  web:\n    image: w\n    \
                   volumes: ['./static:/static:ro', './static/css:/css:ro', './conf:/conf:ro']\n";
    let found = look(compose, &[("static/a.css", "x"), ("static/css/b.css", "x"), ("conf/c.conf", "x")]);
    let web = change(&found, "web");
    assert_eq!(web.volumes.as_deref().unwrap(), ["./static:/static:ro", "./static/css:/css:ro"]);
    assert_eq!(web.configs.iter().map(|one| one.source.as_str()).collect::<Vec<_>>(), ["conf-c-conf"]);
}

#[test]
fn what_belongs_to_one_machine_goes() {
    let compose = mounts(
        "      - /etc/localtime:/etc/localtime:ro\n      - /dev/dri:/dev/dri\n      - ../shared:/shared\n      - ~/music:/music\n      - /srv/media:/media\n      - /var/run/docker.sock:/var/run/docker.sock\n      - /anonymous\n      - /app/node_modules\n      - ../x.conf:/x.conf\n",
    );
    let found = look(&compose, &[]);
    assert_eq!(
        change(&found, "a").volumes.as_deref().unwrap(),
        ["./shared:/shared", "./music:/music", "./srv/media:/media", "./a/anonymous:/anonymous"]
    );
    let todo = texts(&found.todo);
    assert_eq!(todo.len(), 5, "{todo:#?}");
    assert!(
        todo[3].starts_with("11: a: /var/run/docker.sock is left out: there is no Docker in a cluster"),
        "{todo:#?}"
    );
    assert!(todo[4].starts_with("14: a: the file ../x.conf is outside of this folder"), "{todo:#?}");
}

#[test]
fn a_service_for_docker_is_left_out_unless_others_need_it() {
    let compose = |depends: &str| {
        format!(
            "services:\n  a: {{image: x, ports: ['80:80']{depends}}}\n  proxy:\n    image: traefik\n    ports: ['81:80']\n    volumes: ['/var/run/docker.sock:/var/run/docker.sock:ro']\n"
        )
    };
    let found = look(&compose(""), &[]);
    assert!(change(&found, "proxy").off);
    assert_eq!((found.rules.len(), found.services), (1, 1));
    let companion = "  companion:\n    image: c\n    depends_on: [proxy]\n    volumes: ['/run/docker.sock:/d.sock']\n";
    let found = look(&(compose("") + companion), &[]);
    assert!(change(&found, "proxy").off && change(&found, "companion").off);
    let worker = "  worker: {image: x, volumes: ['/var/run/docker.sock:/var/run/docker.sock', './w:/w']}\n";
    let found = look(&(compose("") + worker), &[]);
    assert!(!change(&found, "worker").off, "it may do without");
    assert_eq!(change(&found, "worker").volumes.as_deref().unwrap(), ["./w:/w"]);
    let found = look(&compose(", depends_on: [proxy]"), &[]);
    assert_eq!(change(&found, "proxy").volumes.as_deref(), Some(&[] as &[String]));
    assert!(!change(&found, "proxy").off);
}

#[test]
fn hosts_are_for_what_speaks_http() {
    let compose = "services:\n  web: {image: x, ports: ['8080:80', '8443:443', '2222:22', '53:53/udp']}\n  db: {image: postgres, ports: ['5432:5432']}\n  admin_ui: {image: y, ports: ['127.0.0.1:9000:9000', {target: 9100, published: '9100'}]}\n";
    let rules: Vec<(String, u16)> = look(compose, &[]).rules.into_iter().map(|rule| (rule.name, rule.port)).collect();
    assert_eq!(rules, [("main".into(), 8080), ("admin-ui".into(), 9100)]);

    let found = look("services:\n  web: {image: x, ports: ['80']}\n", &[]);
    assert_eq!(found.rules[0].port, 80);
    assert_eq!(change(&found, "web").ports, ["80:80"]);

    let found = look("services:\n  db: {image: mysql}\n  web: {image: x, expose: ['3000']}\n", &[]);
    assert_eq!((found.rules[0].service.as_str(), found.rules[0].port), ("web", 3000));
    assert_eq!(change(&found, "web").ports, ["3000:3000"]);

    let found =
        look("services:\n  web: {image: x, labels: ['traefik.http.services.w.loadbalancer.server.port=8065']}\n", &[]);
    assert_eq!(found.rules[0].port, 8065);

    let fpm = "services:\n  app: {image: 'nextcloud:fpm'}\n  cron: {image: 'nextcloud:fpm', entrypoint: /cron.sh}\n  web: {image: x, environment: [VIRTUAL_HOST=h]}\n";
    let found = look(fpm, &[]);
    assert_eq!((found.rules[0].service.as_str(), found.rules[0].port, found.todo.len()), ("web", 80, 1));

    let found = look("services:\n  web: {image: x, ports: ['443:443']}\n", &[]);
    assert!(texts(&found.todo)[0].starts_with("2: web speaks HTTPS on 443"), "{:?}", found.todo);
}

#[test]
fn of_two_services_on_one_port_the_later_gets_a_box() {
    let found = look("services:\n  a: {image: postgres:17}\n  b: {image: postgis/postgis}\n", &[]);
    assert_eq!(found.boxes, ["b"]);
    assert_eq!(
        texts(&found.decided)[0],
        "3: b gets a Pod of its own, a Box: a and b both seem to listen on port 5432, as far as images and addresses tell"
    );
    let web = "services:\n  a: {image: x, ports: ['80:80']}\n  b: {image: y, expose: ['80']}\n  c: {image: z, expose: ['80/udp', '81']}\n";
    let found = look(web, &[]);
    assert_eq!(found.boxes, ["b"]);
    assert_eq!(texts(&found.decided)[0], "3: b gets a Pod of its own, a Box: a and b both listen on port 80");
    // A web server that declares another port listens there.
    assert!(look("services:\n  a: {image: nginx}\n  b: {image: nginx, ports: ['81:81']}\n", &[]).boxes.is_empty());
    assert!(
        look(
            "services:\n  a: {image: x, expose: [80]}\n  b: {image: y, expose: [80], network_mode: 'service:a'}\n",
            &[]
        )
        .boxes
        .is_empty()
    );
}

#[test]
fn addresses_say_where_services_listen() {
    let compose = "services:\n  a: {image: x, environment: {PEER: 'http://b:5679'}}\n  b: {image: y, healthcheck: {test: [CMD, curl, 'localhost:5678']}}\n  c: {image: z, environment: ['OWN=tcp://c:5679', 'SECRET=${PW:-b:80}']}\n  d: {image: z, healthcheck: {test: 'nc -z 127.0.0.1 5678'}}\n  e: {image: z, expose: [80]}\n";
    assert_eq!(look(compose, &[]).boxes, ["c", "d"]);
}

#[test]
fn what_waits_for_an_end_stays_in_the_pod() {
    let compose = "services:\n  job: {image: x}\n  a: {image: postgres}\n  b: {image: postgres, depends_on: {job: {condition: service_completed_successfully}}}\n";
    let found = look(compose, &[]);
    assert!(found.boxes.is_empty());
    assert!(
        texts(&found.todo)[1]
            .starts_with("4: a and b both seem to listen on port 5432, as far as images and addresses tell, and share"),
        "{:?}",
        found.todo
    );
}

fn named(compose: &str) -> Vec<(String, u16)> {
    look(compose, &[]).rules.into_iter().map(|rule| (rule.name, rule.port)).collect()
}

#[test]
fn ports_for_one_machine_get_no_rule_beside_others() {
    let web = "  web: {image: y, ports: ['3000:3000']}\n";
    for local in ["127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]"] {
        let compose = format!("services:\n  worker: {{image: x, ports: ['{local}:3030:3030']}}\n{web}");
        let found = look(&compose, &[]);
        assert_eq!(named(&compose), [("main".to_owned(), 3000)], "{local}");
        assert_eq!(
            texts(&found.decided),
            [
                "2: worker: port 3030 is for this machine only and gets no host: it is reached inside of the cluster only"
            ]
        );
    }
    let long = "services:\n  a: {image: x, ports: [{target: 81, published: '81', host_ip: '::1'}]}\n";
    assert_eq!(named(&format!("{long}{web}")), [("main".to_owned(), 3000)]);
    // Published, but not for browsers: what is private stays so.
    assert_eq!(named(&format!("{long}  db: {{image: postgres, ports: ['5432:5432']}}\n")), []);
    // One port, for everybody and for this machine.
    assert_eq!(named("services:\n  a: {image: x, ports: ['127.0.0.1:81:80', '82:80']}\n"), [("main".to_owned(), 82)]);
    // A web server's own port is not opened by another way.
    let nginx = "services:\n  a: {image: nginx, ports: ['127.0.0.1:81:80']}\n  s: {image: x, ports: ['22:22']}\n";
    assert_eq!(named(nginx), []);
}

#[test]
fn ports_for_one_machine_alone_are_told_when_a_rule_opens_them() {
    let compose = "services:\n  a: {image: x, ports: ['127.0.0.1:80:80', '[::1]:81:81']}\n";
    let found = look(compose, &[]);
    assert_eq!(named(compose), [("a-80".to_owned(), 80), ("a-81".to_owned(), 81)], "never main");
    let todo = texts(&found.todo);
    assert_eq!(todo.len(), 2, "{todo:#?}");
    assert!(todo[0].starts_with("2: a: port 80 was for this machine only"), "{todo:#?}");
    // What a proxy would have been told of is meant for everybody.
    let told = format!("{compose}  b: {{image: y, environment: [VIRTUAL_HOST=h, VIRTUAL_PORT=90]}}\n");
    assert_eq!(named(&told), [("main".to_owned(), 90)]);
}

#[test]
fn names_of_rules_are_cut_in_the_service_and_end_in_a_letter_or_a_digit() {
    let ports = "ports: ['8081:8081', '8082:8082', '18081:9000']";
    for (service, expected) in [
        ("administration", ["main", "administra-8082", "administr-18081"]),
        ("vaultwarden", ["main", "vaultwarde-8082", "vaultward-18081"]),
        ("hoppscotch-app", ["main", "hoppscotch-8082", "hoppscotc-18081"]),
        ("a-b-c-d-e-f-g-h", ["main", "a-b-c-d-e-8082", "a-b-c-d-e-18081"]),
        ("main", ["main", "main-8082", "main-18081"]),
        ("\"2048\"", ["main", "port-8082", "port-18081"]),
    ] {
        let names: Vec<String> = named(&format!("services:\n  {service}: {{image: x, {ports}}}\n"))
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        for name in &names {
            assert!(name.len() <= 15 && !name.ends_with('-') && !name.contains("--"), "{name}");
        }
        assert_eq!(names, expected, "{service}");
        assert!(names[1].ends_with("-8082") && names[2].ends_with("-18081"), "{names:?}");
    }
    let two = "services:\n  web: {image: x, ports: ['80:80']}\n  administration-web: {image: x, ports: ['81:81']}\n  administration-api: {image: x, ports: ['82:82']}\n";
    assert_eq!(
        named(two).into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
        ["main", "administration", "administrati-82"]
    );
}

#[test]
fn a_profile_without_a_name_is_on() {
    let compose = "services:\n  a: {image: x, profiles: ['${P:-}'], ports: ['80:80']}\n  b: {image: y}\n  c: {image: z, profiles: [debug]}\n";
    let found = look(compose, &[]);
    assert_eq!((found.services, found.active.len(), found.profiles.clone()), (2, 0, vec!["debug".to_owned()]));
    assert!(found.unnamed, "whoever names another has to name it, too");
    let all = "services:\n  a: {image: x, profiles: ['']}\n  b: {image: y, profiles: ['']}\n";
    let found = look(all, &[]);
    assert_eq!((found.services, found.active.len(), found.profiles.len()), (2, 0, 0));
    let found = look(compose, &[(".env", "COMPOSE_PROFILES=debug\n")]);
    assert_eq!((found.services, found.active), (2, vec!["debug".to_owned()]), "as docker compose: a is off");
    let found = look(compose, &[(".env", "COMPOSE_PROFILES=debug,\n")]);
    assert_eq!((found.services, found.active), (3, vec![String::new(), "debug".to_owned()]));
}

#[test]
fn mounts_that_get_a_folder_have_one_each() {
    let compose = "services:\n  app:\n    image: x\n    volumes: ['/var/www/data/files', '/var/lib/cache/files', './app/new:/n', '/srv/x:/a', '~/x:/b', '../x:/c', '../x/y:/d']\n  web:\n    image: y\n    volumes: ['/srv/x:/a', '/w/Files', '/v/files', './x:/y']\n";
    let found = look(compose, &[]);
    let of = |service: &str| change(&found, service).volumes.clone().unwrap();
    assert_eq!(
        of("app"),
        [
            "./app/files:/var/www/data/files",
            "./app/var-lib-cache-files:/var/lib/cache/files",
            "./app/new:/n",
            "./srv/x:/a",
            "./home/x:/b",
            "./outside/x:/c",
            "./outside/x/y:/d"
        ]
    );
    assert_eq!(of("web"), ["./srv/x:/a", "./web/files:/w/Files", "./web/v-files:/v/files", "./x:/y"]);
    // Folded volumes are folders, too.
    let found = look_with(&mounts("      - aa:/a\n      - a_b:/b\n      - ./a-b/x:/c\n      - AA:/d\n"), &[], 1);
    assert_eq!(change(&found, "a").volumes.as_deref().unwrap(), ["./aa:/a", "./a-b-2:/b", "./a-b/x:/c", "./aa-2:/d"]);
}

#[test]
fn two_names_of_one_volume_are_one_volume() {
    let compose = "services:\n  a: {image: x, volumes: ['one:/a']}\n  b: {image: y, volumes: ['two:/b']}\nvolumes: {one: {name: shared}, two: {name: shared}}\n";
    let found = look(compose, &[]);
    assert_eq!(found.volumes, [("one".to_owned(), "the named volumes one, two".to_owned())]);
    assert_eq!(change(&found, "b").volumes.as_deref().unwrap(), ["one/data:/b"]);
}

#[test]
fn absolute_and_roundabout_paths_into_the_folder_are_folders_of_it() {
    let outer = tempfile::tempdir().unwrap();
    let compose = format!(
        "services:\n  a:\n    image: x\n    volumes: ['{}/data:/a', './x/../data:/b']\n",
        outer.path().display()
    );
    std::fs::write(outer.path().join("compose.yml"), compose).unwrap();
    let draft = draft::read(&[outer.path().join("compose.yml")], &Default::default()).unwrap();
    let found = survey(&draft, "app", |_| 4);
    assert_eq!(change(&found, "a").volumes.as_deref().unwrap(), ["./data:/a", "./data:/b"]);
}

#[test]
fn two_ways_to_one_folder_lead_to_one_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("shop");
    std::fs::create_dir(&folder).unwrap();
    let compose = "services:\n  a: {image: x, volumes: ['~/media:/m', './data:/d']}\n  \
                   b: {image: x, volumes: ['${HOME}/media:/m', '../shop/data:/d']}\n";
    std::fs::write(folder.join("compose.yml"), compose).unwrap();
    let gate = crate::compose::gate::Gate::new([("HOME".to_owned(), "/home/alice".to_owned())].into(), None);
    let draft = draft::read(&[folder.join("compose.yml")], &gate).unwrap();
    let found = survey(&draft, "app", |_| 4);
    for service in ["a", "b"] {
        assert_eq!(change(&found, service).volumes.as_deref().unwrap(), ["./media:/m", "./data:/d"]);
    }
}

#[test]
fn what_an_image_is_built_from_is_not_mounted() {
    let compose = "services:\n  web: {build: {context: app}, ports: ['8000:8000'], volumes: ['./app:/code', './app/data:/data', './logs:/logs']}\n  side: {image: x, volumes: ['./app:/code:ro']}\n";
    let found = look(compose, &[("app/Dockerfile", "COPY . /code"), ("app/main.py", ""), ("app/data/", "")]);
    let change = change(&found, "web");
    assert_eq!(change.volumes.as_deref().unwrap(), ["./app/data:/data", "./logs:/logs"]);
    assert_eq!(
        texts(&found.decided)[0],
        "2: web: ./app is not mounted: the image is built from it, and what is written to /code is gone with the container"
    );
    let found = look("services:\n  web: {build: ., ports: ['80:80'], volumes: ['.:/code']}\n", &[("db.sqlite3", "")]);
    assert!(
        texts(&found.todo)[0].ends_with("it holds db.sqlite3: mount a folder of its own for data"),
        "{:?}",
        found.todo
    );
    assert!(found.volumes.is_empty());
}

#[test]
fn volumes_that_docker_would_fill_are_told() {
    let compose = "services:\n  drupal: {image: 'drupal:10', ports: ['80:80'], volumes: ['sites:/var/www/html/sites', 'up:/var/lib/up', '/opt/x', {type: volume, source: no, target: /opt/y, volume: {nocopy: true}}]}\n  db: {image: 'postgres:17', volumes: ['db:/var/lib/postgresql/data']}\n  again: {image: x, volumes: ['sites:/usr/sites', 'there:/usr/there']}\nvolumes: {there: {external: true}}\n";
    let found = look(compose, &[]);
    let told: Vec<String> = texts(&found.todo).into_iter().filter(|line| line.contains("fills a new volume")).collect();
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].starts_with("2: drupal: sites starts empty in the cluster"), "{told:#?}");
    assert!(told[1].contains("at /opt/x: copy that once"), "{told:#?}");
}

#[test]
fn files_with_secrets_are_secrets() {
    let compose = mounts(
        "      - ./.env:/app/.env\n      - ./config.yml:/c.yml:ro\n      - ./plain.yml:/p.yml:ro\n      - ./all:/all:ro\n",
    ) + "configs: {declared: {file: ./config.yml}}\n";
    let files = [
        (".env", "A=1\n"),
        ("config.yml", "smtp:\n  password: hunter2\n"),
        ("plain.yml", "password:\nurl: http://x\n"),
        ("all/a.conf", "x\n"),
        ("all/b.conf", "url=redis://:hunter2@x\n"),
    ];
    let found = look(&compose, &files);
    let change = change(&found, "a");
    let sources = |uses: &[FileUse]| uses.iter().map(|one| one.source.clone()).collect::<Vec<_>>();
    assert_eq!(sources(&change.secrets), ["env", "config-yml", "all-b-conf"]);
    assert_eq!(sources(&change.configs), ["plain-yml", "all-a-conf"]);
    let decided = texts(&found.decided);
    assert!(
        decided.contains(&"7: a: ./config.yml is a secret, since it sets password in line 2".to_owned()),
        "{decided:#?}"
    );
    let todo = texts(&found.todo);
    assert!(
        todo.iter().any(|line| line.starts_with("10: the config declared holds a secret (it sets password in line 2)")),
        "{todo:#?}"
    );
    assert!(!format!("{decided:?}{todo:?}").contains("hunter2"));
}

#[test]
fn ports_are_seen_in_urls_and_in_files() {
    let compose = "services:\n  gateway: {image: nginx, ports: ['8080:80'], volumes: ['./default.conf:/etc/nginx/conf.d/default.conf:ro']}\n  geo: {image: x, healthcheck: {test: [CMD, curl, 'http://localhost/v1']}}\n  api: {image: y}\n  other: {image: z}\n  worker: {image: w}\n";
    let conf = "# proxy_pass http://worker:80;\nserver { listen 80; location / { proxy_pass http://api; } }\n";
    let found = look(compose, &[("default.conf", conf)]);
    assert_eq!(found.boxes, ["geo", "api"]);
    let todo = texts(&found.todo);
    assert!(
        todo.iter().any(|line| line.starts_with("the ports of these images are not known: other, worker;")),
        "{todo:#?}"
    );
    // A web server listens where its configuration says.
    let found = look(
        "services:\n  a: {image: nginx, volumes: ['./a.conf:/etc/nginx/nginx.conf:ro']}\n  b: {image: x, ports: ['80:80']}\n",
        &[("a.conf", "server {\n  listen [::]:8080 default_server;\n}\n")],
    );
    assert_eq!(found.boxes, [""; 0]);
}

#[test]
fn a_folder_that_many_mount_is_told_once() {
    let compose = "services:\n  a: {image: x, volumes: ['./etc:/etc/a']}\n  b: {image: y, volumes: ['./etc:/etc/b']}\n";
    let found = look(compose, &[("etc/a.conf", "1")]);
    let todo: Vec<String> = texts(&found.todo).into_iter().filter(|line| line.contains("starts empty")).collect();
    assert_eq!(todo.len(), 1, "{todo:#?}");
    assert!(todo[0].starts_with("2: a and 1 more: ./etc holds files here"), "{todo:#?}");
}

#[test]
fn builds_names_and_env_files() {
    let compose =
        "services:\n  My_Web:\n    build: .\n    env_file: [a.env, b.env, ../c.env, .env]\n    ports: ['80:80']\n";
    let found = look(compose, &[("a.env", "A=1")]);
    let change = change(&found, "My_Web");
    assert_eq!(change.image.as_deref(), Some("registry.example.com/app/my_web:change-me"));
    let env_files = change.env_files.as_deref().unwrap();
    assert_eq!(env_files, [("a.env".to_owned(), true), ("b.env".to_owned(), false), (".env".to_owned(), true)]);
    assert!(found.wants_env_file);
    let todo = texts(&found.todo);
    assert!(found.refused.has_errors());
    for start in [
        "3: My_Web is only built",
        "4: My_Web: the env file b.env is missing",
        "4: My_Web: the env file ../c.env is outside",
    ] {
        assert!(todo.iter().any(|line| line.starts_with(start)), "{start}: {todo:#?}");
    }
}

#[test]
fn profiles_stay_off_unless_every_service_has_one() {
    let found = look(
        "services:\n  a: {image: x, ports: ['80:80']}\n  b: {image: y, profiles: [debug], volumes: ['v_v:/v']}\n",
        &[],
    );
    assert_eq!(
        (found.services, found.profiles.as_slice(), found.active.as_slice()),
        (1, ["debug".to_owned()].as_slice(), [].as_slice())
    );
    assert_eq!(found.volumes[0].0, "v-v", "its volumes are there once it is turned on");
    let found = look("services:\n  a: {image: x, profiles: [one]}\n  b: {image: y, profiles: [two]}\n", &[]);
    assert_eq!((found.services, found.active.len()), (2, 2));
    let compose = "services:\n  a: {image: x}\n  b: {image: y, profiles: [one]}\n  c: {image: y, profiles: [two]}\n";
    let found = look(compose, &[(".env", "COMPOSE_PROFILES=two, three\n")]);
    assert_eq!((found.services, found.active, found.profiles), (2, vec!["two".to_owned()], vec!["one".to_owned()]));
    let found = look(compose, &[(".env", "COMPOSE_PROFILES=*\n")]);
    assert_eq!((found.services, found.active.len()), (3, 2));
}

#[test]
fn sizes_grow_with_the_services() {
    let sizes = [1, 3, 4, 8, 9, 60].map(|services| files::size(services).disks);
    assert_eq!(sizes, [4, 4, 8, 8, 16, 16]);
}

#[test]
fn a_name_to_change_is_told_with_its_places() {
    let compose = "services:\n  my_db: {image: x}\n  a:\n    image: y\n    depends_on: [my_db]\n    # my_db\n    environment: {URL: 'pg://u@my_db:1/my_db_2', D: '${H:-my_db}', O: xmy_db}\n";
    let found = look(compose, &[]);
    let refused: Vec<String> = found
        .refused
        .iter()
        .map(|one| format!("{one}\n{}", one.help.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
        .collect();
    assert_eq!(
        refused,
        [
            "compose.yml:2:3: my_db cannot be the name of a container and of a Kubernetes Service\nrename it my-db, also where \
          others wait for it or name it as a host, such as at compose.yml:5, compose.yml:7\nthen run init again; nothing \
          was written"
        ]
    );
    let found = look("services:\n  my_db: {image: x, profiles: [off]}\n  a: {image: x}\n", &[]);
    assert!(!found.refused.has_errors());
    assert!(texts(&found.todo)[0].starts_with("2: my_db cannot be the name"), "{:?}", found.todo);
}

#[test]
fn a_target_that_is_not_absolute_is_refused_at_its_line() {
    let found = look(&mounts("      - d:/d\n      - pg_data:/p\n"), &[]);
    let refused: Vec<String> = found.refused.iter().map(ToString::to_string).collect();
    assert_eq!(refused, ["compose.yml:6:9: the target of a mount must be absolute, not \"d:/d\""]);
}

#[test]
fn an_image_that_is_built_here_is_to_be_pushed() {
    let compose = "services:\n  a: {image: mine, build: .}\n  b: {image: me/mine, build: .}\n";
    let todo = texts(&look(compose, &[]).todo);
    assert_eq!(todo[0], "2: the image mine is built here: push it to a registry, and name it in compose.kompox.yml");
    assert!(!todo.iter().any(|line| line.contains("me/mine")), "{todo:#?}");
}
