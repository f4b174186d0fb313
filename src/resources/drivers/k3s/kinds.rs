//! The kind of a cluster that is only read.

use crate::engine::kind::{Field, Holds, Kind, Rule};

/// A cluster, known by the uid of its Namespace `kube-system`, which lasts as long as the cluster does
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/#initial-namespaces>).
pub(super) static CLUSTER: Kind = Kind {
    fields: &[Field { pattern: "uid", rule: Rule::Immutable }],
    holds: Holds::Objects,
    ..Kind::plain("cluster")
};

/// All of them.
pub(super) static KINDS: &[&Kind] = &[&CLUSTER];
