//! The world around the agents: the DCS, the servers and their WAL, faults, and operators.

pub(in crate::cluster) mod dcs;
mod faults;
mod operator;
pub(in crate::cluster) mod replication;
mod server;
