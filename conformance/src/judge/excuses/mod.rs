//! Excuses: troubles that make a failure inconclusive because they caused it, and not the agent; and promises that the
//! agent never made.
//!
//! | file | content |
//! | --- | --- |
//! | `claimed.rs` | demands on what an agent without an edition does not claim |
//! | `starved.rs` | a machine that had no time for the nodes |
//! | `strangers.rs` | deaths and shortages that no fault of the scenario caused |

pub(super) mod claimed;
pub(super) mod starved;
pub(super) mod strangers;
