//! End-to-end tests: the real binary, on a copy of an example, against the embedded sandbox.
//!
//! Each test has a folder and an environment of its own ([`harness`]). Outputs are compared with inline snapshots after
//! what varies was replaced. What the sandbox cannot judge, a real API server does (`tests/judge`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../harness/mod.rs"]
mod harness;

mod again;
mod apply;
mod boxes;
mod canary;
mod changes;
mod ci;
mod clusters;
mod commands;
mod compose;
mod copies;
mod dangers;
mod disks;
mod drift;
mod formats;
mod gates;
mod guards;
mod guide;
mod handover;
mod hidden;
mod identity;
mod init;
mod k3s;
mod lost;
mod manifests;
mod older;
mod quota;
mod rebuild;
mod remote;
mod review;
mod running;
mod saved_plans;
mod secrets;
mod storage;
mod terminal;
mod tools;
mod two_clusters;
