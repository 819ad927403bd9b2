//! The shortest fair cycle through a state.
//!
//! A fair cycle need not be simple: it may have to pass a state once to satisfy one class and again to satisfy another.
//! So the search is breadth-first in the product of the states with the duties that are already done.

use std::collections::VecDeque;

use rustc_hash::{FxHashMap, FxHashSet};

use super::fair::{FairParts, NOWHERE};
use super::graph::{Edge, Graph};
use crate::engine::spec::{Fairness, Spec};

/// The search for cycles within fair parts.
pub(in crate::engine) struct Cycles<'a, M: Spec> {
    graph: &'a Graph<'a, M>,
    fair: &'a FairParts,
    /// The states of which a cycle has to pass one, if it is asked to.
    wanted: Option<&'a [bool]>,
    duties: FxHashMap<u32, Option<Duties>>,
    predecessors: Predecessors,
    /// Product states that may still be visited.
    effort: usize,
}

/// The search was broken off: the effort was used up, or there are more classes than bits.
pub(in crate::engine) struct EffortExhausted;

/// The duties of a fair cycle within one part, as bits. Bit 0: pass a wanted state. A weak class has one bit, set by
/// taking the class and by states in which it is not possible. A strong class has two adjacent bits: the lower one is
/// set by states in which the class is possible, the upper one by taking it.
struct Duties {
    must: u64,
    strong_possible: u64,
    weak: u64,
    /// Two masks for each class. The first belongs to states in which the class is possible (it sets the lower bit of a
    /// strong class; the bit of a weak class is set where this is missing), the second to taking the class.
    of_class: Vec<(u64, u64)>,
}

const WANTED: u64 = 1;

impl Duties {
    /// The duties of the classes that are `possible` in a part; `None` if they need more than 64 bits.
    fn new(classes: &[Fairness], possible: &[bool]) -> Option<Self> {
        let mut duties = Duties { must: WANTED, strong_possible: 0, weak: 0, of_class: Vec::new() };
        let mut next = 1;
        for (class, &possible) in classes.iter().zip(possible) {
            let bits = match class {
                Fairness::Weak(_) if possible => 1,
                Fairness::Strong(_) if possible => 2,
                _ => 0,
            };
            if next + bits > u64::BITS {
                return None;
            }
            let bit = 1_u64 << (next % u64::BITS);
            duties.of_class.push(match bits {
                1 => {
                    duties.must |= bit;
                    duties.weak |= bit;
                    (bit, bit)
                }
                2 => {
                    duties.strong_possible |= bit;
                    (bit, bit << 1)
                }
                _ => (0, 0),
            });
            next += bits;
        }
        Some(duties)
    }

    /// The bits that passing a state sets.
    fn of_state<M: Spec>(&self, graph: &Graph<'_, M>, state: u32, wanted: bool) -> u64 {
        let possible = graph.edges(state).fold(0, |bits, edge| bits | self.of_class[usize::from(edge.class)].0);
        let weak_impossible = self.weak & !possible;
        weak_impossible | possible & self.strong_possible | if wanted { WANTED } else { 0 }
    }

    fn of_step(&self, edge: Edge) -> u64 {
        self.of_class[usize::from(edge.class)].1
    }

    fn are_done(&self, bits: u64) -> bool {
        bits & self.must == self.must && (bits & self.strong_possible) << 1 & !bits == 0
    }
}

/// A product state, and how it was reached.
struct Place {
    edge: Edge,
    bits: u64,
    from: u32,
}

impl<'a, M: Spec> Cycles<'a, M> {
    pub(in crate::engine) fn new(
        graph: &'a Graph<'a, M>,
        fair: &'a FairParts,
        wanted: Option<&'a [bool]>,
        effort: usize,
    ) -> Self {
        let predecessors = Predecessors::new(graph, fair);
        Cycles { graph, fair, wanted, duties: FxHashMap::default(), predecessors, effort }
    }

    fn part_of(&self, state: u32) -> u32 {
        self.fair.part_of[state as usize]
    }

