//! Fair parts: the strongly connected parts of a graph in which a fair behaviour can stay for ever.
//!
//! A promise is broken if such a part lies within the states where it is open.

use super::graph::Graph;
use crate::engine::spec::{Fairness, Spec};

/// The part number of a state that belongs to no part.
pub(in crate::engine) const NOWHERE: u32 = 0;

/// The fair parts, and for each state the number of its part (its index in `parts` plus one), or [`NOWHERE`].
pub(in crate::engine) struct FairParts {
    pub(in crate::engine) parts: Vec<Vec<u32>>,
    pub(in crate::engine) part_of: Vec<u32>,
}

/// Finds the largest strongly connected parts of the subgraph of `states` such that a behaviour which takes all their
/// steps again and again is fair. Every fair behaviour that stays among `states` finally stays in one of them.
///
/// If a strong class is possible somewhere in a strongly connected part but is never taken in it, the part can be
/// walked fairly only without the states in which the class is possible: they are removed, and the rest is decomposed
/// again (Streett). If a weak class is possible everywhere in the part and never taken in it, the same holds for every
/// smaller part, and the whole part is out. Each round removes a state, so there are at most as many rounds as states;
/// real models need a few.
pub(in crate::engine) fn fair_parts<M: Spec>(graph: &Graph<'_, M>, states: Vec<u32>) -> FairParts {
    let mut region = vec![NOWHERE; graph.states()];
    let mut regions = NOWHERE;
    let mut components = Components::new(graph.states());
    let mut class_use = ClassUse::new(graph.classes());
    let mut parts = Vec::new();
    let mut work = vec![states];
    while let Some(states) = work.pop() {
        for part in components.of(graph, &states) {
            regions += 1;
            part.iter().for_each(|&state| region[state as usize] = regions);
            match class_use.judge(graph, &part, &region) {
                Judgement::Fair => parts.push(part),
                Judgement::Never => {}
                Judgement::Without(states) => work.push(states),
            }
        }
    }
    // Only the fair parts keep a number.
    region.fill(NOWHERE);
    for (place, part) in parts.iter().enumerate() {
        part.iter().for_each(|&state| region[state as usize] = place as u32 + 1);
    }
    FairParts { parts, part_of: region }
}

enum Judgement {
    Fair,
    Never,
    /// Perhaps a smaller part is fair, within these states.
    Without(Vec<u32>),
}

/// For the part at hand, what is possible and what is taken of each class.
struct ClassUse<'g> {
    classes: &'g [Fairness],
    /// For each class, the number of states in which it is possible.
    possible: Vec<usize>,
    taken: Vec<bool>,
    /// For each class, the last state in which it was found possible, so that no state is counted twice.
    seen_in: Vec<u32>,
}

impl<'g> ClassUse<'g> {
    fn new(classes: &'g [Fairness]) -> Self {
        let n = classes.len();
        ClassUse { classes, possible: vec![0; n], taken: vec![false; n], seen_in: vec![u32::MAX; n] }
    }

    fn judge<M: Spec>(&mut self, graph: &Graph<'_, M>, part: &[u32], region: &[u32]) -> Judgement {
        self.possible.fill(0);
        self.taken.fill(false);
        self.seen_in.fill(u32::MAX);
        let own = region[part[0] as usize];
        for &state in part {
            for edge in graph.edges(state) {
                let class = usize::from(edge.class);
                if self.seen_in[class] != state {
                    self.seen_in[class] = state;
                    self.possible[class] += 1;
                }
                self.taken[class] |= region[edge.to as usize] == own;
            }
        }
        let put_off = |class: usize| match self.classes[class] {
            Fairness::None => false,
            Fairness::Weak(_) => self.possible[class] == part.len() && !self.taken[class],
            Fairness::Strong(_) => self.possible[class] > 0 && !self.taken[class],
        };
        let put_off: Vec<bool> = (0..self.classes.len()).map(put_off).collect();
        let weak = |class: usize| matches!(self.classes[class], Fairness::Weak(_));
        if (0..put_off.len()).any(|class| put_off[class] && weak(class)) {
            return Judgement::Never;
        }
        if !put_off.contains(&true) {
            return Judgement::Fair;
        }
        let without = |state: &u32| !graph.edges(*state).any(|edge| put_off[usize::from(edge.class)]);
        Judgement::Without(part.iter().copied().filter(without).collect())
    }
}

/// Tarjan's algorithm with an explicit stack.
struct Components {
    /// For each state the time of its discovery, from 1; 0 before discovery; [`DONE`] once its component is known, and
    /// for states outside the subgraph.
    found: Vec<u32>,
    /// For each state, the earliest discovery time of an open state that is known to be reachable from it.
    low: Vec<u32>,
}

/// A discovery time later than all others.
const DONE: u32 = u32::MAX;

impl Components {
    fn new(states: usize) -> Self {
        Components { found: vec![DONE; states], low: vec![0; states] }
    }

    /// The strongly connected components of the subgraph of `states` that contain at least one step.
    fn of<M: Spec>(&mut self, graph: &Graph<'_, M>, states: &[u32]) -> Vec<Vec<u32>> {
        let mut components = Vec::new();
        states.iter().for_each(|&state| self.found[state as usize] = 0);
        let mut time = 0;
        let mut open = Vec::new();
        // The states on the path to the current one, each with the range of its steps that are still to be followed.
        let mut way: Vec<(u32, usize, usize)> = Vec::new();
        for &root in states {
            if self.found[root as usize] != 0 {
                continue;
            }
            self.enter(graph, root, &mut time, &mut open, &mut way);
            while let Some((state, next, end)) = way.last_mut() {
                let from = *state as usize;
                if *next < *end {
                    let to = graph.edge(*next).to;
                    *next += 1;
                    match self.found[to as usize] {
                        0 => self.enter(graph, to, &mut time, &mut open, &mut way),
                        found => self.low[from] = self.low[from].min(found),
                    }
                    continue;
                }
                way.pop();
                if let Some((before, ..)) = way.last() {
                    let before = *before as usize;
                    self.low[before] = self.low[before].min(self.low[from]);
                }
                if self.low[from] == self.found[from] {
                    let at = open.iter().rposition(|&state| state as usize == from).expect("it is still open");
                    let component = open.split_off(at);
                    component.iter().for_each(|&state| self.found[state as usize] = DONE);
                    let alone = component.len() == 1;
                    if !alone || graph.edges(component[0]).any(|edge| edge.to == component[0]) {
                        components.push(component);
                    }
                }
            }
        }
        components
    }

    fn enter<M: Spec>(
        &mut self,
        graph: &Graph<'_, M>,
        state: u32,
        time: &mut u32,
        open: &mut Vec<u32>,
        way: &mut Vec<(u32, usize, usize)>,
    ) {
        *time += 1;
        self.found[state as usize] = *time;
        self.low[state as usize] = *time;
        open.push(state);
        let (start, end) = graph.edge_range(state);
        way.push((state, start, end));
    }
}
