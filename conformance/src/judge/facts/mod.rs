//! What follows from events.

pub mod commits;
pub mod gaps;
pub mod ledger;
pub mod lock;
pub mod shutdown;
pub mod writable;

pub use crate::history::processes;
