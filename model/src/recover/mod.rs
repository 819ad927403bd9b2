//! The recover protocol: what a node does when its Postgres is found dead (patroni `Ha.recover()`, 2.1.2 `ha.py`
//! 310-363 and 4.1.5 `ha.py` 609-706).
//!
//! The function is written to be read beside the listing. `ha.asks(…)?` puts a question to the world and `ha.does(…)?`
//! lets an effect take place, both in the order of the original; between a question and its answer the function can be
//! suspended (see [`dialogue`]). Rules that a release changed are switches of [`Rules`]. Each part begins with its
//! lines in the two releases, and beside each decision stands the message that the agent logs, in the words of 2.1.2.
//!
//! Nothing here knows of the cluster, of faults or of mutants: [`rules`](crate::rules) is all that is imported.

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
/// [`Stop::Ask`] when it needs one more answer, [`Stop::DcsError`] when the DCS failed it, [`Stop::Misfit`] on an
/// answer of the wrong kind.
pub fn recover(rules: &Rules, ha: &mut Dialogue) -> Result<Decision, Stop> {
    // 312; –. Until 3.0.4 the watchdog was given up before anything was known: "not needed until we promote".
    if !rules.watchdog_disabled_late {
        ha.does(DisableWatchdog)?;
    }

    // 314-324; 633-644. The lock counts only if it could be refreshed just now.
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
                return Ok(Decision::plain(Branch::FailOver)); // 'stopped PostgreSQL to fail over after a crash'
            }
        }
    }

    // 326; 646
    let control = ha.control_data()?;

    // –; 650-661. This process ran it as a primary moments ago and still has the lock: just start it. The releases
    // exclude a timeout of zero, so without a candidate it goes the long way below: crash recovery in single-user mode,
    // where pg_rewind may be used, then a read-only start that is promoted (#3121). `ideal` does not.
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
        return Ok(Decision::plain(Branch::StartPrimary)); // 'starting primary after failure'
    }

    // –; 664. From here on it can only come up as a standby.
    if rules.watchdog_disabled_late {
        ha.does(DisableWatchdog)?;
    }

    // 328-334; 666-673
    if control.is_some_and(|state| state.is_unclean_primary()) {
        // Postgres itself recovers a restored base backup when it starts.
        let restored = rules.skips_backup_label && ha.asks(WasRestoredFromBackup)?;
        if !restored && let Some(decision) = handle_crash_recovery(ha, Branch::CrashRecovery)? {
            return Ok(decision);
        }
    }

    // 336; 675
    ha.does(LoadCluster)?;

    // 339; 678. 2.1.2 has it the other way round: `if self.is_standby_cluster() or not self.has_lock()`.
    let leads_here = if rules.lock_before_standby_cluster {
        ha.asks(HasLock)? && !ha.asks(IsStandbyCluster)?
    } else {
        // It asks for the lock once more in the `elif` (356), on the same snapshot.
        !ha.asks(IsStandbyCluster)? && ha.asks(HasLock)? && ha.asks(HasLock)?
    };

    let branch;
    if leads_here {
        // 357-358; 679-681
        if rules.read_only_resets_rewind {
            ha.does(ResetRewind)?;
        }
        branch = Branch::StartReadOnly; // 'starting as readonly because i had the session lock'
    } else {
        // 340-344; 683-687
        if !ha.asks(RewindExecuted)? {
            ha.does(TriggerDivergenceCheck)?;
        }
        if let Some(decision) = handle_rewind_or_reinitialize(rules, ha)? {
            return Ok(decision);
        }
        // 346-355; 689-701
        if ha.asks(HasLock)? {
            // in a standby cluster
            branch = Branch::StartStandbyLeader; // 'starting as a standby leader because i had the session lock'
            ha.source(NodeToFollow)?;
        } else if ha.asks(IsStandbyCluster)? && ha.asks(IsUnlocked)? {
            // Since 3.0.0 the message says "member" for "master".
            branch = Branch::FollowRemote; // 'trying to follow a remote master because standby cluster is unhealthy'
            ha.source(RemoteToFollow)?;
        } else {
            branch = Branch::StartSecondary; // 'starting as a secondary'
            ha.source(NodeToFollow)?;
        }
        if rules.clears_sync_names && ha.asks(IsSynchronousMode)? {
            ha.does(ClearSynchronousStandbyNames)?;
        }
    }

    // 360-363; 703-706. The message is the same whether or not the slot was free.
    if ha.try_run_async(Task::Follow)?.is_none() {
        ha.does(SetRecovering)?;
    }
    Ok(Decision::plain(branch))
}

/// Single-user crash recovery, once, and only if nobody leads or pg_rewind may be used: 2.1.2 `ha.py` 329-334, 4.1.5
/// `_handle_crash_recovery` 583-587. `branch` is the row that asks for it. None if there is to be none.
///
/// # Errors
/// The same as [`recover`], when its own questions are not answered, or answered wrongly.
pub fn handle_crash_recovery(ha: &mut Dialogue, branch: Branch) -> Result<Option<Decision>, Stop> {
    if !ha.asks(CrashRecoveryExecuted)? && (ha.asks(IsUnlocked)? || ha.asks(CanRewind)?) {
        ha.does(RememberCrashRecovery)?;
        let busy = ha.try_run_async(Task::CrashRecovery)?;
        let decision = Decision::task(branch, Task::CrashRecovery, busy);
        return Ok(Some(decision)); // 'doing crash recovery in a single user mode'
    }
    Ok(None)
}

/// Rewind, or wipe and copy, if the data diverged: `_handle_rewind_or_reinitialize`, 2.1.2 `ha.py` 296-308, 4.1.5
/// 589-607. None if it did not, or if nothing may be done about it.
///
/// # Errors
/// The same as [`recover`], when its own questions are not answered, or answered wrongly.
pub fn handle_rewind_or_reinitialize(rules: &Rules, ha: &mut Dialogue) -> Result<Option<Decision>, Stop> {
    ha.asks(IsStandbyCluster)?; // whether the source is the remote primary or the leader
    let leader = ha.source(RewindSource)?;
    if !ha.asks(RewindNeeded)? || leader == Leader::Nobody {
        return Ok(None);
    }
    if ha.asks(CanRewind)? {
        // –; 595-600. pg_rewind needs a clean shutdown, and a standby that was killed had none.
        if rules.crash_recovery_before_rewind
            && !ha.asks(IsRunning)?
            && ha.control_data()? == Some(InArchiveRecovery)
            && let Some(decision) = handle_crash_recovery(ha, Branch::CrashRecoveryBeforeRewind)?
        {
            return Ok(Some(decision));
        }
        let busy = ha.try_run_async(Task::Rewind)?;
        return Ok(Some(Decision::rewind(leader, busy))); // 'running pg_rewind from {leader}'
    }
    if (!rules.reinitialize_needs_setting || ha.asks(RemoveOnDivergence)?) && !ha.asks(IsStandbyCluster)? {
        let busy = ha.try_run_async(Task::Reinitialize)?;
        let decision = Decision::task(Branch::Reinitialize, Task::Reinitialize, busy);
        return Ok(Some(decision)); // 'reinitializing due to diverged timelines'
    }
    Ok(None)
}
