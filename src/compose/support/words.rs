//! What is said of a key by its verdict to whoever uses it.

use super::verdict::{Support, Verdict};
use crate::diag::Diagnostic;

/// What is said of a key of a service; nothing of one that is mapped.
pub fn of_service(service: &str, row: &Support) -> Option<Diagnostic> {
    let Support { key, verdict, text } = row;
    match verdict {
        Verdict::Refused => said(*verdict, format!("{service}: {key} cannot be used: {text}")),
        _ => said(*verdict, format!("{service}: {key} is not used: {text}")),
    }
}

/// What is said of a top-level key or of what stands below one; nothing of one that is mapped.
pub fn of_top_level(what: &str, row: &Support) -> Option<Diagnostic> {
    said(row.verdict, format!("{what}: {}", row.text))
}

fn said(verdict: Verdict, message: String) -> Option<Diagnostic> {
    match verdict {
        Verdict::Mapped => None,
        Verdict::Noted => Some(Diagnostic::note("compose-key-noted", message)),
        Verdict::Warned => Some(Diagnostic::warning("compose-key-warned", message)),
        Verdict::Refused => Some(Diagnostic::error("compose-key-refused", message)),
    }
}
