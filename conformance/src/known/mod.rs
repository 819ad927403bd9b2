//! What is known.

pub mod deviations;
pub mod failed_by;
