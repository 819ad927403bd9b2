//! Liveness: promises that must be kept at last, checked on every fair behaviour.
//!
//! A behaviour is a path from an initial state that has no end, or that ends in a deadlock. A behaviour without end is
//! fair if it puts off no class of actions against its [`Fairness`](super::Fairness); one that ends in a deadlock is
//! always fair. A promise is broken if some fair behaviour never keeps it, so a deadlock breaks an open promise.
//!
//! The answer is exact. A promise is *open* in the states that are reached from where it was given without passing one
//! where it is kept. These states are split into the parts in which a fair behaviour can stay for ever (see `fair.rs`).
//! If there is such a part, or a deadlock among the open states, the promise is broken; otherwise no behaviour breaks
//! it.
//!
//! | file | contents |
//! | --- | --- |
//! | `graph.rs` | all reachable states and the steps between them |
//! | `fair.rs` | the strongly connected parts in which a fair behaviour can stay for ever |
//! | `shortest_cycle.rs` | the shortest fair cycle through a state |
//! | `lasso.rs` | a counterexample: a path and a cycle, and its verification by the model alone |
//! | `bounds.rs` | promises that must be kept within a number of ticks |

pub(in crate::engine) mod bounds;
mod fair;
pub(in crate::engine) mod graph;
pub(in crate::engine) mod lasso;
mod shortest_cycle;

use super::path::Path;
use super::spec::Spec;
use fair::{FairParts, fair_parts};
use graph::{Edge, Graph};
use lasso::Lasso;
use shortest_cycle::{Cycles, EffortExhausted};

/// The checker of promises, on the graph of a model.
pub struct Liveness<'g, M: Spec> {
    graph: &'g Graph<'g, M>,
    effort: usize,
}

/// The effort of the search for a shortest lasso, unless set: the number of pairs (state, set of satisfied classes)
/// that it visits. Each may take 100 bytes.
pub const EFFORT: usize = 1 << 22;

const NEVER: u32 = u32::MAX;

impl<'g, M: Spec> Liveness<'g, M> {
    /// A checker on this graph.
    pub fn new(graph: &'g Graph<'g, M>) -> Self {
        Liveness { graph, effort: EFFORT }
    }

    /// Sets the effort ([`EFFORT`] unless set): the search for a shortest lasso is broken off when it has visited so
    /// many pairs of a state and a set of satisfied classes. Whether a promise is broken does not depend on it.
    pub fn with_effort(self, effort: usize) -> Self {
        Liveness { effort, ..self }
    }

    /// Checks *eventually `p`*: every fair behaviour reaches a state with `p`. Otherwise returns a lasso on which `p`
    /// never holds.
    pub fn eventually(&self, p: impl Fn(&M, &M::State) -> bool) -> Option<Lasso<M::State, M::Action>> {
        let kept = self.graph.mark(p);
        let given = (0..self.graph.initial() as u32).filter(|&state| !kept[state as usize]).collect();
        let open = OpenStates::new(self.graph, given, &self.graph.depths(), &kept);
        self.broken(&open, None)
    }

    /// Checks *`p` leads to `q`*: on every fair behaviour, each state with `p` has `q` too or is followed by a state
    /// with `q`. Otherwise returns a lasso with a state with `p` that no state with `q` follows.
    ///
    /// If `p` holds nowhere this is true and means nothing; [`Graph::mark`] tells.
    pub fn leads_to(
        &self,
        p: impl Fn(&M, &M::State) -> bool,
        q: impl Fn(&M, &M::State) -> bool,
    ) -> Option<Lasso<M::State, M::Action>> {
        let (premise, kept) = (self.graph.mark(p), self.graph.mark(q));
        let gives = |state: &u32| premise[*state as usize] && !kept[*state as usize];
        let given = (0..self.graph.states() as u32).filter(gives).collect();
        let depths = self.graph.depths();
        let open = OpenStates::new(self.graph, given, &depths, &kept);
        self.broken(&open, Some(Premise { states: &premise, depths: &depths }))
    }

    /// A shortest lasso along which the promise stays open, if there is one.
    fn broken(&self, open: &OpenStates, premise: Option<Premise<'_>>) -> Option<Lasso<M::State, M::Action>> {
        let graph = self.graph;
        let states: Vec<u32> = (0..graph.states() as u32).filter(|&state| open.steps_to(state) != NEVER).collect();
        let deadlocks = states.iter().copied().filter(|&state| graph.is_deadlock(state));
        let deadlock = deadlocks.min_by_key(|&state| open.steps_to(state));
        let fair = fair_parts(graph, states);
        let mut best = BestLasso::default();
        if let Some(state) = deadlock {
            best.offer(open.steps_to(state), Entry { state, early: false }, Vec::new());
        }
        let proven = self.find_shortest(open, premise, &fair, &mut best);
        let (steps, entry, cycle) = best.found?;
        debug_assert_eq!(steps as usize, open.steps_into(&premise, entry) as usize + cycle.len());
        Some(Lasso { prefix: open.path(graph, entry), cycle: graph.steps(entry.state, &cycle), shortest: proven })
    }

