//! The driver `k3s`: a cluster that is there, whatever made it, to which a kubeconfig leads.
//!
//! | module | holds |
//! |---|---|
//! | `settings` | its settings: the tables |
//! | `way` | the keys of its clusters, and how to reach them |
//! | `seen` | what was seen of a cluster before it is recorded |
//! | `machine` | a Cluster: what is said of it, and what was seen |
//! | `home` | Providers and Clusters as the rest sees them |
//! | `storage`, `volumes` | what an app keeps: folders of nodes, and what a StorageClass makes |
//! | `kinds` | the schemas of clusters, disks and snapshots |

mod home;
mod kinds;
mod machine;
mod seen;
mod settings;
mod storage;
mod volumes;
mod way;

use self::home::Machines;
use crate::engine::graph::Node;
use crate::engine::kind::Kind;
use crate::engine::provider::ProviderKey;
use crate::kom::model::Provider;
use crate::kom::settings::Tables;
use crate::resources::capabilities::{Capability, Lack};
use crate::resources::driver::{Account, Adopts, Connectable, Connection, Driver, Environment};
use crate::resources::scope::{Findings, StateView};

/// Any cluster that is there.
pub struct K3s;

impl Driver for K3s {
    fn name(&self) -> &'static str {
        "k3s"
    }

    fn settings(&self) -> &'static Tables {
        &settings::TABLES
    }

    fn kinds(&self) -> &'static [&'static Kind] {
        kinds::KINDS
    }

    fn lacks(&self) -> &'static [Lack] {
        const LACKS: &[Lack] = &[
            Lack {
                capability: Capability::NewClusters,
                instead: "make it yourself, and take existing: false out; kompox uses the one that the kubeconfig leads to",
            },
            Lack {
                capability: Capability::Locks,
                instead: "take lock out; provisioning and installation still guard it",
            },
            Lack {
                capability: Capability::VaultCertificates,
                instead: "take certificates out; the ingress controller that is there has its own",
            },
            Lack { capability: Capability::Shares, instead: "make it a disk, which one app can use" },
            Lack { capability: Capability::ShareSnapshots, instead: "take the snapshots out" },
        ];
        LACKS
    }

    fn variables(&self) -> &'static [&'static str] {
        &["K3S_", "KUBECONFIG"]
    }

    fn adopts(&self) -> Adopts {
        Adopts { disk: &kinds::DISK, snapshot: &kinds::SNAPSHOT }
    }

    fn connections(&self, site: &Connectable<'_>) -> Vec<(ProviderKey, Connection)> {
        let clusters = site.clusters.iter();
        let connection = |cluster| {
            let key = way::key(cluster, (site.recorded)(&way::address(cluster)).as_deref());
            (key, way::connection(site.provider, cluster))
        };
        clusters.map(|cluster| connection(cluster)).collect()
    }

    fn owns(&self, key: &ProviderKey) -> bool {
        key.scheme() == "kubernetes" && !key.has_outer()
    }

    fn open(&self, provider: &Provider, _: &Environment, _: &mut Findings<'_>) -> Box<dyn Account> {
        Box::new(Machines::new(provider))
    }

    fn check_places(&self, nodes: &[Node], state: &StateView, findings: &mut Findings<'_>) {
        storage::check_places(nodes, state, findings);
    }
}
