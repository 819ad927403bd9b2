//! The cluster model, explored to the end: exact counts, verdicts, mutants, witnesses, second opinion.

use std::sync::Mutex;

use pghaspec_model::cluster::{Action, Budget, Cluster, Settings, StartTimeouts, State};
use pghaspec_model::engine::{Inspect, Options, search};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::timed::{Timed, Timing, check_failover, crash};
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::verify::check::{Report, check};
use pghaspec_model::verify::liveness::check_promises;
use pghaspec_model::verify::matrix::{Row, differences};
use pghaspec_model::vocabulary::property::Property;

/// The most bytes that the graph for liveness may take.
const GRAPH: usize = 2 << 30;

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
fn edition_4_1_keeps_every_promise_in_the_usual_faults() {
    let report = run(Settings::new(Edition::V4_1, 2));
    assert_eq!(violated(&report), []);
    assert_eq!((report.states, report.transitions, report.depth, report.deadlocks), (87_824, 287_796, 34, 0));
    assert_second_opinion_agrees(&report);
    for kept in check_promises(&report.cluster, &Property::ALL, GRAPH).unwrap() {
        assert!(kept.broken.is_none(), "{}", kept.property.id());
    }
}

#[test]
fn edition_4_1_is_safe_with_three_nodes() {
    let options = Options { threads: 2, symmetry: true, ..Options::default() };
    let settings = Settings::new(Edition::V4_1, 3);
    let one_crash = Settings { budget: Budget { process: 1, ..settings.budget }, ..settings };
    let report = check(one_crash, &Property::ALL, options, &|_| (), None);
    assert_eq!(violated(&report), []);
    assert_eq!((report.states, report.transitions, report.depth), (91_494, 395_617, 44));
}

/// The exploration of `pghaspec check --nodes 3`: two crashes, a failing task, a cut and two commits in one behaviour.
#[test]
#[ignore = "takes minutes and gigabytes: cargo test --release --test cluster -- --ignored"]
fn three_nodes_and_two_crashes_break_what_two_nodes_and_two_crashes_do() {
    let options = Options { threads: 2, symmetry: true, ..Options::default() };
    let report = check(Settings::new(Edition::V4_1, 3), &Property::ALL, options, &|_| (), None);
    let expected = [
        (Property::OneWritableLeader, 14),
        (Property::WritableNeedsLock, 10),
        (Property::CleanBeforeRewind, 16),
        (Property::NoSilentDivergence, 18),
        (Property::BoundedAsyncLoss, 17),
    ];
    assert_eq!(violated(&report), expected);
    assert_eq!((report.states, report.transitions, report.depth), (61_258_830, 257_193_691, 68));
}

/// 2.1.2 overwrites the leader key, whoever holds it, when its own lease is a new one: an agent that was restarted
/// within the ttl takes the lock from the node that got it in the meantime.
#[test]
fn edition_2_1_2_takes_the_lock_from_another_node() {
    let report = run(Settings::new(Edition::V2_1_2, 2));
    let broken: Vec<_> = violated(&report).into_iter().map(|(property, _)| property).collect();
    for property in [Property::OneWritableLeader, Property::WritableNeedsLock, Property::SingleLockOwner] {
        assert!(broken.contains(&property), "{}", property.id());
    }
    assert_second_opinion_agrees(&report);
}

fn committed() -> Vec<Row> {
    serde_json::from_str(include_str!("../../assumptions.json")).unwrap()
}

/// Works off all jobs on two threads.
fn share<J: Send>(jobs: Vec<J>, work: impl Fn(J) + Sync) {
    let jobs = Mutex::new(jobs.into_iter());
    let run = || {
        while let Some(job) = { jobs.lock().unwrap().next() } {
            work(job);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(run);
        run();
    });
}

/// The largest row, in states, that is explored here; `pghaspec check --matrix` explores all.
const SMALL: usize = 300_000;

