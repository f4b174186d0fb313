//! What a plan is asked for.

use std::collections::{BTreeMap, BTreeSet};

use kompox_state::{Digester, Snapshot};

use crate::engine::address::Address;
use crate::engine::graph::Graph;
use crate::engine::kind::Kinds;
use crate::engine::plan::{Danger, Mode};
use crate::engine::provider::{ProviderKey, Providers};

/// Everything a plan is made from.
pub struct Inputs<'a> {
    /// What should exist. Empty for a destroy.
    pub graph: &'a Graph,
    /// What the state says.
    pub snapshot: &'a Snapshot,
    /// The state's lineage.
    pub lineage: &'a str,
    /// The state's digester.
    pub digester: &'a Digester,
    /// The providers of all nodes and records.
    pub providers: &'a Providers,
    /// The schemas.
    pub kinds: Kinds,
    /// What the plan is for.
    pub mode: Mode,
    /// What the user asked for besides.
    pub options: &'a Options,
    /// Digests of all inputs, by name.
    pub inputs: BTreeMap<String, String>,
    /// Names fixed for objects that nobody named.
    pub chosen: BTreeMap<Address, String>,
    /// Hosts the apps answer on.
    pub hosts: Vec<(Address, String)>,
    /// What the manifests adopt: address, key of the provider, id. A destroy, which has no graph, must know it, too.
    pub imports: Vec<(Address, ProviderKey, String)>,
    /// Whether the manifests have apps that are not in the graph: what is recorded of them is not given up.
    pub lacks_apps: bool,
    /// What the caller has to say to a reviewer first.
    pub dangers: Vec<Danger>,
    /// What else a reviewer may want to know from the caller.
    pub notes: Vec<Danger>,
    /// The version that plans.
    pub engine_version: &'a str,
}

/// What the user asked for besides.
#[derive(Debug, Clone)]
pub struct Options {
    /// Only these, and what they need (for a destroy, what needs them; for an import, nothing else). Empty: all.
    pub targets: Vec<Address>,
    /// Replace these although nothing forces it.
    pub replace: BTreeSet<Address>,
    /// Ask the providers; otherwise what the state says is taken as observed, but for data and for what is removed.
    pub refresh: bool,
    /// Ask nobody anything, whatever `refresh` says.
    pub offline: bool,
    /// Fields of other writers may be taken here.
    pub force_conflicts: BTreeSet<Address>,
    /// Data of these may be lost.
    pub allow_data_loss: BTreeSet<Address>,
    /// Clusters, by the address that everything in them begins with, that need not be asked any more: where one cannot be
    /// reached, what is to go is forgotten, and the provider's word alone decides whether its data is free.
    pub abandoned: BTreeSet<Address>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            replace: BTreeSet::new(),
            refresh: true,
            offline: false,
            force_conflicts: BTreeSet::new(),
            allow_data_loss: BTreeSet::new(),
            abandoned: BTreeSet::new(),
        }
    }
}
