//! The manifests of a project, and where the rest of it is.

use std::path::PathBuf;

use kompox_state::{Config, Objects};

use crate::cli::error::CliError;
use crate::cli::global::Global;
use crate::kom::layout::{Layout, StateConfig, discover};
use crate::kom::load::{LoadOptions, Loaded, load_chosen};

/// The manifests of a project.
pub struct Manifests {
    /// Where it is.
    pub layout: Layout,
    /// What it says.
    pub loaded: Loaded,
}

/// Reads the manifests.
pub fn read(global: &Global) -> Result<Manifests, CliError> {
    let request = global.layout_request()?;
    let layout = discover(&request)?;
    let loaded = load_chosen(&layout, &request, &LoadOptions::default(), &|app| global.leaves_out(app))?;
    Ok(Manifests { layout, loaded })
}

/// Where the state is, and how to sign in there.
///
/// # Errors
/// The configuration names no place that can be one.
pub fn state_config(layout: &Layout, global: &Global) -> Result<Config, CliError> {
    let folder = layout.dir.join("state");
    let file = |name: &str| Config::Sqlite { path: folder.join(name) };
    let object = |objects| Config::Object {
        objects,
        variables: global.environment().into_iter().collect(),
        presence: folder.join("object.lock"),
    };
    Ok(match &layout.config.state {
        _ if global.sandbox => sandbox_state(layout),
        StateConfig::Sqlite { path: Some(path) } => Config::Sqlite { path: path.clone() },
        StateConfig::Sqlite { path: None } => file("kompox.db"),
        StateConfig::Folder(path) => object(Objects::Folder(path.clone())),
        StateConfig::Bucket(url) => object(Objects::parse(url).map_err(|error| {
            CliError::new("config-state", format!("`state:` in `.kompox/config.yml` names no bucket: {error}"))
        })?),
    })
}

/// Where the sandbox's state is: a file, whatever the project's is.
pub fn sandbox_state(layout: &Layout) -> Config {
    Config::Sqlite { path: layout.dir.join("state").join("sandbox.db") }
}

/// Where the sandbox's world is.
pub fn sandbox_path(layout: &Layout) -> PathBuf {
    layout.dir.join("sandbox")
}