    fn wants(&self, state: u32) -> bool {
        self.wanted.is_some_and(|wanted| wanted[state as usize])
    }

    /// A shortest fair cycle from a state of a fair part that has at most `most` steps, keeps to states that are
    /// `allowed`, and passes a wanted state if `pass_wanted`. The cost is the number of states within reach times the
    /// number of duty sets with which they can be reached: in the worst case 2 to the power of the number of weak
    /// classes, times 3 to the power of the number of strong classes.
    pub(in crate::engine) fn shortest(
        &mut self,
        start: u32,
        most: u32,
        pass_wanted: bool,
        allowed: impl Fn(u32) -> bool,
    ) -> Result<Option<Vec<Edge>>, EffortExhausted> {
        let (graph, fair, part) = (self.graph, self.fair, self.part_of(start));
        let wanted = self.wanted;
        let wants = |state: u32| wanted.is_some_and(|wanted| wanted[state as usize]);
        // Only states from which the way back is short enough can be on the cycle.
        let allowed = |state: u32| fair.part_of[state as usize] == part && allowed(state);
        let back = self.predecessors.within(start, most, allowed);
        self.effort = self.effort.checked_sub(back.len()).ok_or(EffortExhausted)?;
        let duties = self.duties.entry(part).or_insert_with(|| {
            let mut possible = vec![false; graph.classes().len()];
            let states = &fair.parts[part as usize - 1];
            states
                .iter()
                .for_each(|&state| graph.edges(state).for_each(|edge| possible[usize::from(edge.class)] = true));
            Duties::new(graph.classes(), &possible)
        });
        let Some(duties) = duties else { return Err(EffortExhausted) };
        let first = duties.of_state(graph, start, wants(start) || !pass_wanted);
        let nowhere = Edge { to: start, place: 0, class: 0 };
        let mut places = vec![Place { edge: nowhere, bits: first, from: 0 }];
        let mut known = FxHashSet::from_iter([(start, first)]);
        let (mut next, mut steps, mut level_end) = (0, 0, 1);
        while next < places.len() {
            if next == level_end {
                steps += 1;
                level_end = places.len();
            }
            let Place { edge: Edge { to: state, .. }, bits, .. } = places[next];
            for edge in graph.edges(state) {
                let Some(&rest) = back.get(&edge.to) else { continue };
                if steps + 1 + rest > most {
                    continue;
                }
                let here = duties.of_state(graph, edge.to, wants(edge.to));
                let bits = bits | duties.of_step(edge) | here;
                if edge.to == start && duties.are_done(bits) {
                    let mut cycle = vec![edge];
                    let mut place = next;
                    while place != 0 {
                        cycle.push(places[place].edge);
                        place = places[place].from as usize;
                    }
                    cycle.reverse();
                    return Ok(Some(cycle));
                }
                if known.insert((edge.to, bits)) {
                    if self.effort == 0 {
                        return Err(EffortExhausted);
                    }
                    self.effort -= 1;
                    places.push(Place { edge, bits, from: next as u32 });
                }
            }
            next += 1;
        }
        Ok(None)
    }

