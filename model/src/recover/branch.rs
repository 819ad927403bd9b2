//! The branches of `recover()`: the rows of its decision table.

use serde::{Deserialize, Serialize};

use crate::rules::edition::Words;

/// What `recover()` decided. Rows are numbered as in patroni 2.1.2 `ha.py` 310-363 read from top to bottom; `1b` came with
/// 3.0.4 and `4a` with 2.1.4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Branch {
    /// Row 1: give up the lock, somebody else takes over.
    FailOver,
    /// Row 1b: start the crashed primary again, as a primary.
    StartPrimary,
    /// Row 2: crash recovery in single-user mode.
    CrashRecovery,
    /// Row 3: the lock is held, start read-only and be promoted later.
    StartReadOnly,
    /// Row 4a: crash recovery in single-user mode because pg_rewind needs a clean shutdown.
    CrashRecoveryBeforeRewind,
    /// Rows 4 and 7: pg_rewind.
    Rewind,
    /// Row 5: wipe the data directory and copy the leader's.
    Reinitialize,
    /// Rows 6 and 10: start as a standby of the leader, if there is one.
    StartSecondary,
    /// Row 8: start as the leader of a standby cluster.
    StartStandbyLeader,
    /// Row 9: the standby cluster has no leader, follow the remote primary.
    FollowRemote,
}

impl Branch {
    /// All of them, in the order of the rows.
    pub const ALL: [Branch; 10] = [
        Branch::FailOver,
        Branch::StartPrimary,
        Branch::CrashRecovery,
        Branch::StartReadOnly,
        Branch::CrashRecoveryBeforeRewind,
        Branch::Rewind,
        Branch::Reinitialize,
        Branch::StartSecondary,
        Branch::StartStandbyLeader,
        Branch::FollowRemote,
    ];

    /// The stable name, as in command lines and files.
    pub fn id(self) -> &'static str {
        match self {
            Branch::FailOver => "fail-over",
            Branch::StartPrimary => "start-primary",
            Branch::CrashRecovery => "crash-recovery",
            Branch::StartReadOnly => "start-read-only",
            Branch::CrashRecoveryBeforeRewind => "crash-recovery-before-rewind",
            Branch::Rewind => "rewind",
            Branch::Reinitialize => "reinitialize",
            Branch::StartSecondary => "start-secondary",
            Branch::StartStandbyLeader => "start-standby-leader",
            Branch::FollowRemote => "follow-remote",
        }
    }

    /// The branch of that name.
    pub fn from_id(id: &str) -> Option<Branch> {
        Branch::ALL.into_iter().find(|branch| branch.id() == id)
    }

    /// The agent's words; the source of a rewind is filled in by [`crate::recover::decision::Decision::message`].
    pub fn message(self, words: Words) -> String {
        let remote = match words {
            Words::Master => "master",
            Words::Member => "member",
        };
        match self {
            Branch::FailOver => "stopped PostgreSQL to fail over after a crash".into(),
            Branch::StartPrimary => "starting primary after failure".into(),
            Branch::CrashRecovery | Branch::CrashRecoveryBeforeRewind => {
                "doing crash recovery in a single user mode".into()
            }
            Branch::StartReadOnly => "starting as readonly because i had the session lock".into(),
            Branch::Rewind => "running pg_rewind from {leader}".into(),
            Branch::Reinitialize => "reinitializing due to diverged timelines".into(),
            Branch::StartSecondary => "starting as a secondary".into(),
            Branch::StartStandbyLeader => "starting as a standby leader because i had the session lock".into(),
            Branch::FollowRemote => {
                format!("trying to follow a remote {remote} because standby cluster is unhealthy")
            }
        }
    }

    /// Row of the decision table.
    pub fn row(self) -> &'static str {
        match self {
            Branch::FailOver => "1",
            Branch::StartPrimary => "1b",
            Branch::CrashRecovery => "2",
            Branch::StartReadOnly => "3",
            Branch::CrashRecoveryBeforeRewind => "4a",
            Branch::Rewind => "4, 7",
            Branch::Reinitialize => "5",
            Branch::StartSecondary => "6, 10",
            Branch::StartStandbyLeader => "8",
            Branch::FollowRemote => "9",
        }
    }
}
