//! The decision table of patroni 4.1.5 `ha.py` 583-706, row by row.

use crate::common::Facts;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::{Answer, Question, Stop, Task};
use pghaspec_model::rules::edition::Edition;

const EDITION: Edition = Edition::V4_1;
const UNCLEAN: [ControlState; 3] =
    [ControlState::InProduction, ControlState::ShuttingDown, ControlState::InCrashRecovery];

fn leader() -> Facts {
    Facts { has_lock: true, has_lock_after: true, control: Some(ControlState::ShutDown), ..Facts::default() }
}

fn crashed_primary() -> Facts {
    Facts {
        control: Some(ControlState::InProduction),
        crashed: true,
        was_primary: true,
        signal_file: false,
        ..leader()
    }
}

fn check(facts: Facts, branch: Branch, message: &str) {
    let record = facts.recover(EDITION);
    assert_eq!(record.outcome.map(|decision| decision.branch), Ok(branch), "{facts:?}");
    assert_eq!(facts.message(EDITION), message, "{facts:?}");
}

fn every_control_state() -> impl Iterator<Item = Option<ControlState>> {
    [None].into_iter().chain(ControlState::ALL.map(Some))
}

#[test]
fn row_1_fails_over() {
    for control in every_control_state() {
        let facts = Facts { start_timeout: 0, failover_possible: true, control, ..crashed_primary() };
        check(facts, Branch::FailOver, "stopped PostgreSQL to fail over after a crash");
        // The watchdog is disarmed only now that it is certain that the lock is released.
        assert_eq!(
            facts.effects(EDITION),
            [Question::UpdateLock, Question::DisableWatchdog, Question::DemoteImmediate]
        );
    }
}

#[test]
fn row_1b_starts_the_crashed_primary() {
    for control in
        [ControlState::InProduction, ControlState::InCrashRecovery, ControlState::ShuttingDown, ControlState::ShutDown]
    {
        for failover_possible in [false, true] {
            let facts = Facts { control: Some(control), failover_possible, can_rewind: true, ..crashed_primary() };
            check(facts, Branch::StartPrimary, "starting primary after failure");
            // The watchdog stays armed.
            assert_eq!(
                facts.effects(EDITION),
                [Question::UpdateLock, Question::RunAsync(Task::StartPrimary), Question::SetRecovering]
            );
        }
    }
}

#[test]
fn row_1b_needs_everything_that_it_asks_for() {
    let row = Facts { can_rewind: true, ..crashed_primary() };
    let other_states = every_control_state().filter(|control| {
        !control.is_some_and(|control| UNCLEAN.contains(&control) || control == ControlState::ShutDown)
    });
    for facts in other_states.map(|control| Facts { control, ..row }).chain([
        Facts { has_lock: false, ..row },
        Facts { update_lock: Answer::Bool(false), ..row },
        Facts { start_timeout: 0, ..row },
        Facts { crashed: false, ..row },
        Facts { was_primary: false, ..row },
        Facts { signal_file: true, ..row },
    ]) {
        assert_ne!(
            facts.recover(EDITION).outcome.map(|decision| decision.branch),
            Ok(Branch::StartPrimary),
            "{facts:?}"
        );
    }
}

#[test]
fn row_1b_falls_through_when_the_slot_is_busy() {
    let facts = Facts { slot: Some(Task::Requested), can_rewind: true, ..crashed_primary() };
    check(
        facts,
        Branch::CrashRecovery,
        "Failed to run doing crash recovery in a single user mode, restart is already in progress",
    );
}

#[test]
fn row_2_recovers_in_single_user_mode() {
    for control in UNCLEAN {
        for facts in [
            Facts { can_rewind: true, ..leader() },
            // Zero is not positive: without a candidate the crashed primary takes this way too (#3121).
            Facts { can_rewind: true, start_timeout: 0, ..crashed_primary() },
            Facts { can_rewind: true, ..Facts::default() },
            Facts { unlocked: true, ..Facts::default() },
        ] {
            let facts = Facts { control: Some(control), ..facts };
            check(facts, Branch::CrashRecovery, "doing crash recovery in a single user mode");
            let effects = facts.effects(EDITION);
            assert!(
                effects.ends_with(&[
                    Question::DisableWatchdog,
                    Question::RememberCrashRecovery,
                    Question::RunAsync(Task::CrashRecovery)
                ]),
                "{effects:?}"
            );
        }
    }
}

#[test]
fn row_2_needs_an_unclean_end_and_happens_once_and_not_to_a_restored_backup() {
    let row = Facts { can_rewind: true, control: Some(ControlState::InProduction), ..leader() };
    for facts in every_control_state()
        .filter(|control| !control.is_some_and(|control| UNCLEAN.contains(&control)))
        .map(|control| Facts { control, ..row })
        .chain([
            Facts { crash_recovery_executed: true, ..row },
            Facts { can_rewind: false, ..row },
            Facts { backup_label: true, ..row },
        ])
    {
        check(facts, Branch::StartReadOnly, "starting as readonly because i had the session lock");
    }
}

