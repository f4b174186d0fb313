//! The driver `aks`: Azure Kubernetes Service, with disks and shares of Azure.
//!
//! | module | holds |
//! |---|---|
//! | [`settings`] | its settings, typed and checked |
//! | [`kinds`] | the schemas of the kinds of Azure Resource Manager |
//! | [`names`] | names of Azure objects |
//! | `regions` | the names of Azure's regions |
//! | [`cluster`] | a cluster: group, managed cluster, pools, identity, roles |
//! | [`storage`] | what an app keeps: group, disks, snapshots, shares, roles |
//! | `skus` | what disks, accounts and shares of each SKU can be |
//! | `zones` | whether disks, Pods and nodes of an app can meet |
//! | [`dns`] | records of an app's hosts |
//! | `places` | what exists stays where it is |

pub mod cluster;
pub mod dns;
pub mod kinds;
pub mod names;
pub(in crate::resources) mod places;
mod regions;
pub mod settings;
mod skus;
pub mod storage;
pub(in crate::resources) mod zones;
