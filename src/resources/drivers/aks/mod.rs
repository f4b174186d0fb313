//! The driver `aks`: Azure Kubernetes Service, with disks and shares of Azure.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | its settings: the tables, and what is read from them |
//! | `account` | a subscription and a region: what everything of a Provider is in |
//! | `managed` | a Cluster with its settings and objects |
//! | `home` | Providers and Clusters as the rest sees them |
//! | [`kinds`] | the schemas of the kinds of Azure Resource Manager |
//! | `names` | names of Azure objects |
//! | `regions` | the names of Azure's regions |
//! | `cluster` | a cluster: group, managed cluster, pools, identity, roles |
//! | `ingress` | what Azure adds to the ingress controller |
//! | `storage` | what an app keeps: its group, and the right to it; `disks` and `shares` in it |
//! | `skus` | what disks, accounts and shares of each SKU can be |
//! | `zones` | whether disks, Pods and nodes of an app can meet |
//! | `dns` | records of an app's hosts |
//! | `places` | what exists stays where it is |

mod account;
mod cluster;
mod disks;
mod dns;
mod home;
mod ingress;
pub mod kinds;
mod managed;
mod names;
mod places;
mod regions;
pub mod settings;
mod shares;
mod skus;
mod storage;
mod zones;

use self::account::Subscription;
use crate::engine::graph::Node;
use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;
use crate::kom::model::Provider;
use crate::kom::settings::Tables;
use crate::resources::capabilities::{Capability, Lack};
use crate::resources::driver::{Account, Adopts, Connectable, Connection, Driver, Environment};
use crate::resources::scope::{Findings, StateView};
use crate::resources::settings::{credentials, text};

/// Azure Kubernetes Service.
pub struct Aks;

/// The key of a subscription, with how to sign in to it.
fn key(subscription: &str, auth: &str) -> ProviderKey {
    format!("azure://{subscription}?auth={auth}").into()
}

/// How to reach the subscription of a Provider.
fn connection(provider: &Provider, environment: &Environment) -> (ProviderKey, Connection) {
    let value = |setting| text(&provider.settings, environment, setting).unwrap_or_default();
    let key = key(&value(&settings::SUBSCRIPTION), &value(&settings::AUTH_METHOD));
    (key, Connection { credentials: credentials(&provider.settings, settings::TABLES.provider) })
}

impl Driver for Aks {
    fn name(&self) -> &'static str {
        "aks"
    }

    fn settings(&self) -> &'static Tables {
        &settings::TABLES
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        kinds::KINDS
    }

    fn lacks(&self) -> &'static [Lack] {
        &[Lack {
            capability: Capability::ShareSnapshots,
            instead: "take the snapshots out, or make the volume of type disk",
        }]
    }

    fn variables(&self) -> &'static [&'static str] {
        &["AZURE_"]
    }

    fn adopts(&self) -> Adopts {
        Adopts { disk: &kinds::DISK, snapshot: &kinds::SNAPSHOT }
    }

    fn connections(&self, site: &Connectable<'_>) -> Vec<(ProviderKey, Connection)> {
        vec![connection(site.provider, site.environment)]
    }

    fn owns(&self, key: &ProviderKey) -> bool {
        key.scheme() == "azure"
    }

    fn open(&self, provider: &Provider, environment: &Environment, findings: &mut Findings<'_>) -> Box<dyn Account> {
        let settings = settings::provider(provider, environment, findings);
        Box::new(Subscription::new(provider, settings, connection(provider, environment)))
    }

    fn check_places(&self, nodes: &[Node], state: &StateView, findings: &mut Findings<'_>) {
        places::check(nodes, findings, state);
    }
}
