//! The whole reachable graph of a model, for questions about what happens again and again.

use crate::engine::path::Path;
use crate::engine::segments::Segments;
use crate::engine::spec::{Fairness, Spec, Word};

/// A step, seen from the state in which it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// The number of the state that it leads to.
    pub to: u32,
    /// The place of its action in the list of [`Model::actions`](stateright::Model::actions).
    pub place: u16,
    /// The place of its fairness in [`Graph::classes`].
    pub class: u16,
}

/// All reachable states and all steps between them.
///
/// States are numbered in breadth-first order, the initial ones first, and are stored whole, packed. There is no
/// symmetry, because a cycle of orbits need not be a cycle of states. A step exists if its action has a result within
/// the boundary. Different actions with the same result are different steps.
///
/// A graph takes, for each state, its packed form and 12 bytes, and for each step 8 bytes; during exploration at most
/// 11 bytes more for each state.
pub struct Graph<'m, M: Spec> {
    model: &'m M,
    words: Segments<M::Packed>,
    parents: Segments<u32>,
    /// For each state, the index of its first step. The steps of a state end where those of the next one begin.
    starts: Segments<u64>,
    edges: Segments<Edge>,
    initial: usize,
    classes: Vec<Fairness>,
}

impl<'m, M: Spec> Graph<'m, M> {
    /// Explores the whole model.
    pub fn of(model: &'m M) -> Self {
        Graph::of_at_most(model, usize::MAX).expect("no graph is larger than that")
    }

    /// Explores the whole model; `None` if the graph would hold more than `bytes` bytes.
    pub fn of_at_most(model: &'m M, bytes: usize) -> Option<Self> {
        let mut graph = Graph {
            model,
            words: Segments::new(),
            parents: Segments::new(),
            starts: Segments::new(),
            edges: Segments::new(),
            initial: 0,
            classes: vec![Fairness::None],
        };
        let mut index = Index::new();
        for state in model.init_states() {
            if model.within_boundary(&state) {
                let own = graph.words.len() as u32;
                index.place(&mut graph.words, &mut graph.parents, model.pack(&state), own);
            }
        }
        graph.initial = graph.words.len();
        let mut actions = Vec::new();
        while graph.starts.len() < graph.words.len() {
            let parent = graph.starts.len();
            graph.starts.push(graph.edges.len() as u64);
            let state = graph.state(parent as u32);
            actions.clear();
            model.actions(&state, &mut actions);
            assert!(actions.len() <= usize::from(u16::MAX), "a state has at most 65,535 actions");
            for (place, &action) in actions.iter().enumerate() {
                let Some(after) = model.next_state(&state, action) else { continue };
                if model.within_boundary(&after) {
                    let to = index.place(&mut graph.words, &mut graph.parents, model.pack(&after), parent as u32);
                    let place = place as u16;
                    let class = class_of(&mut graph.classes, model.fairness(&action));
                    graph.edges.push(Edge { to, place, class });
                }
            }
            if graph.bytes() + index.bytes() > bytes {
                return None;
            }
        }
        Some(graph)
    }

