//! kompox

pub mod diag;
pub mod yaml;
