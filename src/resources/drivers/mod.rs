//! Drivers: what `driver:` of a Provider means. One folder each.

pub mod aks;
