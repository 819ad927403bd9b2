//! The questions of `recover()`, each with the expression and the lines of the original that it stands for.
//!
//! Effects are among them, for between the decision to do something and the deed the world may go on.

use super::dialogue::Task;

/// A question that `recover()` puts to the world, or an effect that it has on it. An effect is a question as well: its
/// answer is [`Answer::Done`](super::dialogue::Answer::Done) or, for the background slot, whether it was free.
///
/// Line numbers are those of patroni 2.1.2 `ha.py`, then of 4.1.5 `ha.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// `watchdog.disable()` (312; 639 and 664). Effect.
    DisableWatchdog,
    /// `has_lock()`: does the last snapshot of the cluster name this node? (314, 339, 346, 356; 633, 678, 689) → bool
    HasLock,
    /// `update_lock()`: keep the lease alive and the key ours (314; 633) → bool, or the DCS is not accessible
    UpdateLock,
    /// `primary_start_timeout` (315; 634) → seconds
    StartTimeout,
    /// `is_failover_possible()`: is a healthy candidate reachable? (319; 638) → bool
    IsFailoverPossible,
    /// `demote('immediate')` (321; 641). Effect: the lock is given up.
    DemoteImmediate,
    /// `pg_controldata` (326; 646) → its state or nothing
    ControlData,
    /// `state_handler.state == CRASHED` (–; 653) → bool
    IsCrashed,
    /// `state_handler.role == PRIMARY` (–; 654) → bool
    WasPrimary,
    /// `recovery_conf_exists()`: a recovery signal file (–; 655) → bool
    RecoveryConfExists,
    /// `was_restored_from_backup()`: backup_label exists (–; 667) → bool
    WasRestoredFromBackup,
    /// Has this agent process already started crash recovery since its Postgres last ran? (329; 584) → bool
    CrashRecoveryExecuted,
    /// `cluster.is_unlocked()` in the last snapshot (330, 350; 584, 693) → bool
    IsUnlocked,
    /// `can_rewind` (301, 330; 584, 594) → bool
    CanRewind,
    /// Remember that crash recovery was started, and when (331-332; 585). Effect.
    RememberCrashRecovery,
    /// `load_cluster_from_dcs()` (336; 675). Effect, or the DCS is not accessible.
    LoadCluster,
    /// `is_standby_cluster()` (297, 306, 339, 350; 590, 605, 678, 693) → bool
    IsStandbyCluster,
    /// `_rewind.executed`: a rewind succeeded or failed for good (340; 683) → bool
    RewindExecuted,
    /// `trigger_check_diverged_lsn()` (341; 684). Effect.
    TriggerDivergenceCheck,
    /// `_rewind.reset_state()` (–; 679). Effect.
    ResetRewind,
    /// `get_remote_master()` / `cluster.leader` as the source of a rewind (297; 590) → leader
    RewindSource,
    /// `rewind_or_reinitialize_needed_and_possible(leader)` (298; 591) → bool
    RewindNeeded,
    /// `is_running()`: a postmaster is alive (–; 596) → bool
    IsRunning,
    /// `remove_data_directory_on_diverged_timelines` (–; 605) → bool
    RemoveOnDivergence,
    /// `_get_node_to_follow()` (349, 355; 692, 698) → leader
    NodeToFollow,
    /// `get_remote_master()` as the node to follow (352; 695) → leader
    RemoteToFollow,
    /// `is_synchronous_mode()` (–; 700) → bool
    IsSynchronousMode,
    /// `set_synchronous_standby_names(empty)` (–; 701). Effect.
    ClearSynchronousStandbyNames,
    /// `try_run_async(task)` → the slot was free, or is busy with another task
    RunAsync(Task),
    /// `recovering = True` (362; 660, 705). Effect.
    SetRecovering,
}

use Question::*;