#[test]
fn the_assumption_matrix_is_as_committed() {
    let committed = committed();
    assert_eq!(committed.len(), Assumption::ALL.len() * Edition::ALL.len());
    let small: Vec<_> = committed.iter().filter(|row| row.states <= SMALL).collect();
    assert!(small.len() * 2 > committed.len(), "most rows are small");
    share(small, |row| {
        let assumption = Assumption::from_id(&row.assumption).unwrap();
        let found = Row::explore(assumption, Edition::from_id(&row.edition).unwrap());
        assert_eq!(differences(&committed, &[found]), Vec::<String>::new());
    });
}

/// stateright counts the same in every configuration, and gives the same verdicts on properties of states.
#[test]
fn stateright_agrees_in_every_configuration() {
    let small: Vec<_> = committed().into_iter().filter(|row| row.states <= 45_000).collect();
    for edition in [Edition::V2_1_2, Edition::V4_1, Edition::Ideal] {
        assert!(small.iter().filter(|row| row.edition == edition.id()).count() > 1, "{}", edition.id());
    }
    share(small, |row| {
        let settings = Assumption::from_id(&row.assumption).unwrap().settings(Edition::from_id(&row.edition).unwrap());
        assert_second_opinion_agrees(&run(settings));
    });
}

/// The committed matrix about the edition `ideal`, which the test above explores.
#[test]
fn ideal_is_safe_where_it_claims_to_be() {
    for row in committed().iter().filter(|row| row.edition == Edition::Ideal.id()) {
        let claimed = Assumption::from_id(&row.assumption).unwrap().claimed_by_ideal();
        let broken: Vec<_> = row
            .cells
            .iter()
            .filter(|cell| cell.broken.is_some() && !Property::from_id(&cell.property).unwrap().is_liveness())
            .collect();
        assert_eq!(broken.is_empty(), claimed, "{}: {broken:?}", row.assumption);
    }
}

/// Each proposal is needed: by the rules of `ideal` without it, a property breaks that holds with it.
#[test]
fn every_mutant_is_killed_or_known_to_be_equivalent() {
    let committed = committed();
    share(Mutant::ALL.to_vec(), |mutant| {
        if let Some(start_timeout) = mutant.shown_by_clocks() {
            let late = |mutant| {
                let timing = Timing { loop_wait: 2, ttl: 4, start_timeout, slow_dcs: false, ..Timing::default() };
                let settings = Settings { mutant, ..crash(Edition::Ideal) };
                check_failover(&Timed::new(settings, timing), GRAPH).unwrap().broken.is_some()
            };
            assert_eq!((late(None), late(Some(mutant))), (false, true), "{}", mutant.id());
        }
        let Some((assumption, property)) = mutant.shown() else {
            if mutant.shown_by_clocks().is_some() {
                return assert_eq!(mutant.equivalent(), None, "{}", mutant.id());
            }
            assert!(mutant.equivalent().is_some_and(|why| why.len() > 20), "{} survives", mutant.id());
            return;
        };
        assert_eq!(mutant.equivalent(), None, "{}", mutant.id());
        let is_ideal = |row: &&Row| (row.assumption.as_str(), row.edition.as_str()) == (assumption.id(), "ideal");
        let honest = committed.iter().find(is_ideal).unwrap().cell(property);
        assert!(honest.is_none_or(|cell| cell.broken.is_none()), "{} holds without {}", property.id(), mutant.id());
        let settings = Settings { mutant: Some(mutant), ..assumption.settings(Edition::Ideal) };
        let killed = if property.is_liveness() {
            let kept = check_promises(&Cluster::new(settings), &[property], GRAPH).unwrap();
            kept.iter().any(|kept| kept.broken.is_some())
        } else {
            let report = check(settings, &[property], Options::default(), &|_| (), None);
            report.properties.iter().any(|(_, path)| path.is_some())
        };
        assert!(killed, "{} does not kill {}", property.id(), mutant.id());
    });
}

