//! The observers of leadership: each records who leads as changes of one kind, from whichever authority tells it.
//!
//! | file | authority |
//! | --- | --- |
//! | `etcd.rs` | a key in etcd |
//! | `sql.rs` | rows of a table that only grows |
//! | `lines.rs` | the lines that a service writes |
//! | `probes.rs` | none: the only primary is the leader |
//! | `changes.rs` | what is recorded of the last three |

mod changes;
pub mod etcd;
mod lines;
mod probes;
mod sql;

pub use etcd::LeaderWatch;
pub use lines::Lines;
pub use probes::sole_primary;
pub use sql::SqlWatch;
