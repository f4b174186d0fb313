//! Resources: what manifests become. Kinds are data, names are functions of the manifest, and expansion is pure: manifests
//! and what the state knows in, a graph out.
//!
//! | module | holds |
//! |---|---|
//! | [`kinds`] | the schema of every kind, one table per API |
//! | [`names`] | names of Azure objects |
//! | [`settings`] | the driver's settings, typed and checked |
//! | `regions` | the names of Azure's regions |
//! | [`scope`] | what every part shares: places, tags, the nodes so far |
//! | [`cluster`], [`ingress`] | a cluster in Azure, and its ingress controller |
//! | [`app`], [`dns`] | what an app keeps in Azure |
//! | `storage` | what disks, accounts and shares of each SKU can be |
//! | `zones` | whether disks, Pods and nodes of an app can meet |
//! | [`quota`] | whether an app fits into its own quota |
//! | `composes` | an app's compose files, read |
//! | [`expand`] | all of it, in order |

pub mod app;
pub mod cluster;
mod composes;
pub mod dns;
pub mod expand;
pub mod ingress;
pub mod kinds;
pub mod names;
mod places;
pub mod quota;
mod regions;
pub mod scope;
pub mod settings;
mod storage;
mod zones;
