//! The compose files of an app: finding them, and what they refer to. Reads through [`Files`] and nothing else, so that
//! many apps can be read at once.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::compose::files::{FileError, Files, LocalFiles, NoFiles};
use crate::compose::gate::Gate;
use crate::compose::project::ComposeProject;
use crate::compose::{Input, ReadRequest, read};
use crate::diag::{Diagnostic, Diagnostics};
use crate::kom::model::{App, ComposeSource};
use crate::text::secret::may_hold_secret;
use crate::yaml::Source;

/// The widest margin that an inline compose text is given to keep its columns.
const MAX_MARGIN: usize = 40;

/// What came of an app's compose files.
pub(super) struct Composed {
    /// The project; none where an error is among the findings.
    pub(super) project: Option<ComposeProject>,
    /// What was found.
    pub(super) diagnostics: Diagnostics,
    /// Every file that was read, by the name that a user would give it.
    pub(super) inputs: Vec<(String, Vec<u8>)>,
}

/// Reads the compose files of an app. `sources` are the texts of the manifests.
pub(super) fn compose(app: &App, sources: &Texts<'_>, gate: &Gate) -> Composed {
    let none = NoFiles::new("only an App in the app file itself may use local files");
    let local = LocalFiles::new(&app.base_dir);
    let files: &dyn Files = if app.meta.in_app_file { &local } else { &none };
    let compose_files = Watched::new(files);
    let mut diagnostics = Diagnostics::default();
    let Some(inputs) = inputs(app, sources, &compose_files, &mut diagnostics) else {
        return Composed { project: None, diagnostics, inputs: Vec::new() };
    };
    // What a compose file refers to counts from its own folder, as for `docker compose`.
    let folder = folder(app);
    let beside = LocalFiles::new(app.base_dir.join(&folder));
    let files: &dyn Files = if app.meta.in_app_file { &beside } else { &none };
    let referred = Watched::new(files);
    let (project, found) = read(ReadRequest { inputs, profiles: &app.profiles, gate, files: &referred });
    diagnostics.extend(found);
    let from_folder = |name: String| if folder.is_empty() { name } else { format!("{folder}/{name}") };
    let referred = referred.read.into_inner().into_iter().map(|(name, bytes)| (from_folder(name), bytes));
    let read = compose_files.read.into_inner().into_iter().chain(referred);
    Composed { project, diagnostics, inputs: read.map(|(name, bytes)| (display(app, &name), bytes)).collect() }
}

/// The texts of the manifests, by file.
pub(super) struct Texts<'a>(BTreeMap<&'a str, &'a Source>);

impl<'a> Texts<'a> {
    pub(super) fn new(sources: &'a [Source]) -> Self {
        Self(sources.iter().map(|source| (&*source.file, source)).collect())
    }

    /// The finding with its place and the text of its line.
    pub(super) fn locate(&self, diagnostic: Diagnostic, location: &crate::diag::Location) -> Diagnostic {
        match self.0.get(&*location.file) {
            Some(source) => {
                let mut located = source.locate(diagnostic, location);
                located.source_line = located.source_line.filter(|line| !may_hold_secret(line));
                located
            }
            None => diagnostic.at(location.clone(), None),
        }
    }
}

/// A file of an app as the user would name it: beside the app's own file.
fn display(app: &App, name: &str) -> String {
    match app.meta.location.file.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

fn inputs(app: &App, sources: &Texts<'_>, files: &dyn Files, diagnostics: &mut Diagnostics) -> Option<Vec<Input>> {
    match &app.compose {
        ComposeSource::File(paths) => {
            let mut inputs = Vec::new();
            for path in paths {
                let problem = match files.read(&path.value).map(String::from_utf8) {
                    Ok(Ok(text)) => {
                        inputs.push(Input::Text(Source::new(display(app, &path.value), text)));
                        continue;
                    }
                    Ok(Err(_)) => format!("the compose file {} is not UTF-8", path.value),
                    Err(error) => format!("the compose file {} cannot be read: {error}", path.value),
                };
                let finding = Diagnostic::error("compose-file", problem)
                    .help("write the file, or correct its path here; paths count from the folder of this file");
                diagnostics.push(sources.locate(finding, &path.location));
            }
            (inputs.len() == paths.len()).then_some(inputs)
        }
        ComposeSource::Inline { text, location } => {
            // Blank lines in front and blanks at the margin, so that places are those of the manifest.
            // Far to the right the places lose their columns: a margin of many lines would be longer than the text.
            let column = location.column.saturating_sub(1) as usize;
            let margin = " ".repeat(if column <= MAX_MARGIN { column } else { 0 });
            let mut padded = "\n".repeat(location.line.saturating_sub(1) as usize);
            for line in text.lines() {
                padded.push_str(&margin);
                padded.push_str(line);
                padded.push('\n');
            }
            Some(vec![Input::Text(Source::new(location.file.clone(), padded))])
        }
        ComposeSource::InlineTree(tree) => {
            let file = tree.location.file.clone();
            let source =
                sources.0.get(&*file).map_or_else(|| Source::new(file.clone(), ""), |source| (*source).clone());
            Some(vec![Input::Tree(tree.clone(), source)])
        }
    }
}

/// The folder of the first compose file, from the app's own.
fn folder(app: &App) -> String {
    match &app.compose {
        ComposeSource::File(paths) => {
            let first = paths.first().map_or("", |path| path.value.as_str());
            first.rsplit_once('/').map_or("", |(folder, _)| folder.trim_start_matches("./")).to_owned()
        }
        ComposeSource::Inline { .. } | ComposeSource::InlineTree(_) => String::new(),
    }
}

/// Remembers what was read, so that a saved plan knows its inputs.
struct Watched<'a> {
    files: &'a dyn Files,
    read: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl<'a> Watched<'a> {
    fn new(files: &'a dyn Files) -> Self {
        Self { files, read: RefCell::new(BTreeMap::new()) }
    }
}

impl Files for Watched<'_> {
    fn read(&self, relative: &str) -> Result<Vec<u8>, FileError> {
        let bytes = self.files.read(relative)?;
        self.read.borrow_mut().insert(relative.to_owned(), bytes.clone());
        Ok(bytes)
    }

    fn is_file(&self, relative: &str) -> bool {
        self.files.is_file(relative)
    }

    fn is_dir(&self, relative: &str) -> bool {
        self.files.is_dir(relative)
    }

    fn allowed(&self) -> Result<(), FileError> {
        self.files.allowed()
    }

    fn followed(&self, path: &str) -> Option<String> {
        self.files.followed(path)
    }
}
