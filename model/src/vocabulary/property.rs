//! The properties that every run of every agent is held to.
//!
//! The model says what each means in a state or a step ([`cluster`](crate::cluster)), the judge what it means in a
//! history.

use serde::Serialize;

/// The kind of finding that breaks a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// A state.
    State,
    /// A step.
    Step,
    /// A behaviour without end.
    Liveness,
    /// The time that something takes.
    Time,
}

use Form::{Liveness, State, Step, Time};

vocabulary! {
    /// A property of the cluster.
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Property (
        form: Form,
    ) {
        OneWritableLeader = "one-writable-leader",
            "no two nodes can commit client writes at the same time", form: State;
        WritableNeedsLock = "writable-needs-lock",
            "a node becomes writable only while it holds the leader lock", form: Step;
        CrashRecoveryOnce = "crash-recovery-once",
            "single-user crash recovery starts at most once per recovery episode of one agent process", form: State;
        CrashRecoveryAlone = "crash-recovery-alone",
            "single-user mode never runs while a postmaster or its orphans use the data directory", form: Step;
        CleanBeforeRewind = "clean-before-rewind",
            "pg_rewind runs only on a cleanly shut down data directory", form: Step;
        NoSilentDivergence = "no-silent-divergence",
            "a standby whose agent found that it did not diverge holds no WAL that its leader lacks", form: State;
        NoLostSyncCommit = "no-lost-sync-commit",
            "synchronous mode: an acknowledged commit survives every automatic failover", form: State;
        BoundedAsyncLoss = "bounded-async-loss",
            "asynchronous mode: a new leader lacks no more than maximum_lag_on_failover of what the old one announced",
            form: Step;
        DataDirectoryKept = "data-directory-kept",
            "the data directory is removed only where configuration allows it", form: Step;
        WatchdogWhileWritable = "watchdog-while-writable",
            "where required, the watchdog is armed when a node becomes writable, and stays so until no backend can \
             write",
            form: Step;
        StandbyClusterReadOnly = "standby-cluster-read-only",
            "no member of a standby cluster becomes writable", form: State;
        KeyReleasedAfterStop = "key-released-after-stop",
            "a voluntarily released lock belongs to a node that can no longer write", form: Step;
        SingleLockOwner = "single-lock-owner",
            "a leader key that names one node is never overwritten with the name of another", form: Step;
        LeaderEventually = "leader-eventually",
            "when faults are over, some node becomes leader and accepts writes", form: Liveness;
        CrashedNodeRejoins = "crashed-node-rejoins",
            "when faults are over, every node whose Postgres is dead ends as a streaming standby or as the leader",
            form: Liveness;
        UnstartableLeaderYields = "unstartable-leader-yields",
            "a lock holder whose Postgres does not start gives up the lock while somebody can take over",
            form: Liveness;
        FailoverBound = "failover-bound",
            "a failover takes no longer than loop_wait + primary_start_timeout + loop_wait, or loop_wait if the start \
             timeout is zero",
            form: Time;
    }
}

impl Property {
    /// The property says what must happen at last. A behaviour without end breaks it.
    pub fn is_liveness(self) -> bool {
        self.form() == Liveness
    }

    /// The property says how long something may take, which only the model with clocks can tell
    /// ([`timed`](crate::timed)).
    pub fn is_timed(self) -> bool {
        self.form() == Time
    }

    /// The property is broken by a step, not by a state.
    pub fn is_of_steps(self) -> bool {
        self.form() == Step
    }
}
