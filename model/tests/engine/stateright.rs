//! Errors of stateright 0.31, on the smallest models that show them, and the engine on the same models.
//!
//! They are the reason for this engine, and for running [`second_opinion`] in one mode only. Errors of stateright's
//! `eventually` are in `liveness.rs`. If one of these tests fails after an update of stateright, an error was fixed
//! there.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::models::small_graph::{Node, PropertyKind, SmallGraph};
use crate::models::two_phase_commit::{Action, Bits, Idiomatic, Message, Packed, Rm, State};
use pghaspec_model::engine::{Exploration, Inspect, Limit, Nothing, Options, Spec, search, second_opinion};
use stateright::{Checker, Model, Property, Representative, Rewrite, RewritePlan};

/// Looks for states with `p`, which the property "never p" forbids.
struct FindP;

impl Inspect<SmallGraph> for FindP {
    fn state(&self, graph: &SmallGraph, node: &Node) -> u64 {
        u64::from(graph.is_p(node))
    }
}

fn explore<M: Spec>(model: &M, options: Options, inspect: &impl Inspect<M>) -> Exploration<M::State, M::Action> {
    let one = search(model, options, inspect);
    let two = search(model, Options { threads: 2, ..options }, inspect);
    assert_eq!((one.states, one.transitions, one.depth), (two.states, two.transitions, two.depth));
    one
}

/// The states of the counterexample that stateright keeps, without the first one.
fn kept<M>(checker: impl Checker<M>) -> Option<Vec<M::State>>
where
    M: Model<State: Clone + PartialEq, Action: Clone + PartialEq>,
{
    checker.discovery("never p").map(|path| path.into_states().into_iter().skip(1).collect())
}

/// While any property is without a counterexample, each new violation of another one replaces the counterexample that
/// was kept for it. The last one is the longest, in any order of search.
#[test]
fn with_two_properties_stateright_does_not_keep_the_shortest_counterexample() {
    let line = SmallGraph::new(3, &[(0, 1), (1, 2)]).with_p(&[1, 2]);
    assert_eq!(kept(line.clone().checker().spawn_bfs().join()), Some(vec![1, 2]));
    assert_eq!(kept(line.clone().checker().spawn_dfs().join()), Some(vec![1, 2]));
    // The same with one property, where it stops at the first violation.
    let alone = SmallGraph { property: PropertyKind::NeverAlone, ..line.clone() };
    assert_eq!(kept(alone.checker().spawn_bfs().join()), Some(vec![1]));

    let path = explore(&line, Options::default(), &FindP).found[0].clone().unwrap();
    assert_eq!(path.steps.iter().map(|(_, node)| *node).collect::<Vec<_>>(), [1]);
    // The verdicts are right all the same, and only they are used.
    assert_eq!(second_opinion(line).violated, ["never p"]);
}

/// stateright's depth-first search does not expand a state that it meets at the bound, and does not come back when it
/// meets the state again, higher up. So what it sees within the bound depends on the order of the actions.
#[test]
fn with_a_bound_on_depth_stateright_s_depth_first_search_misses_states_within_it() {
    // Two ways to 5: over 1, and, tried first because the last action is, over 2, 3 and 4. State 6 is three steps away.
    let detour_first = SmallGraph::new(7, &[(0, 1), (0, 2), (1, 5), (2, 3), (3, 4), (4, 5), (5, 6)]).with_p(&[6]);
    let detour_last = SmallGraph::new(7, &[(0, 2), (0, 1), (1, 5), (2, 3), (3, 4), (4, 5), (5, 6)]).with_p(&[6]);
    // stateright counts states, and does not inspect those at the bound.
    let dfs = |graph: &SmallGraph| kept(graph.clone().checker().target_max_depth(5).spawn_dfs().join());
    let bfs = |graph: &SmallGraph| kept(graph.clone().checker().target_max_depth(5).spawn_bfs().join());
    assert_eq!(dfs(&detour_first), None);
    assert_eq!(dfs(&detour_last), Some(vec![1, 5, 6]));
    for graph in [detour_first, detour_last] {
        assert_eq!(bfs(&graph), Some(vec![1, 5, 6]));
        // Three steps are enough, and two are not.
        let within = |depth| explore(&graph, Options { depth: Some(depth), ..Options::default() }, &FindP);
        assert!(within(3).found[0].is_some() && within(2).found[0].is_none());
        assert_eq!((within(3).incomplete, within(4).incomplete), (Some(Limit::Depth), None));
    }
}

