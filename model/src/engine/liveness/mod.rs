//! What must happen at last: promises, checked on every fair behaviour.
//!
//! A behaviour is a path from an initial state that has no end, or that ends in a deadlock. It is fair if it puts off no class of actions
//! against its [`Fairness`](super::Fairness); one that ends in a deadlock is. A promise is broken if a fair behaviour never keeps it, so
//! also by a deadlock.
//!
//! The answer is exact. The states in which a promise is open, those reached from where it was given without passing one where it is
//! kept, are split into the parts in which a fair behaviour can stay for ever (see `fair.rs`): if there is one, or a deadlock among them,
//! the promise is broken, and otherwise no behaviour breaks it.

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
use shortest_cycle::{BrokenOff, Cycles};

/// Checks promises on the graph of a model.
pub struct Liveness<'g, M: Spec> {
    graph: &'g Graph<'g, M>,
    effort: usize,
}

/// How long the search for a shortest lasso goes on unless told otherwise: it may have to hold 100 bytes for each.
pub const EFFORT: usize = 1 << 22;

const NEVER: u32 = u32::MAX;

impl<'g, M: Spec> Liveness<'g, M> {
    /// Checks on this graph.
    pub fn new(graph: &'g Graph<'g, M>) -> Self {
        Liveness { graph, effort: EFFORT }
    }

    /// Breaks the search for a shortest lasso off when it has visited so many pairs of a state and a set of classes that are satisfied
    /// ([`EFFORT`] unless set). Whether a promise is broken does not depend on it.
    pub fn with_effort(self, effort: usize) -> Self {
        Liveness { effort, ..self }
    }

    /// Every fair behaviour reaches a state with `p`. If not, a lasso on which `p` never holds.
    pub fn eventually(&self, p: impl Fn(&M, &M::State) -> bool) -> Option<Lasso<M::State, M::Action>> {
        let kept = self.graph.mark(p);
        let given = (0..self.graph.initial() as u32).filter(|&state| !kept[state as usize]).collect();
        let open = Open::new(self.graph, given, &self.graph.depths(), &kept);
        self.broken(&open, None)
    }

    /// Each state with `p`, on every fair behaviour, is one with `q` or followed by one. If not, a lasso on which a state with `p` is
    /// followed by none with `q`.
    ///
    /// Where `p` holds nowhere this is true and says nothing; [`Graph::mark`] tells.
    pub fn leads_to(
        &self,
        p: impl Fn(&M, &M::State) -> bool,
        q: impl Fn(&M, &M::State) -> bool,
    ) -> Option<Lasso<M::State, M::Action>> {
        let (asked, kept) = (self.graph.mark(p), self.graph.mark(q));
        let gives = |state: &u32| asked[*state as usize] && !kept[*state as usize];
        let given = (0..self.graph.states() as u32).filter(gives).collect();
        let depths = self.graph.depths();
        let open = Open::new(self.graph, given, &depths, &kept);
        self.broken(&open, Some(Asked { states: &asked, depths: &depths }))
    }

    /// A shortest lasso along which the promise stays open.
    fn broken(&self, open: &Open, asked: Option<Asked<'_>>) -> Option<Lasso<M::State, M::Action>> {
        let graph = self.graph;
        let states: Vec<u32> = (0..graph.states() as u32).filter(|&state| open.steps_to(state) != NEVER).collect();
        let deadlocks = states.iter().copied().filter(|&state| graph.is_deadlock(state));
        let deadlock = deadlocks.min_by_key(|&state| open.steps_to(state));
        let fair = fair_parts(graph, states);
        let mut best = Best::default();
        if let Some(state) = deadlock {
            best.offer(open.steps_to(state), Entry { state, early: false }, Vec::new());
        }
        let proven = self.find_shortest(open, asked, &fair, &mut best);
        let (steps, entry, cycle) = best.found?;
        debug_assert_eq!(steps as usize, open.steps_into(&asked, entry) as usize + cycle.len());
        Some(Lasso { prefix: open.path(graph, entry), cycle: graph.steps(entry.state, &cycle), shortest: proven })
    }

