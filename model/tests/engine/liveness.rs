//! Promises, and bounds in ticks, on models that are small enough to know the answers by heart.

use std::fmt::Debug;

use crate::models::lease::{Action as LeaseAction, Client, Lease, State as LeaseState, exchanged};
use crate::models::small_graph::{Node, PropertyKind, SmallGraph, Taken};
use crate::models::token_ring::{State as Ring, TokenRing};
use crate::models::two_phase_commit::Packed;
use pghaspec_model::engine::{
    Fairness, Graph, Inspect, Lasso, Liveness, Nothing, Options, Spec, laws, search, second_opinion, within,
};
use stateright::Model;

/// The numbers of steps of prefix and cycle.
fn shape<S, A>(lasso: &Lasso<S, A>) -> (usize, usize) {
    (lasso.prefix.steps.len(), lasso.cycle.len())
}

/// The shape of the shortest lasso on which `p` never holds, after the lasso was verified.
fn never<M>(model: &M, p: impl Fn(&M, &M::State) -> bool) -> Option<(usize, usize)>
where
    M: Spec<State: Debug, Action: Debug>,
{
    let graph = Graph::of(model);
    let lasso = Liveness::new(&graph).eventually(&p)?;
    lasso.verify_eventually(model, &p).unwrap();
    assert!(lasso.shortest);
    Some(shape(&lasso))
}

/// The shape of the shortest lasso on which no `q` follows `p`, after the lasso was verified.
fn unanswered<M>(
    model: &M,
    p: impl Fn(&M, &M::State) -> bool,
    q: impl Fn(&M, &M::State) -> bool,
) -> Option<(usize, usize)>
where
    M: Spec<State: Debug, Action: Debug>,
{
    let graph = Graph::of(model);
    let lasso = Liveness::new(&graph).leads_to(&p, &q)?;
    lasso.verify_leads_to(model, &p, &q).unwrap();
    assert!(lasso.shortest);
    Some(shape(&lasso))
}

/// stateright's answer to *eventually p*.
fn stateright_misses(graph: &SmallGraph) -> bool {
    second_opinion(SmallGraph { property: PropertyKind::Eventually, ..graph.clone() }).violated.is_empty()
}

fn p(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_p(node)
}

fn q(graph: &SmallGraph, node: &Node) -> bool {
    graph.is_q(node)
}

/// Two states for ever; the way out is possible again and again, but not all the time.
#[test]
fn a_cycle_is_left_by_strong_fairness_only() {
    let free = SmallGraph::new(3, &[(0, 1), (1, 0), (1, 2)]).with_p(&[2]);
    assert_eq!(never(&free, p), Some((0, 2)));
    assert!(stateright_misses(&free));
    let weak = free.clone().with(1, 2, Fairness::Weak(0));
    assert_eq!(never(&weak, p), Some((0, 2)));
    let strong = free.with(1, 2, Fairness::Strong(0));
    assert_eq!(never(&strong, p), None);
}

/// One state for ever; the way out is possible all the time.
#[test]
fn a_self_loop_is_left_by_weak_fairness() {
    let free = SmallGraph::new(2, &[(0, 0), (0, 1)]).with_p(&[1]);
    assert_eq!(never(&free, p), Some((0, 1)));
    assert!(stateright_misses(&free));
    assert_eq!(never(&free.with(0, 1, Fairness::Weak(0)), p), None);
}

/// Two paths to the same end, and the promise is kept on one of them. stateright's answer depends on their order.
#[test]
fn a_promise_that_one_of_two_joining_paths_keeps_is_broken() {
    let join = SmallGraph::new(4, &[(0, 1), (0, 2), (1, 3), (2, 3)]);
    let (first, second) = (join.clone().with_p(&[1]), join.clone().with_p(&[2]));
    assert_eq!(never(&first, p), Some((2, 0)));
    assert_eq!(never(&second, p), Some((2, 0)));
    assert!(stateright_misses(&first));
    assert!(!stateright_misses(&second));
    assert_eq!(never(&join.with_p(&[1, 2]), p), None);
}

#[test]
fn a_deadlock_breaks_a_promise_without_a_cycle() {
    let ends = SmallGraph::new(4, &[(0, 1), (1, 2), (2, 1), (1, 3)]).with_p(&[1]).with_q(&[2]);
    assert_eq!(unanswered(&ends, p, q), Some((2, 0)));
    assert_eq!(never(&ends, q), Some((2, 0)));
    let goes_on = ends.with_q(&[3]);
    assert_eq!(unanswered(&goes_on, p, q), None);
}

