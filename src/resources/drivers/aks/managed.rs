//! A Cluster of this driver with its settings and objects.

use super::account::Subscription;
use super::cluster::{self, ClusterNodes};
use super::settings::ClusterSettings;
use crate::kom::model::Cluster;
use crate::resources::scope::Builder;

/// A Cluster, its nodes added.
pub(super) struct Managed<'a> {
    /// The subscription that it is in.
    pub(super) account: &'a Subscription,
    /// The Cluster.
    pub(super) cluster: &'a Cluster,
    /// Its settings.
    pub(super) settings: ClusterSettings,
    /// Its objects.
    pub(super) nodes: ClusterNodes,
}

impl<'a> Managed<'a> {
    /// Adds the nodes of a cluster.
    pub(super) fn new(
        builder: &mut Builder<'_>,
        account: &'a Subscription,
        cluster: &'a Cluster,
        settings: ClusterSettings,
    ) -> Self {
        let nodes = cluster::expand(builder, account, cluster, &settings);
        Self { account, cluster, settings, nodes }
    }

    /// Whether apps run on nodes that Azure takes away at any time.
    pub(super) fn is_spot(&self) -> bool {
        self.settings.user.priority == "Spot" && self.cluster.existing != Some(true)
    }
}
