//! The tools that several faults use: signals to processes, commands in a node's network, traps.

pub mod network;
pub mod signals;
pub mod traps;

use std::time::Duration;

/// The time that a fault may take to show its effect, on a machine with much else to do.
pub const EFFECT: Duration = Duration::from_secs(60);
