//! The `ipseclab` command.
fn main() {}
