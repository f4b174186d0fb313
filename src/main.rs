//! kompox
fn main() {}
