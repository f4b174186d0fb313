//! A compose project as it was read: its model, and what messages and printing need to know of where that comes from.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::gate::Veil;
use super::load::Sources;
use super::load::project::Project;
use super::model::{FileObject, Service};

/// A compose project, ready to be converted.
#[derive(Clone)]
pub struct ComposeProject {
    /// Services that the active profiles leave on, in the order of the file.
    pub services: Vec<Service>,
    /// Top-level configs.
    pub configs: BTreeMap<String, FileObject>,
    /// Top-level secrets.
    pub secrets: BTreeMap<String, FileObject>,
    /// The texts that were read, for messages.
    pub sources: Sources,
    /// The canonical project, to be printed.
    pub canonical: Arc<Project>,
    /// Values that nothing may show.
    pub veil: Veil,
}

impl fmt::Debug for ComposeProject {
    /// Without the values that nothing may show.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComposeProject")
            .field("services", &self.services)
            .field("configs", &self.configs)
            .field("secrets", &self.secrets)
            .field("sources", &self.sources)
            .finish_non_exhaustive()
    }
}
