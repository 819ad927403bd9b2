//! The decision table of patroni 2.1.2 `ha.py` 310-363, row by row.

use crate::common::Facts;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::{Answer, Question, Stop, Task};
use pghaspec_model::rules::edition::Edition;

const EDITION: Edition = Edition::V2_1_2;
const UNCLEAN: [ControlState; 3] =
    [ControlState::InProduction, ControlState::ShuttingDown, ControlState::InCrashRecovery];

fn leader() -> Facts {
    Facts { has_lock: true, has_lock_after: true, control: Some(ControlState::ShutDown), ..Facts::default() }
}

fn check(facts: Facts, branch: Branch, message: &str) {
    let record = facts.recover(EDITION);
    assert_eq!(record.outcome.map(|decision| decision.branch), Ok(branch), "{facts:?}");
    assert_eq!(facts.message(EDITION), message, "{facts:?}");
}

#[test]
fn row_1_fails_over() {
    for control in [None].into_iter().chain(ControlState::ALL.map(Some)) {
        let facts = Facts { start_timeout: 0, failover_possible: true, control, ..leader() };
        check(facts, Branch::FailOver, "stopped PostgreSQL to fail over after a crash");
        // pg_controldata is not even read.
        assert_eq!(
            facts.effects(EDITION),
            [Question::DisableWatchdog, Question::UpdateLock, Question::DemoteImmediate]
        );
    }
}

#[test]
fn row_1_needs_the_lock_the_zero_and_a_candidate() {
    let row = Facts { start_timeout: 0, failover_possible: true, ..leader() };
    for facts in [
        Facts { has_lock: false, ..row },
        Facts { update_lock: Answer::Bool(false), ..row },
        Facts { start_timeout: 1, ..row },
        Facts { failover_possible: false, ..row },
    ] {
        assert_ne!(facts.recover(EDITION).outcome.map(|decision| decision.branch), Ok(Branch::FailOver), "{facts:?}");
    }
}

#[test]
fn row_2_recovers_in_single_user_mode() {
    for control in UNCLEAN {
        for facts in [
            Facts { can_rewind: true, ..leader() },
            Facts { can_rewind: true, start_timeout: 0, ..leader() },
            Facts { can_rewind: true, ..Facts::default() },
            Facts { unlocked: true, ..Facts::default() },
        ] {
            let facts = Facts { control: Some(control), ..facts };
            check(facts, Branch::CrashRecovery, "doing crash recovery in a single user mode");
            let effects = facts.effects(EDITION);
            assert!(
                effects.ends_with(&[Question::RememberCrashRecovery, Question::RunAsync(Task::CrashRecovery)]),
                "{effects:?}"
            );
        }
    }
}

#[test]
fn row_2_says_so_when_the_slot_is_busy() {
    let facts =
        Facts { can_rewind: true, control: Some(ControlState::InProduction), slot: Some(Task::Requested), ..leader() };
    check(
        facts,
        Branch::CrashRecovery,
        "Failed to run doing crash recovery in a single user mode, restart is already in progress",
    );
}

#[test]
fn row_2_needs_an_unclean_end_and_happens_once_and_only_where_it_helps() {
    let row = Facts { can_rewind: true, control: Some(ControlState::InProduction), ..leader() };
    let clean =
        [None].into_iter().chain(ControlState::ALL.map(Some)).filter(|c| c.is_none_or(|c| !UNCLEAN.contains(&c)));
    for facts in clean
        .map(|control| Facts { control, ..row })
        .chain([Facts { crash_recovery_executed: true, ..row }, Facts { can_rewind: false, ..row }])
    {
        check(facts, Branch::StartReadOnly, "starting as readonly because i had the session lock");
    }
}

