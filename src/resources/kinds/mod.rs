//! The kinds of Kubernetes: what the engine must know of each kind of object, as data. Kinds of other APIs are their
//! drivers'; [`super::drivers::kind`] finds them all.

mod carry;
pub mod kubernetes;
pub(in crate::resources) mod review;
