//! kompox

pub mod cli;
pub mod compose;
pub mod diag;
pub mod engine;
pub mod kom;
pub mod providers;
pub mod report;
pub mod resources;
pub mod yaml;
