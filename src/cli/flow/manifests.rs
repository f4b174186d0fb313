//! The manifests of a project, and where the rest of it is.

use std::path::PathBuf;

use kompox_state::{Config, Objects};

use crate::cli::error::CliError;
use crate::cli::global::{Global, variables};
use crate::kom::layout::{DIR_NAME, Layout, LayoutRequest, StateConfig, discover};
use crate::kom::load::{LoadOptions, Loaded, load_chosen};

/// The manifests of a project.
pub struct Manifests {
    /// Where it is.
    pub layout: Layout,
    /// What it says.
    pub loaded: Loaded,
}

/// Where the project is.
///
/// # Errors
/// There is none.
pub fn layout(global: &Global) -> Result<Layout, CliError> {
    Ok(discover(&global.layout_request()?)?)
}

/// Reads the manifests: those of another revision, if that is asked for, in the project as it is.
pub fn read(global: &Global) -> Result<Manifests, CliError> {
    let mut request = global.layout_request()?;
    let layout = discover(&request)?;
    let load = |layout: &Layout, request: &LayoutRequest| {
        load_chosen(layout, request, &LoadOptions::default(), &|app| global.leaves_out(app))
    };
    let loaded = match &global.revision {
        None => load(&layout, &request)?,
        Some(root) => {
            let below = request.cwd.canonicalize().ok();
            let below = below.and_then(|cwd| Some(cwd.strip_prefix(&layout.root).ok()?.to_owned())).unwrap_or_default();
            request.cwd = root.join(below);
            request.kompox_root = Some(root.clone());
            // What git does not have is today's, as env files are.
            let of_revision = Some(root.join(DIR_NAME)).filter(|dir| dir.is_dir());
            request.kompox_dir = Some(of_revision.unwrap_or_else(|| layout.dir.clone()));
            load(&discover(&request)?, &request)?
        }
    };
    Ok(Manifests { layout, loaded })
}

/// Where the state is, and how to sign in there. Rehearsals have one of their own.
///
/// # Errors
/// The configuration names no place that can be one.
pub fn state_config(layout: &Layout, global: &Global) -> Result<Config, CliError> {
    if global.sandbox { sandbox_state(layout) } else { place(layout, &layout.config.state, "kompox") }
}

/// Where the state of rehearsals is.
///
/// # Errors
/// As [`state_config`].
pub fn sandbox_state(layout: &Layout) -> Result<Config, CliError> {
    place(layout, layout.config.sandbox_state.as_ref().unwrap_or(&StateConfig::Sqlite { path: None }), SANDBOX)
}

/// What files of a rehearsal's state are called.
const SANDBOX: &str = "sandbox";

/// A place of the configuration. Files that have no name there are called `name`.
fn place(layout: &Layout, state: &StateConfig, name: &str) -> Result<Config, CliError> {
    let object = |objects| objects_at(layout, objects, if name == SANDBOX { SANDBOX } else { "object" });
    Ok(match state {
        StateConfig::Sqlite { path: Some(path) } => Config::Sqlite { path: path.clone() },
        StateConfig::Sqlite { path: None } => {
            Config::Sqlite { path: layout.dir.join("state").join(format!("{name}.db")) }
        }
        StateConfig::Postgres(schema) => {
            tables_in(layout, schema.clone(), if name == SANDBOX { SANDBOX } else { "postgres" })
        }
        StateConfig::Folder(path) => object(Objects::Folder(path.clone())),
        StateConfig::Bucket(url) => object(Objects::parse(url).map_err(|error| {
            CliError::new("config-state", format!("`state:` in `.kompox/config.yml` names no bucket: {error}"))
        })?),
    })
}

/// Objects, signed in to by the environment: a rehearsal needs no account of a cloud, but the one that its state is in. `lock` is
/// what the file of this machine is called that shows who holds the lock.
pub fn objects_at(layout: &Layout, objects: Objects, lock: &str) -> Config {
    Config::Object { objects, variables: variables().into_iter().collect(), presence: presence(layout, lock) }
}

/// Tables of a schema, in the database that the environment names; `lock` as in [`objects_at`].
pub fn tables_in(layout: &Layout, schema: String, lock: &str) -> Config {
    Config::Postgres { schema, variables: variables().into_iter().collect(), presence: presence(layout, lock) }
}

fn presence(layout: &Layout, lock: &str) -> PathBuf {
    layout.dir.join("state").join(format!("{lock}.lock"))
}

/// Where the sandbox's world is.
pub fn sandbox_path(layout: &Layout) -> PathBuf {
    layout.dir.join("sandbox")
}
