//! The registry of checks, in the order in which they are reported.
//!
//! A check is one definition beside the functions that judge. `list checks`, `docs/checks.md` and the files that name
//! checks are held to this list, and the judge goes through it.
//!
//! | file | checks |
//! | --- | --- |
//! | `definition.rs` | the definition of a check |
//! | `evidence.rs` | the run is whole, its faults took effect, its observers lived |
//! | `leadership.rs` | safety of leadership and of the leader lock |
//! | `crash_recovery.rs` | safety of crash recovery and rewind |
//! | `data_directory.rs` | safety of data directories |
//! | `system_identifier.rs` | every data directory is one of the cluster's |
//! | `needless_rewind.rs` | a data directory that was rewound had diverged |
//! | `demands.rs` | the demands of a scenario |
//! | `read_only_in_time.rs` | fencing of a leader that cannot update its lock |
//! | `durability.rs` | the clients' rows at the end |
//! | `async_loss.rs` | loss by an asynchronous failover |
//! | `liveness.rs` | properties of the end of a run |
//! | `allowed_by_the_model.rs` | some behaviour of the model explains the history |

pub mod allowed_by_the_model;
pub mod async_loss;
pub mod crash_recovery;
pub mod data_directory;
pub mod definition;
pub mod demands;
pub mod durability;
pub mod evidence;
pub mod leadership;
pub mod liveness;
pub mod needless_rewind;
pub mod read_only_in_time;
pub mod system_identifier;

use crate::history::parts::Carry;
use crate::input::unknown;
use crate::judge::facts::gaps;

pub use definition::{Agents, Applies, Asked, Definition, End, Name};

/// All checks, in the order in which they are reported.
pub static ALL: [&Definition; 34] = [
    &evidence::HARNESS,
    &evidence::SUPPORTED,
    &evidence::COMPLETE,
    &evidence::FAULT_TOOK_EFFECT,
    &evidence::OBSERVERS_ALIVE,
    &leadership::STANDBY_CLUSTER_READ_ONLY,
    &leadership::ONE_WRITABLE_LEADER,
    &leadership::WRITABLE_NEEDS_LOCK,
    &leadership::SINGLE_LOCK_OWNER,
    &leadership::KEY_RELEASED_AFTER_STOP,
    &leadership::WATCHDOG_WHILE_WRITABLE,
    &crash_recovery::CRASH_RECOVERY_ONCE,
    &crash_recovery::CRASH_RECOVERY_ALONE,
    &crash_recovery::CLEAN_BEFORE_REWIND,
    &data_directory::DATA_DIRECTORY_KEPT,
    &data_directory::ONE_POSTMASTER,
    &system_identifier::ONE_SYSTEM_IDENTIFIER,
    &needless_rewind::DIVERGED_BEFORE_REWIND,
    &demands::TAKES_BRANCH,
    &demands::OTHERS_TAKE_BRANCH,
    &demands::LEADER,
    &demands::TIMELINE,
    &demands::REJOINS,
    &demands::SINGLE_USER,
    &read_only_in_time::READ_ONLY_IN_TIME,
    &demands::SCENARIO_DEMANDS,
    &durability::ACKNOWLEDGED_WRITES,
    &durability::NO_LOST_SYNC_COMMIT,
    &async_loss::BOUNDED_ASYNC_LOSS,
    &durability::NO_SILENT_DIVERGENCE,
    &liveness::LEADER_EVENTUALLY,
    &liveness::UNSTARTABLE_LEADER_YIELDS,
    &liveness::CRASHED_NODE_REJOINS,
    &allowed_by_the_model::ALLOWED_BY_THE_MODEL,
];

/// The check of that name.
pub fn find(id: &str) -> Option<&'static Definition> {
    ALL.into_iter().find(|check| check.id() == id)
}

/// The id of a check that a file names, or the reason why there is none, with the nearest id.
///
/// # Errors
/// There is no such check, in words.
pub fn known(id: &str) -> Result<&'static Definition, String> {
    find(id).ok_or_else(|| unknown("check", id, ALL.map(Definition::id)))
}

/// The events that all checks together carry from one part of a history to the next, and those that tell of its gaps.
pub fn carried() -> Vec<&'static Carry> {
    let mut all: Vec<&'static Carry> = gaps::CARRIES.to_vec();
    for carry in ALL.into_iter().flat_map(|check| check.carries) {
        if !all.iter().any(|known| std::ptr::eq(*known, *carry)) {
            all.push(carry);
        }
    }
    all
}
