//! kompox
fn main(){}
