//! `init`: a project from a compose file or from the legacy file that works at once.

use insta::assert_snapshot;

use crate::project::Project;

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
    let (_, app) = app.split_once("kind: App\n").unwrap();
    assert_snapshot!(app, @r#"
    metadata:
      name: blog
      annotations:
        ops.kompox.dev/id: /ws/ops/prv/cloud1/cls/cluster1/app/blog
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
    error[kompox]: compose.kompox.yml is there already; nothing was written
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
