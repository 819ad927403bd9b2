//! Facts that follow from the events of a history, without a verdict.
//!
//! Several checks need the same fact, so it belongs to none of them. Where a fact looks back for longer than a part of
//! a history, it also says which events have to be carried on from part to part.
//!
//! | file | fact |
//! | --- | --- |
//! | `commits.rs` | acknowledged writes of each node, by time |
//! | `deaths.rs` | deaths that no fault of the scenario caused |
//! | `end_state.rs` | the cluster after it settled: findings, the last primary, rows that were read back |
//! | `gaps.rs` | gaps in the observation, and those that hide nothing |
//! | `ledger.rs` | the clients' writes against the rows of the last primary |
//! | `lock.rs` | the leader lock over time |
//! | `processes.rs` | processes from their start to their end |
//! | `shutdown.rs` | the end of a server, which each observer sees at another moment |
//! | `writable.rs` | spans in which a node was writable |

pub mod commits;
pub mod deaths;
pub mod end_state;
pub mod gaps;
pub mod ledger;
pub mod lock;
pub mod processes;
pub mod shutdown;
pub mod writable;
