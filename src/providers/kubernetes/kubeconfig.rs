//! The way to a cluster by kubeconfig files, as `kubectl` finds them
//! (<https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/>).

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use kube::config::{Kubeconfig, KubeconfigError};

use super::config::Connector;
use crate::advice::Advice;
use crate::engine::provider::{ErrorClass, ProviderError};
use crate::providers::opening::Opening;

/// The setting, and the variable, that names one file.
const KUBECONFIG: &str = "K3S_KUBECONFIG";
/// The setting, and the variable, that names a context.
const CONTEXT: &str = "K3S_CONTEXT";
/// Where k3s writes the administrator's own (<https://docs.k3s.io/cluster-access>).
const OF_K3S: &str = "/etc/rancher/k3s/k3s.yaml";

/// Kubeconfig files, and the context in them.
#[derive(Debug, Clone)]
pub struct Files {
    /// Where to look, and whether a file that is not there is passed over.
    candidates: Vec<(PathBuf, bool)>,
    /// `KUBECONFIG` names several that count together; else the first that is there.
    merged: bool,
    /// The context, where somebody named it.
    context: Option<String>,
    /// Whether the project, not the caller, names the file, and may so name programs to run.
    by_project: bool,
    allow_exec: bool,
}

/// By which way a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Way {
    /// The context.
    pub context: String,
    /// Whether somebody named it.
    pub named: bool,
    /// The file, or the files.
    pub file: String,
    /// The URL of the API server.
    pub server: String,
}

/// What the files say, with the way that was chosen.
struct Chosen {
    kubeconfig: Kubeconfig,
    way: Way,
}

impl Files {
    /// What settings and environment name.
    pub fn new(opening: &Opening<'_>) -> Self {
        let variable = |name: &str| opening.environment.get(name).filter(|value| !value.is_empty());
        let home = variable("HOME").map(PathBuf::from);
        let named = opening.setting(KUBECONFIG).map(|path| match (path.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            _ => PathBuf::from(path),
        });
        let written = opening.written.and_then(|written| written.get(KUBECONFIG)).is_some();
        let (candidates, merged) = match (named, variable("KUBECONFIG")) {
            (Some(file), _) => (vec![(file, false)], false),
            (None, Some(list)) => (
                std::env::split_paths(list).filter(|path| path != Path::new("")).map(|path| (path, true)).collect(),
                true,
            ),
            (None, None) => {
                let own = home.map(|home| (home.join(".kube/config"), true));
                (own.into_iter().chain([(PathBuf::from(OF_K3S), true)]).collect(), false)
            }
        };
        Self {
            candidates,
            merged,
            context: opening.setting(CONTEXT),
            by_project: written,
            allow_exec: opening.allow_exec,
        }
    }

    /// The context that somebody named.
    pub fn context(&self) -> Option<&str> {
        self.context.as_deref()
    }

    /// By which way the cluster is reached.
    ///
    /// # Errors
    /// No file, one that cannot be read, no such context.
    pub fn way(&self) -> Result<Way, ProviderError> {
        Ok(self.chosen()?.way)
    }

    fn chosen(&self) -> Result<Chosen, ProviderError> {
        let (mut kubeconfig, file) = self.read()?;
        let Some(context) = self.context.clone().or_else(|| kubeconfig.current_context.clone()) else {
            return Err(denied(format!("{file} has no current context")).hint(
                "name one: set K3S_CONTEXT in the settings of the Cluster, or run `kubectl config use-context NAME`",
            ));
        };
        let found = kubeconfig.contexts.iter().find(|one| one.name == context).and_then(|one| one.context.clone());
        let Some(found) = found else {
            let names: Vec<&str> = kubeconfig.contexts.iter().map(|one| one.name.as_str()).collect();
            let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Err(denied(format!("{file} has no context \"{context}\"")).hint(format!("it has {names}")));
        };
        let cluster = kubeconfig.clusters.iter().find(|one| one.name == found.cluster);
        let Some(server) = cluster.and_then(|one| one.cluster.as_ref()?.server.clone()) else {
            let message =
                format!("the context {context} of {file} names the cluster {}, which has no server", found.cluster);
            return Err(denied(message));
        };
        kubeconfig.current_context = Some(context.clone());
        if let Some(program) = program_of(&kubeconfig).filter(|_| self.by_project && !self.allow_exec) {
            let message = format!("{file}, which the project names, would run the program {program} to sign in");
            return Err(denied(message).hint(Advice::from(
                "look at it; to allow that, add --allow-exec or set KOMPOX_ALLOW_EXEC=true, or name the file yourself \
                 with the environment variable K3S_KUBECONFIG instead of the setting",
            )));
        }
        let way = Way { context, named: self.context.is_some(), file, server };
        Ok(Chosen { kubeconfig, way })
    }

    /// The files together, with how to call them.
    fn read(&self) -> Result<(Kubeconfig, String), ProviderError> {
        let mut all: Option<Kubeconfig> = None;
        let mut names = Vec::new();
        for (path, optional) in &self.candidates {
            if *optional && !path.exists() {
                continue;
            }
            let name = path.display().to_string();
            let one = Kubeconfig::read_from(path).map_err(|error| unreadable(&name, &error))?;
            all = Some(match all {
                Some(all) => all.merge(one).map_err(|error| unreadable(&name, &error))?,
                None => one,
            });
            names.push(name);
            if !self.merged {
                break;
            }
        }
        all.map(|all| (all, names.join(":"))).ok_or_else(|| {
            let looked: Vec<String> = self.candidates.iter().map(|(path, _)| path.display().to_string()).collect();
            denied(format!("there is no kubeconfig: looked for {}", looked.join(", ")))
                .hint("set the environment variable KUBECONFIG, or K3S_KUBECONFIG in the settings of the Cluster")
        })
    }
}

/// The program that the user of the current context signs in with.
pub(super) fn program_of(kubeconfig: &Kubeconfig) -> Option<String> {
    let current = kubeconfig.current_context.as_ref()?;
    let context = kubeconfig.contexts.iter().find(|one| one.name == *current)?.context.as_ref()?;
    let user = kubeconfig.auth_infos.iter().find(|one| Some(&one.name) == context.user.as_ref())?;
    let user = user.auth_info.as_ref()?;
    let exec = user.exec.as_ref().map(|exec| exec.command.clone().unwrap_or_default());
    exec.or_else(|| user.auth_provider.as_ref()?.config.get("cmd-path").cloned())
}

fn denied(message: String) -> ProviderError {
    ProviderError::new(ErrorClass::Denied, message)
}

/// The error never quotes the file: it holds keys.
fn unreadable(file: &str, error: &KubeconfigError) -> ProviderError {
    match error {
        KubeconfigError::ReadConfig(error, _) => denied(format!("{file} cannot be read: {error}")),
        _ => denied(format!("{file} is no valid kubeconfig")).hint("see what `kubectl config view` says of it"),
    }
}

#[async_trait]
impl Connector for Files {
    async fn kubeconfig(&self) -> Result<Option<String>, ProviderError> {
        let chosen = self.chosen()?;
        let text = serde_json::to_string(&chosen.kubeconfig);
        text.map(Some).map_err(|_| denied(format!("{} is no valid kubeconfig", chosen.way.file)))
    }

    fn described(&self) -> String {
        match self.way() {
            Ok(way) => format!("the context {} of {} ({})", way.context, way.file, way.server),
            Err(_) => "the kubeconfig".to_owned(),
        }
    }
}
