//! `init --into`: a compose project becomes one more App of a project that is there.
//!
//! Only Apps in the app file may use local files, below its folder. So the App is added at the end of that file, and what
//! a compose project from elsewhere refers to is copied beside it. Nothing of it stays where the result would not load.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::draft::{self, Draft};
use super::identity::Place;
use super::{Args, app_name, create, files, remarks, to_do};
use crate::cli::error::{CliError, Exit};
use crate::cli::global::{Global, Terminal};
use crate::cli::output;
use crate::cli::session::read_manifests;
use crate::cli::validate::offline;
use crate::compose::tree::Tree;
use crate::diag::{Diagnostics, Severity};
use crate::kom::model::{Cluster, Project};

/// Beside the app file while it is checked.
const CANDIDATE: &str = ".kompoxapp.yml.new";

/// Adds an App to the project in the folder `into`.
pub fn run(
    args: &Args,
    into: &Path,
    paths: &[PathBuf],
    global: &Global,
    terminal: &Terminal,
) -> Result<Exit, CliError> {
    let here = Global { directory: Some(global.cwd()?.join(into)), ..global.clone() };
    let manifests = read_manifests(&here)?;
    let Some(app_file) = manifests.layout.app_file.clone() else {
        return Err(CliError::message(format!("{} has no kompoxapp.yml to add an App to", into.display()))
            .help("name the folder that holds it, or begin a project:  kompox init"));
    };
    let app_dir = manifests.layout.app_dir.clone();
    let project = &manifests.loaded.project;
    let cluster = cluster(project, global)?;
    let draft = draft::read(paths, &global.environment())?;
    let name = app_name(args, &draft)?;
    if let Some(other) = taken(project, cluster, &name) {
        let message = format!("the project has an App {name} already, at {other}");
        return Err(CliError::message(message)
            .help("name this one otherwise:  add --name and a name to the command; names of disks are made of it"));
    }
    let size = cluster.settings.value("AZURE_AKS_USER_VM_SIZE").unwrap_or_default().to_owned();
    let survey = super::survey::survey(&draft, &name, |_| files::disks_of(&size));
    if survey.refused.has_errors() {
        return Err(CliError::Diagnostics(survey.refused));
    }

    let below = draft.root.strip_prefix(&app_dir).ok().map(Path::to_path_buf);
    let copied = below.is_none();
    let folder = below.unwrap_or_else(|| PathBuf::from(&name));
    let target = app_dir.join(&folder);
    if copied && target.exists() {
        let message = format!("{} is there already; nothing was written", target.display());
        return Err(CliError::message(message)
            .help(format!("{} is not below {}, so its files are copied there", draft.root.display(), app_dir.display()))
            .help("move that folder away, or choose another name with --name"));
    }
    let over = [files::OVERRIDE.to_owned(), format!("compose.{name}.kompox.yml")]
        .into_iter()
        .find(|file| !target.join(file).exists());
    let Some(over) = over else {
        let message = format!("compose.{name}.kompox.yml is there already; nothing was written");
        return Err(CliError::message(message).help("files are never overwritten: move it away"));
    };
    let mut made = Made::default();
    let written = (|| -> Result<(), CliError> {
        if copied {
            for file in referred(&draft, &survey) {
                made.copy(&draft.root.join(&file), &target.join(&file))?;
            }
        }
        let mut composes = draft.files.clone();
        if files::needs_override(&survey) {
            made.write(&target.join(&over), &files::override_file(&draft, &survey))?;
            composes.push(over.clone());
        }
        if let Some(text) = files::env_file(&draft, &survey) {
            made.write(&target.join(".env"), &text)?;
        }
        let composes: Vec<String> = composes.iter().map(|file| slashed(&folder.join(file))).collect();
        let zones = cluster.settings.value("AZURE_AKS_USER_VM_ZONES").unwrap_or("1");
        let zone = zones.split([',', ' ']).map(str::trim).find(|zone| !zone.is_empty()).unwrap_or("1").to_owned();
        let workspace = cluster.meta.id.workspace().unwrap_or_default().to_owned();
        let place = Place { workspace, cluster: cluster.meta.id.as_str().to_owned(), zone };
        let documents = files::app_documents(&place, &name, &composes, &draft, &survey);
        let before = draft::text(&app_file)?;
        let text = format!("{}\n---\n{documents}", before.trim_end());
        made.write(&app_dir.join(CANDIDATE), &text)
    })();
    let candidate = Global { kom_app: Some(app_dir.join(CANDIDATE)), ..here.clone() };
    let checked = written.and_then(|()| offline(&candidate));
    let (expanded, findings) = match checked {
        Ok(checked) => checked,
        Err(error) => {
            made.undo();
            return Err(match error {
                CliError::Diagnostics(findings) => {
                    output::stderr(|err| {
                        remarks(err, "For you to do:", &to_do(&draft, &survey, false))?;
                        writeln!(err, "\nThe project could not run with this App; nothing was written:\n")
                    });
                    CliError::Diagnostics(only_errors(findings))
                }
                other => other,
            });
        }
    };
    let publish = std::fs::metadata(&app_file)
        .and_then(|metadata| std::fs::set_permissions(app_dir.join(CANDIDATE), metadata.permissions()))
        .and_then(|()| std::fs::rename(app_dir.join(CANDIDATE), &app_file));
    if let Err(error) = publish {
        made.undo();
        return Err(CliError::message(format!("{} cannot be changed: {error}", app_file.display())));
    }
    let with = if global.cwd()?.canonicalize().ok() == app_dir.canonicalize().ok() {
        String::new()
    } else {
        format!(" -C {}", into.display())
    };
    let shown = |path: &Path| path.strip_prefix(&app_dir).map_or_else(|_| slashed(path), slashed);
    let todo = to_do(&draft, &survey, !draft.env.exists);
    output::stderr(|err| {
        for (path, copied) in made.files.iter().filter(|(path, _)| !path.ends_with(CANDIDATE)) {
            writeln!(err, "{}  {}", if *copied { "copied " } else { "written" }, shown(path))?;
        }
        writeln!(err, "added    the App {name} to {}", shown(&app_file))?;
        if copied {
            let from = draft.root.display();
            writeln!(err, "\nThe project reads the copies below {}; {from} is not changed.", slashed(&folder))?;
        }
        remarks(err, "Decided (your compose files are not changed):", &renamed(&survey.decided, &over))?;
        remarks(err, "For you to do:", &renamed(&todo, &over))?;
        let warnings = match findings.count(Severity::Warning) {
            0 => String::new(),
            1 => format!(", 1 warning (kompox{with} validate shows it)"),
            many => format!(", {many} warnings (kompox{with} validate shows them)"),
        };
        writeln!(err, "\nThe project is valid: {} objects{warnings}.", expanded.graph.len())?;
        writeln!(err, "\nTry it without an account:  kompox{with} --sandbox plan, then kompox{with} --sandbox apply")
    });
    let _ = terminal;
    Ok(Exit::Done)
}