/// Fairness is about actions: between the same two states one step may have to be taken and another one not.
#[test]
fn parallel_steps_differ_in_fairness() {
    let twice = SmallGraph::new(2, &[(0, 0), (0, 0), (0, 1)]).with_p(&[1]).with(0, 1, Fairness::Weak(0));
    assert_eq!(never(&twice, p), None);
    let mut same_class = twice;
    same_class.arrows[0][1].fairness = Fairness::Weak(0);
    assert_eq!(never(&same_class, p), Some((0, 1)));
}

/// An action without a result, or with a result out of bounds, is not possible, so it is not put off.
#[test]
fn an_action_without_a_result_is_not_possible() {
    let mut graph = SmallGraph::new(3, &[(0, 0), (0, 1), (0, 2)]).with_p(&[1, 2]);
    graph = graph.with(0, 1, Fairness::Weak(0)).with(0, 2, Fairness::Strong(1));
    assert_eq!(never(&graph, p), None);
    graph.arrows[0][1].to = None;
    graph.outside[2] = true;
    assert_eq!(never(&graph, p), Some((0, 1)));
    assert_eq!(Graph::of(&graph).transitions(), 1);
    let dead = SmallGraph { outside: vec![true; 1], ..SmallGraph::new(1, &[]) };
    assert_eq!(Graph::of(&dead).states(), 0);
}

/// A fair cycle may have to pass the same state twice.
#[test]
fn a_fair_cycle_may_pass_a_state_twice() {
    let eight = SmallGraph::new(3, &[(0, 1), (1, 0), (0, 2), (2, 0)]);
    assert_eq!(never(&eight, p), Some((0, 2)));
    let both = eight.with(0, 1, Fairness::Strong(1)).with(0, 2, Fairness::Strong(2));
    assert_eq!(never(&both, p), Some((0, 4)));
    // Weak classes that are not possible in the state between are not put off.
    let weak = both.with(0, 1, Fairness::Weak(1)).with(0, 2, Fairness::Weak(2));
    assert_eq!(never(&weak, p), Some((0, 2)));
}

/// Strong fairness may rule a state out; the rest is another component, in which other classes are put off.
#[test]
fn without_an_unfair_state_a_part_is_judged_anew() {
    // If 3 is visited again and again it must be left for 4. Without 3, 2 can only go back, and then its own way out is
    // due.
    let edges = [(0, 1), (1, 2), (2, 0), (2, 3), (3, 0), (3, 4), (2, 5), (1, 1)];
    let graph = SmallGraph::new(6, &edges).with_p(&[4, 5]).with(3, 4, Fairness::Strong(0));
    assert_eq!(never(&graph, p), Some((1, 1)));
    let second = graph.with(2, 5, Fairness::Strong(1));
    assert_eq!(never(&second, p), Some((1, 1)));
    let third = second.with(1, 2, Fairness::Weak(0));
    assert_eq!(never(&third, p), None);
}

/// The cycle may be entered before the promise is given, if it is given on the cycle.
#[test]
fn a_cycle_may_be_entered_before_the_promise_is_given() {
    let graph = SmallGraph::new(2, &[(0, 1), (1, 0)]).with_p(&[1]);
    assert_eq!(unanswered(&graph, p, q), Some((0, 2)));
    // Given before the cycle, and not on it.
    let before = SmallGraph::new(3, &[(0, 1), (1, 2), (2, 2)]).with_p(&[1]);
    assert_eq!(unanswered(&before, p, q), Some((2, 1)));
    // Kept in between: only what comes later counts.
    let kept = SmallGraph::new(4, &[(0, 1), (1, 2), (2, 3), (3, 3)]).with_p(&[1]).with_q(&[2]);
    assert_eq!(unanswered(&kept, p, q), None);
    assert_eq!(unanswered(&kept.with_p(&[3]), p, q), Some((3, 1)));
}

#[test]
fn a_search_that_is_broken_off_says_so() {
    let eight = SmallGraph::new(3, &[(0, 1), (1, 0), (0, 2), (2, 0)]);
    let eight = eight.with(0, 1, Fairness::Strong(1)).with(0, 2, Fairness::Strong(2));
    let graph = Graph::of(&eight);
    let lasso = Liveness::new(&graph).with_effort(0).eventually(p).unwrap();
    assert!(!lasso.shortest);
    lasso.verify_eventually(&eight, p).unwrap();
}

