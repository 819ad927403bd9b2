//! What follows from events.

pub mod commits;
pub mod gaps;
pub mod ledger;
pub mod lock;
pub mod processes;
pub mod shutdown;
pub mod writable;
