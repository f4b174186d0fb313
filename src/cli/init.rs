//! `kompox init`

mod build;
mod draft;
mod files;
mod fill;
mod folders;
mod found;
mod frame;
#[cfg(test)]
mod generated;
mod identity;
mod images;
mod into;
mod mounts;
mod paths;
mod ports;
mod remarks;
mod rules;
mod survey;
#[cfg(test)]
mod tests;
mod yaml;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};

use self::draft::{Draft, DraftError};
use self::files::create;
use self::found::{Remark, Survey};
use self::frame::Frame;
use self::identity::{Place, app_name, check_name, whose};
use self::remarks::{remarks, to_do};
use super::error::{CliError, Exit};
use super::flow::offline::offline;
use super::global::Global;
use super::ui::Ui;
use crate::advice::{Advice, Command, quoted};
use crate::diag::Severity;
use crate::kom::layout::{APP_FILE_NAME, LEGACY_FILE_NAME};
use crate::kom::{legacy, schema};
use crate::report;
use crate::resources::driver::Driver;
use crate::resources::drivers;
use crate::resources::expand::Keep;
use crate::yaml::Source;

/// The App of a project from nothing.
const APP: &str = include_str!("init/app.yml");
const COMPOSE: &str = include_str!("init/compose.yml");
const CONFIG: &str = include_str!("init/config.yml");
const IGNORE: &str = "/state/\n/sandbox/\n";

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Files that exist are never changed. With --from a compose file the project is written beside it: volumes for what \
it mounts, hosts for what it publishes, and compose.kompox.yml, which is merged over it, for what cannot work in a \
cluster as it is.\n\nExamples:\n  kompox init\n  kompox init --name wiki && kompox --sandbox apply\n  kompox init --from \
compose.yml && kompox --sandbox plan\n  kompox init --from compose.yml --from compose.prod.yml\n  kompox init --from ../git --into .\n  kompox init --from kompoxops.yml"
)]
pub struct Args {
    /// Take an existing project: a compose file (repeatable, merged in order), a folder with one, or kompoxops.yml
    #[arg(long, value_name = "FILE")]
    from: Vec<PathBuf>,
    /// With --from a compose file: add it as one more App to the project in this folder, on its cluster
    #[arg(long, value_name = "PROJECT", requires = "from")]
    into: Option<PathBuf>,
    /// The app's name [default: the compose file's, else the folder's]
    #[arg(long)]
    name: Option<String>,
    /// The driver of the cloud
    #[arg(long, default_value = "aks", value_parser = driver())]
    driver: &'static dyn Driver,
}

/// Runs `init`: writes a project that validates, and plans in the sandbox at once.
pub fn run(args: &Args, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let cwd = global.cwd()?;
    match args.from.as_slice() {
        [] => from_nothing(args, &cwd, global, ui),
        [file] if is_legacy(&cwd.join(file)) => match args.into {
            None => from_legacy(&cwd.join(file), global, ui),
            Some(_) => {
                Err(CliError::new("init-from", format!("{} is a whole project, not an App to add", file.display()))
                    .help("name the App's compose file with --from"))
            }
        },
        files => {
            let paths: Vec<PathBuf> = files.iter().map(|file| cwd.join(file)).collect();
            match &args.into {
                Some(into) => into::run(args.name.as_deref(), into, &paths, global, ui),
                None => from_compose(args, &paths, global, ui),
            }
        }
    }
}

/// Reads the word of a driver.
fn driver() -> impl TypedValueParser<Value = &'static dyn Driver> {
    PossibleValuesParser::new(drivers::names())
        .try_map(|name| drivers::find(&name).ok_or_else(|| format!("there is no driver {name}")))
}

fn from_nothing(args: &Args, root: &Path, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => root.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default(),
    };
    check_name(&name)?;
    let mut place = place(root, global);
    let frame = Frame::of(args.driver, &mut place, global);
    let (app, compose) = frame.app(&place, &name);
    let mut files = vec![
        (APP_FILE_NAME.to_owned(), format!("{}{}---\n{app}", files::EDITOR_LINE, frame.text(None))),
        ("compose.yml".to_owned(), compose.to_owned()),
    ];
    files.extend(folder()?);
    for (path, text) in &files {
        write(root, path, text, ui)?;
    }
    ui.say(|err| {
        let place = ui.commands().place;
        writeln!(err, "\nTry it without an account:  kompox{place} --sandbox apply")?;
        let what = frame.to_write.split(" and ").next().unwrap_or_default();
        writeln!(err, "Then put your {what} into kompoxapp.yml:  kompox{place} plan")
    });
    Ok(Exit::Done)
}

