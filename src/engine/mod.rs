//! The engine: addresses, values, actions, graph, plan, apply. It knows no cloud, no cluster and no manifest, prints
//! nothing, and asks providers through [`provider::Provider`] only.

pub mod action;
pub mod address;
pub mod diff;
pub mod event;
pub mod graph;
pub mod kind;
pub mod plan;
pub mod provider;
pub mod value;