/// More classes than the search for a shortest lasso can distinguish: the lasso is still valid.
#[test]
fn with_too_many_classes_the_lasso_is_valid_but_perhaps_not_shortest() {
    let edges: Vec<(Node, Node)> = (1..=100).flat_map(|node| [(0, node), (node, 0)]).collect();
    let mut star = SmallGraph::new(101, &edges);
    for node in 1..=100 {
        star = star.with(0, node, Fairness::Strong(node as u8));
    }
    let graph = Graph::of(&star);
    let lasso = Liveness::new(&graph).eventually(p).unwrap();
    assert!(!lasso.shortest);
    assert_eq!(shape(&lasso), (0, 200));
    lasso.verify_eventually(&star, p).unwrap();
}

#[test]
fn a_false_lasso_is_refused() {
    let model = SmallGraph::new(3, &[(0, 1), (1, 0), (1, 2), (2, 0)]).with_p(&[2]).with(1, 2, Fairness::Strong(0));
    let free = model.clone().with(1, 2, Fairness::None);
    let lasso = Liveness::new(&Graph::of(&free)).eventually(p).unwrap();
    lasso.verify_eventually(&free, p).unwrap();
    assert!(lasso.verify_eventually(&model, p).unwrap_err().contains("put off"));
    assert!(lasso.verify_eventually(&free, |_, node| *node == 1).unwrap_err().contains("after 1 steps"));
    assert!(lasso.verify_leads_to(&free, |_, node| *node == 2, q).unwrap_err().contains("nothing is promised"));
    let open = Lasso { cycle: lasso.cycle[..1].to_vec(), ..lasso.clone() };
    assert!(open.verify_eventually(&free, p).unwrap_err().contains("ends in"));
    let dead = Lasso { cycle: Vec::new(), ..lasso.clone() };
    assert!(dead.verify_eventually(&free, p).unwrap_err().contains("no deadlock"));
    let mut jumps = lasso.clone();
    jumps.cycle[0].1 = 2;
    assert!(jumps.verify_eventually(&free, p).unwrap_err().contains("does not lead"));
    let mut elsewhere = lasso.clone();
    elsewhere.prefix.init = 1;
    assert!(elsewhere.verify_eventually(&free, p).unwrap_err().contains("not initial"));
    let shut_out = |node: usize| {
        let mut model = free.clone();
        model.outside[node] = true;
        lasso.verify_eventually(&model, p).unwrap_err()
    };
    assert!(shut_out(0).contains("not initial"));
    assert!(shut_out(1).contains("does not lead"));
}

/// A weak class is put off only where it is possible all the time.
#[test]
fn a_lasso_that_puts_off_a_weak_class_is_refused() {
    let free = SmallGraph::new(3, &[(0, 1), (1, 0), (0, 2), (1, 2)]).with_p(&[2]);
    let lasso = Liveness::new(&Graph::of(&free)).eventually(p).unwrap();
    assert_eq!(shape(&lasso), (0, 2));
    let now_and_then = free.clone().with(1, 2, Fairness::Weak(0));
    lasso.verify_eventually(&now_and_then, p).unwrap();
    let always = now_and_then.with(0, 2, Fairness::Weak(0));
    assert!(lasso.verify_eventually(&always, p).unwrap_err().contains("put off"));
    // Two classes, of which neither is possible all the time; and one that is taken.
    let two = free.clone().with(0, 2, Fairness::Weak(0)).with(1, 2, Fairness::Weak(1));
    lasso.verify_eventually(&two, p).unwrap();
    lasso.verify_eventually(&always.with(0, 1, Fairness::Weak(0)), p).unwrap();
}

/// The promise was kept: on the cycle, or after it was last given.
#[test]
fn a_lasso_on_which_the_promise_is_kept_is_refused() {
    let line = SmallGraph::new(4, &[(0, 1), (1, 2), (2, 3), (3, 2)]).with_p(&[0]);
    let lasso = Liveness::new(&Graph::of(&line)).leads_to(p, q).unwrap();
    assert_eq!(shape(&lasso), (2, 2));
    let verify =
        |asked: Node, kept: Node| lasso.verify_leads_to(&line, |_, node| *node == asked, |_, node| *node == kept);
    assert!(verify(0, 1).unwrap_err().contains("nothing is promised from step 2"));
    assert!(verify(1, 1).unwrap_err().contains("nothing is promised from step 2"));
    for kept in [2, 3] {
        for asked in 0..4 {
            assert!(verify(asked, kept).unwrap_err().contains("holds on the cycle"));
        }
    }
    for asked in [1, 2, 3] {
        verify(asked, 0).unwrap();
    }
}