/// Where the first App of a project in a folder belongs.
fn place(root: &Path, global: &Global) -> Place {
    let environment = global.environment();
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    Place::of_folder(&real, &whose(|name| environment.get(name).cloned()))
}

/// The files of `.kompox/`.
fn folder() -> Result<Vec<(String, String)>, CliError> {
    let mut text = Vec::new();
    report::json::write(&mut text, &schema::of("all", &drivers::settings()).unwrap_or_default(), true)?;
    Ok(vec![
        (".kompox/config.yml".to_owned(), CONFIG.to_owned()),
        (".kompox/.gitignore".to_owned(), IGNORE.to_owned()),
        (".kompox/schema.json".to_owned(), String::from_utf8_lossy(&text).into_owned()),
    ])
}

/// The legacy file has its own name; by another it is told from a compose file by what it says.
fn is_legacy(path: &Path) -> bool {
    let named = path.file_name().is_some_and(|name| name == LEGACY_FILE_NAME);
    let says = |text: String| {
        let begins = |word: &str| text.lines().any(|line| line.starts_with(word));
        begins("version:") && begins("app:") && begins("cluster:") && !begins("services:")
    };
    named || draft::text(path).is_ok_and(says)
}

fn from_legacy(path: &Path, global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let text = draft::text(path)?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let rewritten = legacy::rewrite(&Source::new(name.as_str(), text))?;
    let root = path.parent().unwrap_or(Path::new(".")).to_owned();
    let files = vec![(APP_FILE_NAME.to_owned(), format!("{}{}", files::EDITOR_LINE, rewritten.text))];
    write_new(&root, files, ui)?;
    finish(&root, global, ui, "Then as before", |err| {
        writeln!(
            err,
            "\n{APP_FILE_NAME} takes the place of {name}: ids, names and hashes are the same. Comments are not"
        )?;
        writeln!(err, "carried over. Delete {name} once you have looked at it.")?;
        let left_out = rewritten.left_out.iter().map(|setting| {
            let text = format!("{setting} is a credential and was left out: set the environment variable {setting}");
            Remark { at: None, text }
        });
        remarks(err, "For you to do:", &left_out.collect::<Vec<_>>())
    })
}

fn from_compose(args: &Args, paths: &[PathBuf], global: &Global, ui: &Ui) -> Result<Exit, CliError> {
    let gate = global.gate();
    let draft = draft::read(paths, &gate)?;
    let name = app_name(args.name.as_deref(), &draft)?;
    let mut place = place(&draft.root, global);
    let frame = Frame::of(args.driver, &mut place, global);
    let Planned { survey, files: written, has_env } = planned(&draft, &name, &place, &frame)?;
    write_new(&draft.root, written, ui)?;
    let todo = to_do(&draft, &survey, has_env);
    let then = format!("Then put your {} into {APP_FILE_NAME}", frame.to_write);
    finish(&draft.root, global, ui, &then, |err| {
        remarks(err, "Decided (your compose files are not changed):", &survey.decided)?;
        remarks(err, "For you to do:", &todo)
    })
}

/// What is written for a compose project.
struct Planned {
    survey: Survey,
    files: Vec<(String, String)>,
    has_env: bool,
}

fn planned(draft: &Draft, name: &str, place: &Place, frame: &Frame) -> Result<Planned, CliError> {
    let survey = survey::survey(draft, name, |services| frame.disks(services));
    if survey.refused.has_errors() {
        return Err(CliError::Diagnostics(survey.refused));
    }
    let mut written = vec![(
        APP_FILE_NAME.to_owned(),
        files::app_file(&frame.text(Some(survey.services)), place, name, draft, &survey),
    )];
    if files::needs_override(&survey) {
        written.push((files::OVERRIDE.to_owned(), files::override_file(draft, &survey)));
    }
    let env = files::env_file(draft, &survey);
    let has_env = env.is_some();
    written.extend(env.map(|text| (".env".to_owned(), text)));
    Ok(Planned { survey, files: written, has_env })
}

