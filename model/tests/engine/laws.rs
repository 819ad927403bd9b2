//! The engine against other engines on random models: stateright's, and naive ones.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::models::like_parts::{Flaw, LikeParts, Parts, Rule};
use crate::models::represented::{Represented, ShowsP};
use crate::models::small_graph::{Arrow, Node, PropertyKind, SmallGraph, Taken};
use crate::naive::{Promise, Shortest};
use pghaspec_model::engine::{
    Exploration, Fairness, Graph, Inspect, Lasso, Liveness, Options, Path, Spec, laws, search, second_opinion, within,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// Checks a law on many random values, and counts how often each of its cases came up.
fn count<S: Strategy>(
    cases: u32,
    strategy: S,
    law: impl Fn(S::Value) -> Result<String, TestCaseError>,
) -> BTreeMap<String, usize> {
    let counts = RefCell::new(BTreeMap::new());
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let result = TestRunner::new(config).run(&strategy, |value| {
        *counts.borrow_mut().entry(law(value)?).or_insert(0) += 1;
        Ok(())
    });
    if let Err(error) = result {
        panic!("{error}");
    }
    counts.into_inner()
}

fn fairness() -> impl Strategy<Value = Fairness> {
    prop_oneof![
        3 => Just(Fairness::None),
        2 => (0..2_u8).prop_map(Fairness::Weak),
        2 => (0..2_u8).prop_map(Fairness::Strong),
    ]
}

/// Graphs of up to 8 states with up to 3 steps each.
fn small_graph() -> impl Strategy<Value = SmallGraph> {
    (1..=8_usize).prop_flat_map(|n| {
        let node = 0..n as Node;
        let arrow =
            (prop::option::weighted(0.9, node.clone()), fairness()).prop_map(|(to, fairness)| Arrow { to, fairness });
        let label = |likely| prop::collection::vec(prop::bool::weighted(likely), n);
        let arrows = prop::collection::vec(prop::collection::vec(arrow, 0..=3), n);
        let initial = prop::collection::btree_set(node, 1..=2.min(n));
        (initial, arrows, label(0.3), label(0.2), label(0.1)).prop_map(|(initial, arrows, p, q, mut outside)| {
            let initial: Vec<Node> = initial.into_iter().collect();
            initial.iter().for_each(|&node| outside[node as usize] = false);
            SmallGraph { initial, arrows, p, q, outside, property: PropertyKind::Never }
        })
    })
}

fn p(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_p(node)
}

fn q(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_q(node)
}

fn broken(model: &SmallGraph, promise: Promise, effort: usize) -> Option<Lasso<Node, Taken>> {
    let graph = Graph::of(model);
    let liveness = Liveness::new(&graph).with_effort(effort);
    match promise {
        Promise::Eventually => liveness.eventually(p),
        Promise::LeadsTo => liveness.leads_to(p, q),
    }
}

fn verified(model: &SmallGraph, promise: Promise, lasso: &Lasso<Node, Taken>) -> Result<(), TestCaseError> {
    let verified = match promise {
        Promise::Eventually => lasso.verify_eventually(model, p),
        Promise::LeadsTo => lasso.verify_leads_to(model, p, q),
    };
    verified.map_err(TestCaseError::fail)
}

/// A promise is broken if and only if some set of states can be visited for ever, and no walk is a shorter lasso.
fn liveness_law(model: &SmallGraph, promise: Promise) -> Result<String, TestCaseError> {
    let lasso = broken(model, promise, usize::MAX);
    prop_assert_eq!(lasso.is_some(), crate::naive::is_broken(model, promise));
    let Some(lasso) = lasso else { return Ok("kept".to_owned()) };
    prop_assert!(lasso.shortest);
    verified(model, promise, &lasso)?;
    // A search that is broken off at once still has a lasso.
    let first = broken(model, promise, 0).expect("the verdict does not depend on the effort");
    verified(model, promise, &first)?;
    prop_assert!(first.steps() >= lasso.steps());
    prop_assert!(!first.shortest || first.steps() == lasso.steps());
    Ok(match crate::naive::shortest(model, promise, 3000, 12) {
        Shortest::Is(steps) => {
            prop_assert_eq!(lasso.steps(), steps);
            match lasso.cycle.len() {
                0 => "deadlock".to_owned(),
                1 => "self-loop".to_owned(),
                2 | 3 => "cycle".to_owned(),
                _ => "long cycle".to_owned(),
            }
        }
        Shortest::MoreThan(steps) => {
            prop_assert!(lasso.steps() > steps);
            "too long to try".to_owned()
        }
    })
}

/// Asserts that the naive search answers nearly always, and that every kind of answer comes up.
fn assert_all_kinds(counts: &BTreeMap<String, usize>) {
    let cases: usize = counts.values().sum();
    for kind in ["kept", "deadlock", "self-loop", "cycle", "long cycle"] {
        assert!(counts.contains_key(kind), "{kind}: {counts:?}");
    }
    assert!(counts.get("too long to try").is_none_or(|count| count * 50 < cases), "{counts:?}");
}

#[test]
fn eventually_is_exact_and_its_lassos_are_shortest() {
    assert_all_kinds(&count(6000, small_graph(), |model| liveness_law(&model, Promise::Eventually)));
}

#[test]
fn leads_to_is_exact_and_its_lassos_are_shortest() {
    assert_all_kinds(&count(6000, small_graph(), |model| liveness_law(&model, Promise::LeadsTo)));
}

/// Many steps of many classes, and no deadlocks.
#[test]
fn lassos_are_shortest_in_dense_graphs() {
    let dense = (2..=4_usize).prop_flat_map(|n| {
        let fairness = (0..4_u8, any::<bool>());
        let fairness =
            fairness.prop_map(|(class, weak)| if weak { Fairness::Weak(class) } else { Fairness::Strong(class) });
        let arrow = (0..n as Node, fairness).prop_map(|(to, fairness)| Arrow { to: Some(to), fairness });
        let arrows = prop::collection::vec(prop::collection::vec(arrow, 1..=3), n);
        (arrows, prop::collection::vec(prop::bool::weighted(0.1), n)).prop_map(move |(arrows, q)| SmallGraph {
            arrows,
            p: q.iter().map(|q| !q).collect(),
            q,
            ..SmallGraph::new(n, &[])
        })
    });
    let counts = count(3000, dense, |model| liveness_law(&model, Promise::LeadsTo));
    assert!(counts["long cycle"] > 100, "{counts:?}");
}

#[test]
fn bounds_in_ticks_are_exact_and_their_paths_are_shortest() {
    let is_tick = |place: u16| place != 0;
    let counts = count(6000, (small_graph(), 0..4_u32), |(model, most)| {
        let path = within(&Graph::of(&model), most, |taken| is_tick(taken.step.0), p, q);
        prop_assert_eq!(path.as_ref().map(|path| path.steps.len()), crate::naive::late(&model, most, is_tick));
        let Some(path) = path else { return Ok("in time".to_owned()) };
        assert_path(&model, &path)?;
        let nodes: Vec<Node> = path_nodes(&path);
        let since = nodes[..nodes.len() - 1].iter().rposition(|node| model.is_q(node)).map_or(0, |place| place + 1);
        let asked = (since..nodes.len() - 1).find(|&place| model.is_p(&nodes[place])).expect("something was asked");
        let ticks = path.steps[asked..].iter().filter(|(taken, _)| is_tick(taken.step.0)).count();
        prop_assert_eq!(ticks, most as usize + 1);
        Ok("late".to_owned())
    });
    assert!(counts.values().all(|count| *count > 600) && counts.len() == 2, "{counts:?}");
}

fn path_nodes(path: &Path<Node, Taken>) -> Vec<Node> {
    std::iter::once(path.init).chain(path.steps.iter().map(|(_, node)| *node)).collect()
}

/// Asserts that a path begins in an initial state and follows steps of the model.
fn assert_path(model: &SmallGraph, path: &Path<Node, Taken>) -> Result<(), TestCaseError> {
    prop_assert!(model.initial.contains(&path.init));
    for (from, (taken, to)) in path_nodes(path).into_iter().zip(&path.steps) {
        prop_assert_eq!(taken.at, from);
        let steps = crate::naive::steps(model, from);
        prop_assert!(steps.iter().any(|&(place, result, _)| (place, result) == (taken.step.0, *to)));
    }
    Ok(())
}

/// Bit 0: a state with `p`; bit 1: a step from a state with `p` to one with `q`.
struct Labels;

impl Inspect<SmallGraph> for Labels {
    fn state(&self, model: &SmallGraph, node: &Node) -> u64 {
        u64::from(model.is_p(node))
    }

    fn step(&self, model: &SmallGraph, before: &Node, _: Taken, after: &Node) -> u64 {
        u64::from(model.is_p(before) && model.is_q(after)) << 1
    }
}

fn explore(model: &SmallGraph, threads: usize) -> Exploration<Node, Taken> {
    search(model, Options { threads, ..Options::default() }, &Labels)
}

#[test]
fn four_engines_agree_on_safety() {
    let counts = count(3000, small_graph(), |model| {
        let one = explore(&model, 1);
        let states = crate::naive::reachable(&model);
        let transitions: usize = states.iter().map(|&node| crate::naive::steps(&model, node).len()).sum();
        let deadlocks = states.iter().filter(|&&node| crate::naive::steps(&model, node).is_empty()).count();
        let far = crate::naive::distances(&model);
        let reached = |node: &&Node| far[**node as usize].is_some();
        prop_assert_eq!((one.states, one.transitions), (states.len(), transitions));
        prop_assert_eq!((one.deadlocks, one.deadlock.is_some()), (deadlocks, deadlocks > 0));
        prop_assert_eq!(Some(one.depth), far.iter().flatten().copied().max());

        let nearest = |nodes: &mut dyn Iterator<Item = Node>| nodes.filter_map(|node| far[node as usize]).min();
        let length = |path: &Option<Path<Node, Taken>>| path.as_ref().map(|path| path.steps.len());
        let dead = nearest(&mut states.iter().copied().filter(|&node| crate::naive::steps(&model, node).is_empty()));
        prop_assert_eq!(length(&one.deadlock), dead);
        prop_assert_eq!(length(&one.found[0]), nearest(&mut states.iter().copied().filter(|node| model.is_p(node))));
        let steps = states.iter().filter(reached).filter(|&node| {
            model.is_p(node) && crate::naive::steps(&model, *node).iter().any(|(_, to, _)| model.is_q(to))
        });
        prop_assert_eq!(length(&one.found[1]), nearest(&mut steps.copied()).map(|steps| steps + 1));
        for path in one.found.iter().chain([&one.deadlock]).flatten() {
            assert_path(&model, path)?;
        }

        let graph = Graph::of(&model);
        prop_assert_eq!((graph.states(), graph.transitions()), (one.states, one.transitions));
        prop_assert_eq!(graph.deadlocks().count(), deadlocks);
        let same: Vec<Node> = (0..graph.states() as u32).map(|index| graph.state(index)).collect();
        prop_assert_eq!(same.iter().copied().collect::<BTreeSet<_>>(), states);
        let depths: Vec<Option<usize>> = graph.depths().iter().map(|depth| Some(*depth as usize)).collect();
        prop_assert_eq!(depths, same.iter().map(|node| far[*node as usize]).collect::<Vec<_>>());

        let two = explore(&model, 2);
        prop_assert_eq!(
            format!("{two:?}").replace(&two.bytes.to_string(), ""),
            format!("{one:?}").replace(&one.bytes.to_string(), "")
        );

        let opinion = second_opinion(model.clone());
        prop_assert_eq!((opinion.states, opinion.generated), (one.states, one.transitions + model.initial.len()));
        prop_assert_eq!(opinion.violated.is_empty(), one.found[0].is_none());
        laws::packing(&model, same).map_err(TestCaseError::fail)?;
        Ok(if one.found[0].is_some() { "violated" } else { "holds" }.to_owned())
    });
    assert!(counts.values().all(|count| *count > 300) && counts.len() == 2, "{counts:?}");
}

/// Levels that are wide enough for several threads to share them.
#[test]
fn threads_agree_on_a_wide_graph() {
    let n: u64 = 60_000;
    let mut model = SmallGraph::new(n as usize, &[]);
    let mut seed: u64 = 1;
    let mut random = || {
        seed = seed.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        (seed >> 33) % n
    };
    for arrows in &mut model.arrows {
        arrows.extend((0..3).map(|_| Arrow { to: Some(random() as Node), fairness: Fairness::None }));
    }
    for _ in 0..3 {
        model.p[random() as usize] = true;
        model.q[random() as usize] = true;
    }
    let one = explore(&model, 1);
    let mut seen = BTreeSet::from([0]);
    let mut rest = vec![0];
    while let Some(node) = rest.pop() {
        rest.extend(crate::naive::steps(&model, node).into_iter().map(|(_, to, _)| to).filter(|to| seen.insert(*to)));
    }
    assert_eq!((one.states, one.transitions), (seen.len(), 3 * seen.len()));
    for threads in [2, 3] {
        let more = explore(&model, threads);
        assert_eq!((more.states, more.transitions, more.depth), (one.states, one.transitions, one.depth));
        assert_eq!(more.found, one.found);
    }
    assert_eq!(Graph::of(&model).transitions(), one.transitions);
}

/// stateright 0.31 does not expand a state in which all properties are violated, whatever it is told to wait for. So
/// its counts are only comparable if some property holds everywhere.
#[test]
fn stateright_stops_where_all_is_violated() {
    let model = SmallGraph::new(3, &[(0, 1), (1, 2)]).with_p(&[1]);
    assert_eq!(explore(&model, 1).states, 3);
    assert_eq!(second_opinion(model.clone()).states, 3);
    assert_eq!(second_opinion(SmallGraph { property: PropertyKind::NeverAlone, ..model }).states, 2);
}

fn like_parts() -> impl Strategy<Value = LikeParts> {
    let rule = (0..4_u8, 0..4_u8, 0..4_u8, 0..3_usize);
    let rule = rule.prop_map(|(from, to, other, least)| Rule { from, to, others: (other, least) });
    (2..=4_usize, prop::collection::vec(rule, 1..=8)).prop_map(|(parts, mut rules)| {
        // This rule makes sure that something happens.
        rules.push(Rule { from: 0, to: 1, others: (0, 0) });
        LikeParts { parts, rules, flaw: Flaw::None }
    })
}

struct AllIn3;

impl Inspect<LikeParts> for AllIn3 {
    fn state(&self, model: &LikeParts, state: &Parts) -> u64 {
        u64::from(model.all_in_3(state))
    }
}

#[test]
fn one_state_for_each_orbit() {
    let counts = count(1000, like_parts(), |model| {
        let graph = Graph::of(&model);
        let states: Vec<Parts> = (0..graph.states() as u32).map(|index| graph.state(index)).collect();
        let orbits: BTreeSet<Parts> =
            states.iter().map(|state| model.permutations(state).into_iter().min().expect("itself")).collect();
        let all = search(&model, Options::default(), &AllIn3);
        prop_assert_eq!(all.states, states.len());
        for threads in [1, 2] {
            let some = search(&model, Options { symmetry: true, threads, ..Options::default() }, &AllIn3);
            prop_assert_eq!((some.states, some.depth), (orbits.len(), all.depth));
            prop_assert_eq!(some.deadlock.is_some(), all.deadlock.is_some());
            let length = |path: &Option<Path<_, _>>| path.as_ref().map(|path| path.steps.len());
            prop_assert_eq!(length(&some.deadlock), length(&all.deadlock));
            prop_assert_eq!(length(&some.found[0]), length(&all.found[0]));
        }
        laws::packing(&model, states.clone()).map_err(TestCaseError::fail)?;
        laws::symmetry(&model, states, |state| model.permutations(state)).map_err(TestCaseError::fail)?;
        Ok(if all.found[0].is_some() { "found" } else { "not found" }.to_owned())
    });
    assert!(counts.values().all(|count| *count > 50) && counts.len() == 2, "{counts:?}");
}

#[test]
fn each_law_is_checked() {
    let rules = vec![
        Rule { from: 0, to: 1, others: (0, 0) },
        Rule { from: 1, to: 2, others: (0, 0) },
        Rule { from: 2, to: 3, others: (0, 0) },
    ];
    let broken = |flaw| {
        let model = LikeParts { parts: 3, rules: rules.clone(), flaw };
        let good = LikeParts { flaw: Flaw::None, ..model.clone() };
        let graph = Graph::of(&good);
        let states: Vec<Parts> = (0..graph.states() as u32).map(|index| graph.state(index)).collect();
        assert_eq!(states.len(), 64);
        let packing = laws::packing(&model, states.clone());
        (packing, laws::symmetry(&model, states, |state| model.permutations(state)))
    };
    // Each state, its steps, and the initial state; each state's permutations, counted as often as they come up.
    assert_eq!(broken(Flaw::None), (Ok(1 + 64 + 3 * 48), Ok(6 * 64)));
    let said = |result: Result<usize, String>, words: &str| assert!(result.unwrap_err().contains(words), "{words}");
    said(broken(Flaw::PacksTwoAlike).0, "comes back as [2, 0, 0, 0]");
    said(broken(Flaw::PacksToEmpty).0, "stands for no state");
    said(broken(Flaw::StepKeepsOthers).0, "but written over");
    said(broken(Flaw::StepIsDenied).0, "to None");
    said(broken(Flaw::StepIsNotWritten).0, "but packed at once to Some(");
    said(broken(Flaw::StepIsOnlyWritten).0, "but packed at once to Some(");
    said(broken(Flaw::PacksWhatIsOutside).0, "leads to None, None, but packed at once to Some(");
    said(broken(Flaw::ReadsAllButFirst).0, "is read over");
    said(broken(Flaw::NotCanonical).1, "are permutations, but have canonical forms");
    said(broken(Flaw::Merges).1, "which is no permutation of it");
    said(broken(Flaw::Wanders).1, "but that of this one is");
    said(broken(Flaw::FirstStandsStill).1, "have different steps");
    // States out of bounds are never packed, and all permutations or none are out of bounds.
    let outside = LikeParts { parts: 3, rules: rules.clone(), flaw: Flaw::EmptyIsOutside };
    let graph = Graph::of(&outside);
    let states: Vec<Parts> = (0..graph.states() as u32).map(|index| graph.state(index)).collect();
    assert_eq!(laws::packing(&outside, states.clone()), Ok(1 + 63 + (3 * 48 - 3)));
    assert_eq!(laws::symmetry(&outside, states, |state| outside.permutations(state)), Ok(6 * 63));
    let bound = LikeParts { parts: 2, rules: Vec::new(), flaw: Flaw::FirstIsBound };
    said(laws::symmetry(&bound, [[0, 3, 0, 0]], |state| bound.permutations(state)), "only one is within the boundary");
    // States that were packed before do not show the flaw; those that come from the model do.
    let lossy = LikeParts { parts: 1, rules, flaw: Flaw::PacksTwoAlike };
    let graph = Graph::of(&lossy);
    let packed: Vec<Parts> = (0..graph.states() as u32).map(|index| graph.state(index)).collect();
    assert!(packed.iter().all(|state| lossy.unpack(lossy.pack(state)) == *state));
    said(laws::packing(&lossy, packed), "after Follow");
    // Initial states count, too: without parts, all parts are in state 3.
    said(laws::packing(&LikeParts { parts: 0, rules: Vec::new(), flaw: Flaw::PacksToEmpty }, []), "initial state: ");
}

/// In each of these, state 0 stands for state 1.
#[test]
fn each_law_of_representatives_is_checked() {
    let law = |by: &[Node], edges: &[(Node, Node)]| {
        let model = Represented::new(by, edges);
        laws::representatives(&model, model.states(), &ShowsP)
    };
    let said =
        |result: Result<usize, String>, words: &str| assert!(result.clone().unwrap_err().contains(words), "{result:?}");
    // State 1 has the same step, or a silent step to a state with it, or neither state has one.
    assert_eq!(law(&[0, 0, 2], &[(0, 2), (1, 2)]), Ok(1));
    assert_eq!(law(&[0, 0, 2], &[(0, 2), (1, 0)]), Ok(1));
    assert_eq!(law(&[0, 0], &[]), Ok(1));
    assert_eq!(law(&[0, 0], &[(1, 0)]), Ok(1));
    said(law(&[2, 0, 2], &[]), "but that of this one is 2");
    let shown = Represented::new(&[0, 0], &[]).with_p(1);
    said(laws::representatives(&shown, shown.states(), &ShowsP), "shows other findings");
    said(law(&[0, 0, 2], &[(1, 2)]), "but has no step like");
    said(law(&[0, 0, 2], &[(0, 2), (1, 1)]), "which has no step like");
    // Silent steps can make the difference between a deadlock and none.
    said(law(&[0, 0], &[(0, 0)]), "which comes to an end, but has steps");
    said(law(&[0, 0], &[(1, 1)]), "which never comes to an end");
}

/// A state out of bounds may have a representative within: a path through it is no behaviour.
#[test]
fn under_symmetry_paths_stay_within_the_boundary() {
    // State 1 stands for state 2, which is out of bounds and comes first.
    let model = Represented::new(&[0, 1, 1, 3], &[(0, 2), (0, 1), (2, 3), (1, 3)]).with_outside(2).with_p(3);
    let found = search(&model, Options { symmetry: true, ..Options::default() }, &ShowsP);
    assert_eq!(found.states, 3);
    let path = found.found[0].as_ref().expect("state 3 shows it");
    assert_eq!(path.steps.iter().map(|(_, node)| *node).collect::<Vec<_>>(), [1, 3]);
}
