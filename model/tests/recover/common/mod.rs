//! A world that answers every question of `recover()` from a few plain facts.

use pghaspec_model::recover::automaton::{Record, decide};
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::{Answer, Leader, Question, Task};
use pghaspec_model::rules::edition::Edition;

/// The facts. The default: a standby of `leader` that was shut down cleanly, in a cluster with a leader.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub has_lock: bool,
    pub update_lock: Answer,
    pub start_timeout: u32,
    pub failover_possible: bool,
    pub control: Option<ControlState>,
    pub crashed: bool,
    pub was_primary: bool,
    pub signal_file: bool,
    pub backup_label: bool,
    pub crash_recovery_executed: bool,
    pub unlocked: bool,
    pub can_rewind: bool,
    pub load: Answer,
    /// The answer after `load_cluster_from_dcs()`.
    pub has_lock_after: bool,
    pub standby_cluster: bool,
    pub rewind_executed: bool,
    pub rewind_needed: bool,
    pub remove_on_divergence: bool,
    pub running: bool,
    pub synchronous: bool,
    pub slot: Option<Task>,
}

impl Default for Facts {
    fn default() -> Self {
        Facts {
            has_lock: false,
            update_lock: Answer::Bool(true),
            start_timeout: 300,
            failover_possible: false,
            control: Some(ControlState::ShutDownInRecovery),
            crashed: false,
            was_primary: false,
            signal_file: true,
            backup_label: false,
            crash_recovery_executed: false,
            unlocked: false,
            can_rewind: false,
            load: Answer::Done,
            has_lock_after: false,
            standby_cluster: false,
            rewind_executed: false,
            rewind_needed: false,
            remove_on_divergence: false,
            running: false,
            synchronous: false,
            slot: None,
        }
    }
}

impl Facts {
    /// Runs `recover()` of an edition in this world.
    pub fn recover(self, edition: Edition) -> Record {
        let mut loaded = false;
        decide(&edition.rules(), move |question| {
            use Question::*;
            loaded |= question == LoadCluster;
            match question {
                HasLock => Answer::Bool(if loaded { self.has_lock_after } else { self.has_lock }),
                UpdateLock => self.update_lock,
                StartTimeout => Answer::Seconds(self.start_timeout),
                IsFailoverPossible => Answer::Bool(self.failover_possible),
                ControlData => Answer::Control(self.control),
                IsCrashed => Answer::Bool(self.crashed),
                WasPrimary => Answer::Bool(self.was_primary),
                RecoveryConfExists => Answer::Bool(self.signal_file),
                WasRestoredFromBackup => Answer::Bool(self.backup_label),
                CrashRecoveryExecuted => Answer::Bool(self.crash_recovery_executed),
                IsUnlocked => Answer::Bool(self.unlocked),
                CanRewind => Answer::Bool(self.can_rewind),
                LoadCluster => self.load,
                IsStandbyCluster => Answer::Bool(self.standby_cluster),
                RewindExecuted => Answer::Bool(self.rewind_executed),
                RewindSource | NodeToFollow => Answer::Source(match (self.standby_cluster, self.unlocked) {
                    (true, _) => Leader::Remote,
                    (false, true) => Leader::Nobody,
                    (false, false) => Leader::Member(0),
                }),
                RemoteToFollow => Answer::Source(Leader::Remote),
                RewindNeeded => Answer::Bool(self.rewind_needed),
                IsRunning => Answer::Bool(self.running),
                RemoveOnDivergence => Answer::Bool(self.remove_on_divergence),
                IsSynchronousMode => Answer::Bool(self.synchronous),
                RunAsync(_) => self.slot.map_or(Answer::Scheduled, Answer::Busy),
                DisableWatchdog
                | DemoteImmediate
                | RememberCrashRecovery
                | TriggerDivergenceCheck
                | ResetRewind
                | ClearSynchronousStandbyNames
                | SetRecovering => Answer::Done,
            }
        })
    }

    /// The message of a run that decides.
    pub fn message(self, edition: Edition) -> String {
        let name = |leader| match leader {
            Leader::Nobody => "nobody".to_string(),
            Leader::Member(_) => "leader".to_string(),
            Leader::Remote if edition == Edition::V2_1_2 => "remote_master:<uuid>".to_string(),
            Leader::Remote => "remote_member:<uuid>".to_string(),
        };
        self.recover(edition).outcome.expect("these facts lead to a decision").message(&edition.rules(), name)
    }

    /// The effects of a run, in order.
    pub fn effects(self, edition: Edition) -> Vec<Question> {
        self.recover(edition)
            .asked
            .into_iter()
            .map(|(question, _)| question)
            .filter(|question| !question.is_pure())
            .collect()
    }
}
