//! Keeps what unit tests render for `tests/judge`, which applies it to a real API server after them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use super::object::Rendered;

/// The folder to keep it in; nothing is kept without it. Named by `.ci/run`.
const FOLDER: &str = "KOMPOX_RENDERED_DIR";

/// A bound on what one test can keep: more than the cases of a property test.
const OF_ONE_TEST: usize = 300;

/// Writes the objects to a file of the test that runs.
pub(super) fn keep(rendered: &Rendered) {
    static KEPT: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let test = std::thread::current().name().unwrap_or("unnamed").replace("::", ".");
    let number = {
        let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.entry(test.clone()).or_default();
        *number += 1;
        *number
    };
    if number <= OF_ONE_TEST {
        let objects: Vec<&serde_json::Value> = rendered.objects.iter().map(|object| &object.body).collect();
        let file = folder.join(format!("unit.{test}.{number}.json"));
        std::fs::write(&file, serde_json::to_vec(&objects).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    }
}
