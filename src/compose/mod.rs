//! Docker Compose files: reading them as `docker compose` does, and converting them to Kubernetes objects.
//!
//! Pure: text in, objects and diagnostics out. Files come through the [`files::Files`] trait, the environment through a [`gate::Gate`],
//! disks as [`convert::VolumeInput`]. This module knows no provider, no KOM document and no engine.
//!
//! Reading goes text → [`load`] (the canonical [`tree`], as `docker compose` has it) → [`model`]; [`convert`] turns the
//! model into objects. The readers see long syntaxes only, since the loader writes short ones out. What happens to each service key is said once, in [`support`].

pub mod addresses;
pub mod convert;
mod declared;
pub mod env;
pub mod files;
pub mod fill;
pub mod gate;
mod health;
pub mod interpolate;
pub mod load;
pub mod model;
mod mounts;
pub mod names;
mod network;
mod process;
pub mod read;
mod resources;
pub mod sensitive;
mod service;
pub mod support;
pub mod syntax;
pub mod tree;

pub use model::ComposeProject;
pub use read::{Input, ReadRequest, read};
