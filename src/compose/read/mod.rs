//! Reading a project: texts in, typed model and diagnostics out. Everything wrong is collected, nothing is dropped in
//! silence, and no message shows a value that may be a secret.
//!
//! The loader gives the canonical tree and checks what is written; what stands in it is read by `parts` and the readers
//! of each part, all through the helpers of `reader`. What becomes of a key is asked of `support`.

mod contents;
mod declared;
mod files;
mod health;
mod hiding;
mod letters;
mod mounts;
mod network;
mod parts;
mod process;
mod reader;
mod replaced;
mod resources;
mod service;
mod values;
mod verdict;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::parts::{Parts, parts};
use self::reader::Reader;
use crate::compose::files::{FileError, Files};
use crate::compose::gate::{Gate, Veil};
use crate::compose::load::project::{Project, Strictness};
use crate::compose::load::{Input, Name, Request, Sources, dotenv, load};
use crate::compose::project::ComposeProject;
use crate::diag::{Diagnostic, Diagnostics};
use crate::yaml::Source;

/// What a project is read from.
pub struct ReadRequest<'a> {
    /// The compose files; later ones win.
    pub inputs: Vec<Input>,
    /// Profiles that are on; `*` turns all on.
    pub profiles: &'a [String],
    /// The process environment as far as it may be read; it wins over the project's `.env`.
    pub gate: &'a Gate,
    /// The files next to the compose file.
    pub files: &'a dyn Files,
}

/// Loads and types a project. There is a project exactly when there is no error. What was found shows no value that must
/// not be seen.
pub fn read(request: ReadRequest<'_>) -> (Option<ComposeProject>, Diagnostics) {
    let mut diagnostics = Diagnostics::default();
    let environment = project_environment(&request, &mut diagnostics);
    let ReadRequest { inputs, profiles, files, gate } = request;
    let (project, sources, found) = read_with(inputs, profiles, files, gate, &environment, diagnostics);
    let env_file = files.read(".env").ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let env_file = env_file.map(|text| Source::new(".env", text));
    let texts: Vec<&Source> = sources.texts().chain(&env_file).collect();
    let veil = gate.veil(&texts, &environment);
    let mut findings = gate.withheld(&texts, &environment);
    findings.extend(found);
    let findings = veil.over(findings);
    (project.map(|project| ComposeProject { veil, ..project }), findings)
}

fn read_with(
    inputs: Vec<Input>,
    profiles: &[String],
    files: &dyn Files,
    gate: &Gate,
    environment: &BTreeMap<String, String>,
    mut diagnostics: Diagnostics,
) -> (Option<ComposeProject>, Sources, Diagnostics) {
    // Where none is named, compose-go splits an empty COMPOSE_PROFILES, which gives the profile "" (cli/options.go,
    // `WithDefaultProfiles`): services with that one are on.
    let unnamed = [String::new()];
    let profiles = if profiles.is_empty() { &unnamed } else { profiles };
    // Files that the first one refers to stand beside it, in messages too.
    let first = inputs.first().map(|input| input.source().file.clone()).unwrap_or_else(|| "compose.yml".into());
    let prefix = first.rfind('/').map_or("", |at| &first[..=at]);
    let display = |path: &str| format!("{prefix}{path}");
    let path_of = |name: &str| name.strip_prefix(prefix).unwrap_or(name).to_owned();
    let inputs = inputs.into_iter().map(|input| {
        let path = path_of(&input.source().file);
        (input, path)
    });
    let request = Request {
        inputs: inputs.collect(),
        name: Name::Optional,
        working_dir: String::new(),
        home: None,
        environment: environment.clone(),
        files,
        display: &display,
    };
    let (loaded, sources, findings) = load(request);
    diagnostics.extend(findings);
    let Some(loaded) = loaded.filter(|_| !diagnostics.has_errors()) else { return (None, sources, diagnostics) };
    let mut reader = Reader {
        sources: sources.clone(),
        diagnostics,
        environment,
        gate,
        files,
        may_hide: Vec::new(),
        untyped: Vec::new(),
        rewritten: &loaded.rewritten,
    };
    let parts = parts(&mut reader, &loaded.tree, profiles);
    for (finding, location) in replaced::findings(&loaded.replaced, &parts.services) {
        reader.diagnostics.push(sources.locate(finding, &location));
    }
    let Reader { mut diagnostics, untyped, .. } = reader;
    let (canonical, findings) = Project::complete(loaded, profiles, Strictness::App);
    diagnostics.extend(findings);
    if !diagnostics.has_errors() {
        diagnostics.extend(untyped.into_iter().map(|(finding, location)| sources.locate(finding, &location)));
    }
    let Some(canonical) = canonical.filter(|_| !diagnostics.has_errors()) else { return (None, sources, diagnostics) };
    let Parts { services, configs, secrets } = parts;
    let (canonical, veil) = (Arc::new(canonical), Veil::default());
    let project = ComposeProject { services, configs, secrets, sources: sources.clone(), canonical, veil };
    (Some(project), sources, diagnostics)
}

fn project_environment(request: &ReadRequest<'_>, diagnostics: &mut Diagnostics) -> BTreeMap<String, String> {
    let process = request.gate.variables();
    let mut environment = process.clone();
    let mut values = BTreeMap::new();
    let result = match request.files.read(".env") {
        Err(FileError::NotFound | FileError::Refused { .. }) => return environment,
        Ok(bytes) => dotenv::complete(process, &mut values, &bytes).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    if let Err(message) = result {
        diagnostics.push(Diagnostic::error("compose-env-file", format!(".env cannot be read: {message}")));
    }
    for (key, value) in values {
        environment.entry(key).or_insert(value);
    }
    environment
}

#[cfg(test)]
mod tests;
