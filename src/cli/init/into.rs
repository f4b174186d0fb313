//! `init --into`: a compose project becomes one more App of a project that is there.
//!
//! Only Apps in the app file may use local files, below its folder. So the App is added at the end of that file, and what
//! a compose project from elsewhere refers to is copied beside it. Nothing of it stays where the result would not load.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::draft::{self, Draft};
use super::files::{self, create};
use super::found::{Remark, Survey};
use super::identity::{Place, app_name};
use super::paths::inside;
use super::remarks::{remarks, to_do};
use crate::advice::{Advice, Command, Name, quoted};
use crate::cli::error::{CliError, Exit};
use crate::cli::flow::manifests::{self, Manifests};
use crate::cli::flow::offline::offline;
use crate::cli::global::Global;
use crate::cli::ui::Ui;
use crate::compose::tree::Tree;
use crate::diag::{Diagnostics, Severity};
use crate::kom::model::{Cluster, Project};
use crate::resources::expand::Keep;

/// Beside the app file while it is checked.
const CANDIDATE: &str = ".kompoxapp.yml.new";

/// Adds an App to the project in the folder `into`.
pub fn run(name: Option<&str>, into: &Path, paths: &[PathBuf], global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let here = Global { directory: Some(global.cwd()?.join(into)), ..global.clone() };
    let manifests = manifests::read(&here)?;
    let addition = Addition::of(name, into, paths, &manifests, global)?;
    let mut made = Made::default();
    let candidate = Global { kom_app: Some(addition.candidate()), ..here };
    let checked = addition.write(&mut made).and_then(|()| offline(&candidate, Keep::Graph));
    let (expanded, findings) = checked.map_err(|error| {
        made.undo();
        addition.refused(error, ui)
    })?;
    addition.publish().inspect_err(|_| made.undo())?;
    let with = if global.cwd()?.canonicalize().ok() == addition.app_dir.canonicalize().ok() {
        String::new()
    } else {
        format!(" -C {}", quoted(&into.to_string_lossy()))
    };
    addition.tell(&made, (expanded.graph.len(), findings.count(Severity::Warning)), &with, ui);
    Ok(Exit::Done)
}

/// An App on its way into a project.
struct Addition<'p> {
    name: String,
    cluster: &'p Cluster,
    driver: &'static str,
    draft: Draft,
    survey: Survey,
    app_file: PathBuf,
    app_dir: PathBuf,
    /// The folder of its compose files, from that of the app file.
    folder: PathBuf,
    /// Whether they are copied there.
    copied: bool,
    /// The name of the file that is merged over them.
    over: String,
}

impl<'p> Addition<'p> {
    /// Reads the compose files, and refuses what cannot become an App beside those that are there.
    fn of(
        name: Option<&str>,
        into: &Path,
        paths: &[PathBuf],
        manifests: &'p Manifests,
        global: &Global,
    ) -> Result<Self, CliError> {
        let Some(app_file) = manifests.layout.app_file.clone() else {
            return Err(CliError::new(
                "init-into",
                format!("{} has no kompoxapp.yml to add an App to", into.display()),
            )
            .help(Advice::run("name the folder that holds it, or begin a project", Command::new(Name::Init))));
        };
        let app_dir = manifests.layout.app_dir.clone();
        let project = &manifests.loaded.project;
        let cluster = cluster(project, global)?;
        let draft = draft::read(paths, &global.gate())?;
        let name = app_name(name, &draft)?;
        if let Some(other) = taken(project, cluster, &name) {
            let message = format!("the project has an App {name} already, at {other}");
            return Err(CliError::new("app-exists", message).help(
                "name this one otherwise:  add --name and a name to the command; names of disks are made of it",
            ));
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
            let (from, to) = (draft.root.display(), app_dir.display());
            return Err(CliError::new("file-exists", message)
                .help(format!("{from} is not below {to}, so its files are copied there"))
                .help("move that folder away, or choose another name with --name"));
        }
        let names = [files::OVERRIDE.to_owned(), format!("compose.{name}.kompox.yml")];
        let Some(over) = names.into_iter().find(|file| !target.join(file).exists()) else {
            let message = format!("compose.{name}.kompox.yml is there already; nothing was written");
            return Err(CliError::new("file-exists", message).help("files are never overwritten: move it away"));
        };
        let provider = cluster.meta.id.parent().and_then(|provider| project.provider(&provider));
        let driver = provider.map_or("", |provider| provider.driver);
        Ok(Self { name, cluster, driver, draft, survey, app_file, app_dir, folder, copied, over })
    }

    /// Where the new app file is until it takes the place of the old one.
    fn candidate(&self) -> PathBuf {
        self.app_dir.join(CANDIDATE)
    }

