//! Docker Compose files: reading them as `docker compose` does, and converting them to Kubernetes objects.
//!
//! Pure: text in, objects and diagnostics out. Files come through the [`files::Files`] trait, the environment through a [`gate::Gate`],
//! disks as [`convert::VolumeInput`]. This module knows no provider, no KOM document and no engine.
//!
//! One way: text → [`load`] (the canonical [`tree`], as `docker compose` has it, its types checked) → [`mod@read`] (the
//! [`model`]) → [`convert`] (objects). [`load`] knows nothing of what comes after it, the model nothing at all. Readers
//! see long syntaxes only, since the loader writes short ones out. What becomes of each key is said once, in [`support`].

pub(crate) mod addresses;
pub mod convert;
pub mod env;
pub mod files;
pub(crate) mod fill;
pub mod gate;
pub mod interpolate;
pub mod load;
pub(crate) mod model;
pub(crate) mod names;
pub(crate) mod project;
pub(crate) mod read;
pub(crate) mod sensitive;
pub(crate) mod support;
pub mod syntax;
pub(crate) mod tree;

pub use load::Input;
pub use project::ComposeProject;
pub use read::{ReadRequest, read};