impl Question {
    /// All questions of `recover()`, in the order of their declaration; tasks that `recover()` does not run are not
    /// among them.
    pub const ALL: [Question; 34] = [
        DisableWatchdog,
        HasLock,
        UpdateLock,
        StartTimeout,
        IsFailoverPossible,
        DemoteImmediate,
        ControlData,
        IsCrashed,
        WasPrimary,
        RecoveryConfExists,
        WasRestoredFromBackup,
        CrashRecoveryExecuted,
        IsUnlocked,
        CanRewind,
        RememberCrashRecovery,
        LoadCluster,
        IsStandbyCluster,
        RewindExecuted,
        TriggerDivergenceCheck,
        ResetRewind,
        RewindSource,
        RewindNeeded,
        IsRunning,
        RemoveOnDivergence,
        NodeToFollow,
        RemoteToFollow,
        IsSynchronousMode,
        ClearSynchronousStandbyNames,
        RunAsync(Task::CrashRecovery),
        RunAsync(Task::StartPrimary),
        RunAsync(Task::Follow),
        RunAsync(Task::Rewind),
        RunAsync(Task::Reinitialize),
        SetRecovering,
    ];

    /// The stable name, as in what the comparison with released code records.
    pub fn id(self) -> &'static str {
        match self {
            DisableWatchdog => "disable-watchdog",
            HasLock => "has-lock",
            UpdateLock => "update-lock",
            StartTimeout => "start-timeout",
            IsFailoverPossible => "is-failover-possible",
            DemoteImmediate => "demote-immediate",
            ControlData => "control-data",
            IsCrashed => "is-crashed",
            WasPrimary => "was-primary",
            RecoveryConfExists => "recovery-conf-exists",
            WasRestoredFromBackup => "was-restored-from-backup",
            CrashRecoveryExecuted => "crash-recovery-executed",
            IsUnlocked => "is-unlocked",
            CanRewind => "can-rewind",
            RememberCrashRecovery => "remember-crash-recovery",
            LoadCluster => "load-cluster",
            IsStandbyCluster => "is-standby-cluster",
            RewindExecuted => "rewind-executed",
            TriggerDivergenceCheck => "trigger-divergence-check",
            ResetRewind => "reset-rewind",
            RewindSource => "rewind-source",
            RewindNeeded => "rewind-needed",
            IsRunning => "is-running",
            RemoveOnDivergence => "remove-on-divergence",
            NodeToFollow => "node-to-follow",
            RemoteToFollow => "remote-to-follow",
            IsSynchronousMode => "is-synchronous-mode",
            ClearSynchronousStandbyNames => "clear-synchronous-standby-names",
            RunAsync(task) => task.id(),
            SetRecovering => "set-recovering",
        }
    }

    /// The question of that name.
    pub fn from_id(id: &str) -> Option<Question> {
        Question::ALL.into_iter().find(|question| question.id() == id)
    }

    /// Nothing is done to the world, something is only read.
    pub fn is_pure(self) -> bool {
        !matches!(
            self,
            DisableWatchdog
                | UpdateLock
                | DemoteImmediate
                | RememberCrashRecovery
                | LoadCluster
                | TriggerDivergenceCheck
                | ResetRewind
                | ClearSynchronousStandbyNames
                | RunAsync(_)
                | SetRecovering
        )
    }

    /// The line of patroni `ha.py` in 2.1.2 and in 4.1.5 that puts the question to the world: for a task, the one that
    /// offers it to the slot. None where the agent asks only its own memory, and none of 2.1.2 where that release does
    /// not ask.
    pub fn lines(self) -> Option<(Option<u16>, u16)> {
        Some(match self {
            UpdateLock => (Some(314), 633),
            IsFailoverPossible => (Some(319), 638),
            DemoteImmediate => (Some(321), 641),
            LoadCluster => (Some(336), 675),
            RewindNeeded => (Some(298), 591),
            RunAsync(Task::CrashRecovery) => (Some(334), 587),
            RunAsync(Task::StartPrimary) => (None, 658),
            RunAsync(Task::Rewind) => (Some(303), 603),
            RunAsync(Task::Reinitialize) => (Some(308), 607),
            RunAsync(Task::Follow) => (Some(360), 703),
            _ => return None,
        })
    }
}