    /// Writes everything but the app file, for which a candidate stands until the project was checked with it.
    fn write(&self, made: &mut Made) -> Result<(), CliError> {
        let Self { name, draft, survey, .. } = self;
        let target = self.app_dir.join(&self.folder);
        if self.copied {
            for file in referred(draft, survey) {
                made.copy(&draft.root.join(&file), &target.join(&file))?;
            }
        }
        let mut composes = draft.files.clone();
        if files::needs_override(survey) {
            made.write(&target.join(&self.over), &files::override_file(draft, survey))?;
            composes.push(self.over.clone());
        }
        if let Some(text) = files::env_file(draft, survey) {
            made.write(&target.join(".env"), &text)?;
        }
        let composes: Vec<String> = composes.iter().map(|file| slashed(&self.folder.join(file))).collect();
        let zones = self.cluster.settings.value("AZURE_AKS_USER_VM_ZONES").unwrap_or("1");
        let zone = zones.split([',', ' ']).map(str::trim).find(|zone| !zone.is_empty()).unwrap_or("1").to_owned();
        let workspace = self.cluster.meta.id.workspace().unwrap_or_default().to_owned();
        let zone = (self.driver == "aks").then_some(zone);
        let place = Place { workspace, cluster: self.cluster.meta.id.as_str().to_owned(), zone };
        let documents = files::app_documents(&place, name, &composes, draft, survey);
        let before = draft::text(&self.app_file)?;
        made.write(&self.candidate(), &format!("{}\n---\n{documents}", before.trim_end()))
    }

    /// Why the project could not run with this App.
    fn refused(&self, error: CliError, ui: &Ui) -> CliError {
        let CliError::Diagnostics(findings) = error else { return error };
        ui.say(|err| {
            remarks(err, "For you to do:", &to_do(&self.draft, &self.survey, false))?;
            writeln!(err, "\nThe project could not run with this App; nothing was written:\n")
        });
        CliError::Diagnostics(only_errors(findings))
    }

    /// Puts the candidate in the place of the app file.
    fn publish(&self) -> Result<(), CliError> {
        let candidate = self.candidate();
        std::fs::metadata(&self.app_file)
            .and_then(|metadata| std::fs::set_permissions(&candidate, metadata.permissions()))
            .and_then(|()| std::fs::rename(&candidate, &self.app_file))
            .map_err(|error| {
                CliError::new("file-unwritable", format!("{} cannot be changed: {error}", self.app_file.display()))
            })
    }

    /// Says what was written, what was decided, and what comes next.
    fn tell(&self, made: &Made, (objects, warnings): (usize, usize), with: &str, ui: &Ui) {
        let shown = |path: &Path| path.strip_prefix(&self.app_dir).map_or_else(|_| slashed(path), slashed);
        let todo = to_do(&self.draft, &self.survey, !self.draft.env.exists);
        ui.say(|err| {
            for (path, copied) in made.files.iter().filter(|(path, _)| !path.ends_with(CANDIDATE)) {
                writeln!(err, "{}  {}", if *copied { "copied " } else { "written" }, shown(path))?;
            }
            writeln!(err, "added    the App {} to {}", self.name, shown(&self.app_file))?;
            if self.copied {
                let (to, from) = (slashed(&self.folder), self.draft.root.display());
                writeln!(err, "\nThe project reads the copies below {to}; {from} is not changed.")?;
            }
            let decided = renamed(&self.survey.decided, &self.over);
            remarks(err, "Decided (your compose files are not changed):", &decided)?;
            remarks(err, "For you to do:", &renamed(&todo, &self.over))?;
            let warnings = match warnings {
                0 => String::new(),
                1 => format!(", 1 warning (kompox{with} validate shows it)"),
                many => format!(", {many} warnings (kompox{with} validate shows them)"),
            };
            writeln!(err, "\nThe project is valid: {objects} objects{warnings}.")?;
            writeln!(
                err,
                "\nTry it without an account:  kompox{with} --sandbox plan, then kompox{with} --sandbox apply"
            )
        });
    }
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
        [] if project.clusters.is_empty() => {
            Err(CliError::new("init-into", "the project has no Cluster to put an App on")
                .help(Advice::run("write one, or begin a project of its own", Command::new(Name::Init))))
        }
        [] => Err(CliError::new("selector", "no Cluster of the project is named so")
            .help(listed(&project.clusters.iter().collect::<Vec<_>>()))),
        several => Err(CliError::new("selector", "the project has several Clusters; name the one for this App")
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
fn referred(draft: &Draft, survey: &Survey) -> BTreeSet<String> {
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
    let plain = |path: String| inside(&draft.root, &path);
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
        let failed = |error: std::io::Error| {
            CliError::new("file-unreadable", format!("{} cannot be copied: {error}", from.display()))
        };
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
            std::fs::create_dir(folder).map_err(|error| {
                CliError::new("file-unwritable", format!("{} cannot be made: {error}", folder.display()))
            })?;
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
fn renamed(remarks: &[Remark], over: &str) -> Vec<Remark> {
    let rename = |remark: &Remark| Remark { at: remark.at.clone(), text: remark.text.replace(files::OVERRIDE, over) };
    remarks.iter().map(rename).collect()
}

fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
