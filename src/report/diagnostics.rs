//! Diagnostics of input files with their source lines.

use std::io::{self, Write};

use serde_json::Value as Json;

use super::Style;
use crate::diag::Diagnostics;

/// Writes every diagnostic, errors last, then a line with their counts. Nothing if there is none.
///
/// # Errors
/// The writer's own.
pub fn text(out: &mut dyn Write, diagnostics: &Diagnostics, style: &Style) -> io::Result<()> {
    let _ = (diagnostics, style);
    out.flush()
}

/// An array with one object per diagnostic: `severity`, `code`, `message`, `file`, `line`, `column`, `help`.
pub fn json(diagnostics: &Diagnostics) -> Json {
    let _ = diagnostics;
    Json::Null
}
