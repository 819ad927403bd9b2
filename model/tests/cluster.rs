//! The cluster model, explored to the end: exact counts, verdicts, mutants, witnesses, second opinion.

use pghaspec_model::branch::Branch;
use pghaspec_model::check::{Report, check};
use pghaspec_model::cluster::Settings;
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::Options;
use pghaspec_model::mutant::Mutant;
use pghaspec_model::property::Property;

fn run(settings: Settings) -> Report {
    check(settings, &Property::ALL, Options::default(), &|_| (), None)
}

fn violated(report: &Report) -> Vec<(Property, usize)> {
    report
        .properties
        .iter()
        .filter_map(|(property, counterexample)| Some((*property, counterexample.as_ref()?.steps.len())))
        .collect()
}

fn assert_second_opinion_agrees(report: &Report) {
    let second = report.second_opinion();
    assert!(
        report.agrees_with(&second),
        "{} states, {} steps, but stateright: {second:?}",
        report.states,
        report.transitions
    );
}

#[test]
fn edition_4_1_is_safe() {
    let report = run(Settings::new(Edition::V4_1, 2));
    assert_eq!(violated(&report), []);
    assert_eq!((report.states, report.transitions, report.depth, report.deadlocks), (1_179_384, 3_789_497, 106, 0));
    assert_second_opinion_agrees(&report);
}

#[test]
fn edition_4_1_is_safe_with_three_nodes() {
    let report = run(Settings::new(Edition::V4_1, 3));
    assert_eq!(violated(&report), []);
    assert_eq!((report.states, report.transitions, report.depth), (3_227_850, 14_613_540, 82));
}

/// 2.1.2 writes the leader key over, whoever holds it, when its own lease is a new one: an agent that was restarted within the
/// ttl takes the lock from the node that got it in the meantime.
#[test]
fn edition_2_1_2_takes_the_lock_from_another_node() {
    let report = run(Settings::new(Edition::V2_1_2, 2));
    assert_eq!(violated(&report), [(Property::OneWritableLeader, 22), (Property::WritableNeedsLock, 11)]);
    assert_eq!((report.states, report.transitions), (2_907_901, 9_310_047));
    assert_second_opinion_agrees(&report);
}

/// Without the watchdog nobody stops the Postgres of a dead agent before the lease ends.
#[test]
fn without_a_watchdog_a_dead_agent_leaves_two_primaries() {
    let report = run(Settings { watchdog: false, ..Settings::new(Edition::V4_1, 2) });
    let lengths: Vec<_> = violated(&report);
    assert_eq!(lengths.first(), Some(&(Property::OneWritableLeader, 6)));
}

#[test]
fn every_mutant_is_killed_by_the_properties_that_it_names() {
    for mutant in Mutant::UNSAFE {
        let report = run(Settings { mutant: Some(mutant), ..Settings::new(Edition::V4_1, 2) });
        let killed_by: Vec<_> = violated(&report).into_iter().map(|(property, _)| property).collect();
        assert_eq!(killed_by, mutant.kills(), "{}", mutant.id());
    }
}

#[test]
fn every_property_kills_a_mutant() {
    for property in Property::ALL {
        assert!(Mutant::UNSAFE.iter().any(|mutant| mutant.kills().contains(&property)), "{}", property.id());
    }
}

#[test]
fn deviants_are_safe_here_but_behave_differently() {
    let states = run(Settings::new(Edition::V4_1, 2)).states;
    for mutant in Mutant::DEVIANT {
        let report = run(Settings { mutant: Some(mutant), ..Settings::new(Edition::V4_1, 2) });
        assert_eq!(violated(&report), [], "{}", mutant.id());
        assert_ne!(report.states, states, "{} changes nothing", mutant.id());
    }
}

fn unwitnessed(edition: Edition) -> Vec<Branch> {
    let report = run(Settings::new(edition, 2));
    for (id, witnessed) in &report.actions {
        assert!(witnessed, "{id} never happens");
    }
    report.branches.into_iter().filter(|(_, witness)| witness.is_none()).map(|(branch, _)| branch).collect()
}

/// Wiping needs `remove_data_directory_on_diverged_timelines` without pg_rewind, the other two a standby cluster: neither is
/// in this model yet.
#[test]
fn every_branch_of_4_1_but_three_is_reached() {
    assert_eq!(unwitnessed(Edition::V4_1), [Branch::Reinitialize, Branch::StartStandbyLeader, Branch::FollowRemote]);
}

/// As above, and two rows that came with later releases.
#[test]
fn every_branch_of_2_1_2_but_three_is_reached() {
    assert_eq!(
        unwitnessed(Edition::V2_1_2),
        [
            Branch::StartPrimary,
            Branch::CrashRecoveryBeforeRewind,
            Branch::Reinitialize,
            Branch::StartStandbyLeader,
            Branch::FollowRemote
        ]
    );
}