    /// Any fair cycle from a state of a fair part, which passes a wanted state if `pass_wanted`. It goes to the nearest
    /// step or state that does a duty not yet done, again and again, and finally back.
    pub(in crate::engine) fn any(&self, start: u32, pass_wanted: bool) -> Vec<Edge> {
        let (graph, part) = (self.graph, self.part_of(start));
        // The duties are those of the whole part: no class is put off if each class that can be taken is taken, and
        // each other weak class is found impossible somewhere.
        let mut taken = vec![false; graph.classes().len()];
        let mut possible = taken.clone();
        for &state in &self.fair.parts[part as usize - 1] {
            for edge in graph.edges(state) {
                possible[usize::from(edge.class)] = true;
                taken[usize::from(edge.class)] |= self.part_of(edge.to) == part;
            }
        }
        let due = |class: &usize| possible[*class] && graph.classes()[*class] != Fairness::None;
        let mut due: Vec<u16> = (0..taken.len()).filter(due).map(|class| class as u16).collect();
        let mut wanted = pass_wanted && !self.wants(start);
        let impossible = |class: u16, state: u32| graph.edges(state).all(|edge| edge.class != class);
        due.retain(|&class| taken[usize::from(class)] || !impossible(class, start));
        let mut cycle: Vec<Edge> = Vec::new();
        loop {
            let at = cycle.last().map_or(start, |edge| edge.to);
            let finished = due.is_empty() && !wanted;
            if finished && at == start && !cycle.is_empty() {
                return cycle;
            }
            let does =
                |edge: Edge| {
                    due.iter().any(|&class| {
                        if taken[usize::from(class)] { edge.class == class } else { impossible(class, edge.to) }
                    }) || wanted && self.wants(edge.to)
                };
            let leg = self.leg(at, |edge| if finished { edge.to == start } else { does(edge) });
            for &edge in &leg {
                wanted &= !self.wants(edge.to);
                due.retain(
                    |&class| {
                        if taken[usize::from(class)] { edge.class != class } else { !impossible(class, edge.to) }
                    },
                );
            }
            cycle.extend(leg);
        }
    }

    /// A shortest path within the part whose last step satisfies a predicate.
    fn leg(&self, from: u32, is_so: impl Fn(Edge) -> bool) -> Vec<Edge> {
        let part = self.part_of(from);
        let mut came_by: FxHashMap<u32, (u32, Edge)> = FxHashMap::default();
        let mut queue = VecDeque::from([from]);
        while let Some(state) = queue.pop_front() {
            for edge in self.graph.edges(state).filter(|edge| self.part_of(edge.to) == part) {
                if is_so(edge) {
                    let mut leg = vec![edge];
                    let mut at = state;
                    while at != from {
                        let (before, edge) = came_by[&at];
                        leg.push(edge);
                        at = before;
                    }
                    leg.reverse();
                    return leg;
                }
                if edge.to != from && !came_by.contains_key(&edge.to) {
                    came_by.insert(edge.to, (state, edge));
                    queue.push_back(edge.to);
                }
            }
        }
        unreachable!("a fair part is strongly connected, and each of its duties can be done in it")
    }
}

/// For each state of a fair part, its predecessors in that part.
struct Predecessors {
    /// For each state, the index of its first predecessor; one more entry for the end.
    starts: Vec<usize>,
    states: Vec<u32>,
}

impl Predecessors {
    fn new<M: Spec>(graph: &Graph<'_, M>, fair: &FairParts) -> Self {
        let inner = |part: u32, edge: &Edge| fair.part_of[edge.to as usize] == part && part != NOWHERE;
        let mut starts = vec![0; graph.states() + 1];
        for state in fair.parts.iter().flatten() {
            let part = fair.part_of[*state as usize];
            graph.edges(*state).filter(|edge| inner(part, edge)).for_each(|edge| starts[edge.to as usize + 1] += 1);
        }
        for state in 0..graph.states() {
            starts[state + 1] += starts[state];
        }
        let mut next = starts.clone();
        let mut states = vec![0; starts[graph.states()]];
        for state in fair.parts.iter().flatten() {
            let part = fair.part_of[*state as usize];
            for edge in graph.edges(*state).filter(|edge| inner(part, edge)) {
                states[next[edge.to as usize]] = *state;
                next[edge.to as usize] += 1;
            }
        }
        Predecessors { starts, states }
    }

    /// The states from which `end` can be reached in at most `most` steps, each with that number of steps; `end` itself
    /// with 0.
    fn within(&self, end: u32, most: u32, allowed: impl Fn(u32) -> bool) -> FxHashMap<u32, u32> {
        let mut steps = FxHashMap::from_iter([(end, 0)]);
        let mut queue = VecDeque::from([(end, 0)]);
        while let Some((state, far)) = queue.pop_front() {
            if far == most {
                break;
            }
            for &before in &self.states[self.starts[state as usize]..self.starts[state as usize + 1]] {
                if allowed(before) && !steps.contains_key(&before) {
                    steps.insert(before, far + 1);
                    queue.push_back((before, far + 1));
                }
            }
        }
        steps
    }
}
