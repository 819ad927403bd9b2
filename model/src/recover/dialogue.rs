//! The dialogue between `recover()` and the world: questions in the order in which the agent asks them, and their answers.
//!
//! `recover()` is resumable at every question. A [`Dialogue`] replays the answers given so far; the first question beyond
//! them suspends the function with [`Stop::Ask`]. Resuming is calling it again with one more answer. So a continuation is
//! a short list of answers: it can be stored in a model's state, compared, printed and replayed, and between a question and
//! its answer anything may happen in the world, exactly where the real code does I/O.

use super::control::ControlState;

/// Whom a rewind or a standby gets its WAL from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leader {
    /// The leader key is absent.
    Nobody,
    /// The member that the leader key names, by its number.
    Member(u8),
    /// The remote primary of a standby cluster.
    Remote,
}

/// What the agent runs in its one background slot (patroni `async_executor.py`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Task {
    /// `Rewind.ensure_clean_shutdown`: `postgres --single`.
    CrashRecovery,
    /// `Postgresql.start`: as a primary, after a crash.
    StartPrimary,
    /// `Postgresql.follow`: write the recovery configuration, start as a standby.
    Follow,
    /// `Rewind.execute`: stop, then pg_rewind.
    Rewind,
    /// `Ha._do_reinitialize`: stop, wipe, copy the leader.
    Reinitialize,
    /// `Postgresql.promote`.
    Promote,
    /// `Postgresql.follow` at the end of a demotion.
    FollowAfterDemotion,
    /// Something that came in through the agent's API (restart, reinitialize).
    Requested,
}

impl Task {
    /// The name under which the agent runs it.
    pub fn text(self) -> &'static str {
        match self {
            Task::CrashRecovery => "doing crash recovery in a single user mode",
            Task::StartPrimary => "starting primary after failure",
            Task::Follow => "restarting after failure",
            Task::Rewind => "running pg_rewind",
            Task::Reinitialize => "reinitializing due to diverged timelines",
            Task::Promote => "promote",
            Task::FollowAfterDemotion => "starting after demotion",
            Task::Requested => "restart",
        }
    }
}

/// What `recover()` asks of the world, and what it does to it. An effect is a question whose answer is [`Answer::Done`]
/// (or, for the background slot, whether it was free).
///
/// Line numbers are those of patroni 2.1.2 `ha.py`, then of 4.1.5 `ha.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Question {
    /// `watchdog.disable()` (312; 639 and 664). Effect.
    DisableWatchdog,
    /// `has_lock()`: does the last snapshot of the cluster name this node? (314, 340, 346, 356; 633, 678, 689) → bool
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
    /// `can_rewind` (330; 584, 594) → bool
    CanRewind,
    /// Remember that crash recovery was started, and when (331-332; 585). Effect.
    RememberCrashRecovery,
    /// `load_cluster_from_dcs()` (336; 675). Effect, or the DCS is not accessible.
    LoadCluster,
    /// `is_standby_cluster()` (340, 350; 678, 590, 605, 693) → bool
    IsStandbyCluster,
    /// `_rewind.executed`: a rewind succeeded or failed for good (341; 684) → bool
    RewindExecuted,
    /// `trigger_check_diverged_lsn()` (342; 685). Effect.
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

impl Question {
    /// Nothing is done to the world, something is only read.
    pub fn is_pure(self) -> bool {
        use Question::*;
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
}

impl Question {
    /// The stable name, as in what the comparison with released code records.
    pub fn id(self) -> &'static str {
        use Question::*;
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
            RunAsync(Task::CrashRecovery) => "run-crash-recovery",
            RunAsync(Task::StartPrimary) => "run-start-primary",
            RunAsync(Task::Follow) => "run-follow",
            RunAsync(Task::Rewind) => "run-rewind",
            RunAsync(Task::Reinitialize) => "run-reinitialize",
            RunAsync(Task::Promote) => "run-promote",
            RunAsync(Task::FollowAfterDemotion) => "run-follow-after-demotion",
            RunAsync(Task::Requested) => "run-requested",
            SetRecovering => "set-recovering",
        }
    }

    /// All that `recover()` asks and does.
    pub const ALL: [Question; 34] = {
        use Question::*;
        [
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
        ]
    };

    /// The question of that name.
    pub fn from_id(id: &str) -> Option<Question> {
        Question::ALL.into_iter().find(|question| question.id() == id)
    }
}

