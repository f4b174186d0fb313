//! The sandbox: a local emulator of Azure Resource Manager and of the Kubernetes clusters in it.

pub mod kube_api;
pub mod kubernetes;
pub mod world;
