//! A model: a graph that is written out, for the smallest examples and for random ones.

use pghaspec_model::engine::{Fairness, Spec};
use stateright::{Model, Property};

/// A state, by number.
pub type Node = u32;

/// A step of a state, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step(pub u16);

/// The result of a step, and its fairness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// The next state; `None` for an action without a result.
    pub to: Option<Node>,
    /// Its fairness.
    pub fairness: Fairness,
}

/// The properties that stateright is property about the states with `p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyKind {
    /// They are never reached.
    Never,
    /// The same as the only property.
    NeverAlone,
    /// They are reached at last.
    Eventually,
}

/// A graph with labels.
#[derive(Clone, Debug)]
pub struct SmallGraph {
    /// The initial states.
    pub initial: Vec<Node>,
    /// The steps of each state.
    pub arrows: Vec<Vec<Arrow>>,
    /// The label `p` of each state.
    pub p: Vec<bool>,
    /// The label `q` of each state.
    pub q: Vec<bool>,
    /// States outside the boundary.
    pub outside: Vec<bool>,
    /// The property for stateright.
    pub property: PropertyKind,
}

/// The action of a step, with the state in which it is taken: its fairness depends on both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Taken {
    /// The state.
    pub at: Node,
    /// The step.
    pub step: Step,
}

impl SmallGraph {
    /// States 0 to `n - 1`, beginning in 0, with steps without fairness.
    pub fn new(n: usize, edges: &[(Node, Node)]) -> Self {
        let mut graph = SmallGraph {
            initial: vec![0],
            arrows: vec![Vec::new(); n],
            p: vec![false; n],
            q: vec![false; n],
            outside: vec![false; n],
            property: PropertyKind::Never,
        };
        for &(from, to) in edges {
            graph.arrows[from as usize].push(Arrow { to: Some(to), fairness: Fairness::None });
        }
        graph
    }

    /// The same with one step of another fairness.
    pub fn with(mut self, from: Node, to: Node, fairness: Fairness) -> Self {
        let arrow = self.arrows[from as usize].iter_mut().find(|arrow| arrow.to == Some(to));
        arrow.expect("there is such a step").fairness = fairness;
        self
    }

    /// The same with `p` in these states.
    pub fn with_p(mut self, nodes: &[Node]) -> Self {
        nodes.iter().for_each(|&node| self.p[node as usize] = true);
        self
    }

    /// The same with `q` in these states.
    pub fn with_q(mut self, nodes: &[Node]) -> Self {
        nodes.iter().for_each(|&node| self.q[node as usize] = true);
        self
    }

    /// The label `p`.
    pub fn is_p(&self, node: &Node) -> bool {
        self.p[*node as usize]
    }

    /// The label `q`.
    pub fn is_q(&self, node: &Node) -> bool {
        self.q[*node as usize]
    }
}

impl Model for SmallGraph {
    type State = Node;
    type Action = Taken;

    fn init_states(&self) -> Vec<Node> {
        self.initial.clone()
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Taken>) {
        let steps = 0..self.arrows[*node as usize].len() as u16;
        actions.extend(steps.map(|step| Taken { at: *node, step: Step(step) }));
    }

    fn next_state(&self, node: &Node, action: Taken) -> Option<Node> {
        self.arrows[*node as usize][usize::from(action.step.0)].to
    }

    fn properties(&self) -> Vec<Property<Self>> {
        match self.property {
            // The second property always holds: stateright does not expand states in which all properties are violated.
            PropertyKind::Never => vec![
                Property::always("never p", |graph: &SmallGraph, node| !graph.is_p(node)),
                Property::always("anything", |_, _| true),
            ],
            PropertyKind::NeverAlone => vec![Property::always("never p", |graph: &SmallGraph, node| !graph.is_p(node))],
            PropertyKind::Eventually => vec![Property::eventually("eventually p", SmallGraph::is_p)],
        }
    }

    fn within_boundary(&self, node: &Node) -> bool {
        !self.outside[*node as usize]
    }
}

impl Spec for SmallGraph {
    type Packed = u64;

    fn pack(&self, node: &Node) -> u64 {
        u64::from(*node)
    }

    fn unpack(&self, packed: u64) -> Node {
        packed as Node
    }

    fn fairness(&self, action: &Taken) -> Fairness {
        self.arrows[action.at as usize][usize::from(action.step.0)].fairness
    }
}