#[test]
fn row_3_starts_read_only_with_the_lock() {
    // Neither the earlier update of the lock nor its earlier holder matters: the reload counts.
    for facts in
        [leader(), Facts { update_lock: Answer::Bool(false), ..leader() }, Facts { has_lock: false, ..leader() }]
    {
        let facts = Facts { rewind_needed: true, can_rewind: true, ..facts };
        check(facts, Branch::StartReadOnly, "starting as readonly because i had the session lock");
        let effects = facts.effects(EDITION);
        assert!(!effects.contains(&Question::TriggerDivergenceCheck), "the rewind is not consulted: {effects:?}");
        assert!(effects.ends_with(&[Question::RunAsync(Task::Follow), Question::SetRecovering]));
    }
}

#[test]
fn row_3_says_the_same_when_the_slot_is_busy() {
    let facts = Facts { slot: Some(Task::Requested), ..leader() };
    check(facts, Branch::StartReadOnly, "starting as readonly because i had the session lock");
    assert!(!facts.effects(EDITION).contains(&Question::SetRecovering));
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
    // The step through single-user mode before a rewind came with 2.1.4.
    check(
        Facts { control: Some(ControlState::InArchiveRecovery), ..facts },
        Branch::Rewind,
        "running pg_rewind from leader",
    );
}

#[test]
fn row_5_reinitializes_without_asking_the_configuration() {
    let facts = Facts { rewind_needed: true, can_rewind: false, remove_on_divergence: false, ..Facts::default() };
    check(facts, Branch::Reinitialize, "reinitializing due to diverged timelines");
    check(
        Facts { slot: Some(Task::Requested), ..facts },
        Branch::Reinitialize,
        "Failed to run reinitializing due to diverged timelines, restart is already in progress",
    );
}

#[test]
fn row_6_starts_as_a_secondary() {
    for facts in
        [Facts::default(), Facts { unlocked: true, ..Facts::default() }, Facts { has_lock: true, ..Facts::default() }]
    {
        check(facts, Branch::StartSecondary, "starting as a secondary");
        assert!(facts.effects(EDITION).contains(&Question::TriggerDivergenceCheck));
        let executed = Facts { rewind_executed: true, ..facts };
        check(executed, Branch::StartSecondary, "starting as a secondary");
        assert!(!executed.effects(EDITION).contains(&Question::TriggerDivergenceCheck));
    }
}

#[test]
fn row_7_rewinds_a_standby_cluster_from_its_remote_master() {
    for has_lock_after in [false, true] {
        let facts =
            Facts { standby_cluster: true, has_lock_after, rewind_needed: true, can_rewind: true, ..Facts::default() };
        check(facts, Branch::Rewind, "running pg_rewind from remote_master:<uuid>");
    }
}

#[test]
fn row_8_starts_as_a_standby_leader() {
    let facts = Facts { standby_cluster: true, ..leader() };
    check(facts, Branch::StartStandbyLeader, "starting as a standby leader because i had the session lock");
    // A standby cluster is never wiped: without pg_rewind it starts all the same.
    check(
        Facts { rewind_needed: true, remove_on_divergence: true, ..facts },
        Branch::StartStandbyLeader,
        "starting as a standby leader because i had the session lock",
    );
}

#[test]
fn row_9_follows_the_remote_master() {
    let facts = Facts { standby_cluster: true, unlocked: true, ..Facts::default() };
    check(facts, Branch::FollowRemote, "trying to follow a remote master because standby cluster is unhealthy");
}

#[test]
fn row_10_follows_the_standby_leader() {
    check(Facts { standby_cluster: true, ..Facts::default() }, Branch::StartSecondary, "starting as a secondary");
}

#[test]
fn the_watchdog_is_given_up_first_of_all() {
    assert_eq!(Facts::default().recover(EDITION).asked[0].0, Question::DisableWatchdog);
}

#[test]
fn a_failing_dcs_ends_recover() {
    assert_eq!(Facts { load: Answer::DcsError, ..Facts::default() }.recover(EDITION).outcome, Err(Stop::DcsError));
}