/// The first request counts, not the last one on the path, which may be a longer path.
#[test]
fn the_nearest_question_is_the_one_that_is_open() {
    // To 4 over 1, or over 2 and 3, where the request is repeated.
    let graph = SmallGraph::new(5, &[(0, 1), (0, 2), (2, 3), (1, 4), (3, 4), (4, 4)]).with_p(&[0, 3]);
    assert_eq!(unanswered(&graph, p, q), Some((2, 1)));
    assert_eq!(unanswered(&graph.with_q(&[1]), p, q), Some((3, 1)));
}

/// A station that wants the token gets it, if it is passed on and no station is passed over again and again.
#[test]
fn each_station_gets_its_turn_by_strong_fairness_only() {
    let kinds: [fn(u8) -> Fairness; 3] = [|_| Fairness::None, Fairness::Weak, Fairness::Strong];
    let [none, weak, strong] = kinds;
    for stations in 2..=5 {
        let ring = |pass, take| TokenRing { stations, pass, take };
        let wants = |_: &TokenRing, state: &Ring| state.wants(1);
        let not = |_: &TokenRing, state: &Ring| !state.wants(1);
        let lasso = |pass, take| unanswered(&ring(pass, take), wants, not);
        let round = usize::from(stations);
        // Station 0 uses the token again and again.
        assert_eq!(lasso(none, none), Some((1, 2)));
        assert_eq!(lasso(none, strong), Some((1, 2)));
        // The token goes round and round, and station 1 does not take it.
        assert_eq!(lasso(weak, none), Some((1, round)));
        assert_eq!(lasso(weak, weak), Some((1, round)));
        assert_eq!(lasso(strong, weak), Some((1, round)));
        assert_eq!(lasso(weak, strong), None);
        assert_eq!(lasso(strong, strong), None);
        let all = search(&ring(none, none), Options::default(), &Nothing);
        assert_eq!(all.states, usize::from(stations) << stations);
        // Each state can pass the token; in half of the states a station can want it, and in half of them its holder
        // can use it.
        assert_eq!(all.transitions, all.states + all.states / 2 * (usize::from(stations) + 1));
        let opinion = second_opinion(ring(none, none));
        assert_eq!(
            (opinion.states, opinion.generated),
            (all.states, all.transitions + ring(none, none).init_states().len())
        );
        assert!(opinion.violated.is_empty());
        let orbits = search(&ring(none, none), Options { symmetry: true, ..Options::default() }, &Nothing);
        assert_eq!(orbits.states, 1 << stations);
    }
}

#[test]
fn the_graph_is_what_the_search_sees() {
    for resources in 1..=5 {
        let model = Packed(resources);
        let graph = Graph::of(&model);
        let all = search(&model, Options::default(), &Nothing);
        assert_eq!((graph.states(), graph.transitions()), (all.states, all.transitions));
        assert_eq!(graph.deadlocks().count(), all.deadlocks);
        assert_eq!(graph.depths().last().map(|depth| *depth as usize), Some(all.depth));
        assert!(Graph::of_at_most(&model, graph.bytes() - 1).is_none());
    }
}

const IN_TIME: Lease = Lease { ticks: 3, renewed_within: Some(2) };
const LAZY: Lease = Lease { ticks: 3, renewed_within: None };

fn reachable(lease: &Lease) -> Vec<LeaseState> {
    let graph = Graph::of(lease);
    (0..graph.states() as u32).map(|index| graph.state(index)).collect()
}

#[test]
fn the_lease_is_small_enough_to_know_by_heart() {
    let sizes = |lease: &Lease, symmetry| {
        let all = search(lease, Options { symmetry, ..Options::default() }, &Nothing);
        (all.states, all.transitions, all.depth, all.deadlocks)
    };
    // Free: each client idle or down. Lent: to either, with one to three ticks left, the borrower in any state, the
    // other one idle or down.
    assert_eq!(sizes(&IN_TIME, false), (2 * 2 + 2 * 3 * 3 * 2, 144, 6, 0));
    assert_eq!(sizes(&IN_TIME, true), (3 + 3 * 3 * 2, 76, 6, 0));
    // The same, but a client may also work without a loan.
    assert_eq!(sizes(&LAZY, false), (3 * 3 + 2 * 3 * 3 * 3, 231, 9, 0));
    assert_eq!(sizes(&LAZY, true), (6 + 3 * 3 * 3, 121, 9, 0));
    for lease in [IN_TIME, LAZY] {
        laws::packing(&lease, reachable(&lease)).unwrap();
        laws::symmetry(&lease, reachable(&lease), |state| vec![*state, exchanged(state)]).unwrap();
        let opinion = second_opinion(lease);
        let (states, transitions, ..) = sizes(&lease, false);
        assert_eq!((opinion.states, opinion.generated), (states, transitions + 1));
        assert_eq!(opinion.violated.is_empty(), lease.renewed_within.is_some());
    }
}

