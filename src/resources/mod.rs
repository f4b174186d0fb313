//! Resources: what manifests become. Kinds are data, names are functions of the manifest, and expansion is pure: manifests
//! and what the state knows in, a graph out.
//!
//! | module | holds |
//! |---|---|
//! | [`drivers`] | what differs from cloud to cloud, one folder for each |
//! | [`kinds`] | the schema of every kind, one table per API |
//! | [`scope`] | what every part shares: places, tags, the nodes so far |
//! | [`ingress`] | the ingress controller of a cluster |
//! | [`quota`] | whether an app fits into its own quota |
//! | `composes` | an app's compose files, read |
//! | [`expand`] | all of it, in order |

mod composes;
pub mod drivers;
pub mod expand;
pub mod ingress;
pub mod kinds;
pub mod quota;
pub mod scope;
