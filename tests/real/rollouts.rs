//! Rollouts that fail say why, in the words of whoever knows: the registry, the container, the scheduler, the quota.

use rustix::process::Signal;

use crate::aks::Aks;
use crate::class::Class;
use crate::cluster::{Cluster, Need};
use crate::harness::run::Live;
use crate::shop::{Driver, Shop};

/// A value of an env file that a container prints.
const PASSWORD: &str = "correct-horse-battery";

/// A registry on the first node that has no image at all.
const REGISTRY: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: registry, namespace: default}
spec:
  hostNetwork: true
  nodeName: node1
  terminationGracePeriodSeconds: 0
  containers: [{name: httpd, image: "busybox:1", command: [httpd, -f, -p, "127.0.0.1:5000"]}]
"#;

/// A compose file of one service with these lines.
fn compose(lines: &str) -> String {
    format!("services:\n  web:\n    ports: [\"8080:8080\"]\n    env_file: web.env\n{lines}")
}

/// Applies a service with these lines, which must fail and say this.
#[track_caller]
fn fails(shop: &Shop, lines: &str, says: &[&str]) {
    shop.project.write("compose.yml", &compose(lines));
    let said = shop.run(&["apply", "--auto-approve"]).exits(1).says(says).text();
    assert!(!said.contains(PASSWORD), "{said}");
}

/// Applies a service with these lines, which may still heal: it says this while it waits, and an interrupt ends the wait.
#[track_caller]
fn waits(shop: &Shop, lines: &str, says: &str) {
    shop.project.write("compose.yml", &compose(lines));
    let live = Live::start(shop.project.command(&shop.words(&["apply", "--auto-approve"])));
    live.until_says(says);
    live.signal(Signal::INT);
    live.end().says(&["is not ready yet", "the next run goes on waiting"]);
}

#[test]
fn what_keeps_an_app_from_starting_is_told() {
    let Some(cluster) = Cluster::with(Need::Own, "why rollouts fail") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-rollout").shop(cluster);
    shop.project.write("web.env", &format!("PASSWORD={PASSWORD}\n"));
    let busybox = "    image: busybox:1\n";
    // Without a check a container counts as up for as long as it runs.
    let never = "    healthcheck: {test: [CMD, test, -e, /never], interval: 1s}\n";
    cluster.apply(REGISTRY);
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/registry", "--timeout=60s"]);
    fails(
        &shop,
        "    image: 127.0.0.1:5000/missing:1\n",
        &["127.0.0.1:5000/missing:1", "not found", "no waiting mends it: correct what it says, then apply again"],
    );
    fails(
        &shop,
        &format!("{busybox}    command: [sh, -c, \"echo the pass''word is $$PASSWORD; exit 3\"]\n{never}"),
        &["container web ended with exit code 3", "web said: the password is (sensitive)"],
    );
    fails(&shop, &format!("{busybox}    mem_limit: 20m\n    command: [tail, /dev/zero]\n{never}"), &["(OOMKilled)"]);
    for file in shop.project.files() {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let leaks = bytes.windows(15).any(|part| part == b"the password is");
        assert!(!leaks || file.ends_with("compose.yml"), "{} has a line of a log", file.display());
    }
    waits(
        &shop,
        &format!("{busybox}    command: [sleep, \"9999\"]\n    x-kompox: {{resources: {{cpu: \"900\"}}}}\n"),
        "Unschedulable: 0/2 nodes are available: ",
    );
    let sick = "    healthcheck: {test: [CMD, sh, -c, \"echo the queue is stuck; exit 1\"], interval: 1s}\n";
    waits(
        &shop,
        &format!("{busybox}    command: [sleep, \"9999\"]\n    stop_grace_period: 1s\n{sick}"),
        "Unhealthy: Startup probe failed: the queue is stuck",
    );
    let quota =
        "apiVersion: v1\nkind: ResourceQuota\nmetadata: {name: none, namespace: @}\nspec: {hard: {pods: \"0\"}}\n";
    cluster.apply(&quota.replace('@', &shop.namespace()));
    fails(&shop, &format!("{busybox}    command: [sleep, \"9998\"]\n"), &["FailedCreate: ", "exceeded quota: none"]);
    // It is not the app's, and what holds something of others is not destroyed.
    cluster.kubectl(&["delete", "resourcequota", "none", "--namespace", &shop.namespace()]);
    shop.run(&["destroy", "--auto-approve"]).done();
    cluster.kubectl(&["delete", "pod", "registry", "--wait=false"]);
}

#[test]
fn a_container_that_ends_at_once_does_not_count_as_up() {
    let Some(cluster) = Cluster::with(Need::Own, "containers without a check") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-crash").shop(cluster);
    shop.project.write("web.env", "");
    let ends =
        |how: &str| format!("    image: busybox:1\n    command: [sh, -c, \"{how}\"]\n    stop_grace_period: 1s\n");
    let said = ["container web ended with exit code 3", "web said: no configuration", "no waiting mends it"];
    fails(&shop, &ends("echo no configuration; exit 3"), &said);
    // One that begins again because something is not there yet is up once it stays.
    let later = "test -e /default/there && exec sleep 9999; touch /default/there; exit 3";
    shop.project.write("compose.yml", &compose(&format!("{}    volumes: [default:/default]\n", ends(later))));
    shop.apply();
    let pod = &shop.pods()[0]["status"]["containerStatuses"][0];
    assert_eq!((&pod["restartCount"], &pod["ready"]), (&1.into(), &true.into()), "{pod}");
    shop.run(&["destroy", "--auto-approve"]).done();
}

#[test]
fn a_mount_that_fails_and_a_claim_that_waits_are_told() {
    let Some(cluster) = Cluster::with(Need::Own, "mounts that fail, claims that wait") else { return };
    let _calm = cluster.calm();
    let shop = Aks("shop-mount").shop(cluster);
    shop.project.write("web.env", "");
    let theirs = "    image: busybox:1\n    command: [sleep, \"9999\"]\n    stop_grace_period: 1s\n    secrets: [theirs]\n\
                  secrets: {theirs: {external: true}}\n";
    let said = ["FailedMount: MountVolume.SetUp failed for volume \"sec-theirs\"", "secret \"theirs\" not found"];
    fails(&shop, theirs, &said);
    shop.run(&["destroy", "--auto-approve"]).done();

    // A class that waits for the first Pod, which no node is for.
    let shop = Class("shop-claim").shop(cluster);
    let zone = format!("zone: \"{}\"", Class("").zone(cluster));
    shop.project.edit("kompoxapp.yml", &zone, "zone: nowhere");
    let live = Live::start(shop.project.command(&shop.words(&["apply", "--auto-approve"])));
    live.until_says("FailedScheduling: 0/2 nodes are available");
    live.signal(Signal::INT);
    live.end().says(&["it was not waited for PersistentVolumeClaim", "the next run goes on"]);
    // Nothing of it is there yet, so nothing is lost where it is wanted elsewhere.
    shop.project.edit("kompoxapp.yml", "zone: nowhere", &zone);
    shop.apply();
    shop.run(&["destroy", "--auto-approve"]).done();
}
