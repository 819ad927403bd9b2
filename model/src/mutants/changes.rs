//! Changes that the mutants make: to the rules, and to what `recover()` asks.

use super::Mutant;
use crate::recover::control::ControlState;
use crate::recover::dialogue::{Answer, Question};
use crate::rules::edition::{LockUpdate, Rules};

impl Mutant {
    /// The mutants that change what `recover()` asks, does or decides, in an edition whose rules are those of a
    /// release.
    pub fn of_recover() -> Vec<Mutant> {
        let differs = |mutant: &Mutant| {
            let asks = Question::ALL.into_iter().any(|question| mutant.instead_of(question).is_some());
            asks || matches!(
                mutant,
                Mutant::DisablesWatchdogEarly
                    | Mutant::IgnoresBackupLabel
                    | Mutant::RewindsUnclean
                    | Mutant::NeverStartsPrimary
                    | Mutant::SkipsCrashedRecovery
                    | Mutant::NeverEndsCrashRecovery
            )
        };
        Mutant::ALL.into_iter().filter(differs).collect()
    }

    /// Changes the rules, if it is a rule of another release that it brings back.
    pub fn change(self, rules: &mut Rules) {
        match self {
            Mutant::DisablesWatchdogEarly => rules.watchdog_disabled_late = false,
            Mutant::OverwritesLock => rules.lock_update = LockUpdate::Overwrites,
            Mutant::TrustsKeepalive => rules.lock_update = LockUpdate::TrustsKeepalive,
            Mutant::IgnoresBackupLabel => rules.skips_backup_label = false,
            Mutant::NeverEndsCrashRecovery => rules.limits_crash_recovery = false,
            Mutant::WalkNeverStops => rules.timeline_walk_stops = false,
            Mutant::RewindsUnclean => rules.crash_recovery_before_rewind = false,
            Mutant::NeverStartsPrimary => rules.starts_crashed_primary = false,
            Mutant::SkipsCrashedRecovery => rules.starts_from_crash_recovery = false,
            Mutant::OldPrimaryRaces => rules.old_primary_does_not_race = false,
            Mutant::ComparesOnChangeOnly => rules.compares_when_behind = false,
            Mutant::UpdateErrorIsNo => rules.update_lock_raises = false,
            Mutant::ComparesNumbers => rules.compares_branches = false,
            Mutant::IgnoresOrphans => rules.waits_for_orphans = false,
            Mutant::ArmsWatchdogLate => rules.watchdog_before_lock = false,
            Mutant::ForgetsWhilePending => rules.remembers_crash_recovery = false,
            Mutant::RewindsBlindly => rules.rewind_checks_shutdown = false,
            Mutant::TakesLockBlindly => rules.lock_needs_current_keys = false,
            Mutant::PrefersSingleUser => rules.starts_primary_without_candidate = false,
            _ => {}
        }
    }

    /// The answer that the mutant's `recover()` takes for granted; none where it asks like everybody else.
    pub fn instead_of(self, question: Question) -> Option<Answer> {
        match (self, question) {
            (Mutant::ForgetsCrashRecovery, Question::CrashRecoveryExecuted) => Some(Answer::Bool(false)),
            (Mutant::RemovesAnyway, Question::CanRewind) => Some(Answer::Bool(false)),
            (Mutant::KeepsLock, Question::IsFailoverPossible) => Some(Answer::Bool(false)),
            (Mutant::FailsOverAnyway, Question::IsFailoverPossible) => Some(Answer::Bool(true)),
            (Mutant::AlwaysSingleUser, Question::IsCrashed) => Some(Answer::Bool(false)),
            (Mutant::NeverSingleUser, Question::ControlData) => {
                Some(Answer::Control(Some(ControlState::ShutDownInRecovery)))
            }
            (Mutant::NeverHasLock, Question::HasLock) => Some(Answer::Bool(false)),
            (Mutant::IgnoresSignalFile, Question::RecoveryConfExists) => Some(Answer::Bool(false)),
            (Mutant::AssumesPrimaryRole, Question::WasPrimary) => Some(Answer::Bool(true)),
            (Mutant::AssumesCrashed, Question::IsCrashed) => Some(Answer::Bool(true)),
            (Mutant::NeverRewinds, Question::RewindNeeded) => Some(Answer::Bool(false)),
            (Mutant::AlwaysRewinds, Question::RewindNeeded) => Some(Answer::Bool(true)),
            (Mutant::AssumesUnlocked, Question::IsUnlocked) => Some(Answer::Bool(true)),
            (Mutant::CannotRewind, Question::CanRewind) => Some(Answer::Bool(false)),
            (Mutant::AssumesRewindExecuted, Question::RewindExecuted) => Some(Answer::Bool(true)),
            (Mutant::NeverChecksDivergence, Question::TriggerDivergenceCheck) => Some(Answer::Done),
            (Mutant::KeepsWatchdog, Question::DisableWatchdog) => Some(Answer::Done),
            (Mutant::ForgetsReload, Question::LoadCluster) => Some(Answer::Done),
            (Mutant::ForgetsRecovering, Question::SetRecovering) => Some(Answer::Done),
            (Mutant::ForgetsDemotion, Question::DemoteImmediate) => Some(Answer::Done),
            (Mutant::ForgetsRewindReset, Question::ResetRewind) => Some(Answer::Done),
            (Mutant::ForgetsSyncNames, Question::ClearSynchronousStandbyNames) => Some(Answer::Done),
            (Mutant::IgnoresStandbyCluster, Question::IsStandbyCluster) => Some(Answer::Bool(false)),
            (Mutant::AssumesRefresh, Question::UpdateLock)
            | (Mutant::AssumesLock, Question::HasLock)
            | (Mutant::AssumesRunning, Question::IsRunning)
            | (Mutant::RemovesAnyway, Question::RemoveOnDivergence) => Some(Answer::Bool(true)),
            _ => None,
        }
    }
}

/// The answers that `recover()` takes for granted: those of the mutant, if there is one.
pub fn instead_of(mutant: Option<Mutant>) -> impl Fn(Question) -> Option<Answer> {
    move |question| mutant?.instead_of(question)
}
