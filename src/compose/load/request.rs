//! What goes into a load and what comes out of it.

use std::collections::{BTreeMap, HashMap};

use super::replaced::Replaced;
use super::sources::{Input, Sources};
use crate::compose::files::Files;
use crate::compose::tree::Tree;
use crate::diag::Location;

/// What is loaded.
pub struct Request<'a> {
    /// The compose files and their paths, by which cycles are found; later ones win.
    pub inputs: Vec<(Input, String)>,
    /// The project's name.
    pub name: Name,
    /// What relative paths count from: absolute where a user names files, empty for the folder of an app.
    pub working_dir: String,
    /// Where `~` leads; none leaves it as it is.
    pub home: Option<String>,
    /// Variables: the process's, completed by `.env`.
    pub environment: BTreeMap<String, String>,
    /// Files that are included, extended, or hold variables.
    pub files: &'a dyn Files,
    /// How a path is called in messages.
    pub display: &'a dyn Fn(&str) -> String,
}

/// How a project gets its name.
#[derive(Debug, Clone)]
pub enum Name {
    /// From its user; nothing else counts.
    Given(String),
    /// From `name:` in its files, else this one.
    Found(String),
    /// From `name:` in its files, if at all.
    Optional,
}

/// A loaded project.
pub struct Loaded {
    /// The project's name; empty only where it is optional.
    pub name: String,
    /// The variables it was loaded with, `COMPOSE_PROJECT_NAME` among them.
    pub environment: BTreeMap<String, String>,
    /// The merged and canonical file.
    pub tree: Tree,
    /// Numbers, booleans and dates that read as another text than the one that was written, which this gives by the
    /// place of their key.
    pub rewritten: HashMap<Location, String>,
    /// Mounts that a later file's list took the place of.
    pub replaced: Vec<Replaced>,
    /// The texts that were read, for messages.
    pub sources: Sources,
}
