//! KOM, the Kompox Ops Manifest: where a project's documents are, what they say, and whether they fit together.
//!
//! - [`layout`] finds the project root, `.kompox/config.yml` and the app file.
//! - [`load`] reads every document, checks it alone and against the others, and gives a [`model::Project`] or all errors.
//! - [`settings`] is the form of the tables by which drivers say what `settings:` and `options:` take.
//! - [`model`] is what the rest of the program works with; [`id`] is its small value type.
//!
//! Inside, `files` finds and reads files, `document` reads what every document has, `objects`, `app`, `volume`, `limits`
//! and `network` read one `spec` each, all through the helpers of `reader`, and `check` compares documents with each other.
//!
//! Nothing here reads the process environment or talks to a network, and nothing here knows a provider's settings.

mod app;
mod check;
mod document;
mod files;
pub mod id;
mod keys;
pub mod layout;
pub mod legacy;
mod limits;
pub mod load;
pub(crate) mod model;
mod network;
mod objects;
mod reader;
pub(crate) mod schema;
pub(crate) mod settings;
mod volume;
mod write;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use files::FileLimits;
pub use keys::{API_VERSION, ID_ANNOTATION, MOVED_FROM_ANNOTATION};
