//! The fence of a disk: what runs before every other container of the app's Pod, and ends after them.
//!
//! A Deployment replaces a Pod that was deleted or evicted at once, while the old one may still be stopping its database;
//! on one node both mount the same disk (`ReadWriteOnce` is about nodes). So the first container of a Pod takes a lock on
//! each disk (`flock` on the folder at its root: no file is made, and the kernel lets go when the process is gone, whatever
//! killed it), and the containers after it wait until it has all of them. It is a sidecar: the kubelet ends it when all
//! containers have ended ("Sidecar Containers", <https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/>).
//!
//! `ReadWriteOncePod` does less: a Pod that was deleted by force is no Pod to the scheduler, while its containers may run;
//! Boxes and Jobs, which are meant to work beside the app, could not; only CSI drivers have it; and volumes that exist would
//! have to be made anew.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::Context;
use super::input::{Access, VolumeInput};
use super::service::{Container, FENCE, STARTUP_SECONDS};

/// What a lock is held by: the shell of the image that also makes folders.
const IMAGE: &str = super::service::TOOLS_IMAGE;

/// A Pod whose time is over is killed, and so is its fence, at the same moment: who had to wait waits a little longer, so
/// that what was killed is gone.
const AFTERWARDS: &str = "sleep 2";

/// The container that holds the disks which the app's containers mount; none where they mount none. A share is for several
/// Pods.
pub(super) fn container(cx: &Context<'_>, claimed: &[&VolumeInput], mounted: &BTreeSet<String>) -> Option<Container> {
    let mut disks: Vec<&str> = claimed
        .iter()
        .filter(|volume| volume.access == Access::ReadWriteOnce && mounted.contains(&volume.name))
        .map(|volume| volume.name.as_str())
        .collect();
    if disks.is_empty() {
        return None;
    }
    // All take them in one order, so no two wait for each other.
    disks.sort_unstable();
    let mounts: Vec<Value> = disks
        .iter()
        .map(|name| json!({ "name": name, "mountPath": format!("/disks/{name}"), "readOnly": true }))
        .collect();
    let mut body = json!({
        "name": FENCE,
        "image": IMAGE,
        "restartPolicy": "Always",
        "command": ["sh", "-c", script(&disks)],
        "startupProbe": {
            "exec": { "command": ["test", "-e", "/held"] },
            "periodSeconds": 1,
            "timeoutSeconds": 10,
            "failureThreshold": STARTUP_SECONDS,
        },
        "volumeMounts": mounts,
    });
    // Said in full, so that no quota asks for more and no LimitRange gives it what an app would get; but one that demands a
    // least amount gives it just that.
    if !cx.input.isolation.limits.contains_key("min") {
        body["resources"] = json!({
            "requests": { "cpu": "1m", "memory": "4Mi" },
            "limits": { "cpu": "100m", "memory": "32Mi" },
        });
    }
    Some(Container { body, sensitive: Vec::new() })
}

/// Names of volumes are DNS labels, so nothing in it needs quoting. Waiting is done by children, so that a signal ends it.
fn script(disks: &[&str]) -> String {
    let mut lines = vec!["trap 'exit 0' TERM INT".to_owned()];
    for (index, name) in disks.iter().enumerate() {
        // BusyBox reads numbers of more than one digit, too.
        let file = 3 + index;
        lines.push(format!("exec {file}</disks/{name}"));
        lines.push(format!("if ! flock -n {file}; then"));
        lines.push(format!("  echo 'waiting: another Pod uses the disk of volume {name}'"));
        lines.push(format!("  flock {file} & wait $! || exit 1"));
        lines.push(format!("  {AFTERWARDS}"));
        lines.push("fi".to_owned());
    }
    lines.push("touch /held".to_owned());
    lines.push("while :; do sleep 86400 & wait $!; done".to_owned());
    lines.join("\n")
}
