//! Bounded response: what must happen within a number of ticks.

use super::graph::{Edge, Graph};
use crate::engine::path::Path;
use crate::engine::spec::Spec;

/// Checks that after each state with `p` a state with `q` comes (or the state itself has `q`) before more than `most`
/// ticks have passed. Otherwise returns a shortest path that ends with one tick too many.
///
/// Ticks are the actions that `is_tick` chooses; nothing else lets time pass. So a cycle with ticks and without `q`
/// breaks the bound after a few rounds. A behaviour on which time stands still does not break it: neither a cycle
/// without ticks nor a deadlock does. That time does not stand still is a promise of its own, for
/// [`Liveness`](crate::engine::Liveness) (each state leads to a tick). No fairness is assumed: of the ticks that can
/// come, all may.
///
/// Of a path, only one number matters: for how many ticks its oldest unanswered `p` has been waiting. A state is
/// expanded again when it is reached with a longer wait than before, so at most `most + 2` times.
pub fn within<M: Spec>(
    graph: &Graph<'_, M>,
    most: u32,
    is_tick: impl Fn(&M::Action) -> bool,
    p: impl Fn(&M, &M::State) -> bool,
    q: impl Fn(&M, &M::State) -> bool,
) -> Option<Path<M::State, M::Action>> {
    let (asked, kept) = (graph.mark(p), graph.mark(q));
    let ticks = ticks(graph, is_tick);
    let mut longest: Vec<u32> = vec![UNREACHED; graph.states()];
    let mut places: Vec<Place> = Vec::new();
    let mut reach = |places: &mut Vec<Place>, edge: Edge, wait: u32, from: u32| {
        let at = edge.to as usize;
        let wait = match wait {
            _ if kept[at] => IDLE,
            IDLE if asked[at] => WAITING,
            wait => wait,
        };
        // Whatever can go wrong after a wait can also go wrong, no later, after a longer wait.
        if wait > longest[at] {
            longest[at] = wait;
            places.push(Place { edge, wait, from });
        }
    };
    for state in 0..graph.initial() as u32 {
        reach(&mut places, Edge { to: state, place: 0, class: 0 }, IDLE, FIRST);
    }
    let mut next = 0;
    while next < places.len() {
        let Place { edge: Edge { to: state, .. }, wait, .. } = places[next];
        let (start, end) = graph.edge_range(state);
        for (place, &tick) in (start..end).zip(&ticks[start..end]) {
            let tick = tick && wait != IDLE;
            if tick && wait - WAITING == most {
                return Some(path(graph, &places, next, graph.edge(place)));
            }
            reach(&mut places, graph.edge(place), wait + u32::from(tick), next as u32);
        }
        next += 1;
    }
    None
}

/// The wait of a state: not reached; reached with nothing to wait for; waiting, plus the number of ticks.
const UNREACHED: u32 = 0;
const IDLE: u32 = 1;
const WAITING: u32 = 2;

/// A state that was reached with a wait: the step to it, and the index of the place before. Initial states have
/// [`FIRST`] there.
struct Place {
    edge: Edge,
    wait: u32,
    from: u32,
}

const FIRST: u32 = u32::MAX;

/// For each step of the graph, whether it is a tick.
fn ticks<M: Spec>(graph: &Graph<'_, M>, is_tick: impl Fn(&M::Action) -> bool) -> Vec<bool> {
    let mut ticks = Vec::with_capacity(graph.transitions());
    let mut actions = Vec::new();
    for state in 0..graph.states() as u32 {
        actions.clear();
        graph.model().actions(&graph.state(state), &mut actions);
        ticks.extend(graph.edges(state).map(|edge| is_tick(&actions[usize::from(edge.place)])));
    }
    ticks
}

/// The path to a place, and one more step.
fn path<M: Spec>(graph: &Graph<'_, M>, places: &[Place], last: usize, step: Edge) -> Path<M::State, M::Action> {
    let mut edges = vec![step];
    let mut place = &places[last];
    while place.from != FIRST {
        edges.push(place.edge);
        place = &places[place.from as usize];
    }
    edges.reverse();
    Path { init: graph.state(place.edge.to), steps: graph.steps(place.edge.to, &edges) }
}
