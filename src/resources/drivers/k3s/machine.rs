//! A Cluster of this driver: what the manifest says of it, and what was seen of it.

use super::seen::{SeenNode, SeenStorage};
use crate::engine::address::Address;
use crate::engine::provider::ProviderKey;
use crate::kom::model::Cluster;
use crate::resources::driver::Connection;
use crate::resources::scope::{Builder, Lookup, Place};

/// A Cluster.
pub(super) struct Machine<'a> {
    /// Its Provider.
    pub(super) place: &'a Place,
    /// What the manifest says.
    pub(super) cluster: &'a Cluster,
    /// Its address.
    pub(super) address: Address,
    /// The key of its API.
    pub(super) key: ProviderKey,
    /// How to reach it.
    pub(super) connection: Connection,
    /// Its nodes, if somebody looked.
    pub(super) nodes: Option<Vec<SeenNode>>,
    /// What makes volumes there, if somebody looked.
    pub(super) storage: Option<SeenStorage>,
    /// The folder on the nodes for disks.
    pub(super) data_path: String,
    /// The image of the Pods that work on folders.
    pub(super) helper_image: String,
}

impl Machine<'_> {
    /// A node by its name.
    pub(super) fn node(&self, name: &str) -> Option<&SeenNode> {
        self.nodes.iter().flatten().find(|node| node.name == name)
    }

    /// Has the nodes looked at before the next expansion.
    pub(super) fn look(&self, builder: &mut Builder<'_>) {
        let asked = builder.lookups.iter().any(|lookup| lookup.address == self.address);
        if self.nodes.is_none() && !asked {
            let (address, provider) = (self.address.clone(), self.key.clone());
            builder.lookups.push(Lookup { address, provider, name: self.cluster.meta.name.clone(), needed: true });
        }
    }
}
