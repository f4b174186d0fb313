//! kompox

pub mod diag;