    /// The model whose graph this is.
    pub fn model(&self) -> &'m M {
        self.model
    }

    /// The number of states.
    pub fn states(&self) -> usize {
        self.words.len()
    }

    /// The number of steps.
    pub fn transitions(&self) -> usize {
        self.edges.len()
    }

    /// The number of initial states, which come first.
    pub fn initial(&self) -> usize {
        self.initial
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.words.bytes() + self.parents.bytes() + self.starts.bytes() + self.edges.bytes()
    }

    /// The different kinds of fairness of the actions; the first is always [`Fairness::None`].
    pub fn classes(&self) -> &[Fairness] {
        &self.classes
    }

    /// The state with this number.
    pub fn state(&self, index: u32) -> M::State {
        self.model.unpack(self.words.get(index as usize))
    }

    /// The steps from a state.
    pub fn edges(&self, index: u32) -> impl Iterator<Item = Edge> + '_ {
        let (start, end) = self.edge_range(index);
        (start..end).map(|edge| self.edges.get(edge))
    }

    /// The range of a state's steps among all steps, half open.
    pub(in crate::engine) fn edge_range(&self, index: u32) -> (usize, usize) {
        let next = index as usize + 1;
        let end = if next < self.starts.len() { self.starts.get(next) as usize } else { self.edges.len() };
        (self.starts.get(index as usize) as usize, end)
    }

    /// A step by its place among all steps.
    pub(in crate::engine) fn edge(&self, place: usize) -> Edge {
        self.edges.get(place)
    }

    /// True if no step leads out of this state.
    pub fn is_deadlock(&self, index: u32) -> bool {
        let (start, end) = self.edge_range(index);
        start == end
    }

    /// The states that no step leads out of.
    pub fn deadlocks(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.states() as u32).filter(|&index| self.is_deadlock(index))
    }

    /// For each state, whether the predicate holds.
    pub fn mark(&self, is_so: impl Fn(&M, &M::State) -> bool) -> Vec<bool> {
        (0..self.states() as u32).map(|index| is_so(self.model, &self.state(index))).collect()
    }

    /// For each state, its distance from the initial states in steps.
    pub fn depths(&self) -> Vec<u32> {
        let mut depths: Vec<u32> = Vec::with_capacity(self.states());
        for index in 0..self.states() {
            let parent = self.parents.get(index) as usize;
            depths.push(if parent == index { 0 } else { depths[parent] + 1 });
        }
        depths
    }

    /// The states on a shortest path to a state, that one last.
    pub(in crate::engine) fn route(&self, index: u32) -> Vec<u32> {
        let mut route = vec![index];
        let mut index = index;
        loop {
            let parent = self.parents.get(index as usize);
            if parent == index {
                route.reverse();
                return route;
            }
            route.push(parent);
            index = parent;
        }
    }

    /// The path through these states, of which the first is initial. Between two states it takes the first step that
    /// there is.
    pub(in crate::engine) fn path(&self, route: &[u32]) -> Path<M::State, M::Action> {
        let step = |pair: &[u32]| self.edges(pair[0]).find(|edge| edge.to == pair[1]).expect("a route follows steps");
        let edges: Vec<Edge> = route.windows(2).map(step).collect();
        Path { init: self.state(route[0]), steps: self.steps(route[0], &edges) }
    }

    /// A sequence of steps, with their actions and results.
    pub(in crate::engine) fn steps(&self, from: u32, edges: &[Edge]) -> Vec<(M::Action, M::State)> {
        let mut state = self.state(from);
        let mut actions = Vec::new();
        let mut spell = |edge: &Edge| {
            actions.clear();
            self.model.actions(&state, &mut actions);
            state = self.state(edge.to);
            (actions[usize::from(edge.place)], state.clone())
        };
        edges.iter().map(&mut spell).collect()
    }
}

fn class_of(classes: &mut Vec<Fairness>, fairness: Fairness) -> u16 {
    let known = classes.iter().position(|class| *class == fairness);
    let class = known.unwrap_or_else(|| {
        classes.push(fairness);
        classes.len() - 1
    });
    class as u16
}

/// An index from states to their numbers: open addressing, with the numbers in the slots. The states stay where the
/// graph stores them.
struct Index {
    slots: Vec<u32>,
    mask: usize,
}

const FREE: u32 = u32::MAX;

impl Index {
    fn new() -> Self {
        Index { slots: vec![FREE; 1 << 10], mask: (1 << 10) - 1 }
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<u32>()
    }

    /// The number of a state, which is stored with its parent if it is new.
    fn place<W: Word>(&mut self, words: &mut Segments<W>, parents: &mut Segments<u32>, word: W, parent: u32) -> u32 {
        let mut slot = word.spread() as usize & self.mask;
        while self.slots[slot] != FREE {
            if words.get(self.slots[slot] as usize) == word {
                return self.slots[slot];
            }
            slot = (slot + 1) & self.mask;
        }
        let index = words.len() as u32;
        assert!(index < FREE, "fewer than 2^32 states fit into memory");
        self.slots[slot] = index;
        words.push(word);
        parents.push(parent);
        if words.len() * 4 > self.slots.len() * 3 {
            self.grow(words);
        }
        index
    }

    #[cold]
    fn grow<W: Word>(&mut self, words: &Segments<W>) {
        let slots = self.slots.len() * 2;
        // The old slots are freed first: the new ones are filled from the states themselves.
        self.slots = Vec::new();
        *self = Index { slots: vec![FREE; slots], mask: slots - 1 };
        for index in 0..words.len() {
            let mut slot = words.get(index).spread() as usize & self.mask;
            while self.slots[slot] != FREE {
                slot = (slot + 1) & self.mask;
            }
            self.slots[slot] = index as u32;
        }
    }
}
