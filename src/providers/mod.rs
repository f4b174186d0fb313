//! Providers: each speaks one API behind [`crate::engine::provider::Provider`]. They never see each other.

pub mod azure;
pub mod kubernetes;
pub mod limiter;
pub mod opening;
pub mod retry;
