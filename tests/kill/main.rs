//! Runs that are stopped: killed at chosen requests, interrupted, locked out, and refused by the cloud. Whatever
//! happened, the next run converges, with nothing orphaned, doubled or forgotten.
//!
//! The cloud is a `sandbox serve` that outlives the runs; a proxy in between strikes at an exact request.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "all of this is a test")]

#[path = "../harness/mod.rs"]
mod harness;

mod faults;
mod interrupts;
mod kills;
mod locks;
mod matrix;
mod storage;
