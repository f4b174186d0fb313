//! KOM, the Kompox Ops Manifest: where a project's documents are, what they say, and whether they fit together.
//!
//! - [`layout`] finds the project root, `.kompox/config.yml` and the app file.
//! - [`load`] reads every document, checks it alone and against the others, and gives a [`model::Project`] or all errors.
//! - [`model`] is what the rest of the program works with; [`id`] and [`quantity`] are its small value types.
//!
//! Nothing here reads the process environment or talks to a network, and nothing here knows a provider's settings.

pub mod id;
pub mod model;
pub mod quantity;
