//! Options that every command has.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Args;

use super::error::CliError;
use crate::advice::quoted;
use crate::compose::gate::Gate;
use crate::engine::address::names;
use crate::kom::layout::LayoutRequest;
use crate::report::typed::Commands;
use crate::resources::drivers;

/// Options of every command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Common options")]
pub struct Global {
    /// Work in this directory
    #[arg(short = 'C', value_name = "DIR", global = true)]
    pub directory: Option<PathBuf>,
    /// The project's root [default: nearest parent with .kompox/]
    #[arg(long, value_name = "DIR", env = "KOMPOX_ROOT", global = true)]
    pub kompox_root: Option<PathBuf>,
    #[allow(rustdoc::invalid_html_tags, reason = "it is what --help prints")]
    /// Where configuration and state are [default: <root>/.kompox]
    #[arg(long, value_name = "DIR", env = "KOMPOX_DIR", global = true)]
    pub kompox_dir: Option<PathBuf>,
    /// Read manifests from here; repeatable
    #[arg(long = "kom-path", value_name = "PATH", global = true)]
    pub kom_paths: Vec<PathBuf>,
    /// The app file [default: kompoxapp.yml]
    #[arg(long, value_name = "FILE", env = "KOMPOX_KOM_APP", global = true)]
    pub kom_app: Option<PathBuf>,
    /// Only this app and what it needs: its Resource ID or a unique suffix, such as app/gitea
    #[arg(short = 'A', long, value_name = "ID", env = "KOMPOX_APP_ID", global = true)]
    pub app_id: Option<String>,
    /// Only this app and what it needs, by its name
    #[arg(long, value_name = "NAME", env = "KOMPOX_APP_NAME", global = true, conflicts_with = "app_id")]
    pub app_name: Option<String>,
    /// Only this cluster: its Resource ID or a unique suffix
    #[arg(long, value_name = "ID", env = "KOMPOX_CLUSTER_ID", global = true, conflicts_with_all = ["app_id", "app_name"])]
    pub cluster_id: Option<String>,
    /// Only this cluster, by its name
    #[arg(long, value_name = "NAME", env = "KOMPOX_CLUSTER_NAME", global = true, conflicts_with_all = ["app_id", "app_name", "cluster_id"])]
    pub cluster_name: Option<String>,
    /// Work against the embedded cloud instead of a real one; no account is needed and none is read
    #[arg(long, env = "KOMPOX_SANDBOX", global = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub sandbox: bool,
    /// With --sandbox: use a running `kompox sandbox serve` instead of starting one
    #[arg(long, value_name = "URL", env = "KOMPOX_SANDBOX_ENDPOINT", global = true)]
    pub sandbox_endpoint: Option<String>,
    /// Let compose files read these variables of the process and no others; repeatable [default: all, but none where CI
    /// is set]
    #[arg(long = "env-allow", value_name = "NAME", env = "KOMPOX_ENV_ALLOW", value_delimiter = ',', global = true)]
    pub env_allow: Option<Vec<String>>,
    /// Let a kubeconfig that the project names run programs to sign in
    #[arg(long, env = "KOMPOX_ALLOW_EXEC", global = true, value_parser = clap::builder::BoolishValueParser::new())]
    pub allow_exec: bool,
    /// Machine-readable output
    #[arg(long, global = true)]
    pub json: bool,
    /// No colours
    #[arg(long, global = true)]
    pub no_color: bool,
    /// How long to wait for another writer of the state, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 0, global = true)]
    pub lock_timeout: u64,
    /// What was called, for others who read it: the command without its arguments.
    #[arg(skip)]
    pub called: String,
    /// The root of the manifests of another revision, where they are asked for.
    #[arg(skip)]
    pub revision: Option<PathBuf>,
}

/// The process's environment, whole.
pub fn variables() -> BTreeMap<String, String> {
    std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?))).collect()
}

