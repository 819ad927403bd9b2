//! The faults, each kind with its end: how it is made, and what shows that it took effect.

pub mod agent;
pub mod clock;
pub mod cuts;
pub mod dcs;
pub mod disk;
pub mod etcd;
pub mod link;
pub mod node;
pub mod orphans;
pub mod postmaster;
pub mod remote;
pub mod trapped;
