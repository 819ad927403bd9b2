//! The `pghaspec` command.
fn main() {}
