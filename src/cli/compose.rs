//! `kompox compose`

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};

use super::error::{CliError, Exit};
use super::global::Global;
use super::ui::Ui;
use crate::compose::files::{Files, LocalFiles, UserFiles};
use crate::compose::gate::{Gate, Veil};
use crate::compose::load::Input;
use crate::compose::load::project::{Printing, Project, Strictness};
use crate::compose::load::{self, Name, Request, dotenv, project_name};
use crate::diag::{Diagnostic, Diagnostics, Location};
use crate::report;
use crate::yaml::Source;

/// Commands about compose files.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print compose files merged and in their canonical form, as `docker compose config` does
    Config(Args),
}

/// How the project is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A compose file
    Yaml,
    /// For machines
    Json,
}

/// Arguments of `compose config`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Values of env files, values that came by interpolation, and what is named like a secret are masked unless\n\
--show-secrets is given. Files are found and read as `docker compose` does; docs/compose.md lists what differs.\n\n\
Examples:\n  kompox compose config\n  kompox compose config -f compose.yml -f compose.prod.yml --profile web --format json"
)]
pub struct Args {
    /// Read this compose file, - is stdin; repeatable, later ones win [default: $COMPOSE_FILE, else compose.yaml and
    /// the like in this directory or above]
    #[arg(short, long = "file", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Turn a profile on; repeatable, * is all [default: $COMPOSE_PROFILES]
    #[arg(long = "profile", value_name = "NAME")]
    profiles: Vec<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t = Format::Yaml)]
    format: Format,
    /// Print values that may be secret
    #[arg(long)]
    show_secrets: bool,
    /// Read variables from here; repeatable, later ones win [default: .env in the project directory]
    #[arg(long = "env-file", value_name = "FILE")]
    env_files: Vec<PathBuf>,
    /// What relative paths count from [default: the folder of the first compose file]
    #[arg(long, value_name = "DIR")]
    project_directory: Option<PathBuf>,
    /// The project's name [default: $COMPOSE_PROJECT_NAME, else `name:`, else the project directory's]
    #[arg(short, long, value_name = "NAME")]
    project_name: Option<String>,
}

/// Runs a command: reads local files only.
pub fn run(command: &Command, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let Command::Config(args) = command;
    let cwd = global.cwd()?;
    let gate = global.gate();
    // The `.env` beside the first file may name the files, and then the one beside these counts too.
    let named: Vec<PathBuf> = args.files.iter().map(|path| absolute(&cwd, path)).collect();
    let mut environment = gate.variables().clone();
    complete(args, &cwd, &project_directory(args, &cwd, &named), &mut environment)?;
    let paths = if named.is_empty() { compose_files(args, &cwd, &environment)? } else { named };
    let dir = project_directory(args, &cwd, &paths);
    complete(args, &cwd, &dir, &mut environment)?;
    let name = name(args, &dir, &environment)?;
    let profiles = profiles(args, &environment);
    let variables = environment.clone();
    let display = |path: &str| shown(Path::new(path), &cwd);
    let files = UserFiles::new(&dir);
    let request = Request {
        inputs: inputs(&paths, &display)?,
        name,
        working_dir: text(&dir)?,
        home: environment.get("HOME").cloned(),
        environment,
        files: &files,
        display: &display,
    };
    let (loaded, sources, found) = load::load(request);
    let texts: Vec<&Source> = sources.texts().collect();
    let veil = if args.show_secrets { Veil::default() } else { gate.veil(&texts, &variables) };
    let mut findings = settings_withheld(&gate);
    findings.extend(gate.withheld(&texts, &variables));
    findings.extend(found);
    let project = loaded.and_then(|loaded| {
        let (project, found) = Project::complete(loaded, &profiles, Strictness::Compose);
        findings.extend(found);
        project
    });
    let printing = Printing { files: Some(&files), show_secrets: args.show_secrets };
    let mut bytes = Vec::new();
    if let Some(project) = project {
        let found = if global.json || args.format == Format::Json {
            let (json, found) = project.json(printing);
            json.iter().try_for_each(|json| report::json::write(&mut bytes, &veiled(json, &veil), true))?;
            found
        } else {
            let (yaml, found) = project.yaml(printing);
            let yaml = yaml.unwrap_or_default();
            bytes.extend(veil.cover(&yaml).unwrap_or(yaml).into_bytes());
            found
        };
        findings.extend(found);
    }
    // Also where secrets are shown: what is wrong is told with the names of variables.
    let findings = gate.veil(&texts, &variables).over(findings);
    if findings.has_errors() {
        return Err(CliError::Diagnostics(findings));
    }
    ui.findings(&findings);
    ui.data(|out| out.write_all(&bytes))?;
    Ok(Exit::Done)
}

