//! The readable cluster is the cluster: it has as many states, each with a description of its own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use pghaspec_model::cluster::explorer::ReadableCluster;
use pghaspec_model::cluster::{Budget, Cluster, Names, Settings, State};
use pghaspec_model::engine::Options;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::check::check;
use pghaspec_model::vocabulary::fault::{Fault, Faults};
use pghaspec_model::vocabulary::property::Property;
use stateright::{Checker, Expectation, Model};

/// One fault and one commit: some thousand states, in which edition 4.1 breaks nothing.
fn small(edition: Edition) -> Settings {
    Settings {
        faults: Faults::of(&[Fault::PostmasterKilled, Fault::AgentKilled, Fault::AgentRestarted, Fault::LeaseExpires]),
        budget: Budget { process: 1, commits: 1, ..Budget::NONE },
        ..Settings::new(edition, 2)
    }
}

/// The same with one more fault.
fn and(fault: Fault, settings: Settings) -> Settings {
    Settings { faults: settings.faults.and(Faults::of(&[fault])), ..settings }
}

fn mutated(mutant: Mutant, settings: Settings) -> Settings {
    Settings { mutant: Some(mutant), ..settings }
}

#[test]
fn the_readable_cluster_has_the_states_of_the_cluster() {
    let report = check(small(Edition::V4_1), &Property::ALL, Options::default(), &|_| (), None);
    let checker = ReadableCluster::new(small(Edition::V4_1)).checker().spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), report.states);
    assert!(checker.discoveries().is_empty());
}

/// Properties of states and of steps; no liveness properties, and none without an occasion.
#[test]
fn the_readable_cluster_has_the_safety_properties_with_an_occasion() {
    let standby = Settings { standby_cluster: true, ..small(Edition::V4_1) };
    for settings in [small(Edition::V4_1), standby] {
        let cluster = Cluster::new(settings.clone());
        let expected: Vec<_> = Property::ALL
            .into_iter()
            .filter(|property| !property.is_liveness() && cluster.is_about(*property))
            .map(Property::id)
            .collect();
        let properties = ReadableCluster::new(settings).properties();
        let names: Vec<_> = properties.iter().map(|property| property.name).collect();
        assert_eq!(names, expected);
        assert!(properties.iter().all(|property| matches!(property.expectation, Expectation::Always)));
    }
}

/// Also the properties of steps, which stateright by itself does not know.
#[test]
fn every_safety_property_can_be_seen_broken() {
    use Property::*;
    let orphans = and(Fault::OrphansLeft, small(Edition::V4_1));
    let fails = and(Fault::SingleUserFails, small(Edition::V4_1));
    let fails = Settings { budget: Budget { task: 1, ..fails.budget }, ..fails };
    let synchronous = Settings { synchronous: true, ..small(Edition::V4_1) };
    let standby_cluster = Settings { standby_cluster: true, ..small(Edition::V4_1) };
    let without_rewind = Settings { can_rewind: false, ..small(Edition::V2_1_2) };
    let breakers: [(Settings, &[Property]); 8] = [
        (
            small(Edition::V2_1_2),
            &[OneWritableLeader, WritableNeedsLock, NoSilentDivergence, BoundedAsyncLoss, SingleLockOwner],
        ),
        (orphans.clone(), &[OneWritableLeader, WatchdogWhileWritable, KeyReleasedAfterStop]),
        (mutated(Mutant::RemovesLockFile, orphans), &[CrashRecoveryAlone]),
        (mutated(Mutant::ForgetsCrashRecovery, fails), &[CrashRecoveryOnce]),
        (mutated(Mutant::AlwaysRewinds, small(Edition::V4_1)), &[CleanBeforeRewind]),
        (mutated(Mutant::PromotesAnybody, synchronous), &[NoLostSyncCommit]),
        (mutated(Mutant::PromotesStandbyLeader, standby_cluster), &[StandbyClusterReadOnly]),
        // 2.1.2 removes diverged data without a setting that allows it.
        (mutated(Mutant::AlwaysRewinds, without_rewind), &[DataDirectoryKept]),
    ];
    let mut seen = HashSet::new();
    for (settings, properties) in breakers {
        for property in properties {
            see_broken(settings.clone(), *property);
            seen.insert(*property);
        }
    }
    for property in Property::ALL.into_iter().filter(|property| !property.is_liveness() && !property.is_timed()) {
        assert!(seen.contains(&property), "nothing breaks {}", property.id());
    }
}

/// Takes the steps of a shortest counterexample: only the last one shows the property broken.
fn see_broken(settings: Settings, property: Property) {
    let id = property.id();
    let report = check(settings.clone(), &[property], Options::default(), &|_| (), None);
    let [(_, Some(path))] = &report.properties[..] else { panic!("{id} is not broken") };
    let model = ReadableCluster::new(settings);
    let shown = model.properties().into_iter().find(|shown| shown.name == id).unwrap();
    let headline = format!("\n\nBROKEN: {id}: {}", property.describe());
    let mut at = model.init_states().into_iter().find(|init| *init.state() == path.init).unwrap();
    for (number, (action, after)) in path.steps.iter().enumerate() {
        let words = report.cluster.step_text(&Names::numbered(), at.state(), *action);
        let (step, next) = model
            .next_steps(&at)
            .into_iter()
            .find(|(step, next)| format!("{step:?}") == words && next.state() == after)
            .unwrap_or_else(|| panic!("no `{words}` in {at:#?}"));
        let breaks = number + 1 == path.steps.len();
        assert_eq!((shown.condition)(&model, &next), !breaks, "{id} after `{words}`");
        assert_eq!(format!("{next:#?}").contains(&headline), breaks, "{next:#?}");
        let outcome = model.format_step(&at, step).unwrap();
        assert_eq!(outcome.contains(&headline), breaks, "{outcome}");
        at = next;
    }
}

/// The Explorer takes two states for the same if their descriptions are the same; and a step with an effect describes
/// it.
#[test]
fn different_states_have_different_words() {
    let plenty = Settings {
        faults: Faults::of(&Fault::ALL),
        budget: Budget { process: 2, task: 1, network: 1, commits: 2, operator: 1 },
        ..Settings::new(Edition::V4_1, 2)
    };
    tell_apart(Settings::new(Edition::V4_1, 2));
    tell_apart(plenty.clone());
    tell_apart(Settings { synchronous: true, failsafe: true, nodes: 3, ..plenty.clone() });
    tell_apart(Settings { can_rewind: false, remove_on_divergence: true, ..plenty.clone() });
    tell_apart(Settings { standby_cluster: true, ..plenty });
}

/// Compares a part of the states, near ones and far ones.
fn tell_apart(settings: Settings) {
    let model = ReadableCluster::new(settings);
    let mut seen: HashMap<String, State> = HashMap::new();
    let mut queue = VecDeque::from(model.init_states());
    let mut near = false;
    while seen.len() < 4_000 {
        near = !near;
        let Some(state) = (if near { queue.pop_front() } else { queue.pop_back() }) else { break };
        match seen.entry(format!("{state:#?}")) {
            Entry::Occupied(known) => assert_eq!(known.get(), state.state(), "{state:#?}"),
            Entry::Vacant(new) => {
                new.insert(*state.state());
                for (step, next) in model.next_steps(&state) {
                    let changes = model.format_step(&state, step).unwrap();
                    assert!(changes.lines().count() > 1, "{changes}");
                    let nothing = changes.contains("\n  changes nothing");
                    assert_eq!(nothing, next.state() == state.state(), "{changes}\n\n{state:#?}\n\n{next:#?}");
                    queue.push_back(next);
                }
            }
        }
    }
}
