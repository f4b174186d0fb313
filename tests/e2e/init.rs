//! `init`: a project from a compose file or from the legacy file that works at once.

use insta::assert_snapshot;

use crate::harness::cloud::Cloud;
use crate::harness::project::Project;
use crate::harness::run::Finished;

/// Applies what `init` wrote, and asserts that nothing is left to do.
#[track_caller]
fn applies(project: &Project) {
    project.run_as_is(&["validate"]).done();
    project.run(&["apply", "--auto-approve"]).done();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

/// A web app with a database in named volumes, a file, and a service for one machine.
const BLOG: &str = "services:
  db:
    image: mysql:8.4
    volumes:
      - db_data:/var/lib/mysql
    environment:
      MYSQL_PASSWORD: ${DB_PASSWORD:?set it}
  blog:
    image: wordpress:6
    depends_on: [db]
    ports:
      - \"8000:80\"
    volumes:
      - html:/var/www/html
      - ./uploads.ini:/usr/local/etc/php/conf.d/uploads.ini
      - /etc/localtime:/etc/localtime:ro
    environment:
      MYSQL_PASSWORD: ${DB_PASSWORD:?set it}
  worker:
    build: ./worker
    volumes:
      - html:/var/www/html:ro
  updater:
    image: containrrr/watchtower
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
volumes:
  db_data: {}
  html: {}
";

#[test]
fn a_compose_file_becomes_a_project_that_works_at_once() {
    let project = Project::empty("blog");
    project.write("docker-compose.yml", BLOG);
    project.write("uploads.ini", "upload_max_filesize = 64M\n");
    let init = project.run_as_is(&["init", "--from", "docker-compose.yml"]).done();
    assert_eq!(init.stdout, "");
    assert_snapshot!(project.words(&init), @r#"
    written  kompoxapp.yml
    written  compose.kompox.yml
    written  .env
    written  .kompox/config.yml
    written  .kompox/.gitignore
    written  .kompox/schema.json

    Decided (your compose files are not changed):
      docker-compose.yml:26:9: updater is left out: it works with Docker, which a cluster does not have
      docker-compose.yml:5:9: the named volume db_data is the volume db-data: its name must fit 16 of a-z, 0-9 and "-"
      docker-compose.yml:15:9: blog: ./uploads.ini is a config, which the service can read and not change
      docker-compose.yml:16:9: blog: /etc/localtime of the machine is left out; set TZ for its time zone

    For you to do:
      docker-compose.yml:20:12: worker is only built: build the image, push it to a registry, and name it in compose.kompox.yml
      the ports of these images are not known: worker; services of one Pod cannot listen on one port: write a Box for one that does
      docker-compose.yml:7:23: set DB_PASSWORD in .env, where placeholders stand

    The project is valid: 34 objects.

    Try it without an account:  kompox --sandbox plan, then kompox --sandbox apply
    Then put your subscription and hosts into kompoxapp.yml:  kompox plan
    "#);
    assert_snapshot!(project.read("compose.kompox.yml"), @"
    # Merged over docker-compose.yml for the cluster; `docker compose` does not read it.
    services:
      # db: a folder of its disk: any user can write there, and it holds no lost+found
      db:
        volumes: !override
          - db-data/data:/var/lib/mysql
      # blog: a folder of its disk: any user can write there, and it holds no lost+found
      # blog: single files are configs and secrets, read-only
      # blog: a path of the machine is left out
      blog:
        volumes: !override
          - html/data:/var/www/html
        configs:
          - {source: uploads-ini, target: /usr/local/etc/php/conf.d/uploads.ini}
      # worker: a folder of its disk: any user can write there, and it holds no lost+found
      # worker: it is only built: push an image and name it here
      worker:
        image: registry.example.com/blog/worker:change-me
        volumes: !override
          - html/data:/var/www/html:ro
      # updater: it works with Docker, which a cluster does not have
      updater:
        profiles: !override [not-in-a-cluster]
    configs:
      uploads-ini:
        file: ./uploads.ini
    ");
    assert_snapshot!(project.read(".env"), @"
    # Values of the compose file's variables. Set your own before you apply for real, and keep this file out of git.
    DB_PASSWORD=change-me
    ");
    let app = project.read("kompoxapp.yml");
    assert!(app.starts_with("# yaml-language-server: $schema=.kompox/schema.json\n"), "{app}");
    let app = project.redact(app.split_once("kind: App\n").unwrap().1);
    assert_snapshot!(app, @r#"
    metadata:
      name: blog
      annotations:
        ops.kompox.dev/id: /ws/blog-[HASH]/prv/cloud1/cls/blog/app/blog
    spec:
      compose: # merged in this order
        - file:docker-compose.yml
        - file:compose.kompox.yml
      ingress:
        rules: # host ports of the compose file that speak HTTP
          - name: main
            port: 8000 # of blog
            hosts: [blog.example.com] # yours, with a DNS record to the cluster's ingress
      deployment:
        zone: "1" # pod and disks must be in one zone
      volumes: # disks; they outlive app and cluster
        - name: db-data # the named volume db_data
          size: 10Gi # enough? it can grow at any time, and never shrink
        - name: html # the named volume html
          size: 10Gi
    "#);
    assert_eq!(project.read("docker-compose.yml"), BLOG, "the user's file is never changed");
    let schema = project.run_as_is(&["schema"]).done();
    assert_eq!(project.read(".kompox/schema.json"), schema.stdout);
    applies(&project);
    // A config reaches the cluster.
    let config = project.object("/configmaps/blog-app--cfg-uploads-ini");
    assert_eq!(config["data"]["uploads.ini"], "upload_max_filesize = 64M\n");
}

#[test]
fn nothing_is_overwritten() {
    let project = Project::empty("blog");
    project.write("compose.yml", "services: {web: {image: nginx, ports: ['80:80'], volumes: ['data:/data']}}\n");
    project.write("compose.kompox.yml", "mine");
    let init = project.run_as_is(&["init", "--from", "."]).exits(1);
    assert_snapshot!(project.words(&init), @"
    error[file-exists]: compose.kompox.yml is there already; nothing was written
     |
     = help: this would write kompoxapp.yml, compose.kompox.yml
     = help: files are never overwritten: move it away, or edit it by hand

    1 error
    ");
    assert_eq!(project.files().len(), 2, "{:?}", project.files());
    std::fs::remove_file(project.root().join("compose.kompox.yml")).unwrap();
    project.write(".env", "A=1\n");
    project.run_as_is(&["init", "--from", "."]).done();
    assert_eq!(project.read(".env"), "A=1\n");
    let again = project.run_as_is(&["init", "--from", "compose.yml"]).exits(1);
    assert!(again.stderr.contains("kompoxapp.yml, compose.kompox.yml are there already; nothing was written"));
}

#[test]
fn what_cannot_work_is_said_with_its_lines() {
    let project = Project::empty("two");
    let compose = "services:\n  site_a:\n    image: nginx\n    ports: [\"81:80\"]\n  b:\n    image: httpd\n    ports: [\"82:80\"]\n    environment: {NEXT: \"http://site_a\"}\n";
    project.write("compose.yml", compose);
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).exits(1);
    assert_snapshot!(project.words(&init), @"
    error[compose-name]: site_a cannot be the name of a container and of a Kubernetes Service
     --> compose.yml:2:3
      |
    2 |   site_a:
      |   ^^^^^^
      |
      = help: rename it site-a, also where others wait for it or name it as a host, such as at compose.yml:8
      = help: then run init again; nothing was written

    1 error
    ");
    assert_eq!(project.files().len(), 1, "{:?}", project.files());
    project.edit("compose.yml", "  site_a", "  site-a");
    project.edit("compose.yml", "//site_a", "//site-a");
    project.edit("compose.yml", "82:80", "81:80");
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).exits(1);
    assert_snapshot!(project.words(&init), @r#"
    written  kompoxapp.yml
    written  .kompox/config.yml
    written  .kompox/.gitignore
    written  .kompox/schema.json

    Decided (your compose files are not changed):
      compose.yml:5:3: b gets a Pod of its own, a Box: site-a and b both listen on port 80

    The files are written, but the project cannot run yet:

    error[compose-port-conflict]: host port 81 is published twice: by site-a for 80 and by b for 80
     --> compose.yml:7:13
      |
    7 |     ports: ["81:80"]
      |             ^^^
      |
      = help: the first use is at compose.yml:4:13

    1 error

    Correct these, then:  kompox validate
    "#);
    project.edit("compose.yml", "[\"81:80\"]\n    environment", "[\"82:80\"]\n    environment");
    applies(&project);
    let objects = project.run(&["render", "--out-manifest", "-"]).done().stdout;
    assert!(objects.contains("name: two-b\n"), "the Box runs b: {objects}");
}

#[test]
fn several_files_and_a_template_of_variables() {
    let project = Project::empty("outside");
    project.write("app/base.yml", "name: Photo_Album\nservices:\n  web:\n    image: album:${TAG}\n    volumes: ['${LIBRARY}:/library']\n    env_file: .env\n");
    project.write("app/prod.yml", "services:\n  web:\n    ports: ['2283:2283']\n    environment: {KEY: '${KEY}'}\n");
    project.write("app/example.env", "TAG=v1\nLIBRARY=./library\n");
    let init = project.run_as_is(&["init", "--from", "app/base.yml", "--from", "app/prod.yml"]).done();
    let words = project.words(&init);
    for part in [
        "set your own values in .env, which was written from example.env",
        "these variables are not set and read as empty: KEY",
        "kompox -C [TMP]/outside/app --sandbox plan",
    ] {
        assert!(words.contains(part), "{part}\n{words}");
    }
    assert!(project.read("app/.env").ends_with("TAG=v1\nLIBRARY=./library\n"));
    let app = project.read("app/kompoxapp.yml");
    assert!(app.contains("  compose: # merged in this order\n    - file:base.yml\n    - file:prod.yml\n"), "{app}");
    assert!(app.contains("  name: photo-album\n"), "{app}");
    project.run(&["-C", "app", "apply", "--auto-approve"]).done();
    assert!(project.run_as_is(&["init", "--from", "nowhere"]).exits(1).stderr.contains("cannot be read"));
    assert!(project.run_as_is(&["init", "--from", "."]).exits(1).stderr.contains("holds no compose file"));
    project.write("x.yml", "a: 1\n");
    assert!(project.run_as_is(&["init", "--from", "x.yml"]).exits(1).stderr.contains("x.yml:1:1"));
    assert!(!project.root().join("kompoxapp.yml").exists());
}

/// `examples/gitea` as the single file of old.
const LEGACY: &str = "version: v1
# A comment.
service:
  name: aks-e2e-gitea-20250925-060355
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
    domain: cluster1.aks1.exp.kompox.dev
  settings:
    AZURE_AKS_SYSTEM_VM_ZONES:
    AZURE_AKS_USER_VM_PRIORITY: Regular
    AZURE_AKS_USER_VM_ZONES: 1
app:
  name: app1
  compose: compose.yml
  ingress:
    - name: main
      port: 3000
      hosts: [gitea.custom.exp.kompox.dev]
  deployment:
    zone: \"1\"
  volumes:
    - name: default
      size: 10Gi
";

#[test]
fn the_legacy_file_plans_applies_and_becomes_the_same_project() {
    let project = Project::empty("legacy");
    let from = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitea");
    for file in ["compose.yml", "compose-gitea.env", "compose-postgres.env"] {
        std::fs::copy(from.join(file), project.root().join(file)).unwrap();
    }
    project.write("kompoxops.yml", LEGACY);
    let apply = project.run(&["apply", "--auto-approve"]).done();
    assert!(apply.stderr.contains("warning[legacy-file]"), "{}", apply.stderr);
    assert!(project.inspect().iter().any(|object| object["id"].as_str().unwrap().contains("k4x-50vf7y-app1-13o40q")));
    let manifest = |project: &Project| project.run(&["render", "--out-manifest", "-"]).done().stdout;
    let (objects, graph) = (manifest(&project), project.run(&["graph", "--format", "dot"]).done().stdout);

    let init = project.run(&["init", "--from", "kompoxops.yml"]).done();
    assert_snapshot!(project.words(&init), @"
    written  kompoxapp.yml
    written  .kompox/config.yml
    written  .kompox/.gitignore
    written  .kompox/schema.json

    kompoxapp.yml takes the place of kompoxops.yml: ids, names and hashes are the same. Comments are not
    carried over. Delete kompoxops.yml once you have looked at it.

    The project is valid: 32 objects.

    Try it without an account:  kompox --sandbox plan, then kompox --sandbox apply
    Then as before:  kompox plan
    ");
    assert_snapshot!(project.read("kompoxapp.yml"), @r#"
    # yaml-language-server: $schema=.kompox/schema.json
    apiVersion: ops.kompox.dev/v1alpha1
    kind: Workspace
    metadata:
      name: aks-e2e-gitea-20250925-060355
      annotations:
        ops.kompox.dev/id: /ws/aks-e2e-gitea-20250925-060355
    spec: {}
    ---
    apiVersion: ops.kompox.dev/v1alpha1
    kind: Provider
    metadata:
      name: aks1
      annotations:
        ops.kompox.dev/id: /ws/aks-e2e-gitea-20250925-060355/prv/aks1
    spec:
      driver: aks
      settings:
        AZURE_AUTH_METHOD: azure_cli
        AZURE_SUBSCRIPTION_ID: 9473abf6-f25e-420e-b3f2-128c1c7b46f2
        AZURE_LOCATION: eastus
    ---
    apiVersion: ops.kompox.dev/v1alpha1
    kind: Cluster
    metadata:
      name: cluster1
      annotations:
        ops.kompox.dev/id: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1
    spec:
      existing: false
      ingress:
        certEmail: ops@example.com
        certResolver: staging
        domain: cluster1.aks1.exp.kompox.dev
      settings:
        AZURE_AKS_SYSTEM_VM_ZONES:
        AZURE_AKS_USER_VM_PRIORITY: Regular
        AZURE_AKS_USER_VM_ZONES: 1
    ---
    apiVersion: ops.kompox.dev/v1alpha1
    kind: App
    metadata:
      name: app1
      annotations:
        ops.kompox.dev/id: /ws/aks-e2e-gitea-20250925-060355/prv/aks1/cls/cluster1/app/app1
    spec:
      compose: file:compose.yml
      ingress:
        rules:
          - name: main
            port: 3000
            hosts:
              - gitea.custom.exp.kompox.dev
      deployment:
        zone: "1"
      volumes:
        - name: default
          size: 10Gi
    "#);
    project.run(&["plan", "--detailed-exitcode"]).done();
    assert_eq!(manifest(&project), objects);
    assert_eq!(project.run(&["graph", "--format", "dot"]).done().stdout, graph);
    std::fs::remove_file(project.root().join("kompoxops.yml")).unwrap();
    project.run(&["plan", "--detailed-exitcode"]).done();
}

/// What of the output speaks of the project, without what is written and what comes next.
fn remarks(project: &Project, init: &Finished) -> String {
    let words = project.words(init);
    let from = words.find("\nDecided").or_else(|| words.find("\nFor you to do")).unwrap_or(0);
    let to = words.find("\nThe project is valid").unwrap_or(words.len());
    words[from..to].trim().to_owned()
}

/// The part of a text between two others.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let start = text.find(from).unwrap_or_else(|| panic!("{from}: {text}"));
    let rest = &text[start..];
    &rest[..rest.find(to).unwrap_or(rest.len())]
}

#[test]
fn rules_have_names_that_a_host_and_a_port_can_have() {
    let project = Project::empty("ports");
    project.write("compose.yml", "services:\n  administration:\n    image: registry.example.com/admin:1\n    ports: [\"8081:8081\", \"8082:8082\", \"8083:8083\", \"18081:9000\"]\n");
    project.run_as_is(&["init", "--from", "."]).done();
    let app = project.read("kompoxapp.yml");
    assert_snapshot!(between(&app, "  ingress:\n    rules", "  deployment"), @"
    ingress:
      rules: # host ports of the compose file that speak HTTP
        - name: main
          port: 8081 # of administration
          hosts: [ports.example.com] # yours, with a DNS record to the cluster's ingress
        - name: administra-8082
          port: 8082 # of administration
          hosts: [administra-8082.ports.example.com] # yours, with a DNS record to the cluster's ingress
        - name: administra-8083
          port: 8083 # of administration
          hosts: [administra-8083.ports.example.com] # yours, with a DNS record to the cluster's ingress
        - name: administr-18081
          port: 18081 # of administration
          hosts: [administr-18081.ports.example.com] # yours, with a DNS record to the cluster's ingress
    ");
    applies(&project);
}

#[test]
fn what_is_for_this_machine_only_gets_no_host() {
    let project = Project::empty("trace");
    project.write("compose.yml", "services:\n  worker:\n    image: example.com/worker:1\n    ports: [\"127.0.0.1:3030:3030\"]\n  web:\n    image: example.com/web:1\n    ports: [\"3000:3000\"]\n");
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).done();
    assert_snapshot!(remarks(&project, &init), @"
    Decided (your compose files are not changed):
      compose.yml:4:13: worker: port 3030 is for this machine only and gets no host: it is reached inside of the cluster only
    ");
    let app = project.read("kompoxapp.yml");
    assert_snapshot!(between(&app, "  ingress:\n    rules", "  deployment"), @"
    ingress:
      rules: # host ports of the compose file that speak HTTP
        - name: main
          port: 3000 # of web
          hosts: [trace.example.com] # yours, with a DNS record to the cluster's ingress
    ");
    applies(&project);
    assert!(!project.ids().iter().any(|id| id.contains("3030")));
}

#[test]
fn a_profile_that_is_empty_is_on() {
    let project = Project::empty("pix");
    project.write("compose.yml", "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n    profiles: [\"${WEB_PROFILE:-}\"]\n  db:\n    image: postgres:17\n    environment: {POSTGRES_PASSWORD: x}\n  debug: {image: x, profiles: [debug]}\n");
    project.run_as_is(&["init", "--from", "compose.yml"]).done();
    let containers = || {
        let objects = project.run(&["render"]).done().stdout;
        ["nginx:1.27", "postgres:17", "image: x"].map(|image| objects.contains(image))
    };
    assert_eq!(containers(), [true, true, false]);
    let line = "  # profiles: [\"\", debug] # turns on the services behind them\n";
    project.edit("kompoxapp.yml", line, "  profiles: [\"\", debug]\n");
    assert_eq!(containers(), [true, true, true], "the line of the comment works as it stands");
    project.edit("kompoxapp.yml", "  profiles: [\"\", debug]\n", "");
    applies(&project);
}

#[test]
fn mounts_of_what_is_built_are_left_out_and_unnamed_ones_are_apart() {
    let project = Project::empty("code");
    project.write("app/Dockerfile", "FROM python:3\nCOPY . /code\n");
    project.write("app/main.py", "print()\n");
    project.write("compose.yml", "services:\n  web:\n    build: {context: app}\n    ports: [\"8000:8000\"]\n    volumes:\n      - ./app:/code\n      - ./app/data:/code/data\n      - /var/www/data/files\n      - /var/lib/web/cache/files\n");
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).done();
    assert_snapshot!(remarks(&project, &init), @"
    Decided (your compose files are not changed):
      compose.yml:6:9: web: ./app is not mounted: the image is built from it, and what is written to /code is gone with the container
      compose.yml:8:9: web: /var/www/data/files has no name; its data is kept in ./web/files
      compose.yml:9:9: web: /var/lib/web/cache/files has no name; its data is kept in ./web/var-lib-web-cache-files

    For you to do:
      compose.yml:3:12: web is only built: build the image, push it to a registry, and name it in compose.kompox.yml
      compose.yml:8:9: web: the volume starts empty in the cluster; `docker compose` fills a new volume with what the image holds at /var/www/data/files: copy that once, or take the mount out if nothing there is to be kept (docs/init.md)
    ");
    applies(&project);
    let mounts = &project.object("/deployments/code-app")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"];
    let mut paths: Vec<String> =
        mounts.as_array().unwrap().iter().map(|mount| format!("{} {}", mount["mountPath"], mount["subPath"])).collect();
    paths.sort();
    assert_snapshot!(paths.join("\n"), @r#"
    "/code/data" "app/data"
    "/var/lib/web/cache/files" "web/var-lib-web-cache-files"
    "/var/www/data/files" "web/files"
    "#);
}

#[test]
fn a_mount_that_comes_later_is_missed() {
    let project = Project::empty("shop");
    project.write("compose.yml", "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n    volumes:\n      - data:/data\n      - /var/run/docker.sock:/var/run/docker.sock\nvolumes: {data: }\n");
    project.run_as_is(&["init", "--from", "compose.yml"]).done();
    project.run_as_is(&["validate", "--strict"]).done();
    project.edit("compose.yml", "      - data:/data\n", "      - data:/data\n      - ./uploads:/uploads\n");
    let warned = project.run_as_is(&["validate"]).done();
    assert_snapshot!(project.redact(&warned.stderr), @r#"
    warning[compose-mount-replaced]: web: ./uploads is not mounted at /uploads: the list of volumes at compose.kompox.yml:7 replaces the one that it is in
     --> compose.yml:7:9
      |
    7 |       - ./uploads:/uploads
      |         ^^^^^^^^^
      |
      = help: write it into that list, too: what web writes to /uploads is lost with its Pod
      = help: where that is meant, write x-kompox: {leaveOut: ["/uploads"]} into web there

    1 warning
    "#);
    assert!(project.run(&["plan"]).exits(0).stderr.contains("compose-mount-replaced"));
    project.run_as_is(&["validate", "--strict"]).exits(1);
    let written = project.read("compose.kompox.yml");
    // Both of what it says to write, as it says it.
    project.edit("compose.kompox.yml", "/var/run/docker.sock]", "/var/run/docker.sock, \"/uploads\"]");
    project.run_as_is(&["validate", "--strict"]).done();
    project.write("compose.kompox.yml", &written);
    project.edit("compose.kompox.yml", "data/data:/data\n", "data/data:/data\n      - ./uploads:/uploads\n");
    project.run_as_is(&["validate", "--strict"]).done();
    applies(&project);
}

#[test]
fn volumes_that_docker_fills_are_for_you_to_do() {
    let project = Project::empty("site");
    project.write("compose.yml", "services:\n  drupal:\n    image: drupal:10-apache\n    ports: [\"8080:80\"]\n    volumes:\n      - sites:/var/www/html/sites\n  db:\n    image: postgres:17\n    volumes: [\"db:/var/lib/postgresql/data\"]\nvolumes: {sites: , db: }\n");
    let init = project.run_as_is(&["init", "--from", "."]).done();
    assert_snapshot!(remarks(&project, &init), @"
    For you to do:
      compose.yml:6:9: drupal: sites starts empty in the cluster; `docker compose` fills a new volume with what the image holds at /var/www/html/sites: copy that once, or take the mount out if nothing there is to be kept (docs/init.md)
    ");
    applies(&project);
    // What docs/init.md says to write.
    let fill = "  fill-sites:\n    image: drupal:10-apache # the same\n    command: [sh, -c, \"ls /fill/* > /dev/null 2>&1 || cp -a /var/www/html/sites/. /fill/\"]\n    volumes: [\"sites/data:/fill\"]\n";
    let waits = "  drupal:\n    depends_on: {fill-sites: {condition: service_completed_successfully}}\n";
    project.edit("compose.kompox.yml", "services:\n", &format!("services:\n{fill}"));
    project.edit("compose.kompox.yml", "\n  drupal:\n", &format!("\n{waits}"));
    applies(&project);
}

#[test]
fn files_that_hold_secrets_are_secrets_and_show_nowhere() {
    let project = Project::empty("mail");
    project.write(".env", "APP_KEY=base64:hunter2\n");
    project.write("config/configuration.yml", "default:\n  smtp:\n    password: hunter2\n");
    project.write("plain.conf", "a: 1\n");
    project.write("compose.yml", "services:\n  web:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n    volumes:\n      - ./.env:/var/www/.env\n      - ./config/configuration.yml:/conf.yml:ro\n      - ./plain.conf:/plain.conf:ro\n");
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).done();
    assert_snapshot!(remarks(&project, &init), @"
    Decided (your compose files are not changed):
      compose.yml:6:9: web: ./.env is a secret, since its name says so, which the service can read and not change
      compose.yml:7:9: web: ./config/configuration.yml is a secret, since it sets password in line 3
    ");
    assert!(project.run(&["render"]).done().stdout.contains("a: 1"));
    applies(&project);
    project.edit("config/configuration.yml", "smtp:\n", "smtp: # changed\n");
    project.run(&["plan", "--format", "markdown", "--out", "p.kplan"]).done();
    let printed = String::from_utf8(project.printed()).unwrap();
    let kept = |file: &str| String::from_utf8_lossy(&std::fs::read(project.root().join(file)).unwrap()).into_owned();
    for text in [printed, kept("p.kplan"), kept(".kompox/state/sandbox.db"), project.read("compose.kompox.yml")] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[test]
fn services_that_seem_to_share_a_port_get_boxes() {
    let project = Project::empty("gate");
    project.write("default.conf", "server { listen 80; location / { proxy_pass http://api:80; } }\n");
    project.write("compose.yml", "services:\n  gateway:\n    image: nginx:1.27\n    ports: [\"8080:80\"]\n    volumes: [\"./default.conf:/etc/nginx/conf.d/default.conf:ro\"]\n  geo:\n    image: example.com/geo:1\n    healthcheck: {test: [\"CMD\", \"curl\", \"-f\", \"http://localhost/v1/health\"]}\n  api:\n    image: example.com/api:1\n    environment: {GEO_URL: \"http://geo/v1\"}\n  worker:\n    image: example.com/worker:1\n    restart: on-failure\n");
    let init = project.run_as_is(&["init", "--from", "compose.yml"]).done();
    assert_snapshot!(remarks(&project, &init), @"
    Decided (your compose files are not changed):
      compose.yml:6:3: geo gets a Pod of its own, a Box: gateway and geo both seem to listen on port 80, as far as images and addresses tell
      compose.yml:9:3: api gets a Pod of its own, a Box: gateway and api both seem to listen on port 80, as far as images and addresses tell

    For you to do:
      compose.yml:14:14: worker ends (restart: on-failure) and no service waits for it, so it runs as a Job of its own beside the app: where a service needs its work done, let it wait with depends_on: {worker: {condition: service_completed_successfully}}
    ");
    applies(&project);
}

const WIKI: &str = "services:\n  wiki:\n    image: ghcr.io/requarks/wiki:2\n    ports: [\"3000:3000\"]\n    volumes: [\"./data:/wiki/data\"]\n";
const GIT: &str = "services:\n  git:\n    image: gitea/gitea:1.22\n    ports: [\"3000:3000\"]\n    env_file: git.env\n    volumes: [\"data:/data\", \"./app.ini:/app.ini:ro\"]\n    environment: {A: \"${A}\"}\nvolumes: {data: }\n";

/// Two compose projects side by side.
fn wiki_and_git() -> Project {
    let project = Project::empty("home-of-two");
    project.write("wiki/compose.yml", WIKI);
    project.write("git/compose.yml", GIT);
    project.write("git/git.env", "B=2\n");
    project.write("git/.env", "A=1\n");
    project.write("git/app.ini", "PASSWD = hunter2\n");
    project
}

#[test]
fn projects_of_two_folders_have_nothing_in_common() {
    let project = wiki_and_git();
    let served = Cloud::start(&project, &project.root().join("cloud"));
    for folder in ["wiki", "git"] {
        project.run_as_is(&["-C", folder, "init", "--from", "."]).done();
        let endpoint = ["--sandbox-endpoint", served.endpoint.as_str(), "-C", folder];
        project.run(&[endpoint.as_slice(), &["apply", "--auto-approve"]].concat()).done();
        project.run(&[endpoint.as_slice(), &["plan", "--detailed-exitcode"]].concat()).done();
    }
    let workspace = |folder: &str| {
        let app = project.read(&format!("{folder}/kompoxapp.yml"));
        between(&app, "ops.kompox.dev/id: /ws/", "\n").to_owned()
    };
    let (wiki, git) = (workspace("wiki"), workspace("git"));
    assert!(wiki.contains("/ws/wiki-") && git.contains("/ws/git-"), "{wiki} {git}");

    // A third one that says it has the wiki's cluster.
    project.write("third/compose.yml", WIKI);
    project.run_as_is(&["-C", "third", "init", "--from", ".", "--name", "third"]).done();
    let own = project.read("third/kompoxapp.yml").replace("cls/third", "cls/wiki");
    let name = |text: &str| between(text, "name: ", "\n").trim_start_matches("name: ").to_owned();
    let own = own.replace(&name(&own), &name(&project.read("wiki/kompoxapp.yml")));
    let own = own.replace("kind: Cluster\nmetadata:\n  name: third", "kind: Cluster\nmetadata:\n  name: wiki");
    project.write("third/kompoxapp.yml", &own);
    let refused = project
        .run(&["--sandbox-endpoint", served.endpoint.as_str(), "-C", "third", "apply", "--auto-approve"])
        .exits(1);
    let words = project.words(&refused);
    let import = "kompox -C third --sandbox --sandbox-endpoint [ENDPOINT] import ";
    let (words, imports) = words.split_once(&format!("   = help: {import}")).unwrap();
    assert!(imports.matches(import).count() > 5 && imports.ends_with("\n1 error\n"), "{imports}");
    assert_snapshot!(words, @"
    error[foreign]: another project already has the cluster /ws/wiki-[HASH]/prv/cloud1/cls/wiki: 13 of its objects exist and are not ours
      --> kompoxapp.yml:25:1
       |
    25 | apiVersion: ops.kompox.dev/v1alpha1
       | ^^^^^^^^^^
       |
       = help: put this app into that project:  kompox -C third init --from compose.yml --into PROJECT
       = help: or only use that cluster: set `existing: true` in the Cluster's spec
       = help: or have one of its own: write another Workspace name in all Resource IDs of this project
       = help: if it is this project's and its state was lost, make that again:  kompox -C third --sandbox --sandbox-endpoint [ENDPOINT] state rebuild
       = help: or adopt each of these:
    ");
}

#[test]
fn a_second_app_goes_into_a_project_that_is_there() {
    let project = wiki_and_git();
    project.run_as_is(&["-C", "wiki", "init", "--from", "."]).done();
    let before = project.read("wiki/kompoxapp.yml");
    let init = project.run_as_is(&["init", "--from", "git/compose.yml", "--into", "wiki"]).done();
    assert_snapshot!(project.words(&init), @"
    copied   git/.env
    copied   git/app.ini
    copied   git/compose.yml
    copied   git/git.env
    written  git/compose.kompox.yml
    added    the App git to kompoxapp.yml

    The project reads the copies below git; [TMP]/home-of-two/git is not changed.

    Decided (your compose files are not changed):
      compose.yml:6:29: git: ./app.ini is a secret, since it sets PASSWD in line 1

    The project is valid: 44 objects.

    Try it without an account:  kompox -C wiki --sandbox plan, then kompox -C wiki --sandbox apply
    ");
    let after = project.read("wiki/kompoxapp.yml");
    let added = after.strip_prefix(before.trim_end()).expect("nothing that was there is changed");
    assert_snapshot!(project.redact(added), @r#"

    ---
    apiVersion: ops.kompox.dev/v1alpha1
    kind: App
    metadata:
      name: git
      annotations:
        ops.kompox.dev/id: /ws/wiki-[HASH]/prv/cloud1/cls/wiki/app/git
    spec:
      compose: # merged in this order
        - file:git/compose.yml
        - file:git/compose.kompox.yml
      ingress:
        rules: # host ports of the compose file that speak HTTP
          - name: main
            port: 3000 # of git
            hosts: [git.example.com] # yours, with a DNS record to the cluster's ingress
      deployment:
        zone: "1" # pod and disks must be in one zone
      volumes: # disks; they outlive app and cluster
        - name: data # the named volume data
          size: 10Gi # enough? it can grow at any time, and never shrink
    "#);
    assert_eq!(project.read("git/compose.yml"), GIT);
    let run = |arguments: &[&str]| project.run(&[&["-C", "wiki"], arguments].concat());
    run(&["apply", "--auto-approve"]).done();
    run(&["plan", "--detailed-exitcode"]).done();
    let ids: Vec<String> = run(&["sandbox", "inspect", "--json"])
        .done()
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|object| object["id"].as_str().unwrap().to_owned())
        .collect();
    for end in ["/deployments/wiki-app", "/deployments/git-app"] {
        assert_eq!(ids.iter().filter(|id| id.ends_with(end)).count(), 1, "{end}: {ids:#?}");
    }
    let named = |kind: &str| {
        let names = ids.iter().filter_map(|id| id.rsplit_once(kind));
        names.filter(|(_, name)| !name.contains('/')).count()
    };
    assert_eq!((named("/managedClusters/"), named("/Microsoft.Compute/disks/")), (1, 2), "each has its own disk");
    assert!(!run(&["render"]).done().stdout.contains("hunter2"));

    // Once more, and by another name.
    let again = project.run_as_is(&["init", "--from", "git", "--into", "wiki"]).exits(1);
    assert_snapshot!(project.words(&again), @"
    error[app-exists]: the project has an App git already, at kompoxapp.yml:59:1
     |
     = help: name this one otherwise:  add --name and a name to the command; names of disks are made of it

    1 error
    ");
    project.run_as_is(&["init", "--from", "git", "--into", "wiki", "--name", "git2"]).done();
    assert!(project.root().join("wiki/git2/git.env").exists());

    // Below the project nothing is copied, and what cannot work leaves nothing behind.
    project
        .write("wiki/chat/compose.yml", "services:\n  chat: {image: x, ports: [\"80:80\"], volumes: [\"talk:/d\"]}\n");
    project.run_as_is(&["-C", "wiki", "init", "--from", "chat", "--into", "."]).done();
    assert!(
        project
            .read("wiki/kompoxapp.yml")
            .contains("    - file:chat/compose.yml\n    - file:chat/compose.kompox.yml\n")
    );
    run(&["plan"]).done();
    let files = project.files();
    let before = project.read("wiki/kompoxapp.yml");
    project.write(
        "bad/compose.yml",
        "services:\n  a: {image: x, ports: [\"80:80\"]}\n  b: {image: x, ports: [\"80:81\"]}\n",
    );
    let bad = project.run_as_is(&["init", "--from", "bad", "--into", "wiki"]).exits(1);
    assert_snapshot!(project.words(&bad), @r#"

    The project could not run with this App; nothing was written:

    error[compose-port-conflict]: host port 80 is published twice: by a for 80 and by b for 81
     --> bad/compose.yml:3:25
      |
    3 |   b: {image: x, ports: ["80:81"]}
      |                         ^^^
      |
      = help: the first use is at bad/compose.yml:2:25

    1 error
    "#);
    assert_eq!((project.files().len(), project.read("wiki/kompoxapp.yml")), (files.len() + 1, before));
    let nowhere = project.run_as_is(&["init", "--from", "git", "--into", "bad"]).exits(1);
    assert!(nowhere.stderr.contains("kompox init"), "{}", nowhere.stderr);
}
