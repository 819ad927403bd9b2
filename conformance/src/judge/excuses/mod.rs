//! Excuses: troubles that make a failure inconclusive because they caused it, and not the agent.
//!
//! | file | content |
//! | --- | --- |
//! | `starved.rs` | a machine that had no time for the nodes |
//! | `strangers.rs` | deaths and shortages that no fault of the scenario caused |

pub(super) mod starved;
pub(super) mod strangers;
