//! kompox

pub mod diag;
pub mod kom;
pub mod yaml;