/// The cluster that the App is for: the one that is named, else the only one.
fn cluster<'p>(project: &'p Project, global: &Global) -> Result<&'p Cluster, CliError> {
    let wanted = |cluster: &&Cluster| match (&global.cluster_id, &global.cluster_name) {
        (Some(id), _) => {
            let (own, id) = (cluster.meta.id.as_str(), id.trim_end_matches('/'));
            own == id || own.strip_suffix(id).is_some_and(|rest| rest.ends_with('/'))
        }
        (None, Some(name)) => cluster.meta.name == *name,
        (None, None) => true,
    };
    let found: Vec<&Cluster> = project.clusters.iter().filter(wanted).collect();
    match found.as_slice() {
        [one] => Ok(one),
        [] if project.clusters.is_empty() => Err(CliError::message("the project has no Cluster to put an App on")
            .help("write one, or begin a project of its own:  kompox init")),
        [] => Err(CliError::message("no Cluster of the project is named so")
            .help(listed(&project.clusters.iter().collect::<Vec<_>>()))),
        several => Err(CliError::message("the project has several Clusters; name the one for this App")
            .help(listed(several))
            .help("add --cluster-id and its Resource ID to the command")),
    }
}

fn listed(clusters: &[&Cluster]) -> String {
    let ids: Vec<&str> = clusters.iter().map(|cluster| cluster.meta.id.as_str()).collect();
    format!("it has {}", ids.join(", "))
}

