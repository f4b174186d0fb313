//! The driver `k3s`: apps on a cluster that is there, and the ways to sign in to it.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{Cluster, Need};
use crate::harness::project::Project;
use crate::harness::run::Live;
use crate::harness::wait_for;
use crate::ingress::Controller;
use crate::site::Site;

const COMPOSE: &str = "\
services:
  web:
    image: nginx:1
    ports: [\"8080:80\"]
";

/// A project beside a compose file, made by the first of the README's two commands; its folder is called by this name, and
/// so is its app.
fn project(cluster: &Cluster, name: &str) -> Project {
    let mut project = Project::empty(name);
    project.set("KUBECONFIG", cluster.kubeconfig.to_str().unwrap());
    project.write("compose.yml", COMPOSE);
    project.run_as_is(&["init", "--from", "compose.yml", "--driver", "k3s"]).done();
    project
}

/// The Namespace of the only app.
fn namespace(project: &Project) -> String {
    let records = project.run_as_is(&["state", "list", "--json"]).done().json();
    let mut ids = records.as_array().unwrap().iter().filter_map(|record| record["id"].as_str());
    let id = ids.find(|id| id.starts_with("/apis/apps/v1/namespaces/")).unwrap();
    id.split('/').nth(5).unwrap().to_owned()
}

#[test]
fn an_app_runs_by_the_two_commands_of_the_readme() {
    let Some(cluster) = Cluster::with(Need::Namespace, "an app by the driver k3s") else { return };
    let _calm = cluster.calm();
    let project = project(cluster, "own");
    assert!(project.read("kompoxapp.yml").contains("K3S_CONTEXT: "), "{}", project.read("kompoxapp.yml"));
    project.run_as_is(&["apply", "--auto-approve"]).done();
    let namespace = namespace(&project);
    let service = format!("/api/v1/namespaces/{namespace}/services/own-app:8080/proxy/");
    let answers = || (cluster.request("GET", &service, b"").status == 200).then_some(());
    wait_for("the app to answer", answers);
    let again = project.run_as_is(&["plan", "--detailed-exitcode"]).done();
    assert!(again.stdout.starts_with("No changes."), "{}", again.stdout);
    project.run_as_is(&["drift"]).done();

    cluster.kubectl(&["--namespace", &namespace, "delete", "pod", "--all"]);
    wait_for("the next Pod to answer", answers);

    // What another one changed is told with its name, and put right.
    cluster.kubectl(&["--namespace", &namespace, "set", "image", "deployment/own-app", "web=nginx:0"]);
    let drift = project.run_as_is(&["drift"]).exits(2);
    assert!(drift.stdout.contains("\"nginx:0\""), "{}", drift.stdout);
    project.run_as_is(&["apply", "--auto-approve"]).done();
    project.run_as_is(&["destroy", "--auto-approve"]).done();
    assert!(cluster.read(&format!("/api/v1/namespaces/{namespace}")).is_null());
}

/// The commands of the README, as they are printed there, with an app that keeps its data on a disk; nothing is edited, and
/// the host that the apply prints is what a browser would go to.
#[test]
fn the_readmes_commands_put_an_app_with_data_onto_a_cluster_and_its_host_answers() {
    let Some(cluster) = Cluster::another("the README's commands on a cluster of one node") else { return };
    let (_calm, _ingress) = (cluster.calm(), cluster.ingress());
    // What has GNU coreutils here plays the image that has them elsewhere.
    let images = ["ctr", "--namespace", "k8s.io", "images", "tag", "--force"];
    let names = ["docker.io/library/postgres:15", "docker.io/library/debian:12-slim"];
    cluster.on_node("node1", &[&images[..], &names[..]].concat());
    let mut project = Project::empty("forum");
    project.set("KUBECONFIG", cluster.kubeconfig.to_str().unwrap());
    project.write("compose.yml", include_str!("shop/compose.yml"));
    let readme = include_str!("../../README.md").split_once("## With a cluster of your own\n").unwrap().1;
    let commands = readme.split_once("```console\n").unwrap().1.split_once("```").unwrap().0;
    let mut said = String::new();
    for command in commands.lines() {
        let mut words: Vec<&str> = command.split_whitespace().collect();
        assert_eq!(words.remove(0), "kompox", "{command}");
        // Nobody is there to say yes.
        words.extend((words == ["apply"]).then_some("--auto-approve"));
        said = project.run_as_is(&words).done().text();
    }
    let hosts = said.split_once("\nHosts:\n").unwrap().1;
    let host = hosts.split_whitespace().next().unwrap().to_owned();

    let controller = Controller::start(cluster);
    let (code, body) = controller.curl(&host, "/rows");
    assert_eq!(code, "200", "{body}");
    println!("host: curl https://{host}/rows answers {code}");
    let site = Site::new(cluster, &namespace(&project), "forum-app", 8080);
    site.write("a row");
    assert_eq!(controller.curl(&host, "/rows"), ("200".to_owned(), "a row\n".to_owned()));
    assert_eq!(controller.curl("other.example.com", "/rows").0, "404", "another name leads nowhere");
    controller.stop();
    project.run_as_is(&["plan", "--detailed-exitcode"]).done();
    project.run_as_is(&["destroy", "--auto-approve"]).done();
}

/// The kubeconfig of the cluster's administrator, changed.
fn kubeconfig(cluster: &Cluster, folder: &Path, name: &str, change: impl FnOnce(&mut Value)) -> String {
    let mut all: Value = serde_json::from_str(&cluster.kubectl(&["config", "view", "--raw", "--output=json"])).unwrap();
    change(&mut all);
    let path = folder.join(name);
    std::fs::write(&path, all.to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn every_way_to_sign_in_works_or_says_why_not() {
    let Some(cluster) = Cluster::with(Need::Own, "the ways to sign in to a cluster") else { return };
    let _calm = cluster.calm();
    let mut project = project(cluster, "own");
    let folder = project.folder().to_owned();
    let user = |all: &mut Value, user: Value| all["users"][0]["user"] = user;

    // A program that gives the administrator's certificate.
    let credential = folder.join("credential.json");
    let exec = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never",
        "command": "cat", "args": [credential.to_str().unwrap()],
    }});
    let by_program = kubeconfig(cluster, &folder, "program", |all| {
        let own = &all["users"][0]["user"];
        let data = |key: &str| {
            let bytes = STANDARD.decode(own[key].as_str().unwrap()).unwrap();
            String::from_utf8(bytes).unwrap()
        };
        let status = json!({
            "clientCertificateData": data("client-certificate-data"), "clientKeyData": data("client-key-data"),
        });
        let text = json!({
            "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status,
        });
        std::fs::write(&credential, text.to_string()).unwrap();
        user(all, exec);
    });
    project.set("KUBECONFIG", &by_program);
    project.run_as_is(&["plan"]).done();

    // A token of an account.
    cluster.kubectl(&["--namespace=kube-system", "create", "serviceaccount", "kompox-sign-in"]);
    let binding = ["create", "clusterrolebinding", "kompox-sign-in", "--clusterrole=cluster-admin"];
    cluster.kubectl(&[&binding[..], &["--serviceaccount=kube-system:kompox-sign-in"]].concat());
    let token = cluster.kubectl(&["--namespace=kube-system", "create", "token", "kompox-sign-in"]);
    let by_token = kubeconfig(cluster, &folder, "token", |all| user(all, json!({"token": token.trim()})));
    project.set("KUBECONFIG", &by_token);
    project.run_as_is(&["plan"]).done();
    cluster.kubectl(&["--namespace=kube-system", "delete", "serviceaccount", "kompox-sign-in"]);
    cluster.kubectl(&["delete", "clusterrolebinding", "kompox-sign-in"]);

    let mut refused = |name: &str, change: &dyn Fn(&mut Value), parts: &[&str]| {
        let file = kubeconfig(cluster, &folder, name, change);
        project.set("KUBECONFIG", &file);
        let told = project.run_as_is(&["plan"]).exits(1).errors();
        assert!(parts.iter().all(|part| told.contains(part)), "{name}: {told}");
        assert!(!told.contains(token.trim()), "{told}");
    };
    let other = |all: &mut Value| user(all, json!({"token": "s3cret"}));
    refused("wrong token", &other, &["401 Unauthorized", "the credentials are not accepted"]);
    let nobody = |all: &mut Value| user(all, json!({}));
    refused("no user", &nobody, &["cannot", "kube-system"]);
    let untrusted = |all: &mut Value| {
        all["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority-data");
    };
    refused("untrusted", &untrusted, &["did not answer", "certificate"]);
    let missing = |all: &mut Value| {
        user(
            all,
            json!({"exec": {
                "apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never", "command": "no-such-program",
            }}),
        );
    };
    refused("no such program", &missing, &["no-such-program"]);
}

