//! The properties that every run of every agent is held to.

use serde::Serialize;

/// A property of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// No two nodes can commit client writes at the same time.
    OneWritableLeader,
    /// A node becomes writable only while it holds the leader lock.
    WritableNeedsLock,
    /// Single-user crash recovery starts at most once per recovery episode of one agent process.
    CrashRecoveryOnce,
    /// Single-user mode never runs while a postmaster or its orphans use the data directory.
    CrashRecoveryAlone,
    /// pg_rewind runs only on a cleanly shut down data directory.
    CleanBeforeRewind,
    /// A node whose agent found that it did not diverge holds no WAL that is off the leader's branch.
    NoSilentDivergence,
    /// Synchronous mode: an acknowledged commit survives every automatic failover.
    NoLostSyncCommit,
    /// Asynchronous mode: a new leader lacks no more than `maximum_lag_on_failover` of what the old one had announced.
    BoundedAsyncLoss,
    /// The data directory is removed only where configuration allows it.
    DataDirectoryKept,
    /// Where required, the watchdog is armed when a node becomes writable, and disarmed only when no backend can write any more.
    WatchdogWhileWritable,
    /// No member of a standby cluster becomes writable.
    StandbyClusterReadOnly,
    /// A voluntarily released lock belongs to a node that can no longer write.
    KeyReleasedAfterStop,
    /// A leader key that names one node is never overwritten by another.
    SingleLockOwner,
    /// Faults over: some node becomes leader and accepts writes.
    LeaderEventually,
    /// Faults over: every node whose Postgres is dead ends as a streaming standby or as the leader.
    CrashedNodeRejoins,
    /// A lock holder whose Postgres does not start gives up the lock while somebody can take over.
    UnstartableLeaderYields,
    /// A failover takes no longer than documented.
    FailoverBound,
}

impl Property {
    /// All of them.
    pub const ALL: [Property; 17] = [
        Property::OneWritableLeader,
        Property::WritableNeedsLock,
        Property::CrashRecoveryOnce,
        Property::CrashRecoveryAlone,
        Property::CleanBeforeRewind,
        Property::NoSilentDivergence,
        Property::NoLostSyncCommit,
        Property::BoundedAsyncLoss,
        Property::DataDirectoryKept,
        Property::WatchdogWhileWritable,
        Property::StandbyClusterReadOnly,
        Property::KeyReleasedAfterStop,
        Property::SingleLockOwner,
        Property::LeaderEventually,
        Property::CrashedNodeRejoins,
        Property::UnstartableLeaderYields,
        Property::FailoverBound,
    ];

    /// The stable name, as in command lines, files and certificates.
    pub fn id(self) -> &'static str {
        match self {
            Property::OneWritableLeader => "one-writable-leader",
            Property::WritableNeedsLock => "writable-needs-lock",
            Property::CrashRecoveryOnce => "crash-recovery-once",
            Property::CrashRecoveryAlone => "crash-recovery-alone",
            Property::CleanBeforeRewind => "clean-before-rewind",
            Property::NoSilentDivergence => "no-silent-divergence",
            Property::NoLostSyncCommit => "no-lost-sync-commit",
            Property::BoundedAsyncLoss => "bounded-async-loss",
            Property::DataDirectoryKept => "data-directory-kept",
            Property::WatchdogWhileWritable => "watchdog-while-writable",
            Property::StandbyClusterReadOnly => "standby-cluster-read-only",
            Property::KeyReleasedAfterStop => "key-released-after-stop",
            Property::SingleLockOwner => "single-lock-owner",
            Property::LeaderEventually => "leader-eventually",
            Property::CrashedNodeRejoins => "crashed-node-rejoins",
            Property::UnstartableLeaderYields => "unstartable-leader-yields",
            Property::FailoverBound => "failover-bound",
        }
    }

    /// The property of that name.
    pub fn from_id(id: &str) -> Option<Property> {
        Property::ALL.into_iter().find(|property| property.id() == id)
    }

    /// It says what must happen at last, and is broken by a behaviour without end; the others are broken by a state or a step.
    pub fn is_liveness(self) -> bool {
        use Property::*;
        matches!(self, LeaderEventually | CrashedNodeRejoins | UnstartableLeaderYields)
    }

    /// It is about how long something takes, which only the model with clocks can tell ([`timed`](crate::timed)).
    pub fn is_timed(self) -> bool {
        self == Property::FailoverBound
    }

    /// It is about steps, not about states.
    pub fn is_of_steps(self) -> bool {
        !self.is_liveness()
            && !self.is_timed()
            && !matches!(
                self,
                Property::OneWritableLeader
                    | Property::CrashRecoveryOnce
                    | Property::NoSilentDivergence
                    | Property::NoLostSyncCommit
                    | Property::StandbyClusterReadOnly
            )
    }

    /// What it says.
    pub fn describe(self) -> &'static str {
        match self {
            Property::OneWritableLeader => "no two nodes can commit client writes at the same time",
            Property::WritableNeedsLock => "a node becomes writable only while it holds the leader lock",
            Property::CrashRecoveryOnce => {
                "single-user crash recovery starts at most once per recovery episode of one agent process"
            }
            Property::CrashRecoveryAlone => {
                "single-user mode never runs while a postmaster or its orphans use the data directory"
            }
            Property::CleanBeforeRewind => "pg_rewind runs only on a cleanly shut down data directory",
            Property::NoSilentDivergence => {
                "a standby whose agent found that it did not diverge holds no WAL that is off the leader's branch"
            }
            Property::NoLostSyncCommit => "synchronous mode: an acknowledged commit survives every automatic failover",
            Property::BoundedAsyncLoss => {
                "asynchronous mode: a new leader lacks no more than maximum_lag_on_failover of what the old one announced"
            }
            Property::DataDirectoryKept => "the data directory is removed only where configuration allows it",
            Property::WatchdogWhileWritable => {
                "where required, the watchdog is armed when a node becomes writable, and stays so until no backend can write"
            }
            Property::StandbyClusterReadOnly => "no member of a standby cluster becomes writable",
            Property::KeyReleasedAfterStop => "a voluntarily released lock belongs to a node that can no longer write",
            Property::SingleLockOwner => "a leader key that names another node is never written over",
            Property::LeaderEventually => "when faults are over, some node becomes leader and accepts writes",
            Property::CrashedNodeRejoins => {
                "when faults are over, every node whose Postgres is dead ends as a streaming standby or as the leader"
            }
            Property::UnstartableLeaderYields => {
                "a lock holder whose Postgres does not start gives up the lock while somebody can take over"
            }
            Property::FailoverBound => {
                "a failover takes no longer than loop_wait + primary_start_timeout + loop_wait, or loop_wait if the start timeout is zero"
            }
        }
    }
}