    /// Looks for the shortest lasso with a cycle; true if there is none that is shorter than the best.
    ///
    /// A cycle is best entered at the first of its states that can be reached, so only cycles are searched for that have none which comes
    /// earlier than the state they are entered at. States are tried in that order, until even a single step would be one too many. First
    /// only short lassos are looked for and then longer ones: the effort grows fast with the length, and a short one may be entered late.
    fn find_shortest(&self, open: &Open, asked: Option<Asked<'_>>, fair: &FairParts, best: &mut Best) -> bool {
        let before = |entry: Entry| open.steps_into(&asked, entry);
        let rank = |entry: Entry| (before(entry), entry.state);
        let mut entries = Vec::new();
        for part in &fair.parts {
            entries.extend(part.iter().map(|&state| Entry { state, early: false }));
            // A cycle may also be entered before the promise is given, if it is given on the cycle.
            if asked.is_some_and(|asked| part.iter().any(|&state| asked.states[state as usize])) {
                let early = part.iter().map(|&state| Entry { state, early: true });
                entries.extend(early.filter(|&entry| before(entry) < open.steps_to(entry.state)));
            }
        }
        let Some(&first) = entries.iter().min_by_key(|entry| rank(**entry)) else { return true };
        entries.sort_unstable_by_key(|entry| rank(*entry));
        let mut cycles = Cycles::new(self.graph, fair, asked.map(|asked| asked.states), self.effort);
        // Some cycle of each part, however long, bounds the search.
        let mut tried = vec![false; fair.parts.len()];
        for &entry in &entries {
            if before(entry) + 1 >= best.steps() {
                break;
            }
            let part = fair.part_of[entry.state as usize] as usize - 1;
            if !std::mem::replace(&mut tried[part], true) {
                best.offer(before(entry), entry, cycles.some(entry.state, entry.early));
            }
        }
        // No lasso has so few steps, but for the best.
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
                    Err(BrokenOff) => return false,
                }
            }
            none_up_to = most;
        }
        true
    }
}

/// Where promises are given, and how many steps lead to each state.
#[derive(Clone, Copy)]
struct Asked<'a> {
    states: &'a [bool],
    depths: &'a [u32],
}

/// The state at which a cycle is entered: with the promise open already, or early.
#[derive(Clone, Copy, Debug)]
struct Entry {
    state: u32,
    early: bool,
}

/// The shortest lasso so far: its steps, where its cycle is entered, and the cycle.
#[derive(Default)]
struct Best {
    found: Option<(u32, Entry, Vec<Edge>)>,
}

impl Best {
    fn steps(&self) -> u32 {
        self.found.as_ref().map_or(NEVER, |(steps, ..)| *steps)
    }

    /// A cycle that is entered after so many steps.
    fn offer(&mut self, before: u32, entry: Entry, cycle: Vec<Edge>) {
        let steps = before.saturating_add(cycle.len() as u32);
        if steps < self.steps() {
            self.found = Some((steps, entry, cycle));
        }
    }
}

/// The states in which a promise is open.
struct Open {
    /// The steps of a shortest path on which a state is reached with the promise open; [`NEVER`] if there is none.
    steps: Vec<u32>,
    /// The state before it on that path, or itself if the promise is given here.
    from: Vec<u32>,
}

impl Open {
    /// The states that can be reached from those where the promise is `given`, which are in breadth-first order, without passing one
    /// where it is `kept`.
    fn new<M: Spec>(graph: &Graph<'_, M>, given: Vec<u32>, depths: &[u32], kept: &[bool]) -> Self {
        let mut open = Open { steps: vec![NEVER; graph.states()], from: vec![NEVER; graph.states()] };
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
            // Whichever is nearer to an initial state, so that all are found in the order of their steps.
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

    /// The steps before a cycle that is entered there.
    fn steps_into(&self, asked: &Option<Asked<'_>>, entry: Entry) -> u32 {
        match asked {
            Some(asked) if entry.early => asked.depths[entry.state as usize],
            _ => self.steps_to(entry.state),
        }
    }

    /// The path to a cycle that is entered there.
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
