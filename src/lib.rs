//! Plan and apply for stateful Docker Compose apps on managed Kubernetes.
//!
//! From command to cloud call: [`cli`] opens the project, [`kom`] loads its documents, [`resources::expand`] turns them,
//! with [`compose`], into a graph; [`engine::planner`] compares the graph with the state (`kompox_state`) and with what
//! [`providers`] observe, and gives a plan; [`engine::apply`] carries a plan out; [`report`] says what was planned and
//! done. `ARCHITECTURE.md` tells the same at length.
//!
//! | module | owns |
//! |---|---|
//! | [`cli`] | the command line: one file per command, sessions, connections, exit codes |
//! | [`kom`] | the manifest: finding, reading and checking documents |
//! | [`compose`] | compose files: reading them, and converting them to Kubernetes objects |
//! | [`resources`] | what manifests become: kinds, names, the expansion to a graph |
//! | [`engine`] | addresses, values, graph, diff, plan, apply, reconcile; knows no cloud |
//! | [`providers`] | Azure and Kubernetes |
//! | [`kompox_sandbox`] | the emulator of both |
//! | [`report`] | everything people and machines read |
//! | [`policy`] | rules of a team about plans, in Rego |
//! | [`advice`] | what to do about something, as data: commands get the options of a call where they are printed |
//! | [`text`] | the ground floor: names of DNS, hosts, YAML scalars, slips, what may be a secret, output that no CI runner takes for a command |
//! | [`diag`], [`yaml`], [`parallel`] | messages with a place in a file; YAML as a located tree; work on all processors |
//! | [`kompox_rules`] | rules of Kubernetes that the sandbox reads alike: quantities, what a Pod may do to its node |
//!
//! # Files on disk
//!
//! | file | read and written by |
//! |---|---|
//! | `kompoxapp.yml`, `.kompox/kom/` | [`kom::load`], reads; `kompox init` writes the first |
//! | `.kompox/config.yml` | [`kom::layout`], reads; `kompox init` writes the first |
//! | compose and env files | [`compose::files`], reads |
//! | `.kompox/state/kompox.db`, `sandbox.db`, with `-wal`, `-shm` and `.lock` | `kompox_state`, backend `sqlite` |
//! | `.kompox/sandbox/world.db`, with `-wal` and `-shm`, and `world.lock` | [`kompox_sandbox`] |
//! | `*.kplan` | [`engine::planfile`] |
//!
//! # What is not there
//!
//! - Diff does no I/O; conversion is pure.
//! - The engine names no cloud and prints nothing; only [`report`] and [`cli`] print.
//! - Providers never see each other; [`cli`] connects them.
//! - No plan, record or message holds a secret.
//! - No mutating request is sent before its intent is durable.

mod advice;
pub mod cli;
pub mod compose;
pub mod diag;
pub mod engine;
pub mod kom;
pub mod parallel;
mod policy;
mod providers;
pub mod report;
pub mod resources;
pub mod text;
pub mod yaml;
