//! What was seen of a cluster that the state does not know yet: which one it is, and by which way it was reached.

use serde::Deserialize;

use crate::engine::address::Address;
use crate::engine::code::{DangerCode, NoteCode};
use crate::engine::plan::Danger;

/// What was seen of a cluster.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Seen {
    /// The uid of its Namespace `kube-system`.
    pub(super) uid: String,
    /// The URL of its API server.
    server: String,
    /// The context of the kubeconfig.
    context: String,
    /// Whether somebody named it.
    named: bool,
    /// The file that it is in.
    file: String,
    /// Its nodes.
    pub(super) nodes: Vec<SeenNode>,
    /// What makes volumes.
    #[serde(flatten)]
    pub(super) storage: SeenStorage,
}

/// What of a cluster makes volumes and snapshots. What the account may not list is unknown.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeenStorage {
    /// Its StorageClasses.
    pub(super) classes: Option<Vec<SeenClass>>,
    /// The CSI drivers of each of its nodes.
    drivers: Option<Vec<Vec<String>>>,
    /// Its VolumeSnapshotClasses.
    snapshot_classes: Option<Vec<SeenClass>>,
}

/// A StorageClass or a VolumeSnapshotClass.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeenClass {
    /// Its name.
    pub(super) name: String,
    /// What makes its volumes or snapshots.
    pub(super) driver: String,
    /// Whether it is taken where nobody names one.
    #[serde(default)]
    default: bool,
}

impl SeenStorage {
    /// Why no disk can be made by a StorageClass; nothing where one can, or nobody knows.
    pub(super) fn no_disk(&self, class: &str) -> Option<String> {
        let classes = self.classes.as_ref()?;
        let Some(found) = classes.iter().find(|one| one.name == class) else {
            let all: Vec<&str> = classes.iter().map(|class| class.name.as_str()).collect();
            let all = if all.is_empty() { "none".to_owned() } else { all.join(", ") };
            return Some(format!("the cluster has no StorageClass {class}; it has {all}"));
        };
        let drivers = self.drivers.as_ref()?;
        let is_csi = drivers.iter().flatten().any(|driver| *driver == found.driver);
        (!is_csi)
            .then(|| format!("the StorageClass {class} is of {}, which is no CSI driver of its nodes", found.driver))
    }

    /// Why no snapshot can be taken of the disks of a StorageClass; nothing where one can, or nobody knows.
    pub(super) fn no_snapshot(&self, class: &str, named: Option<&str>) -> Option<String> {
        let driver = &self.classes.as_ref()?.iter().find(|one| one.name == class)?.driver;
        let of_driver: Vec<&SeenClass> =
            self.snapshot_classes.as_ref()?.iter().filter(|one| one.driver == *driver).collect();
        let all = || of_driver.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(", ");
        match named {
            _ if of_driver.is_empty() => {
                Some(format!("the cluster has no VolumeSnapshotClass of {driver}, so its disks have no snapshots"))
            }
            Some(named) if !of_driver.iter().any(|one| one.name == named) => {
                Some(format!("the cluster has no VolumeSnapshotClass {named} of {driver}; it has {}", all()))
            }
            None if of_driver.iter().filter(|one| one.default).count() != 1 => {
                Some(format!("which VolumeSnapshotClass of {driver} is meant, must be said: {}", all()))
            }
            _ => None,
        }
    }
}

/// A node.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct SeenNode {
    /// Its name.
    pub(super) name: String,
    /// Its label `kubernetes.io/hostname`.
    pub(super) hostname: String,
    /// Its `providerID`, empty where it has none.
    pub(super) provider: String,
    /// Whether Pods can come onto it.
    pub(super) schedulable: bool,
    /// Its label `topology.kubernetes.io/zone`.
    pub(super) zone: Option<String>,
}

impl SeenNode {
    /// A node that nobody has looked at.
    pub(super) fn unknown(name: &str) -> Self {
        let name = name.to_owned();
        Self { hostname: name.clone(), name, provider: String::new(), schedulable: true, zone: None }
    }
}

impl Seen {
    /// The answer to a lookup.
    pub(super) fn read(answer: &str) -> Option<Self> {
        serde_json::from_str(answer).ok()
    }

    /// Which cluster is about to be recorded.
    pub(super) fn note(&self, cluster: &Address) -> Danger {
        let node = |node: &SeenNode| match &node.zone {
            Some(zone) => format!("{} (zone {zone})", node.name),
            None => node.name.clone(),
        };
        let nodes: Vec<String> = self.nodes.iter().map(node).collect();
        let nodes = if nodes.is_empty() { "no nodes".to_owned() } else { format!("nodes {}", nodes.join(", ")) };
        let text = format!("is {}, context {} of {}, {nodes}", self.server, self.context, self.file);
        Danger::about(NoteCode::ClusterFound, cluster, text)
    }

    /// That nobody chose it.
    pub(super) fn danger(&self, cluster: &Address) -> Option<Danger> {
        let text = format!(
            "nobody named a context: {} is the current one of {}, and leads to {}",
            self.context, self.file, self.server
        );
        let help = vec![
            "if that is the one, say so in the settings of the Cluster:".into(),
            format!("K3S_CONTEXT: {}", crate::text::scalar::quoted(&self.context)).into(),
        ];
        (!self.named).then(|| Danger { help, ..Danger::about(DangerCode::ContextUnnamed, cluster, text) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_nobody_chose_is_a_danger() {
        let cluster = Address::new("/ws/w/prv/p/cls/c", "cluster", "c");
        let seen = |named: bool| -> Seen {
            serde_json::from_value(serde_json::json!({
                "uid": "u", "server": "https://192.0.2.1:6443", "context": "default", "named": named, "file": "~/.kube/config",
                "nodes": [], "classes": null, "drivers": null, "snapshot_classes": null,
            }))
            .unwrap()
        };
        let danger = seen(false).danger(&cluster).unwrap();
        assert_eq!(danger.code, "context-unnamed");
        assert!(danger.text.contains("default is the current one of ~/.kube/config"), "{}", danger.text);
        assert!(danger.help[1].contains("K3S_CONTEXT: \"default\""), "{:?}", danger.help);
        assert_eq!(seen(true).danger(&cluster), None);
    }
}