impl Global {
    /// The process's environment, without the parts that the sandbox must not see.
    pub fn environment(&self) -> BTreeMap<String, String> {
        let mut all = variables();
        all.retain(|key, _| !(self.sandbox && drivers::reads(key)));
        all
    }

    /// The process's environment, as far as compose files may read it.
    pub fn gate(&self) -> Gate {
        let names = self.env_allow.as_ref();
        let names: Option<Vec<String>> = names.map(|names| names.iter().map(|name| name.trim().to_owned()).collect());
        Gate::new(self.environment(), names.as_deref())
    }

    /// The directory to work in, absolute.
    pub fn cwd(&self) -> Result<PathBuf, CliError> {
        let here = std::env::current_dir().map_err(|error| {
            CliError::new("working-directory", format!("the working directory cannot be read: {error}"))
        })?;
        let directory = match &self.directory {
            Some(directory) => here.join(directory),
            None => here,
        };
        if !directory.is_dir() {
            return Err(CliError::new("working-directory", format!("{} is no directory", directory.display()))
                .help("check the value of -C"));
        }
        Ok(directory)
    }

    /// The options of this call that commands in messages need too. Those that come from the environment are written
    /// out with the others: a message may be read elsewhere.
    pub fn commands(&self) -> Commands {
        let option =
            |name: &str, value: &dyn AsRef<OsStr>| format!(" {name} {}", quoted(&value.as_ref().to_string_lossy()));
        let mut place = String::new();
        let paths = [("-C", &self.directory), ("--kompox-root", &self.kompox_root), ("--kompox-dir", &self.kompox_dir)];
        for (name, path) in paths.into_iter().filter_map(|(name, path)| Some((name, path.as_ref()?))) {
            place.push_str(&option(name, path));
        }
        self.kom_paths.iter().for_each(|path| place.push_str(&option("--kom-path", path)));
        self.kom_app.iter().for_each(|path| place.push_str(&option("--kom-app", path)));
        let mut cloud = if self.sandbox { " --sandbox".to_owned() } else { String::new() };
        self.sandbox_endpoint.iter().for_each(|url| cloud.push_str(&option("--sandbox-endpoint", url)));
        let selectors = [
            ("-A", &self.app_id),
            ("--app-name", &self.app_name),
            ("--cluster-id", &self.cluster_id),
            ("--cluster-name", &self.cluster_name),
        ];
        let selection: String =
            selectors.into_iter().filter_map(|(name, value)| Some(option(name, value.as_ref()?))).collect();
        let words = std::env::args_os().skip(1).map(|argument| format!(" {}", quoted(&argument.to_string_lossy())));
        let again = format!("kompox{}", words.collect::<String>());
        // Made once for the whole life of the process.
        let keep = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        Commands { place: keep(place), cloud: keep(cloud), selection: keep(selection), again: keep(again) }
    }

    /// Whether the selectors leave out the App with this Resource ID: what is wrong with it is no concern of the call.
    pub fn leaves_out(&self, app: &str) -> bool {
        let is = |id: &str, text: &str| names(text, id);
        let cluster = || app.split_once("/app/").map_or(app, |(cluster, _)| cluster);
        match (&self.app_id, &self.app_name, &self.cluster_id, &self.cluster_name) {
            (Some(id), ..) => !is(app, id),
            (_, Some(name), ..) => !is(app, &format!("app/{name}")),
            (_, _, Some(id), _) => !is(cluster(), id),
            (.., Some(name)) => !is(cluster(), &format!("cls/{name}")),
            (None, None, None, None) => false,
        }
    }

    /// What decides where the project is.
    pub fn layout_request(&self) -> Result<LayoutRequest, CliError> {
        Ok(LayoutRequest {
            cwd: self.cwd()?,
            kompox_root: self.kompox_root.clone(),
            kompox_dir: self.kompox_dir.clone(),
            kom_paths: self.kom_paths.clone(),
            kom_app: self.kom_app.clone(),
            env: self.environment(),
        })
    }
}
