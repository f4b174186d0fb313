//! Plans, events and summaries for machines.

use serde_json::Value as Json;

use crate::engine::event::{Event, Summary};
use crate::engine::plan::Plan;

/// The shape's version; goes up when a field changes its meaning or goes away, not when one is added.
pub const FORMAT_VERSION: u32 = 1;

/// The whole plan.
pub fn plan(plan: &Plan) -> Json {
    let _ = plan;
    Json::Null
}

/// One event, for one line of `--json` output.
pub fn event(event: &Event) -> Json {
    let _ = event;
    Json::Null
}

/// The end of a run.
pub fn summary(summary: &Summary) -> Json {
    let _ = summary;
    Json::Null
}
