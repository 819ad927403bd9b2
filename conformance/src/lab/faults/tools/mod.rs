//! The tools that several faults use: signals to processes, commands in a node's network, traps.

pub mod network;
pub mod signals;
pub mod traps;