/// A JSON text without the values that nothing may show.
fn veiled(json: &serde_json::Value, veil: &Veil) -> serde_json::Value {
    use serde_json::Value;
    match json {
        Value::String(text) => veil.cover(text).unwrap_or_else(|| text.clone()).into(),
        Value::Array(items) => items.iter().map(|item| veiled(item, veil)).collect(),
        Value::Object(map) => {
            let entries =
                map.iter().map(|(key, value)| (veil.cover(key).unwrap_or_else(|| key.clone()), veiled(value, veil)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Variables that steer the reading itself, and that are set and withheld.
pub(super) fn settings_withheld(gate: &Gate) -> Diagnostics {
    let mut findings = Diagnostics::default();
    for name in ["COMPOSE_FILE", "COMPOSE_PROFILES", "COMPOSE_PROJECT_NAME", "COMPOSE_DISABLE_ENV_FILE"] {
        if gate.withholds(name) {
            let message = format!("{name} is set, but not used");
            findings.push(Diagnostic::warning("compose-variable-withheld", message).help(Gate::help(name)));
        }
    }
    findings
}

const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
const OVERRIDES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// The files to read where none is named, absolute but for stdin.
fn compose_files(args: &Args, cwd: &Path, variables: &BTreeMap<String, String>) -> Result<Vec<PathBuf>, CliError> {
    if let Some(list) = variables.get("COMPOSE_FILE") {
        let separator = variables.get("COMPOSE_PATH_SEPARATOR").filter(|text| !text.is_empty());
        let names = list.split(separator.map_or(":", String::as_str));
        return Ok(names.map(|name| absolute(cwd, Path::new(name))).collect());
    }
    let start = args.project_directory.as_ref().map_or_else(|| cwd.to_owned(), |dir| absolute(cwd, dir));
    let first = |dir: &Path, names: &[&str]| names.iter().map(|name| dir.join(name)).find(|path| path.exists());
    let found = start.ancestors().find_map(|dir| Some((dir, first(dir, &NAMES)?)));
    let Some((dir, file)) = found else {
        let message = format!("there is no {} here or above", NAMES[0]);
        return Err(CliError::new("compose-file", message).help("name the compose file with -f"));
    };
    Ok(std::iter::once(file).chain(first(dir, &OVERRIDES)).collect())
}

/// A path from the root on; `-` stays.
fn absolute(cwd: &Path, path: &Path) -> PathBuf {
    if path == Path::new("-") { path.to_owned() } else { clean(&cwd.join(path)) }
}

fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

fn project_directory(args: &Args, cwd: &Path, paths: &[PathBuf]) -> PathBuf {
    match &args.project_directory {
        Some(dir) => absolute(cwd, dir),
        None => {
            let first = paths.iter().find(|path| path.as_path() != Path::new("-"));
            first.and_then(|path| path.parent()).unwrap_or(cwd).to_owned()
        }
    }
}

/// Adds the variables of the env files; what is there already stays.
fn complete(args: &Args, cwd: &Path, dir: &Path, environment: &mut BTreeMap<String, String>) -> Result<(), CliError> {
    let disabled = environment.get("COMPOSE_DISABLE_ENV_FILE");
    let disabled = disabled.is_some_and(|text| matches!(text.as_str(), "1" | "t" | "T" | "true" | "True" | "TRUE"));
    let default = dir.join(".env");
    let files: Vec<PathBuf> = if !args.env_files.is_empty() {
        args.env_files.iter().map(|file| cwd.join(file)).collect()
    } else if !disabled && default.is_file() {
        vec![default]
    } else {
        Vec::new()
    };
    let reader = UserFiles::new(cwd);
    let mut values = BTreeMap::new();
    for file in files {
        let failed =
            |why: String| CliError::new("file-unreadable", format!("{} cannot be read: {why}", shown(&file, cwd)));
        let bytes = reader.read(&text(&file)?).map_err(|error| failed(error.to_string()))?;
        dotenv::complete(environment, &mut values, &bytes).map_err(|error| failed(error.to_string()))?;
    }
    for (key, value) in values {
        environment.entry(key).or_insert(value);
    }
    Ok(())
}

fn name(args: &Args, dir: &Path, environment: &BTreeMap<String, String>) -> Result<Name, CliError> {
    let given = args.project_name.as_ref().or_else(|| environment.get("COMPOSE_PROJECT_NAME"));
    if let Some(given) = given.filter(|name| !name.is_empty()) {
        if project_name(given) != *given {
            let message = format!("\"{given}\" cannot be the name of a project");
            let help = "use lowercase letters, digits, \"-\" and \"_\", a letter or a digit first";
            return Err(CliError::new("compose-name", message).help(help));
        }
        return Ok(Name::Given(given.clone()));
    }
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Name::Found(project_name(&folder)))
}

fn profiles(args: &Args, environment: &BTreeMap<String, String>) -> Vec<String> {
    if !args.profiles.is_empty() {
        return args.profiles.clone();
    }
    let list = environment.get("COMPOSE_PROFILES").map_or("", String::as_str);
    list.split(',').map(|name| name.trim().to_owned()).collect()
}

fn inputs(paths: &[PathBuf], display: &dyn Fn(&str) -> String) -> Result<Vec<(Input, String)>, CliError> {
    let mut inputs = Vec::with_capacity(paths.len());
    let mut findings = Diagnostics::default();
    for path in paths {
        let name = if path == Path::new("-") { "<stdin>".to_owned() } else { display(&text(path)?) };
        let bytes = if path == Path::new("-") {
            let mut bytes = Vec::new();
            let stdin = std::io::stdin().lock().take(LocalFiles::LIMIT);
            { stdin }.read_to_end(&mut bytes).map(|_| bytes).map_err(|error| error.to_string())
        } else {
            UserFiles::new("/").read(&text(path)?).map_err(|error| error.to_string())
        };
        let content = bytes.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned()));
        match content {
            Ok(content) => inputs.push((Input::Text(Source::new(name, content)), text(path)?)),
            Err(why) => {
                let finding =
                    Diagnostic::error("compose-file", format!("the compose file {name} cannot be read: {why}"));
                findings.push(finding.at(Location::new(name, 1, 1), None));
            }
        }
    }
    if findings.has_errors() { Err(CliError::Diagnostics(findings)) } else { Ok(inputs) }
}

/// A path as a user would call it: from the working directory where it is below.
fn shown(path: &Path, cwd: &Path) -> String {
    path.strip_prefix(cwd).unwrap_or(path).to_string_lossy().into_owned()
}

fn text(path: &Path) -> Result<String, CliError> {
    match path.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(CliError::new("file-unreadable", format!("{} is not UTF-8", path.display()))),
    }
}