/// Where an App of this name is, of the same Provider: names of disks are made of Provider and App.
fn taken(project: &Project, cluster: &Cluster, name: &str) -> Option<String> {
    let provider =
        |id: &crate::kom::id::ResourceId| (id.workspace().map(str::to_owned), id.provider().map(str::to_owned));
    let own = provider(&cluster.meta.id);
    let same = |id: &crate::kom::id::ResourceId| provider(id) == own;
    project.apps.iter().find(|app| app.meta.name == name && same(&app.meta.id)).map(|app| app.meta.location.to_string())
}

/// The files that an App of this compose project reads, from its folder.
fn referred(draft: &Draft, survey: &super::survey::Survey) -> BTreeSet<String> {
    let mut found: BTreeSet<String> = draft.read.iter().cloned().collect();
    let services = draft.tree.get("services").and_then(Tree::as_mapping).unwrap_or_default();
    for service in services {
        for key in ["env_file", "label_file"] {
            let Some(tree) = service.value.get(key) else { continue };
            let items = tree.as_sequence().unwrap_or(std::slice::from_ref(tree));
            found.extend(items.iter().filter_map(|item| item.get("path").or(Some(item))?.as_text()).map(str::to_owned));
        }
    }
    for key in ["configs", "secrets"] {
        for entry in draft.tree.get(key).and_then(Tree::as_mapping).unwrap_or_default() {
            found.extend(entry.value.get("file").and_then(Tree::as_text).map(str::to_owned));
        }
    }
    found.extend(survey.configs.iter().chain(&survey.secrets).map(|(_, file)| file.clone()));
    if draft.env.exists {
        found.insert(".env".to_owned());
    }
    // What is missing, or not below the folder, is spoken of elsewhere.
    let plain = |path: String| super::mounts::inside(&draft.root, &path);
    found.into_iter().filter_map(plain).filter(|path| draft.root.join(path).is_file()).collect()
}

/// Files that were made, and whether each is a copy; and folders.
#[derive(Default)]
struct Made {
    files: Vec<(PathBuf, bool)>,
    folders: Vec<PathBuf>,
}

impl Made {
    fn write(&mut self, path: &Path, text: &str) -> Result<(), CliError> {
        self.folder_of(path)?;
        create(path, text.as_bytes())?;
        self.files.push((path.to_owned(), false));
        Ok(())
    }

    fn copy(&mut self, from: &Path, to: &Path) -> Result<(), CliError> {
        self.folder_of(to)?;
        let failed = |error: std::io::Error| CliError::message(format!("{} cannot be copied: {error}", from.display()));
        let bytes = std::fs::read(from).map_err(failed)?;
        create(to, &bytes)?;
        self.files.push((to.to_owned(), true));
        let permissions = std::fs::metadata(from).map_err(failed)?.permissions();
        std::fs::set_permissions(to, permissions).map_err(failed)
    }

    fn folder_of(&mut self, path: &Path) -> Result<(), CliError> {
        let Some(folder) = path.parent() else { return Ok(()) };
        let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder)
                .map_err(|error| CliError::message(format!("{} cannot be made: {error}", folder.display())))?;
            self.folders.push(folder.to_owned());
        }
        Ok(())
    }

    /// Takes back what was made; what somebody else put there meanwhile stays.
    fn undo(&self) {
        for (path, _) in &self.files {
            let _ = std::fs::remove_file(path);
        }
        for folder in self.folders.iter().rev() {
            let _ = std::fs::remove_dir(folder);
        }
    }
}

fn only_errors(findings: Diagnostics) -> Diagnostics {
    let mut errors = Diagnostics::default();
    findings.into_iter().filter(|finding| finding.severity == Severity::Error).for_each(|finding| errors.push(finding));
    errors
}

/// Remarks that name the override by the name that it has here.
fn renamed(remarks: &[super::survey::Remark], over: &str) -> Vec<super::survey::Remark> {
    let rename = |remark: &super::survey::Remark| super::survey::Remark {
        at: remark.at.clone(),
        text: remark.text.replace(files::OVERRIDE, over),
    };
    remarks.iter().map(rename).collect()
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