/// Checks the written project as every command reads it, and says what comes next.
fn finish(
    root: &Path,
    global: &Global,
    ui: &Ui,
    then: &str,
    words: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Exit, CliError> {
    ui.say(words);
    let here = Global { directory: Some(root.to_owned()), ..global.clone() };
    let elsewhere = global.cwd()?.canonicalize().ok() != root.canonicalize().ok();
    let with = if elsewhere { format!(" -C {}", quoted(&root.to_string_lossy())) } else { String::new() };
    match offline(&here, Keep::Graph) {
        Ok((expanded, findings)) => {
            let objects = expanded.graph.len();
            let warnings = findings.count(Severity::Warning);
            ui.say(|err| {
                write!(err, "\nThe project is valid: {objects} objects")?;
                match warnings {
                    0 => writeln!(err, ".")?,
                    1 => writeln!(err, ", 1 warning (kompox{with} validate shows it).")?,
                    _ => writeln!(err, ", {warnings} warnings (kompox{with} validate shows them).")?,
                }
                writeln!(
                    err,
                    "\nTry it without an account:  kompox{with} --sandbox plan, then kompox{with} --sandbox apply"
                )?;
                writeln!(err, "{then}:  kompox{with} plan")
            });
            Ok(Exit::Done)
        }
        Err(CliError::Diagnostics(mut findings)) => {
            findings = findings.into_iter().filter(|finding| finding.severity == Severity::Error).fold(
                crate::diag::Diagnostics::default(),
                |mut errors, finding| {
                    errors.push(finding);
                    errors
                },
            );
            ui.say(|err| {
                writeln!(err, "\nThe files are written, but the project cannot run yet:\n")?;
                report::diagnostics::text(err, &findings, &ui.err)?;
                writeln!(err, "\nCorrect these, then:  kompox{with} validate")
            });
            Ok(Exit::Failed)
        }
        Err(error) => Err(error),
    }
}

/// Writes files of which none may exist, and those of `.kompox/`, which may.
fn write_new(root: &Path, files: Vec<(String, String)>, ui: &Ui) -> Result<(), CliError> {
    let exist: Vec<&str> =
        files.iter().map(|(path, _)| path.as_str()).filter(|path| root.join(path).exists()).collect();
    if !exist.is_empty() {
        let would: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
        let (is, it) = if exist.len() == 1 { ("is", "it") } else { ("are", "them") };
        let error =
            CliError::new("file-exists", format!("{} {is} there already; nothing was written", exist.join(", ")))
                .help(format!("this would write {}", would.join(", ")))
                .help(format!("files are never overwritten: move {it} away, or edit {it} by hand"));
        let project = exist.contains(&APP_FILE_NAME);
        let help = Advice::run("to add an App to the project that is there, say so", Command::add_app());
        return Err(if project { error.help(help) } else { error });
    }
    for (path, text) in files.iter().chain(&folder()?) {
        write(root, path, text, ui)?;
    }
    Ok(())
}

fn write(root: &Path, path: &str, text: &str, ui: &Ui) -> Result<(), CliError> {
    let file = root.join(path);
    let failed = |error: std::io::Error| {
        CliError::new("file-unwritable", format!("{} cannot be written: {error}", file.display()))
    };
    if file.exists() {
        ui.say(|err| writeln!(err, "kept     {path}"));
        return Ok(());
    }
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    create(&file, text.as_bytes())?;
    ui.say(|err| writeln!(err, "written  {path}"));
    Ok(())
}

impl From<DraftError> for CliError {
    fn from(error: DraftError) -> Self {
        match error {
            DraftError::Wrong(findings) => Self::Diagnostics(findings),
            DraftError::NoFile(_) => Self::new("compose-file", error.to_string())
                .help("it looks for compose.yaml, compose.yml, docker-compose.yml and docker-compose.yaml"),
            DraftError::Unreadable { .. } => {
                Self::new("file-unreadable", error.to_string()).help("check the value of --from")
            }
            DraftError::Elsewhere(_) => Self::new("file-elsewhere", error.to_string())
                .help("an app may refer to files below its own folder only: move the file there"),
        }
    }
}