#[test]
fn row_3_starts_read_only_with_the_lock() {
    for facts in
        [leader(), Facts { update_lock: Answer::Bool(false), ..leader() }, Facts { has_lock: false, ..leader() }]
    {
        check(facts, Branch::StartReadOnly, "starting as readonly because i had the session lock");
        let effects = facts.effects(EDITION);
        assert!(!effects.contains(&Question::TriggerDivergenceCheck), "{effects:?}");
        assert!(
            effects.ends_with(&[Question::ResetRewind, Question::RunAsync(Task::Follow), Question::SetRecovering]),
            "{effects:?}"
        );
    }
    let busy = Facts { slot: Some(Task::Requested), ..leader() };
    check(busy, Branch::StartReadOnly, "starting as readonly because i had the session lock");
    assert!(!busy.effects(EDITION).contains(&Question::SetRecovering));
}

#[test]
fn row_4a_recovers_before_a_rewind() {
    let facts = Facts {
        rewind_needed: true,
        can_rewind: true,
        control: Some(ControlState::InArchiveRecovery),
        ..Facts::default()
    };
    check(facts, Branch::CrashRecoveryBeforeRewind, "doing crash recovery in a single user mode");
    check(
        Facts { slot: Some(Task::Requested), ..facts },
        Branch::CrashRecoveryBeforeRewind,
        "Failed to run doing crash recovery in a single user mode, restart is already in progress",
    );
    for facts in [
        Facts { running: true, ..facts },
        Facts { crash_recovery_executed: true, ..facts },
        Facts { control: Some(ControlState::ShutDownInRecovery), ..facts },
    ] {
        check(facts, Branch::Rewind, "running pg_rewind from leader");
    }
}

#[test]
fn row_4_rewinds() {
    let facts = Facts { rewind_needed: true, can_rewind: true, ..Facts::default() };
    check(facts, Branch::Rewind, "running pg_rewind from leader");
    check(
        Facts { slot: Some(Task::Requested), ..facts },
        Branch::Rewind,
        "Failed to run running pg_rewind from leader, restart is already in progress",
    );
    // A rewind is needed, but there is nobody to rewind from.
    check(Facts { unlocked: true, ..facts }, Branch::StartSecondary, "starting as a secondary");
}

#[test]
fn row_5_reinitializes_where_the_configuration_allows_it() {
    let facts = Facts { rewind_needed: true, remove_on_divergence: true, ..Facts::default() };
    check(facts, Branch::Reinitialize, "reinitializing due to diverged timelines");
    check(
        Facts { slot: Some(Task::Requested), ..facts },
        Branch::Reinitialize,
        "Failed to run reinitializing due to diverged timelines, restart is already in progress",
    );
    check(Facts { remove_on_divergence: false, ..facts }, Branch::StartSecondary, "starting as a secondary");
}

#[test]
fn row_6_starts_as_a_secondary() {
    for facts in
        [Facts::default(), Facts { unlocked: true, ..Facts::default() }, Facts { has_lock: true, ..Facts::default() }]
    {
        check(facts, Branch::StartSecondary, "starting as a secondary");
        assert!(facts.effects(EDITION).contains(&Question::TriggerDivergenceCheck));
        assert!(!facts.effects(EDITION).contains(&Question::ClearSynchronousStandbyNames));
        let executed = Facts { rewind_executed: true, synchronous: true, ..facts };
        check(executed, Branch::StartSecondary, "starting as a secondary");
        assert!(!executed.effects(EDITION).contains(&Question::TriggerDivergenceCheck));
        assert!(executed.effects(EDITION).contains(&Question::ClearSynchronousStandbyNames));
    }
}

#[test]
fn row_7_rewinds_a_standby_cluster_from_its_remote_member() {
    for has_lock_after in [false, true] {
        let facts =
            Facts { standby_cluster: true, has_lock_after, rewind_needed: true, can_rewind: true, ..Facts::default() };
        check(facts, Branch::Rewind, "running pg_rewind from remote_member:<uuid>");
    }
}

#[test]
fn row_8_starts_as_a_standby_leader() {
    let facts = Facts { standby_cluster: true, ..leader() };
    check(facts, Branch::StartStandbyLeader, "starting as a standby leader because i had the session lock");
    check(
        Facts { rewind_needed: true, remove_on_divergence: true, ..facts },
        Branch::StartStandbyLeader,
        "starting as a standby leader because i had the session lock",
    );
}

#[test]
fn row_9_follows_the_remote_member() {
    let facts = Facts { standby_cluster: true, unlocked: true, ..Facts::default() };
    check(facts, Branch::FollowRemote, "trying to follow a remote member because standby cluster is unhealthy");
}

#[test]
fn row_10_follows_the_standby_leader() {
    check(Facts { standby_cluster: true, ..Facts::default() }, Branch::StartSecondary, "starting as a secondary");
}

#[test]
fn a_failing_dcs_ends_recover() {
    assert_eq!(Facts { load: Answer::DcsError, ..Facts::default() }.recover(EDITION).outcome, Err(Stop::DcsError));
    assert_eq!(Facts { update_lock: Answer::DcsError, ..leader() }.recover(EDITION).outcome, Err(Stop::DcsError));
}
