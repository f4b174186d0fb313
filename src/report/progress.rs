//! The progress of a run: events folded into a display, plain lines or JSON lines.

use std::io::{self, Write};

use super::Style;
use crate::engine::event::{Event, Sink};

/// Takes the events of a run and shows them. Emitting returns at once: a thread of its own writes, so that a slow
/// terminal or a full pipe never holds up an apply.
pub struct Progress {}

impl Progress {
    /// A live display on stderr: a line per running action with the time it took so far, and a counter.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn terminal(style: Style) -> io::Result<Self> {
        let _ = style;
        Ok(Self {})
    }

    /// Plain lines, for pipes and logs.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn lines(out: Box<dyn Write + Send>, style: Style) -> io::Result<Self> {
        let _ = (out, style);
        Ok(Self {})
    }

    /// One JSON object per event and line.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn json(out: Box<dyn Write + Send>) -> io::Result<Self> {
        let _ = out;
        Ok(Self {})
    }

    /// Waits until everything emitted so far is written; later events are dropped. To be called before anything else is
    /// printed.
    ///
    /// # Errors
    /// The writer's first error; after it nothing more was written.
    pub fn finish(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Progress {
    fn emit(&self, event: Event) {
        let _ = event;
    }
}
