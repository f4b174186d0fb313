//! Resources: what manifests become. Kinds are data, names are functions of the manifest, and expansion is pure: manifests
//! and what the state knows in, a graph out.
//!
//! | module | holds |
//! |---|---|
//! | [`driver`], [`drivers`] | what differs from cloud to cloud: the trait, and the registry with a folder for each |
//! | [`settings`] | settings, read by the tables of a driver |
//! | `capabilities` | what a driver lacks, said at the manifest's line |
//! | [`kinds`] | the schemas of the kinds of Kubernetes |
//! | [`scope`] | what every part shares: places, tags, findings, the nodes so far |
//! | `kept` | disks that a manifest must go on naming |
//! | [`names`] | names that every driver gives |
//! | `safe_way` | how a disk becomes what it cannot become in place |
//! | `renames` | what had another Resource ID before |
//! | [`ingress`] | the ingress controller of a cluster |
//! | `app` | the objects of an app |
//! | [`quota`] | whether an app fits into its own quota |
//! | `composes` | an app's compose files, read |
//! | [`expand`] | all of it, in order |

mod app;
mod capabilities;
mod composes;
pub(crate) mod driver;
pub(crate) mod drivers;
pub mod expand;
pub(crate) mod ingress;
mod kept;
pub(crate) mod kinds;
pub(crate) mod names;
pub(crate) mod quota;
mod renames;
mod safe_way;
pub mod scope;
pub(crate) mod settings;
