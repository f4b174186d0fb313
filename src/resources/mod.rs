//! Resources: what manifests become. Kinds are data, names are functions of the manifest, and expansion is pure: manifests
//! and what the state knows in, a graph out.

pub mod kinds;
pub mod names;
