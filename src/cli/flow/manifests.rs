//! The manifests of a project, and where the rest of it is.

use std::path::PathBuf;

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

/// Where the state is. The sandbox's is a file, whatever the project's is.
pub fn state_config(layout: &Layout, sandbox: bool) -> kompox_state::Config {
    let file = |name: &str| kompox_state::Config::Sqlite { path: layout.dir.join("state").join(name) };
    match &layout.config.state {
        _ if sandbox => file("sandbox.db"),
        StateConfig::Sqlite { path: Some(path) } => kompox_state::Config::Sqlite { path: path.clone() },
        StateConfig::Sqlite { path: None } => file("kompox.db"),
    }
}

/// Where the sandbox's world is.
pub fn sandbox_path(layout: &Layout) -> PathBuf {
    layout.dir.join("sandbox")
}
