//! Apps of kompox on a real cluster, with containers that run and a database that keeps rows.
//!
//! - [`cluster`]: which cluster, and what is done to it
//! - [`site`]: the web app of `tests/realcluster/webapp`: rows written through it and read back, and how long it was away
//! - [`shop`]: the app of the tests of data, and what differs from driver to driver; [`aks`],
//!   [`local`], [`class`]
//! - [`data`]: what happens to it
//! - [`ingress`]: a controller that the cluster has; [`k3s`]: the driver for a cluster that is there
//! - [`health`]: databases that take their time; [`folders`]: what folders hold and whose they are
//! - [`rollouts`]: what is said where an app does not start
//! - [`varied`]: fifty compose files, and what a cluster makes of them; [`examples`]: the same of the examples;
//!   [`many`]: thirty apps with containers, by hand
//! - [`yours`]: a database on a cluster that anybody may have
//! - [`table`]: what a test of data has to say, as one table
//!
//! With `KOMPOX_REALCLUSTER=N` it is the cluster that `tests/realcluster/up` started under that number; with
//! `KOMPOX_TEST_KUBECONFIG=FILE` one of the caller's, where only what stays in Namespaces of its own is run, and what drains
//! or kills nodes only with `KOMPOX_TEST_DISRUPTIVE=1`. Without either every test says that it is skipped.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stderr, reason = "all of this is a test")]

mod aks;
mod class;
mod cluster;
mod data;
mod examples;
mod folders;
#[path = "../harness/mod.rs"]
mod harness;
mod health;
mod ingress;
mod k3s;
mod local;
mod manifests;
mod many;
mod rollouts;
mod shop;
mod site;
mod smoke;
mod table;
mod varied;
mod yours;
