//! kompox

pub mod diag;
pub mod engine;
pub mod providers;
pub mod report;
pub mod yaml;
