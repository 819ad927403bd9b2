//! The checks.

pub mod async_loss;
pub mod crash_recovery;
pub mod data_directory;
pub mod demands;
pub mod durability;
pub mod evidence;
pub mod leadership;
pub mod liveness;
pub mod needless_rewind;
pub mod read_only_in_time;
pub mod system_identifier;
