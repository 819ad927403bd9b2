//! The cluster of a scenario, brought up part by part: networks, etcd, the nodes, and the remote primary of a standby
//! cluster.

mod authority;
mod builder;
mod coming_up;
pub mod dcs;
pub mod faketime;
mod nodes;
mod prepared;
mod remote;
mod services;
mod synchronous;
mod variables;

pub use builder::{Builder, WATCHDOG};
pub use coming_up::come_up;
pub use dcs::{Dcs, ETCD_IMAGE};
pub use nodes::Node;
pub use prepared::Prepared;
pub use remote::{REMOTE, REMOTE_IMAGE, Remote};
pub use synchronous::{has_synchronous, is_named};
