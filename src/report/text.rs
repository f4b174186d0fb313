//! A plan as a reviewer reads it, and the drift report.

use std::io::{self, Write};

use super::Style;
use crate::engine::plan::Plan;

/// How much of a plan to show.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Show every field of what is created and whole texts, instead of a few facts and the lines around a change.
    pub expand: bool,
}

/// Writes a plan.
///
/// # Errors
/// The writer's own.
pub fn plan(out: &mut dyn Write, plan: &Plan, options: Options, style: &Style) -> io::Result<()> {
    let _ = (plan, options, style);
    out.flush()
}

/// Writes the drift report.
///
/// # Errors
/// The writer's own.
pub fn drift(out: &mut dyn Write, plan: &Plan, options: Options, style: &Style) -> io::Result<()> {
    let _ = (plan, options, style);
    out.flush()
}
