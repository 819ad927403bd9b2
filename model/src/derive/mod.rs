//! The schedules of faults that a suite needs: for each branch of `recover()`, each fault and state that it hits, and
//! each property the shortest schedule that leads there.
//!
//! A schedule is derived from a behaviour of the model. It keeps only what somebody outside can do (the faults) and see
//! (the moments between them). The fewest faults come first, then the fewest steps. Branches and faults are reached at
//! moments that can be chosen from outside: an agent is hit between two of its cycles. Only for some broken properties
//! an agent has to be hit in the middle of a cycle.
//!
//! | file | contents |
//! | --- | --- |
//! | `goal.rs` | the goals that a schedule can lead to |
//! | `few_faults.rs` | the cluster with a bound on the number of faults |
//! | `properties.rs` | schedules that break properties |
//! | `schedule.rs` | the faults of a behaviour, each with the moment for it |

mod few_faults;
mod goal;
mod properties;
mod schedule;

use std::collections::BTreeMap;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use stateright::Model;

use crate::cluster::{Action, Budget, Cluster, Settings, State, WalDetail};
use crate::engine::Spec;
use crate::recover::branch::Branch;
use crate::rules::edition::Edition;
use crate::vocabulary::fault::{Fault, Faults};

use few_faults::FewFaults;

pub use goal::{Goal, Hit, StateClass, hits_cluster};
pub use schedule::{Schedule, Step};

/// The editions whose decision tables a suite has to cover: the newest, and that of the annotated listing.
pub const EDITIONS: [Edition; 2] = [Edition::V4_1, Edition::V2_1_2];

/// The most faults of a schedule for a branch or a fault. With two, every process that uses a data directory can be
/// met; a third fault meets no further one.
pub const MOST_FAULTS: u8 = 2;

type Packed = <Cluster as Spec>::Packed;

/// A goal, and the schedule that leads to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// The goal.
    pub goal: Goal,
    /// The schedule.
    pub schedule: Schedule,
}

/// Derives a schedule for every goal that can be reached, in the order of the goals. `progress` is told what is being
/// searched.
pub fn derive(progress: &dyn Fn(&str)) -> Vec<Derived> {
    let mut found: BTreeMap<Goal, Schedule> = BTreeMap::new();
    for most in 1..=MOST_FAULTS {
        for edition in EDITIONS {
            if !has_more(edition, &found) {
                continue;
            }
            progress(&format!("branches and faults: edition {}, up to {most} faults", edition.id()));
            for settings in configurations(edition) {
                explore(&FewFaults::new(settings, most), &mut found);
            }
        }
    }
    progress("properties: broken rules");
    found.extend(properties::kills());
    for edition in EDITIONS {
        progress(&format!("properties: edition {}", edition.id()));
        found.extend(properties::violations(edition));
    }
    found.into_iter().map(|(goal, schedule)| Derived { goal, schedule }).collect()
}

/// True if exploring the edition can add goals. All faults are met by the rules of the newest edition; another one may
/// have branches that are not reached yet.
fn has_more(edition: Edition, found: &BTreeMap<Goal, Schedule>) -> bool {
    let unknown = |branch: Branch| !found.contains_key(&Goal::Branch(edition, branch));
    let clusters = configurations(edition).map(Cluster::new);
    edition == EDITIONS[0] || clusters.iter().any(|it| it.automaton().decisions().iter().any(|it| unknown(it.branch)))
}

/// The faults that a suite can inject: all but a stalled watch, since nobody can stall only an agent's watch.
fn of_suites() -> Faults {
    let made = |fault: &Fault| !matches!(fault, Fault::WatchStalls | Fault::WatchResumes);
    Faults::of(&Fault::ALL.into_iter().filter(made).collect::<Vec<_>>())
}

/// The configurations that matter to `recover()`, the plainest first, each for a cluster that clients write to all the
/// time.
fn configurations(edition: Edition) -> [Settings; 3] {
    let plain = Settings {
        faults: of_suites(),
        budget: Budget::NONE,
        wal: WalDetail::Timelines,
        watchdog: false,
        ..Settings::of_timelines(edition, 2)
    };
    let standby_cluster = Settings { standby_cluster: true, ..plain.clone() };
    let replaced = Settings { can_rewind: false, remove_on_divergence: true, ..plain.clone() };
    [plain, standby_cluster, replaced]
}

/// Adds the goals that are reached here and not yet known, each with a shortest behaviour: the first one in a
/// breadth-first search. (The engine's search distinguishes 64 discoveries, and there are more goals.)
fn explore(model: &FewFaults, found: &mut BTreeMap<Goal, Schedule>) {
    let inits = model.init_states();
    let mut states: IndexSet<Packed, FxBuildHasher> = inits.iter().map(|state| model.pack(state)).collect();
    let mut parents: Vec<usize> = (0..states.len()).collect();
    let mut firsts: BTreeMap<Goal, (usize, Action)> = BTreeMap::new();
    let mut actions = Vec::new();
    let mut index = 0;
    while let Some(&word) = states.get_index(index) {
        let state = model.unpack(word);
        actions.clear();
        model.actions(&state, &mut actions);
        for &action in &actions {
            if let Some(goal) = Goal::of_step(&model.cluster, &state, action).filter(|goal| !found.contains_key(goal)) {
                firsts.entry(goal).or_insert((index, action));
            }
            let after = model.next_state(&state, action);
            if after.is_some_and(|after| states.insert(model.pack(&after))) {
                parents.push(index);
            }
        }
        index += 1;
    }
    for (goal, (index, action)) in firsts {
        found.insert(goal, schedule(model, &states, &parents, index, action));
    }
}

/// The schedule of the path to a state and one more step.
fn schedule(
    model: &FewFaults,
    states: &IndexSet<Packed, FxBuildHasher>,
    parents: &[usize],
    mut index: usize,
    last: Action,
) -> Schedule {
    let mut way = vec![index];
    while parents[index] != index {
        index = parents[index];
        way.push(index);
    }
    let init = model.unpack(states[index]);
    let mut behaviour: Vec<(Action, State)> = Vec::new();
    for &next in way.iter().rev().skip(1) {
        let before = behaviour.last().map_or(init, |(_, state)| *state);
        let mut actions = Vec::new();
        model.actions(&before, &mut actions);
        let leads = |action: &Action| Some((*action, model.next_state(&before, *action)?));
        let step = actions.iter().filter_map(leads).find(|(_, after)| model.pack(after) == states[next]);
        behaviour.push(step.expect("a state was found by one of its parent's actions"));
    }
    let before = behaviour.last().map_or(init, |(_, state)| *state);
    behaviour.push((last, model.next_state(&before, last).expect("this step was taken before")));
    Schedule::of(&model.cluster, &init, &behaviour)
}
