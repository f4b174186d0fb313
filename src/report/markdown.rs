//! A plan as one pull-request comment.

use crate::engine::plan::Plan;

/// The longest comment that GitHub takes, in characters; counted here in bytes, which is never less.
pub const LIMIT: usize = 65_536;

/// The hidden first line by which a bot finds its comment again.
pub const MARKER: &str = "<!-- kompox-plan -->";

/// The comment.
pub fn plan(plan: &Plan) -> String {
    let _ = plan;
    String::new()
}
