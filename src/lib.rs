//! kompox

pub mod diag;
pub mod providers;
