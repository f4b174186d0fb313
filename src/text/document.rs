//! Documents that are written from the tables of the program, so that neither says what the other does not.

/// Holds `docs/<name>` to what its tables make of it. With `KOMPOX_ACCEPT` set it is written anew; `tests` is what the tests
/// that do that have in their names.
///
/// # Panics
/// The document says something else.
#[track_caller]
pub(crate) fn is_that_of_its_tables(name: &str, expected: &str, tests: &str) {
    let path = format!("{}/docs/{name}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("KOMPOX_ACCEPT").is_some() {
        std::fs::write(&path, expected).unwrap_or_else(|error| panic!("{path}: {error}"));
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(written == expected, "write docs/{name} anew: KOMPOX_ACCEPT=1 cargo test --lib {tests}");
}
