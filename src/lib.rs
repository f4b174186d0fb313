//! kompox

pub mod compose;
pub mod diag;
pub mod engine;
pub mod kom;
pub mod providers;
pub mod yaml;
