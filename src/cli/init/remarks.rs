//! What is said about a compose project.

use std::collections::BTreeSet;
use std::io::Write;

use super::draft::{self, Draft};
use super::found::{Remark, Survey};
use crate::report::escape::clean;

/// What only the user can do: the survey's, and values of variables.
pub(super) fn to_do(draft: &Draft, survey: &Survey, written: bool) -> Vec<Remark> {
    let mut todo = survey.todo.clone();
    let names = |all: &[&draft::Unset]| all.iter().map(|unset| unset.name.as_str()).collect::<Vec<_>>().join(", ");
    let placed: Vec<_> = draft.env.unset.iter().filter(|unset| unset.placeholder.is_some()).collect();
    let empty: Vec<_> = draft.env.unset.iter().filter(|unset| unset.placeholder.is_none()).collect();
    let first = |all: &[&draft::Unset]| all.first().map(|unset| unset.location.clone());
    if let (Some((name, _)), true) = (&draft.env.template, written) {
        let text = format!("set your own values in .env, which was written from {name}");
        todo.push(Remark { at: None, text });
    }
    if !placed.is_empty() {
        let text = if written {
            format!("set {} in .env, where placeholders stand", names(&placed))
        } else {
            let lines: Vec<String> = placed.iter().map(|unset| format!("{}=…", unset.name)).collect();
            format!("add to .env, which is not changed: {}", lines.join(", "))
        };
        todo.push(Remark { at: first(&placed), text });
    }
    if !empty.is_empty() {
        let text = format!("these variables are not set and read as empty: {}", names(&empty));
        todo.push(Remark { at: first(&empty), text });
    }
    todo
}

/// Remarks below a title, each once.
pub(super) fn remarks(err: &mut dyn Write, title: &str, remarks: &[Remark]) -> std::io::Result<()> {
    if remarks.is_empty() {
        return Ok(());
    }
    writeln!(err, "\n{title}")?;
    let mut seen = BTreeSet::new();
    for remark in remarks {
        let place = remark.at.as_ref().map_or(String::new(), |at| format!("{at}: "));
        let line = format!("{place}{}", remark.text);
        // A service that several files speak of is remarked on once.
        if seen.insert(line.clone()) {
            writeln!(err, "  {}", clean(&line))?;
        }
    }
    Ok(())
}
