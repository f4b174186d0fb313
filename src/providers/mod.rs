//! The clouds and clusters that kompox talks to, and the sandbox that stands in for them.

pub mod sandbox;