/// The server takes a token no longer, while an app is waited for: whoever renews it need not start again.
#[test]
fn an_apply_goes_on_with_a_token_that_was_renewed_meanwhile() {
    let Some(cluster) = Cluster::with(Need::Own, "a token that runs out in the middle of an apply") else { return };
    let _calm = cluster.calm();
    let system = |arguments: &[&str]| cluster.kubectl(&[&["--namespace=kube-system"], arguments].concat());
    let mut project = project(cluster, "renewed");
    let folder = project.folder().to_owned();
    project.edit("compose.yml", "    image", "    healthcheck: {test: [CMD, test, -e, /up], interval: 1s}\n    image");

    // A token of an account lasts no longer than the Secret that it is bound to.
    system(&["create", "serviceaccount", "kompox-renewed"]);
    let binding = ["create", "clusterrolebinding", "kompox-renewed", "--clusterrole=cluster-admin"];
    cluster.kubectl(&[&binding[..], &["--serviceaccount=kube-system:kompox-renewed"]].concat());
    let token = folder.join("token");
    let sign_in = |secret: &str| {
        system(&["create", "secret", "generic", secret]);
        let bound = ["--bound-object-kind=Secret", "--bound-object-name", secret];
        let text = system(&[&["create", "token", "kompox-renewed"], &bound[..]].concat());
        std::fs::write(&token, text.trim()).unwrap();
    };
    sign_in("kompox-first");
    let by_file = kubeconfig(cluster, &folder, "by-file", |all| {
        all["users"][0]["user"] = json!({"tokenFile": token.to_str().unwrap()});
    });
    project.set("KUBECONFIG", &by_file);

    let live = Live::start(project.command(&["apply", "--auto-approve"]));
    live.until_says("0/1 ready");
    system(&["delete", "secret", "kompox-first"]);
    live.until_says("401 Unauthorized");
    sign_in("kompox-second");
    let pod = |list: &Value| Some(list["items"][0]["metadata"]["name"].as_str()?.to_owned());
    let namespaces = "/api/v1/namespaces?labelSelector=app.kubernetes.io/name%3Drenewed";
    let namespace = cluster.read(namespaces)["items"][0]["metadata"]["name"].as_str().unwrap().to_owned();
    let pod = pod(&cluster.read(&format!("/api/v1/namespaces/{namespace}/pods"))).unwrap();
    wait_for("its container to run", || {
        let pod = cluster.read(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"));
        let all = pod["status"]["containerStatuses"].as_array()?;
        let web = all.iter().find(|status| status["name"] == "web")?;
        web["state"].get("running").map(|_| ())
    });
    cluster.kubectl(&["--namespace", &namespace, "exec", &pod, "--container=web", "--", "touch", "/up"]);
    live.end().done();
    project.run_as_is(&["plan", "--detailed-exitcode"]).done();

    // Without a new one nothing is claimed, and what to do is said.
    project.edit("compose.yml", "/up", "/other");
    let live = Live::start(project.command(&["apply", "--auto-approve"]));
    live.until_says("0/1 ready");
    system(&["delete", "secret", "kompox-second"]);
    live.until_says("401 Unauthorized");
    live.signal(Signal::INT);
    let renew = "the credentials are not accepted: fetch the cluster's credentials again";
    live.end().exits(130).says(&["is not ready yet", "401 Unauthorized", renew]);
    sign_in("kompox-third");
    project.run_as_is(&["destroy", "--auto-approve"]).done();
    system(&["delete", "serviceaccount,secret", "kompox-renewed", "kompox-third", "--ignore-not-found"]);
    cluster.kubectl(&["delete", "clusterrolebinding", "kompox-renewed"]);
}
