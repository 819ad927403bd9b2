//! A model: a graph in which some states stand for others, for searches with representatives and for flaws in these.

use pghaspec_model::engine::{Inspect, Spec};
use stateright::Model;

use super::small_graph::{Node, SmallGraph, Taken};

/// A graph with a representative for each state. A state with `p` shows a discovery.
#[derive(Clone, Debug)]
pub struct Represented {
    /// The graph of all states.
    pub graph: SmallGraph,
    /// For each state its representative.
    pub by: Vec<Node>,
}

impl Represented {
    /// A graph that begins in state 0, with these steps.
    pub fn new(by: &[Node], edges: &[(Node, Node)]) -> Self {
        Represented { graph: SmallGraph::new(by.len(), edges), by: by.to_vec() }
    }

    /// The same with `p` in this state.
    pub fn with_p(self, node: Node) -> Self {
        Represented { graph: self.graph.with_p(&[node]), ..self }
    }

    /// The same with this state out of bounds.
    pub fn with_outside(mut self, node: Node) -> Self {
        self.graph.outside[node as usize] = true;
        self
    }

    /// All states.
    pub fn states(&self) -> impl Iterator<Item = Node> + use<> {
        0..self.by.len() as Node
    }
}

/// Bit 0: a state with `p`.
pub struct ShowsP;

impl Inspect<Represented> for ShowsP {
    fn state(&self, model: &Represented, node: &Node) -> u64 {
        u64::from(model.graph.is_p(node))
    }
}

impl Model for Represented {
    type State = Node;
    type Action = Taken;

    fn init_states(&self) -> Vec<Node> {
        self.graph.init_states()
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Taken>) {
        self.graph.actions(node, actions);
    }

    fn next_state(&self, node: &Node, action: Taken) -> Option<Node> {
        self.graph.next_state(node, action)
    }

    fn within_boundary(&self, node: &Node) -> bool {
        self.graph.within_boundary(node)
    }
}

impl Spec for Represented {
    type Packed = u64;

    fn pack(&self, node: &Node) -> u64 {
        self.graph.pack(node)
    }

    fn unpack(&self, packed: u64) -> Node {
        self.graph.unpack(packed)
    }

    fn canonical(&self, node: &Node) -> Node {
        self.by[*node as usize]
    }
}
