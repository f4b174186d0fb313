//! kompox

pub mod compose;
pub mod diag;
pub mod yaml;
