//! Providers and Clusters of this driver as the rest sees them.

use serde_json::json;

use super::account::Subscription;
use super::managed::Managed;
use super::{dns, ingress, settings, storage, zones};
use crate::compose::convert::{self, NodeLabel};
use crate::engine::address::Address;
use crate::engine::provider::ProviderKey;
use crate::kom::model::{App, Cluster, Controller};
use crate::resources::driver::{Account, Connection, Environment, Home, Placement, Storage};
use crate::resources::ingress::Additions;
use crate::resources::scope::{Builder, Place};

impl Account for Subscription {
    fn place(&self) -> &Place {
        &self.place
    }

    fn cluster<'a>(
        &'a self,
        builder: &mut Builder<'_>,
        cluster: &'a Cluster,
        environment: &Environment,
    ) -> Box<dyn Home + 'a> {
        let settings = settings::cluster(cluster, environment, &mut builder.diagnostics);
        Box::new(Managed::new(builder, self, cluster, settings))
    }
}

impl Home for Managed<'_> {
    fn address(&self) -> &Address {
        &self.nodes.cluster
    }

    fn connection(&self) -> (ProviderKey, Connection) {
        let key = format!("kubernetes+{}#{}", self.account.key, self.nodes.cluster_id).into();
        (key, self.account.connection.clone())
    }

    fn nodes(&self) -> &[Address] {
        &self.nodes.pools
    }

    fn ingress(&self) -> Additions {
        ingress::additions(&self.cluster.ingress, self.nodes.identity.as_ref())
    }

    fn controller(&self) -> Controller {
        Controller::Traefik
    }

    fn placement(&self, builder: &mut Builder<'_>, app: &App) -> Placement {
        zones::check(builder, self, app);
        let derived = zones::settle(builder, self, app);
        let deployment = &app.deployment;
        let zones = derived.clone().map_or_else(|| deployment.zones.clone(), |zone| vec![zone]);
        let pool = if deployment.pools.is_empty() {
            NodeLabel { key: "kompox.dev/node-pool", values: vec!["user".to_owned()], single: true }
        } else {
            let (values, single) = (deployment.pools.clone(), deployment.single_pool);
            NodeLabel { key: "kompox.dev/node-pool", values, single }
        };
        let single = deployment.single_zone || derived.is_some();
        let zone = NodeLabel { key: "kompox.dev/node-zone", values: zones.clone(), single };
        // Azure taints the nodes of Spot pools; without this no app could run on the default pools.
        let spot = json!({
            "key": "kubernetes.azure.com/scalesetpriority",
            "operator": "Equal",
            "value": "spot",
            "effect": "NoSchedule",
        });
        let tolerations = if self.is_spot() { vec![spot] } else { Vec::new() };
        Placement {
            zones,
            derived: derived.is_some(),
            pods: convert::Placement { labels: vec![pool, zone], tolerations },
        }
    }

    fn common(&self, _: &mut Builder<'_>, _: &[&App]) {}

    fn storage(&self, builder: &mut Builder<'_>, app: &App, placement: &Placement) -> Storage {
        storage::expand(builder, self, app, placement)
    }

    fn records(&self, builder: &mut Builder<'_>, app: &App, hosts: &[String], service: &Address) {
        dns::expand(builder, self, app, hosts, service);
    }
}