    /// Searches for the shortest lasso with a cycle. Returns true if no lasso is shorter than the best.
    ///
    /// A cycle is best entered at the first of its states that can be reached. So for each entry, only those cycles are
    /// searched whose other states come no earlier. Entries are tried in the order of their distance, until even a
    /// single step would be one too many. Short lassos are searched first, because the effort grows fast with the
    /// length, and a short lasso may have a late entry.
    fn find_shortest(
        &self,
        open: &OpenStates,
        premise: Option<Premise<'_>>,
        fair: &FairParts,
        best: &mut BestLasso,
    ) -> bool {
        let before = |entry: Entry| open.steps_into(&premise, entry);
        let rank = |entry: Entry| (before(entry), entry.state);
        let mut entries = Vec::new();
        for part in &fair.parts {
            entries.extend(part.iter().map(|&state| Entry { state, early: false }));
            // A cycle may also be entered before the promise is given, if the promise is given on the cycle.
            if premise.is_some_and(|premise| part.iter().any(|&state| premise.states[state as usize])) {
                let early = part.iter().map(|&state| Entry { state, early: true });
                entries.extend(early.filter(|&entry| before(entry) < open.steps_to(entry.state)));
            }
        }
        let Some(&first) = entries.iter().min_by_key(|entry| rank(**entry)) else { return true };
        entries.sort_unstable_by_key(|entry| rank(*entry));
        let mut cycles = Cycles::new(self.graph, fair, premise.map(|premise| premise.states), self.effort);
        // Any cycle of each part, however long, bounds the search.
        let mut tried = vec![false; fair.parts.len()];
        for &entry in &entries {
            if before(entry) + 1 >= best.steps() {
                break;
            }
            let part = fair.part_of[entry.state as usize] as usize - 1;
            if !std::mem::replace(&mut tried[part], true) {
                best.offer(before(entry), entry, cycles.any(entry.state, entry.early));
            }
        }
        // Except for the best lasso, none has so few steps.
        let mut none_up_to = before(first);
        while none_up_to + 1 < best.steps() {
            let most = none_up_to + 1 + none_up_to / 4;
            for &entry in &entries {
                let most = most.min(best.steps() - 1);
                if before(entry) >= most {
                    break;
                }
                let allowed = |state: u32| rank(Entry { state, ..entry }) >= rank(entry);
                match cycles.shortest(entry.state, most - before(entry), entry.early, allowed) {
                    Ok(None) => {}
                    Ok(Some(cycle)) => best.offer(before(entry), entry, cycle),
                    Err(EffortExhausted) => return false,
                }
            }
            none_up_to = most;
        }
        true
    }
}

/// The states in which a *leads-to* promise is given, and the distance of each state from the initial states.
#[derive(Clone, Copy)]
struct Premise<'a> {
    states: &'a [bool],
    depths: &'a [u32],
}

/// The state at which a cycle is entered; `early` if the promise is not yet open there.
#[derive(Clone, Copy, Debug)]
struct Entry {
    state: u32,
    early: bool,
}

/// The shortest lasso so far: its number of steps, the entry into its cycle, and the cycle.
#[derive(Default)]
struct BestLasso {
    found: Option<(u32, Entry, Vec<Edge>)>,
}

impl BestLasso {
    fn steps(&self) -> u32 {
        self.found.as_ref().map_or(NEVER, |(steps, ..)| *steps)
    }

    /// Takes a cycle, which is entered after `before` steps, if it makes the lasso shorter.
    fn offer(&mut self, before: u32, entry: Entry, cycle: Vec<Edge>) {
        let steps = before.saturating_add(cycle.len() as u32);
        if steps < self.steps() {
            self.found = Some((steps, entry, cycle));
        }
    }
}

/// The states in which a promise is open.
struct OpenStates {
    /// For each state, the length of a shortest path that reaches it with the promise open; [`NEVER`] if there is none.
    steps: Vec<u32>,
    /// For each state, its predecessor on that path, or itself if the promise is given there.
    from: Vec<u32>,
}

impl OpenStates {
    /// The states that can be reached from those where the promise is `given` without passing one where it is `kept`.
    /// `given` is in breadth-first order.
    fn new<M: Spec>(graph: &Graph<'_, M>, given: Vec<u32>, depths: &[u32], kept: &[bool]) -> Self {
        let mut open = OpenStates { steps: vec![NEVER; graph.states()], from: vec![NEVER; graph.states()] };
        for &state in &given {
            open.steps[state as usize] = depths[state as usize];
            open.from[state as usize] = state;
        }
        let mut given = given.into_iter().peekable();
        let mut queue = Vec::new();
        let mut next = 0;
        loop {
            let queued: Option<u32> = queue.get(next).copied();
            let depth = queued.map_or(NEVER, |state| open.steps_to(state));
            // Takes whichever is nearer to an initial state, so that all are found in the order of their distance.
            let state = match (given.next_if(|&state| depths[state as usize] <= depth), queued) {
                (Some(state), _) => state,
                (None, Some(state)) => {
                    next += 1;
                    state
                }
                (None, None) => return open,
            };
            for edge in graph.edges(state) {
                let to = edge.to as usize;
                if !kept[to] && open.steps[to] == NEVER {
                    open.steps[to] = open.steps_to(state) + 1;
                    open.from[to] = state;
                    queue.push(edge.to);
                }
            }
        }
    }

    fn steps_to(&self, state: u32) -> u32 {
        self.steps[state as usize]
    }

    /// The number of steps before a cycle that is entered here.
    fn steps_into(&self, premise: &Option<Premise<'_>>, entry: Entry) -> u32 {
        match premise {
            Some(premise) if entry.early => premise.depths[entry.state as usize],
            _ => self.steps_to(entry.state),
        }
    }

    /// The path to a cycle that is entered here.
    fn path<M: Spec>(&self, graph: &Graph<'_, M>, entry: Entry) -> Path<M::State, M::Action> {
        let mut state = entry.state;
        let mut rest = Vec::new();
        while !entry.early && self.from[state as usize] != state {
            rest.push(state);
            state = self.from[state as usize];
        }
        let mut route = graph.route(state);
        route.extend(rest.into_iter().rev());
        graph.path(&route)
    }
}
