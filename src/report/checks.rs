//! What `doctor` found, for people and machines.

use std::io::{self, Write};

use serde_json::{Value as Json, json};

use super::Style;
use super::escape::clean;
use super::line::{Ink, paint};
use super::typed::Commands;
use crate::advice::Advice;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// All is well.
    Well,
    /// Something to know, which stops nothing.
    Odd,
    /// Something that must be mended first.
    Ill,
}

/// One thing that was looked at.
#[derive(Debug, Clone)]
pub struct Check {
    /// A stable name of what was looked at.
    pub code: &'static str,
    /// How it is.
    pub health: Health,
    /// In a line.
    pub text: String,
    /// What to do.
    pub help: Vec<Advice>,
}

impl Check {
    /// One without help.
    pub fn new(code: &'static str, health: Health, text: impl Into<String>) -> Self {
        Self { code, health, text: text.into(), help: Vec::new() }
    }

    /// Adds what to do.
    #[must_use]
    pub fn help(mut self, advice: impl Into<Advice>) -> Self {
        self.help.push(advice.into());
        self
    }
}

/// Writes a line for each, and below it what to do.
///
/// # Errors
/// The writer's own.
pub fn text(out: &mut dyn Write, checks: &[Check], style: &Style) -> io::Result<()> {
    let wide = checks.iter().map(|check| check.code.len()).max().unwrap_or_default();
    for Check { code, health, text, help } in checks {
        let (mark, ink) = match health {
            Health::Well => ("ok  ", Ink::Added),
            Health::Odd => ("note", Ink::Noted),
            Health::Ill => ("FAIL", Ink::Danger),
        };
        writeln!(out, "{}  {code:wide$}  {}", paint(mark, ink, style), clean(text))?;
        for line in help.iter().flat_map(|advice| style.commands.lines(advice)) {
            writeln!(out, "      {:wide$}  {}", "", clean(&line))?;
        }
    }
    Ok(())
}

/// The same as one document.
pub fn json(checks: &[Check], commands: &Commands) -> Json {
    let check = |check: &Check| {
        let health = match check.health {
            Health::Well => "ok",
            Health::Odd => "note",
            Health::Ill => "fail",
        };
        let help: Vec<String> = check.help.iter().flat_map(|advice| commands.lines(advice)).collect();
        json!({"code": check.code, "health": health, "text": check.text, "help": help})
    };
    json!({
        "format_version": super::json::FORMAT_VERSION,
        "type": "checks",
        "checks": checks.iter().map(check).collect::<Vec<_>>(),
    })
}
