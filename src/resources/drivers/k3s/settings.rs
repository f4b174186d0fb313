//! Settings of the driver `k3s` (`drivers.md`, "Driver `k3s`").

use crate::kom::model::Cluster;
use crate::kom::settings::{Setting, Tables, Takes};
use crate::resources::driver::Environment;
use crate::resources::scope::Findings;
use crate::resources::settings::Reader;

/// All settings.
pub(super) static TABLES: Tables = Tables {
    provider: &[&KUBECONFIG, &CONTEXT],
    cluster: &[&KUBECONFIG, &CONTEXT, &DATA_PATH, &HELPER_IMAGE],
    app: &[],
    disk: &[&CLASS, &NODE, &SNAPSHOT_CLASS],
    files: &[],
};

/// The file that leads to the cluster.
pub(super) static KUBECONFIG: Setting = Setting::new(
    "K3S_KUBECONFIG",
    Takes::Text,
    "the kubeconfig, from the folder of this file; else that of KUBECONFIG, ~/.kube/config, /etc/rancher/k3s/k3s.yaml",
)
.credential();
/// The context in it.
pub(super) static CONTEXT: Setting =
    Setting::new("K3S_CONTEXT", Takes::Text, "the context in the kubeconfig; else its current one").credential();
/// Where local disks are.
pub(super) static DATA_PATH: Setting =
    Setting::new("K3S_DATA_PATH", Takes::Text, "the folder on the nodes for local disks").or("/var/lib/kompox");
/// What makes and copies their folders.
pub(super) static HELPER_IMAGE: Setting = Setting::new(
    "K3S_HELPER_IMAGE",
    Takes::Text,
    "an image with a shell, GNU coreutils and flock, for the Pods that make and copy folders",
)
.or("docker.io/library/debian:12-slim");
/// What a disk is.
pub(super) static CLASS: Setting = Setting::new(
    "class",
    Takes::Text,
    "what a disk is: local, a folder of a node, or the name of a StorageClass; local where nobody says, but on nodes of a cloud",
);
/// The node of a local disk.
pub(super) static NODE: Setting =
    Setting::new("node", Takes::Text, "the node of a local disk; may be left out where one node takes Pods");

/// The class of snapshots of disks that a StorageClass makes.
pub(super) static SNAPSHOT_CLASS: Setting =
    Setting::new("snapshotClass", Takes::Text, "the VolumeSnapshotClass, of a volume; else the default of its driver");

/// The folder on the nodes, and the image of the Pods that work on folders there. What cannot be is said.
pub(super) fn folders(cluster: &Cluster, environment: &Environment, findings: &mut Findings<'_>) -> (String, String) {
    let mut reader = Reader::new(&cluster.settings, environment, &cluster.meta.location, findings);
    let text =
        |setting: &Setting| reader.text(setting).unwrap_or_else(|| setting.default.unwrap_or_default().to_owned());
    let (path, image) = (text(&DATA_PATH), text(&HELPER_IMAGE));
    let plain = |step: &str| !matches!(step, "" | "." | "..") && !step.contains(char::is_whitespace);
    if !path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(plain)) {
        reader.wrong(
            &DATA_PATH,
            format!("{} is \"{path}\"; it must be an absolute path, such as /srv/kompox", DATA_PATH.key),
        );
    }
    (path, image)
}
