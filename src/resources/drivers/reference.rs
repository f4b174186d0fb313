//! `docs/settings.md`, written from the tables of the drivers.

use std::fmt::Write;

use super::DRIVERS;
use crate::kom::settings::{Setting, Takes};
use crate::text::document;

/// `KOMPOX_ACCEPT=1 cargo test --lib drivers::reference` writes the document anew.
#[test]
fn the_document_is_that_of_the_tables() {
    document::is_that_of_its_tables("settings.md", &markdown(), "drivers::reference");
}

fn markdown() -> String {
    let mut out = String::from(
        "# Settings\n\n\
         <!-- Written from the tables of the drivers (src/resources/drivers/*/settings.rs); CONTRIBUTING.md says how. Do not \
         edit. -->\n\n\
         What `settings:` and `options:` take, by driver. A setting that is absent is read from the environment variable of \
         its name; an option is not. A key that no table has is a warning, with what may have been meant. **Must** be there: \
         the rest may be left out. What says how to *sign in* is handed to the connection as it is, and changes no plan: \
         keep secrets in the environment.\n",
    );
    for driver in DRIVERS {
        let tables = driver.settings();
        writeln!(out, "\n## Driver `{}`", driver.name()).unwrap();
        for (place, table) in [
            ("`settings` of a Provider", tables.provider),
            ("`settings` of a Cluster", tables.cluster),
            ("`settings` of an App", tables.app),
            ("`options` of a volume of type `disk`, and of its disks", tables.disk),
            ("`options` of a volume of type `files`, and of its disks", tables.files),
        ] {
            if table.is_empty() {
                continue;
            }
            write!(out, "\n### {place}\n\n| key | takes | default | |\n|---|---|---|---|\n").unwrap();
            for setting in table {
                writeln!(out, "{}", row(setting)).unwrap();
            }
        }
    }
    out
}

fn row(setting: &Setting) -> String {
    let takes = match setting.takes {
        Takes::Text => "text".to_owned(),
        Takes::Whole => "whole number".to_owned(),
        Takes::Words(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Takes::List => "list, with commas or blanks".to_owned(),
    };
    let default = match (setting.required, setting.default) {
        (true, _) => "**must**".to_owned(),
        (false, Some(text)) => format!("`{text}`"),
        (false, None) => String::new(),
    };
    let sign_in = if setting.credential { "*sign in*: " } else { "" };
    format!("| `{}` | {takes} | {default} | {sign_in}{} |", setting.key, setting.about)
}
