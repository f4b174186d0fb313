//! What happened to the rows of apps, as a table past the harness.
#![allow(dead_code, reason = "the tests of each driver use a part of it")]

use std::io::Write as _;
use std::sync::Mutex;
use std::time::Duration;

/// What a driver's app went through.
pub struct Table {
    driver: &'static str,
    lines: Mutex<Vec<String>>,
}

impl Table {
    /// A table of a driver's apps.
    pub fn of(driver: &'static str) -> Self {
        Self { driver, lines: Mutex::default() }
    }

    /// An event that left rows as they are, or changed them as it was to.
    pub fn row(&self, event: &str, before: usize, after: usize, interruption: Duration) {
        self.line(event, &before.to_string(), &after.to_string(), &format!("{:.1} s", interruption.as_secs_f32()));
    }

    /// An event that was refused before anything stopped; `way` is what the refusal says to do.
    pub fn refused(&self, event: &str, rows: usize, way: &str) {
        self.line(event, &rows.to_string(), &rows.to_string(), &format!("refused before anything stops: {way}"));
    }

    fn line(&self, event: &str, before: &str, after: &str, rest: &str) {
        let line = format!("data: {:<9} {event:<58} {before:>6} {after:>6}   {rest}", self.driver);
        self.lines.lock().unwrap().push(line);
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        let lines = self.lines.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        let head = format!("data: {:<9} {:<58} before  after   interruption", "", "event");
        let _ = writeln!(std::io::stderr(), "\n{head}\n{}", lines.join("\n"));
    }
}