/// The recipe of stateright's documentation and of its own two-phase commit: sort the resource managers by their own
/// states. Those in the same state differ in other values, which are not sorted.
impl Representative for State {
    fn representative(&self) -> Self {
        let plan: RewritePlan<usize, _> = RewritePlan::from_values_to_sort(&self.rm);
        let renumber = |message: &Message| match message {
            Message::Prepared(rm) => Message::Prepared(plan.rewrite(&usize::from(*rm)) as u8),
            other => *other,
        };
        State {
            rm: plan.reindex(&self.rm),
            tm: self.tm,
            tm_prepared: plan.reindex(&self.tm_prepared),
            messages: self.messages.iter().map(renumber).collect(),
        }
    }
}

impl Rewrite<usize> for Rm {
    fn rewrite<S>(&self, _: &RewritePlan<usize, S>) -> Self {
        *self
    }
}

fn orbits(n: u8) -> usize {
    explore(&Packed(n), Options { symmetry: true, ..Options::default() }, &Nothing).states
}

/// Orbits counted without a canonical form: for each state all its permutations are crossed off.
fn orbits_by_brute_force(n: u8) -> usize {
    fn permutations(n: u8) -> Vec<Vec<u8>> {
        let Some(last) = n.checked_sub(1) else { return vec![Vec::new()] };
        let inserted = |shorter: Vec<u8>| {
            (0..n).map(move |place| {
                let mut longer = shorter.clone();
                longer.insert(usize::from(place), last);
                longer
            })
        };
        permutations(last).into_iter().flat_map(inserted).collect()
    }
    struct All(Mutex<BTreeSet<u64>>);
    impl Inspect<Packed> for All {
        fn state(&self, model: &Packed, state: &Bits) -> u64 {
            self.0.lock().unwrap().insert(model.pack(state));
            0
        }
    }
    let all = All(Mutex::new(BTreeSet::new()));
    search(&Packed(n), Options::default(), &all);
    let (mut left, permutations) = (all.0.into_inner().unwrap(), permutations(n));
    let mut orbits = 0;
    while let Some(word) = left.pop_first() {
        orbits += 1;
        for to in &permutations {
            let moved = |(rm, to): (usize, &u8)| (word >> (4 * rm) & 0b1111) << (4 * to);
            let tm = word >> (4 * n) << (4 * n);
            left.remove(&to.iter().enumerate().map(moved).fold(tm, |word, rm| word | rm));
        }
    }
    orbits
}

/// stateright's breadth-first search accepts the option for symmetry and explores every state.
#[test]
fn stateright_s_breadth_first_search_ignores_symmetry() {
    assert_eq!(Idiomatic(1).checker().symmetry().spawn_bfs().join().unique_state_count(), 12);
    assert_eq!(Idiomatic(3).checker().spawn_bfs().join().unique_state_count(), 288);
    assert_eq!(Idiomatic(3).checker().symmetry().spawn_bfs().join().unique_state_count(), 288);
    assert_eq!(orbits(3), 80);
}

/// A form that is not canonical leaves more states than there are orbits: correct, but slow, and no number to publish.
#[test]
fn stateright_s_representatives_are_not_canonical() {
    let representatives = |n| Idiomatic(n).checker().symmetry().spawn_dfs().join().unique_state_count();
    assert_eq!([2, 3, 7].map(representatives), [38, 107, 3_346]);
    assert_eq!([2, 3, 7].map(orbits), [34, 80, 920]);
    assert_eq!([2, 3, 5].map(orbits_by_brute_force), [2, 3, 5].map(orbits));
}

/// The model with its actions in the opposite order, which does not change its behaviours.
#[derive(Clone)]
struct Reversed(Idiomatic);