#[test]
fn every_property_kills_a_mutant() {
    for property in Property::ALL {
        let kills = |mutant: &Mutant| {
            let by_clocks = property.is_timed() && mutant.shown_by_clocks().is_some();
            by_clocks || mutant.shown().is_some_and(|(_, shown)| shown == property)
        };
        assert!(Mutant::ALL.iter().any(kills), "{}", property.id());
    }
}

/// Otherwise a property without an occasion, or a promise that is never given, would hold without meaning anything.
#[test]
fn no_property_is_vacuous() {
    for property in Property::ALL.into_iter().filter(|property| !property.is_timed()) {
        let rows = committed();
        let says = rows.iter().filter(|row| row.edition == "ideal" && row.cell(property).is_some()).count();
        let broken = rows.iter().any(|row| row.cell(property).is_some_and(|cell| cell.broken.is_some()));
        let killed = Mutant::ALL.iter().any(|mutant| mutant.shown().is_some_and(|(_, shown)| shown == property));
        assert!(says > 0 && (broken || killed), "{}", property.id());
    }
}

/// The branches and kinds of step that no configuration of an edition reaches.
fn unwitnessed(edition: Edition) -> (Vec<Branch>, Vec<&'static str>) {
    let mut branches = Branch::ALL.to_vec();
    let (mut steps, mut seen) = (Vec::new(), Vec::new());
    for assumption in [
        Assumption::OneCrash,
        Assumption::OtherCrashes,
        Assumption::FailingTasks,
        Assumption::HangingTasks,
        Assumption::FullDisk,
        Assumption::FrozenAgents,
        Assumption::NodesCut,
        Assumption::LeaseLost,
        Assumption::Orphans,
        Assumption::Failsafe,
        Assumption::StandbyCluster,
        Assumption::Replaced,
        Assumption::Maintenance,
        Assumption::StaleReads,
    ] {
        // Branches and steps need no second fault here, except where the assumption is about two.
        let report = run(assumption.settings(edition));
        branches.retain(|branch| report.branches.iter().any(|(other, witness)| other == branch && witness.is_none()));
        for (id, witnessed) in report.actions {
            if witnessed { seen.push(id) } else { steps.push(id) }
        }
    }
    steps.retain(|id| !seen.contains(id));
    (branches, steps)
}

#[test]
fn every_branch_and_every_kind_of_step_of_4_1_is_reached() {
    assert_eq!(unwitnessed(Edition::V4_1), (vec![], vec![]));
}

/// Two rows came with later releases.
#[test]
fn every_branch_of_2_1_2_is_reached() {
    let (branches, steps) = unwitnessed(Edition::V2_1_2);
    assert_eq!((branches, steps), (vec![Branch::StartPrimary, Branch::CrashRecoveryBeforeRewind], vec![]));
}

/// Finds the decisions whose task was refused, by the row of their branch.
struct Refused;

impl Inspect<Cluster> for Refused {
    fn step(&self, cluster: &Cluster, before: &State, action: Action, _: &State) -> u64 {
        match cluster.decision_of(before, action) {
            Some(decision) if decision.was_refused() => {
                let words = decision.message(cluster.rules(), |_| "n2".to_owned());
                assert!(words.starts_with("Failed to run ") && words.ends_with(" is already in progress"), "{words}");
                1 << decision.branch as u64
            }
            _ => 0,
        }
    }
}

/// The two messages for a slot that a request through the agent's API has taken since the cycle began.
#[test]
fn a_busy_slot_refuses_crash_recovery_and_rewinds() {
    for edition in [Edition::V4_1, Edition::V2_1_2] {
        let settings = Settings {
            budget: Budget { process: 2, operator: 1, ..Budget::NONE },
            start_timeouts: StartTimeouts::Zero,
            ..Assumption::Maintenance.settings(edition)
        };
        let found = search(&Cluster::new(settings), Options { threads: 2, ..Options::default() }, &Refused).found;
        for branch in [Branch::CrashRecovery, Branch::Rewind] {
            assert!(found[branch as usize].is_some(), "{} in {}", branch.id(), edition.id());
        }
    }
}
