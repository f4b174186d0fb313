//! The ground floor: what a text is, says or may show, wherever it comes from. Nothing here knows a manifest, a cloud or a
//! plan, and each module stands alone; what every layer would else write for itself is here once.
//!
//! - [`dns`]: names as DNS has them.
//! - [`host`]: whether a host is this machine.
//! - [`scalar`]: a text as YAML.
//! - [`suggest`]: the known word that an unknown one is a slip of.
//! - [`secret`]: what may be a secret, by its name and by what it looks like.
//! - [`ci`]: output that no CI runner takes for a command.
//! - `document`: for tests, whether a document is that of its tables.

pub(crate) mod ci;
pub(crate) mod dns;
#[cfg(test)]
pub(crate) mod document;
pub(crate) mod host;
pub(crate) mod path;
pub(crate) mod scalar;
pub(crate) mod secret;
pub mod suggest;