impl Model for Reversed {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.0.init_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
        actions.reverse();
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.0.next_state(state, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("anything", |_, _| true)]
    }
}

/// The forms of an orbit that are met depend on the order of the search, so the count does, too. With two threads that
/// order is a matter of chance, and so is the count. No two runs of this engine differ.
#[test]
fn what_stateright_counts_under_symmetry_depends_on_the_order_of_the_search() {
    let forwards = Idiomatic(7).checker().symmetry().spawn_dfs().join().unique_state_count();
    let backwards = Reversed(Idiomatic(7)).checker().symmetry().spawn_dfs().join().unique_state_count();
    assert_eq!((forwards, backwards), (3_346, 2_326));
    // Short rests let the threads alternate on a machine with one core, too.
    static VISITED: AtomicUsize = AtomicUsize::new(0);
    let rest = |_: stateright::Path<State, Action>| {
        if VISITED.fetch_add(1, Ordering::Relaxed).is_multiple_of(97) {
            std::thread::sleep(Duration::from_micros(100));
        }
    };
    let by_two = || Idiomatic(7).checker().symmetry().threads(2).visitor(rest).spawn_dfs().join().unique_state_count();
    assert!((0..1_000).any(|_| by_two() != forwards));
    assert!((0..10).all(|_| orbits(7) == 920));
}

/// Trap: a checker that stops once everything is found counts only a part of the states. stateright is told not to
/// stop, and still does not expand a state in which every property of the model is violated. So a model for a second
/// opinion needs a property that such a state does not violate.
#[test]
fn stateright_does_not_go_on_from_a_state_that_violates_every_property() {
    let line = SmallGraph::new(3, &[(0, 1), (1, 2)]).with_p(&[1]);
    let ours = explore(&line, Options::default(), &FindP);
    assert_eq!((ours.states, ours.transitions), (3, 2));
    let alone = second_opinion(SmallGraph { property: PropertyKind::NeverAlone, ..line.clone() });
    assert_eq!((alone.states, alone.generated), (2, 2));
    let second = second_opinion(line);
    assert_eq!((second.states, second.generated), (3, 3));
}

/// A counter whose hash leaves out a field that its property reads.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Forgetful {
    place: u8,
    flag: bool,
}

impl std::hash::Hash for Forgetful {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.place.hash(state);
    }
}

/// Goes to place 1 without the flag, or with it.
#[derive(Clone)]
struct Flags;

impl Model for Flags {
    type State = Forgetful;
    type Action = bool;

    fn init_states(&self) -> Vec<Forgetful> {
        vec![Forgetful { place: 0, flag: false }]
    }

    fn actions(&self, state: &Forgetful, actions: &mut Vec<bool>) {
        if state.place == 0 {
            actions.extend([false, true]);
        }
    }

    fn next_state(&self, _: &Forgetful, flag: bool) -> Option<Forgetful> {
        Some(Forgetful { place: 1, flag })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("never p", |_, state: &Forgetful| !state.flag)]
    }
}

impl Spec for Flags {
    type Packed = u64;

    fn pack(&self, state: &Forgetful) -> u64 {
        u64::from(state.place) << 1 | u64::from(state.flag)
    }

    fn unpack(&self, packed: u64) -> Forgetful {
        Forgetful { place: (packed >> 1) as u8, flag: packed & 1 == 1 }
    }
}

/// Trap: a hash that leaves out a field merges states that a property distinguishes, and stateright, which knows a
/// state only by its hash, then calls the model safe. The engine does not use the hash of a state: it compares whole
/// packed states, and a field that is missing from those is found by the law `unpack(pack(state)) == state`.
#[test]
fn a_hash_without_a_field_hides_a_violation_from_stateright() {
    struct Flag;
    impl Inspect<Flags> for Flag {
        fn state(&self, _: &Flags, state: &Forgetful) -> u64 {
            u64::from(state.flag)
        }
    }
    assert_eq!(kept(Flags.checker().spawn_bfs().join()), None);
    let ours = explore(&Flags, Options::default(), &Flag);
    assert_eq!(ours.states, 3);
    assert!(ours.found[0].is_some());
}
