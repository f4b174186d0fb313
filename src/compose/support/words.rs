//! What is said of a key by its verdict: to whoever uses it, and in the documentation.

use std::fmt::Write as _;

use super::table::{SERVICE_KEYS, TOP_LEVEL_KEYS};
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

/// The table as `docs/compose-support.md` has it.
pub fn markdown() -> String {
    let mut out = String::from(
        "# What becomes of each compose key\n\n\
         <!-- Written from src/compose/support/table.rs; CONTRIBUTING.md says how. Do not edit. -->\n\n\
         Every key of the Compose Specification's schema, with what kompox makes of it:\n\n\
         - **mapped**: it becomes what the last column says, or says what happens anyway\n\
         - **noted**: it has no meaning in a cluster; `validate` prints a note\n\
         - **warned**: leaving it out may change behaviour; a warning, which `--strict` turns into an error\n\
         - **refused**: it cannot work; an error\n\n\
         A row holds for everything below its key that has no row of its own. `key: value` is a row for one value. Keys \
         that start with `x-` are ignored, but for `x-kompox`: its `resources` and `limits` are \
         `resources.requests` and `.limits` of the container, and win, and `liveness: true` has a container that is \
         not healthy restarted.\n\n\
         | | mapped | noted | warned | refused |\n|---|---|---|---|---|\n",
    );
    let tables = [("top level", TOP_LEVEL_KEYS), ("services", SERVICE_KEYS)];
    for (name, table) in tables {
        let counts = Verdict::ALL.map(|verdict| table.iter().filter(|row| row.verdict == verdict).count());
        let [mapped, noted, warned, refused] = counts;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| {name} | {mapped} | {noted} | {warned} | {refused} |");
    }
    for (name, table) in tables {
        let (first, rest) = name.split_at(1);
        let _ = write!(out, "\n## {}{rest}\n\n| key | verdict | |\n|---|---|---|\n", first.to_uppercase());
        for row in table {
            let _ = writeln!(out, "| `{}` | {} | {} |", row.key, row.verdict.name(), row.text);
        }
    }
    out
}
