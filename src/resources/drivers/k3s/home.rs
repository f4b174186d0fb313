//! Providers and Clusters of this driver as the rest sees them.

use super::kinds::CLUSTER;
use super::machine::Machine;
use super::seen::Seen;
use super::{settings, storage, way};
use crate::compose::convert::{self, NodeLabel};
use crate::engine::address::Address;
use crate::engine::provider::ProviderKey;
use crate::engine::value::Value;
use crate::kom::model::{App, Cluster, Controller, Provider};
use crate::resources::driver::{Account, Connection, Environment, Home, Placement, Storage};
use crate::resources::ingress::Additions;
use crate::resources::scope::{Builder, Lookup, Place};

/// A Provider: machines that are there.
pub(super) struct Machines {
    place: Place,
    provider: Provider,
}

impl Machines {
    /// The machines of a Provider.
    pub(super) fn new(provider: &Provider) -> Self {
        Self { place: Place::of(provider), provider: provider.clone() }
    }
}

impl Account for Machines {
    fn place(&self) -> &Place {
        &self.place
    }

    fn cluster<'a>(
        &'a self,
        builder: &mut Builder<'_>,
        cluster: &'a Cluster,
        environment: &Environment,
    ) -> Box<dyn Home + 'a> {
        let address = way::address(cluster);
        let recorded = builder.state.known(&address).map(|known| known.physical_id.clone());
        let found = builder.state.found.get(&address);
        let seen = found.and_then(|answer| Seen::read(answer.as_deref()?));
        // What another cluster has says nothing of this one.
        let seen = seen.filter(|seen| recorded.as_ref().is_none_or(|uid| *uid == seen.uid));
        let uid = recorded.clone().or_else(|| seen.as_ref().map(|seen| seen.uid.clone()));
        let key = way::key(cluster, uid.as_deref());
        if uid.is_none() {
            let (provider, name) = (key.clone(), cluster.meta.name.clone());
            builder.lookups.push(Lookup { address: address.clone(), provider, name, needed: true });
        }
        if let Some(seen) = seen.as_ref().filter(|_| recorded.is_none()) {
            builder.notes.push(seen.note(&address));
            builder.dangers.extend(seen.danger(&address));
        }
        let mut desired = Value::object();
        desired.set(&["uid"], uid.unwrap_or_default().into());
        builder.add(address.clone(), &CLUSTER, &key, desired, &cluster.meta.location).read_only = true;
        let (data_path, helper_image) = settings::folders(cluster, environment, &mut builder.diagnostics);
        Box::new(Machine {
            place: &self.place,
            cluster,
            address,
            key,
            connection: way::connection(&self.provider, cluster),
            storage: seen.as_ref().map(|seen| seen.storage.clone()),
            nodes: seen.map(|seen| seen.nodes),
            data_path,
            helper_image,
        })
    }
}

impl Home for Machine<'_> {
    fn address(&self) -> &Address {
        &self.address
    }

    fn connection(&self) -> (ProviderKey, Connection) {
        (self.key.clone(), self.connection.clone())
    }

    fn nodes(&self) -> &[Address] {
        &[]
    }

    fn ingress(&self) -> Additions {
        Additions::default()
    }

    fn controller(&self) -> Controller {
        Controller::Existing
    }

    fn common(&self, builder: &mut Builder<'_>, apps: &[&App]) {
        storage::common(builder, self, apps);
    }

    fn placement(&self, _: &mut Builder<'_>, app: &App) -> Placement {
        let deployment = &app.deployment;
        let label = |key, values: &[String], single| {
            (!values.is_empty()).then(|| NodeLabel { key, values: values.to_vec(), single })
        };
        let pool = label("kompox.dev/node-pool", &deployment.pools, deployment.single_pool);
        let zone = label("topology.kubernetes.io/zone", &deployment.zones, deployment.single_zone);
        let labels = pool.into_iter().chain(zone).collect();
        let pods = convert::Placement { labels, tolerations: Vec::new() };
        Placement { zones: deployment.zones.clone(), derived: false, pods }
    }

    fn storage(&self, builder: &mut Builder<'_>, app: &App, placement: &Placement) -> Storage {
        storage::expand(builder, self, app, placement)
    }

    fn records(&self, _: &mut Builder<'_>, _: &App, _: &[String], _: &Address) {}
}
