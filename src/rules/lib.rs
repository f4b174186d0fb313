//! Rules that Kubernetes itself lays down, and that are read in one way wherever they count: by the manifests, by the plan,
//! and by the sandbox that emulates an API server. A crate of its own, because the sandbox uses nothing else of the program.

pub mod pod_security;
pub mod quantity;
