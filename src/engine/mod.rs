//! The engine: addresses, values, actions, graph, plan, apply. It knows no cloud, no cluster and no manifest, prints
//! nothing, and asks providers through [`provider::Provider`] only.

pub mod address;
pub mod apply;
pub mod cancel;
pub(crate) mod code;
pub(crate) mod diff;
pub mod event;
pub(crate) mod execute;
pub(crate) mod fields;
pub mod graph;
mod ground;
pub(crate) mod identity;
pub mod journal;
pub mod kind;
pub mod lease;
pub(crate) mod object;
mod parts;
pub mod plan;
pub mod planfile;
pub mod planner;
pub mod provider;
pub(crate) mod reconcile;
pub(crate) mod refresh;
pub mod run;
pub(crate) mod schedule;
mod seats;
pub mod value;
pub(crate) mod verify;
pub(crate) mod whereabouts;

#[cfg(test)]
mod apply_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod execute_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod saved_tests;
#[cfg(test)]
pub(crate) mod testing;
