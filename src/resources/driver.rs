//! What a driver gives. One value for each cloud, and what it makes of a Provider and of a Cluster; everything else about
//! manifests is the same for all. The registry is [`super::drivers`].

use std::collections::BTreeMap;

use super::capabilities::Lack;
use super::ingress::Additions;
use super::scope::{Builder, Findings, Place, StateView};
use crate::compose::convert::{self, VolumeInput};
use crate::engine::address::Address;
use crate::engine::graph::Node;
use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;
use crate::engine::value::Value;
use crate::kom::model::{App, Cluster, Controller, Provider};
use crate::kom::settings::Tables;

/// The variables of the process, for settings that no manifest has.
pub type Environment = BTreeMap<String, String>;

/// A driver: what `driver:` of a Provider means.
pub trait Driver: Sync {
    /// Its word in manifests.
    fn name(&self) -> &'static str;

    /// Its settings.
    fn settings(&self) -> &'static Tables;

    /// The kinds of its own API. Those of Kubernetes are everybody's.
    fn kinds(&self) -> &'static [&'static Kind];

    /// What it cannot do. Said where a manifest asks for it.
    fn lacks(&self) -> &'static [Lack];

    /// The beginnings of names of environment variables that lead to real clouds: a rehearsal does not see these.
    fn variables(&self) -> &'static [&'static str];

    /// What an id that a manifest or `import` names is of: the kinds of disks and snapshots.
    fn adopts(&self) -> Adopts;

    /// How to reach the account that a Provider is, and its Clusters where each has a way of its own, from settings and
    /// the environment; nothing is checked. Settings add credentials, never identity: what is recorded is connected to by
    /// its own key.
    fn connections(&self, site: &Connectable<'_>) -> Vec<(ProviderKey, Connection)>;

    /// Whether the objects of its own kinds are in the API of this key.
    fn owns(&self, key: &ProviderKey) -> bool;

    /// A Provider, its settings read. What is wrong with them is said.
    fn open(&self, provider: &Provider, environment: &Environment, findings: &mut Findings<'_>) -> Box<dyn Account>;

    /// Says what of these nodes is recorded elsewhere than the manifests put it now, with the settings that keep it.
    fn check_places(&self, nodes: &[Node], state: &StateView, findings: &mut Findings<'_>);
}

impl std::fmt::Debug for dyn Driver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A Provider with what else its connections are made from.
pub struct Connectable<'a> {
    /// The Provider.
    pub provider: &'a Provider,
    /// Its Clusters.
    pub clusters: Vec<&'a Cluster>,
    /// The variables of the process.
    pub environment: &'a Environment,
    /// The recorded id of an object.
    pub recorded: &'a dyn Fn(&Address) -> Option<String>,
}

/// How to reach what a key names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Connection {
    /// Settings that say how to sign in, as the manifest gives them. May hold secrets: never shown.
    pub credentials: BTreeMap<String, String>,
}

/// What an id to be adopted is of.
pub struct Adopts {
    /// The kind of a disk.
    pub disk: &'static Kind,
    /// The kind of a snapshot.
    pub snapshot: &'static Kind,
}

/// A Provider at work.
pub trait Account {
    /// Where its objects belong.
    fn place(&self) -> &Place;

    /// Adds the nodes of a Cluster.
    fn cluster<'a>(
        &'a self,
        builder: &mut Builder<'_>,
        cluster: &'a Cluster,
        environment: &Environment,
    ) -> Box<dyn Home + 'a>;
}

/// A Cluster at work: where apps are at home.
pub trait Home {
    /// The object that everything in the cluster waits for.
    fn address(&self) -> &Address;

    /// The key of the API in it, and how to reach that.
    fn connection(&self) -> (ProviderKey, Connection);

    /// What Pods wait for beside their storage: pools of nodes.
    fn nodes(&self) -> &[Address];

    /// What it adds to the ingress controller.
    fn ingress(&self) -> Additions;

    /// Whose ingress controller there is, where the manifest does not say.
    fn controller(&self) -> Controller;

    /// Adds what several apps of the cluster keep their data in, if any of these does.
    fn common(&self, builder: &mut Builder<'_>, apps: &[&App]);

    /// Where an app's Pods run. What cannot be is said.
    fn placement(&self, builder: &mut Builder<'_>, app: &App) -> Placement;

    /// Adds what an app keeps, and nothing that is another's, too. What cannot be is said.
    fn storage(&self, builder: &mut Builder<'_>, app: &App, placement: &Placement) -> Storage;

    /// Adds the DNS records of an app's hosts, which point at the address of `service`.
    fn records(&self, builder: &mut Builder<'_>, app: &App, hosts: &[String], service: &Address);
}

/// Where an app's Pods run.
#[derive(Debug, Clone, Default)]
pub struct Placement {
    /// The zones that they may be in; any if there is none.
    pub zones: Vec<String>,
    /// Whether nobody wrote these: they follow from where the disks are.
    pub derived: bool,
    /// What that becomes on a Pod.
    pub pods: convert::Placement,
}

/// What an app's Pods mount, and what they wait for.
#[derive(Debug, Default)]
pub struct Storage {
    /// The volumes with the disk or share in use.
    pub volumes: Vec<VolumeInput>,
    /// What a Pod needs before it can mount: disks, shares, and the right to attach them.
    pub needs: Vec<Address>,
    /// The object behind each volume, by the name part of its PersistentVolume's and claim's address.
    pub behind: BTreeMap<String, Address>,
    /// The names of PersistentVolumes that are made with their disks, likewise: what their claims ask for.
    pub named: BTreeMap<String, Value>,
}