/// Where a question is asked that the model puts to the world: lines of patroni `ha.py`, in 2.1.2 and in 4.1.5.
impl Question {
    /// The lines; none where the release does not ask, or the agent asks only its own memory.
    pub fn lines(self) -> Option<(Option<u16>, u16)> {
        Some(match self {
            Question::UpdateLock => (Some(314), 633),
            Question::IsFailoverPossible => (Some(319), 638),
            Question::DemoteImmediate => (Some(321), 641),
            Question::LoadCluster => (Some(336), 675),
            Question::RewindNeeded => (Some(298), 591),
            Question::RunAsync(Task::CrashRecovery) => (Some(334), 587),
            Question::RunAsync(Task::StartPrimary) => (None, 658),
            Question::RunAsync(Task::Rewind) => (Some(303), 603),
            Question::RunAsync(Task::Reinitialize) => (Some(308), 607),
            Question::RunAsync(Task::Follow) => (Some(360), 703),
            _ => return None,
        })
    }
}

/// The world's answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The effect took place.
    Done,
    /// Yes or no.
    Bool(bool),
    /// The start timeout in seconds.
    Seconds(u32),
    /// `Database cluster state`; nothing when pg_controldata failed.
    Control(Option<ControlState>),
    /// A source of WAL.
    Source(Leader),
    /// The slot was free: the task runs.
    Scheduled,
    /// The slot is busy with this task.
    Busy(Task),
    /// The DCS did not answer: the agent raises an error.
    DcsError,
}

/// Why `recover()` stopped before it decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// It asks, and goes on when it is answered.
    Ask(Question),
    /// The DCS is not accessible: the cycle is abandoned and the agent handles the error elsewhere.
    DcsError,
    /// The answer does not fit the question: a mistake of the caller.
    Misfit {
        /// What was asked.
        question: Question,
        /// What was answered.
        answer: Answer,
    },
}

/// Answers that a run takes for granted: a question that has one is not asked, and an effect that has one does not take
/// place.
pub type Override<'a> = &'a dyn Fn(Question) -> Option<Answer>;

/// Takes nothing for granted.
pub fn no_override(_: Question) -> Option<Answer> {
    None
}

/// One run of `recover()`: the answers so far, and where in them it stands.
pub struct Dialogue<'a> {
    answers: &'a [Answer],
    asked: Vec<Question>,
    instead_of: Override<'a>,
}

impl<'a> Dialogue<'a> {
    /// Replays `answers`, then suspends. What `instead_of` answers needs no answer among them.
    pub fn replay(answers: &'a [Answer], instead_of: Override<'a>) -> Self {
        Dialogue { answers, asked: Vec::new(), instead_of }
    }

    /// What was asked and answered so far, in order.
    pub fn asked(&self) -> &[Question] {
        &self.asked
    }

    fn answer(&mut self, question: Question) -> Result<Answer, Stop> {
        if let Some(answer) = (self.instead_of)(question) {
            return Ok(answer);
        }
        let answer = *self.answers.get(self.asked.len()).ok_or(Stop::Ask(question))?;
        self.asked.push(question);
        if answer == Answer::DcsError && matches!(question, Question::UpdateLock | Question::LoadCluster) {
            return Err(Stop::DcsError);
        }
        Ok(answer)
    }

    /// Asks for yes or no.
    pub fn asks(&mut self, question: Question) -> Result<bool, Stop> {
        match self.answer(question)? {
            Answer::Bool(answer) => Ok(answer),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Lets an effect take place.
    pub fn does(&mut self, question: Question) -> Result<(), Stop> {
        match self.answer(question)? {
            Answer::Done => Ok(()),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Asks for the start timeout, in seconds.
    pub fn start_timeout(&mut self) -> Result<u32, Stop> {
        match self.answer(Question::StartTimeout)? {
            Answer::Seconds(seconds) => Ok(seconds),
            answer => Err(Stop::Misfit { question: Question::StartTimeout, answer }),
        }
    }

    /// Asks for the state in pg_control.
    pub fn control_data(&mut self) -> Result<Option<ControlState>, Stop> {
        match self.answer(Question::ControlData)? {
            Answer::Control(state) => Ok(state),
            answer => Err(Stop::Misfit { question: Question::ControlData, answer }),
        }
    }

    /// Asks where WAL comes from.
    pub fn source(&mut self, question: Question) -> Result<Leader, Stop> {
        match self.answer(question)? {
            Answer::Source(leader) => Ok(leader),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Offers a task to the background slot; `Some` is the task that keeps it busy.
    pub fn try_run_async(&mut self, task: Task) -> Result<Option<Task>, Stop> {
        match self.answer(Question::RunAsync(task))? {
            Answer::Scheduled => Ok(None),
            Answer::Busy(other) => Ok(Some(other)),
            answer => Err(Stop::Misfit { question: Question::RunAsync(task), answer }),
        }
    }
}
