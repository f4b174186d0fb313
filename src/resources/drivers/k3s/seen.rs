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
