//! The readable cluster is the cluster: as many states, each with words of its own.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};

use pghaspec_model::check::check;
use pghaspec_model::cluster::explorer::ReadableCluster;
use pghaspec_model::cluster::{Settings, State};
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::Options;
use pghaspec_model::fault::Fault;
use pghaspec_model::property::Property;
use stateright::{Checker, Model};

fn one_fault() -> Settings {
    Settings::new(Edition::V4_1, 2).with_faults(&[Fault::PostmasterKilled])
}

#[test]
fn it_has_the_states_of_the_cluster() {
    let report = check(one_fault(), &Property::ALL, Options::default(), &|_| (), None);
    let checker = ReadableCluster::new(one_fault()).checker().spawn_bfs().join();
    assert_eq!(checker.unique_state_count(), report.states);
    assert!(checker.discoveries().is_empty());
}

/// The properties about steps are there too, which stateright by itself does not know.
#[test]
fn every_property_can_be_seen_broken() {
    let unwatched = Settings { watchdog: false, ..Settings::new(Edition::V4_1, 2) };
    let model = ReadableCluster::new(unwatched);
    let names: Vec<_> = model.properties().iter().map(|property| property.name).collect();
    assert_eq!(names, Property::ALL.map(Property::id));
    let (path, last) = shortest_to(&model, |words| words.contains("BROKEN: one-writable-leader"));
    assert_eq!(path, 6);
    assert!(last.contains("\n\nn1\n  Postgres: writable primary on timeline 1\n"), "{last}");
    assert!(last.contains("\n\nn2\n  Postgres: writable primary on timeline 2\n"), "{last}");
    let takes_the_lock = ReadableCluster::new(Settings::new(Edition::V2_1_2, 2));
    let (path, _) = shortest_to(&takes_the_lock, |words| words.contains("BROKEN: writable-needs-lock"));
    assert_eq!(path, 11);
}

/// The Explorer holds two states for the same if their words are.
#[test]
fn different_states_have_different_words() {
    let model = ReadableCluster::new(Settings::new(Edition::V4_1, 2));
    let mut seen: HashMap<String, State> = HashMap::new();
    let mut queue = VecDeque::from(model.init_states());
    while let Some(state) = queue.pop_front().filter(|_| seen.len() < 10_000) {
        match seen.entry(format!("{state:#?}")) {
            Entry::Occupied(known) => assert_eq!(known.get(), state.state(), "{state:#?}"),
            Entry::Vacant(new) => {
                new.insert(state.state().clone());
                for (step, next) in model.next_steps(&state) {
                    let changes = model.format_step(&state, step).unwrap();
                    assert!(changes.lines().count() > 1, "{changes}");
                    queue.push_back(next);
                }
            }
        }
    }
}

/// Steps of a shortest way to a state with such words, and the words.
fn shortest_to(model: &ReadableCluster, wanted: impl Fn(&str) -> bool) -> (usize, String) {
    let mut seen = HashSet::new();
    let mut queue: VecDeque<_> = model.init_states().into_iter().map(|state| (0, state)).collect();
    while let Some((depth, state)) = queue.pop_front() {
        let words = format!("{state:#?}");
        if wanted(&words) {
            return (depth, words);
        }
        if seen.insert(words) {
            queue.extend(model.next_states(&state).into_iter().map(|next| (depth + 1, next)));
        }
    }
    panic!("no such state");
}
