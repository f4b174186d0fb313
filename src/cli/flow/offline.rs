//! Manifests expanded without any network.

use std::mem::ManuallyDrop;

use kompox_state::{Digester, Snapshot};

use super::fixed::{Fixed, state_view};
use super::manifests::{self, Manifests};
use crate::cli::error::CliError;
use crate::cli::global::Global;
use crate::diag::Diagnostics;
use crate::resources::expand::{Expanded, Keep, Request, expand};
use crate::resources::scope::{Chance, StateView};

/// Loads and expands a project without any network. Names that a state has fixed are taken from it; without one, names
/// that nobody chose get a placeholder that is the same every time. A state behind a network counts as none.
///
/// The end of the process frees it all at once; piece by piece it takes a third of the time of a large project.
pub fn offline(global: &Global, keep: Keep) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    let manifests = manifests::read(global)?;
    let config = manifests::state_config(&manifests.layout, global)?;
    let existing = if config.is_local() { kompox_state::open_existing(&config)? } else { None };
    match existing {
        Some(store) => {
            let snapshot = store.snapshot()?;
            let view = state_view(store.lineage(), &store.digester(), &snapshot, Fixed::default());
            // It shares what it needs of the records.
            drop(snapshot);
            expand_with(global, &manifests, &view, keep)
        }
        // Nothing that is made from this key is kept or printed.
        None => {
            let empty = Snapshot { serial: 0, records: Vec::new(), open_intents: Vec::new(), moved_to: None };
            let view = state_view("", &Digester::new(&[0; 32]), &empty, Fixed::default());
            expand_with(global, &manifests, &view, keep)
        }
    }
}

/// The same with what a caller says that the state holds.
pub fn offline_with(
    global: &Global,
    snapshot: &Snapshot,
    lineage: &str,
    digester: &Digester,
) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    let view = state_view(lineage, digester, snapshot, Fixed::default());
    expand_with(global, &manifests::read(global)?, &view, Keep::Graph)
}

fn expand_with(
    global: &Global,
    manifests: &Manifests,
    state: &StateView,
    keep: Keep,
) -> Result<(ManuallyDrop<Expanded>, Diagnostics), CliError> {
    let environment = global.environment();
    let gate = global.gate();
    let request = Request {
        project: &manifests.loaded.project,
        sources: &manifests.loaded.sources,
        leaves_out: &|app| global.leaves_out(app),
        environment: &environment,
        gate: &gate,
        state,
        chance: Chance { now: std::time::SystemTime::UNIX_EPOCH, random: &|| 0 },
        keep,
    };
    let mut findings = manifests.loaded.diagnostics.clone();
    match expand(&request) {
        Ok(mut expanded) => {
            findings.extend(std::mem::take(&mut expanded.diagnostics));
            Ok((ManuallyDrop::new(expanded), findings))
        }
        Err(errors) => {
            findings.extend(errors);
            Err(CliError::Diagnostics(findings))
        }
    }
}
