//! The parts of a graph in which a fair behaviour can stay for ever.

use super::graph::Graph;
use crate::engine::spec::{Fairness, Spec};

/// Belongs to no part.
pub(in crate::engine) const NOWHERE: u32 = 0;

/// The parts, and for each state the number of its part (one more than its place), or [`NOWHERE`].
pub(in crate::engine) struct FairParts {
    pub(in crate::engine) parts: Vec<Vec<u32>>,
    pub(in crate::engine) part_of: Vec<u32>,
}

/// Finds the largest strongly connected parts of the subgraph of `states` such that the behaviour that goes through all their steps again
/// and again is fair. Every fair behaviour that stays among `states` stays at last in one of them.
///
/// A strongly connected part in which a strong class is possible but never taken cannot be walked fairly unless the states in which it is
/// possible are left alone: they are removed, and what remains is looked at anew (Streett). If a weak class is possible everywhere and
/// never taken, the same holds for everything inside, and the whole part is out. Each round removes a state, so there are at most as many
/// rounds as states; models have a few.
pub(in crate::engine) fn fair_parts<M: Spec>(graph: &Graph<'_, M>, states: Vec<u32>) -> FairParts {
    let mut region = vec![NOWHERE; graph.states()];
    let mut regions = NOWHERE;
    let mut components = Components::new(graph.states());
    let mut verdict = Verdict::new(graph.classes());
    let mut parts = Vec::new();
    let mut work = vec![states];
    while let Some(states) = work.pop() {
        for part in components.of(graph, &states) {
            regions += 1;
            part.iter().for_each(|&state| region[state as usize] = regions);
            match verdict.on(graph, &part, &region) {
                Judged::Fair => parts.push(part),
                Judged::Never => {}
                Judged::Without(states) => work.push(states),
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

enum Judged {
    Fair,
    Never,
    /// Perhaps, but only in these states.
    Without(Vec<u32>),
}

/// What is known of each class in the part at hand.
struct Verdict<'g> {
    classes: &'g [Fairness],
    /// In how many states it is possible.
    possible: Vec<usize>,
    taken: Vec<bool>,
    /// The state in which it was last found possible, so that none is counted twice.
    seen_in: Vec<u32>,
}

impl<'g> Verdict<'g> {
    fn new(classes: &'g [Fairness]) -> Self {
        let n = classes.len();
        Verdict { classes, possible: vec![0; n], taken: vec![false; n], seen_in: vec![u32::MAX; n] }
    }

    fn on<M: Spec>(&mut self, graph: &Graph<'_, M>, part: &[u32], region: &[u32]) -> Judged {
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
            return Judged::Never;
        }
        if !put_off.contains(&true) {
            return Judged::Fair;
        }
        let without = |state: &u32| !graph.edges(*state).any(|edge| put_off[usize::from(edge.class)]);
        Judged::Without(part.iter().copied().filter(without).collect())
    }
}

/// Tarjan's algorithm, with its own stack.
struct Components {
    /// When a state was found, from 1; 0 before, and [`DONE`] once its component is known, and for states that are not looked at.
    found: Vec<u32>,
    /// The earliest state that is known to be reachable from it and still open.
    low: Vec<u32>,
}

/// Later than all others.
const DONE: u32 = u32::MAX;

impl Components {
    fn new(states: usize) -> Self {
        Components { found: vec![DONE; states], low: vec![0; states] }
    }

    /// The strongly connected components of the subgraph of `states`, without those in which there is no step.
    fn of<M: Spec>(&mut self, graph: &Graph<'_, M>, states: &[u32]) -> Vec<Vec<u32>> {
        let mut components = Vec::new();
        states.iter().for_each(|&state| self.found[state as usize] = 0);
        let mut time = 0;
        let mut open = Vec::new();
        // States on the way to the one at hand, each with its steps that are still to be followed.
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