struct BothWork;

impl Inspect<Lease> for BothWork {
    fn state(&self, _: &Lease, state: &LeaseState) -> u64 {
        u64::from(state.both_work())
    }
}

#[test]
fn two_clients_work_when_the_first_does_not_keep_count() {
    for (ticks, symmetry) in [(1, false), (3, false), (3, true), (7, true)] {
        let options = Options { symmetry, ..Options::default() };
        let kept = search(&Lease { ticks, renewed_within: Some(ticks - 1) }, options, &BothWork);
        assert_eq!(kept.found[0], None);
        let lost = search(&Lease { ticks, renewed_within: None }, options, &BothWork);
        // Take, all ticks, take.
        assert_eq!(lost.found[0].as_ref().unwrap().steps.len(), usize::from(ticks) + 2);
    }
}

#[test]
fn a_loan_that_runs_down_is_renewed_in_time() {
    let runs_down = |lease: &Lease, state: &LeaseState| state.runs_down(lease);
    let whole = |lease: &Lease, state: &LeaseState| !state.runs_down(lease);
    let late = |lease: &Lease, most| {
        let path = within(&Graph::of(lease), most, |action| *action == LeaseAction::Tick, runs_down, whole)?;
        Some(path.steps.iter().map(|(action, _)| *action).collect::<Vec<_>>())
    };
    assert_eq!(late(&IN_TIME, 1), None);
    assert_eq!(late(&IN_TIME, 0), Some(vec![LeaseAction::Take(0), LeaseAction::Tick, LeaseAction::Tick]));
    for most in 0..9 {
        let mut path = vec![LeaseAction::Take(0)];
        path.extend(vec![LeaseAction::Tick; most as usize + 2]);
        assert_eq!(late(&LAZY, most), Some(path));
    }
}

#[test]
fn a_dead_client_has_the_lock_no_longer_than_it_is_lent() {
    let dead = |_: &Lease, state: &LeaseState| {
        state.loan.is_some_and(|(client, _)| state.clients[usize::from(client)] == Client::Down)
    };
    let free = |_: &Lease, state: &LeaseState| state.loan.is_none();
    let late = |most| {
        let path = within(&Graph::of(&IN_TIME), most, |action| *action == LeaseAction::Tick, dead, free);
        path.map(|path| path.steps.len())
    };
    assert_eq!(late(3), None);
    // Take, crash, and one tick too many.
    assert_eq!(late(2), Some(5));
    assert_eq!(late(0), Some(3));
    // Nothing makes time pass, so the lock need not become free: the client may restart and crash for ever.
    assert_eq!(unanswered(&IN_TIME, dead, free), Some((2, 2)));
}

#[test]
fn only_ticks_are_time() {
    let is_tick = |taken: &Taken| taken.step.0 == 1;
    let late = |graph: &SmallGraph, most| within(&Graph::of(graph), most, is_tick, p, q).map(|path| path.steps.len());
    // Without ticks nothing is late, neither on a cycle nor in a deadlock.
    assert_eq!(late(&SmallGraph::new(1, &[(0, 0)]).with_p(&[0]), 0), None);
    assert_eq!(late(&SmallGraph::new(2, &[(0, 1)]).with_p(&[0]), 0), None);
    // A cycle with a tick is late after some rounds, and then every round counts.
    let clock = SmallGraph::new(1, &[(0, 0), (0, 0)]).with_p(&[0]);
    for most in 0..5 {
        assert_eq!(late(&clock, most), Some(most as usize + 1));
    }
    // The tick with which `q` comes counts too.
    let last = SmallGraph::new(2, &[(0, 0), (0, 1)]).with_p(&[0]).with_q(&[1]);
    assert_eq!(late(&last, 0), Some(1));
    assert_eq!(late(&last, 1), None);
    // The oldest request counts, also if it is repeated on the way, and along a longer detour.
    let edges = [(0, 1), (0, 2), (1, 3), (2, 3), (2, 3), (3, 3), (3, 4)];
    let again = SmallGraph::new(5, &edges).with_p(&[0, 3]).with_q(&[4]);
    assert_eq!(late(&again, 2), Some(3));
    assert_eq!(late(&again, 3), None);
}
