//! The engine: addresses, values, actions, graph, plan, apply. It knows no cloud, no cluster and no manifest, prints
//! nothing, and asks providers through [`provider::Provider`] only.

pub mod address;
pub mod apply;
pub mod cancel;
pub mod code;
pub mod diff;
pub mod event;
pub mod execute;
pub mod fields;
pub mod graph;
mod ground;
pub mod identity;
pub mod journal;
pub mod kind;
pub mod lease;
pub mod object;
pub mod plan;
pub mod planfile;
pub mod planner;
pub mod provider;
pub mod reconcile;
pub mod refresh;
pub mod run;
pub mod schedule;
pub mod value;
pub mod verify;

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod execute_tests;
#[cfg(test)]
mod saved_tests;
#[cfg(test)]
pub(crate) mod testing;
