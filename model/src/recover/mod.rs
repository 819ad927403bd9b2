//! What a node does when its Postgres is found dead: patroni `Ha.recover()`, 2.1.2 `ha.py` 310-363 and 4.1.5 `ha.py` 583-706.
//!
//! Read it beside the listing. `ha.asks(…)?` puts a question to the world and `ha.does(…)?` lets an effect take place, both in
//! the order of the original; between a question and its answer the function can be suspended (see [`crate::recover::dialogue`]). Rules
//! that a release changed are switches of [`Rules`].

pub mod automaton;
pub mod branch;
pub mod control;
pub mod decision;
pub mod dialogue;
mod question;

use crate::rules::edition::Rules;
use branch::Branch;
use control::ControlState::*;
use decision::Decision;
use dialogue::Question::*;
use dialogue::{Dialogue, Leader, Stop, Task};

/// Decides what becomes of a dead Postgres. Pure: the same answers give the same questions, effects and decision.
///
/// # Errors
/// [`Stop::Ask`] when it needs one more answer, [`Stop::DcsError`] when the DCS failed it, [`Stop::Misfit`] on a wrong answer.
pub fn recover(rules: &Rules, ha: &mut Dialogue) -> Result<Decision, Stop> {
    // Until 3.0.4 the watchdog was given up before anything was known: "Watchdog is not needed until we promote."
    if !rules.watchdog_disabled_late {
        ha.does(DisableWatchdog)?;
    }

    // The lock counts only if it could be refreshed just now.
    let mut timeout = None;
    if ha.asks(HasLock)? && ha.asks(UpdateLock)? {
        let seconds = ha.start_timeout()?;
        timeout = Some(seconds);
        // Zero asks to prefer failing over to restarting, if there is anyone to fail over to.
        if seconds == 0 {
            if !rules.candidates_know_sync {
                ha.asks(IsSynchronousMode)?; // then only those that may lead are asked
            }
            if ha.asks(IsFailoverPossible)? {
                if rules.watchdog_disabled_late {
                    ha.does(DisableWatchdog)?;
                }
                ha.does(DemoteImmediate)?;
                return Ok(Decision::plain(Branch::FailOver));
            }
        }
    }

    let control = ha.control_data()?;

    // This process ran it as a primary moments ago and still has the lock: just start it. The releases exclude a
    // timeout of zero, so without a candidate it goes the long way below: crash recovery in single-user mode, where pg_rewind may be used, then a
    // read-only start that is promoted (#3121). `ideal` does not.
    if rules.starts_crashed_primary
        && timeout.is_some_and(|seconds| seconds > 0 || rules.starts_primary_without_candidate)
        && (matches!(control, Some(InProduction | ShuttingDown | ShutDown))
            || rules.starts_from_crash_recovery && control == Some(InCrashRecovery))
        && ha.asks(IsCrashed)?
        && ha.asks(WasPrimary)?
        && !ha.asks(RecoveryConfExists)?
        && ha.try_run_async(Task::StartPrimary)?.is_none()
    {
        ha.does(SetRecovering)?;
        return Ok(Decision::plain(Branch::StartPrimary));
    }

    // From here on it can only come up as a standby.
    if rules.watchdog_disabled_late {
        ha.does(DisableWatchdog)?;
    }

    if control.is_some_and(|state| state.is_unclean_primary()) {
        // Postgres itself recovers a restored base backup when it starts.
        let restored = rules.skips_backup_label && ha.asks(WasRestoredFromBackup)?;
        if !restored && let Some(decision) = handle_crash_recovery(ha, Branch::CrashRecovery)? {
            return Ok(decision);
        }
    }

    ha.does(LoadCluster)?;

    // `if self.is_standby_cluster() or not self.has_lock()` (339), the other way round.
    let leads_here = if rules.lock_before_standby_cluster {
        ha.asks(HasLock)? && !ha.asks(IsStandbyCluster)?
    } else {
        // 2.1.2 asks for the lock once more in the `elif` (line 356), on the same snapshot.
        !ha.asks(IsStandbyCluster)? && ha.asks(HasLock)? && ha.asks(HasLock)?
    };

    let branch;
    if leads_here {
        if rules.read_only_resets_rewind {
            ha.does(ResetRewind)?;
        }
        branch = Branch::StartReadOnly;
    } else {
        if !ha.asks(RewindExecuted)? {
            ha.does(TriggerDivergenceCheck)?;
        }
        if let Some(decision) = handle_rewind_or_reinitialize(rules, ha)? {
            return Ok(decision);
        }
        if ha.asks(HasLock)? {
            // in a standby cluster
            branch = Branch::StartStandbyLeader;
            ha.source(NodeToFollow)?;
        } else if ha.asks(IsStandbyCluster)? && ha.asks(IsUnlocked)? {
            branch = Branch::FollowRemote;
            ha.source(RemoteToFollow)?;
        } else {
            branch = Branch::StartSecondary;
            ha.source(NodeToFollow)?;
        }
        if rules.clears_sync_names && ha.asks(IsSynchronousMode)? {
            ha.does(ClearSynchronousStandbyNames)?;
        }
    }

    if ha.try_run_async(Task::Follow)?.is_none() {
        ha.does(SetRecovering)?;
    }
    // The message is the same whether or not the slot was free.
    Ok(Decision::plain(branch))
}

/// Single-user crash recovery, once, and only if nobody leads or pg_rewind may be used: 2.1.2 `ha.py` 328-334, 4.1.5 `_handle_crash_recovery` 583-587.
///
/// # Errors
/// As [`recover`].
pub fn handle_crash_recovery(ha: &mut Dialogue, branch: Branch) -> Result<Option<Decision>, Stop> {
    if !ha.asks(CrashRecoveryExecuted)? && (ha.asks(IsUnlocked)? || ha.asks(CanRewind)?) {
        ha.does(RememberCrashRecovery)?;
        let busy = ha.try_run_async(Task::CrashRecovery)?;
        return Ok(Some(Decision::task(branch, Task::CrashRecovery, busy)));
    }
    Ok(None)
}

/// Rewind, or wipe and copy, if the data diverged: 2.1.2 `ha.py` 296-308, 4.1.5 589-607.
///
/// # Errors
/// As [`recover`].
pub fn handle_rewind_or_reinitialize(rules: &Rules, ha: &mut Dialogue) -> Result<Option<Decision>, Stop> {
    ha.asks(IsStandbyCluster)?; // whether the source is the remote primary or the leader
    let leader = ha.source(RewindSource)?;
    if !ha.asks(RewindNeeded)? || leader == Leader::Nobody {
        return Ok(None);
    }
    if ha.asks(CanRewind)? {
        // pg_rewind needs a clean shutdown, and a standby that was killed had none.
        if rules.crash_recovery_before_rewind
            && !ha.asks(IsRunning)?
            && ha.control_data()? == Some(InArchiveRecovery)
            && let Some(decision) = handle_crash_recovery(ha, Branch::CrashRecoveryBeforeRewind)?
        {
            return Ok(Some(decision));
        }
        let busy = ha.try_run_async(Task::Rewind)?;
        return Ok(Some(Decision::rewind(leader, busy)));
    }
    if (!rules.reinitialize_needs_setting || ha.asks(RemoveOnDivergence)?) && !ha.asks(IsStandbyCluster)? {
        let busy = ha.try_run_async(Task::Reinitialize)?;
        return Ok(Some(Decision::task(Branch::Reinitialize, Task::Reinitialize, busy)));
    }
    Ok(None)
}
