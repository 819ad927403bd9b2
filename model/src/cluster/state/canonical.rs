//! Orbit representatives: the one state that stands for all that behave alike. They differ in the numbers of nodes, in
//! the numbers of WAL records, or in dead variables (`dead_variables.rs`).

use super::wal::Point;
use super::*;
use crate::cluster::Cluster;

/// The permutations of node numbers: node `i` becomes node `to[i]`.
const ALL: [[NodeId; MAX_NODES]; 6] = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [2, 1, 0], [1, 2, 0], [2, 0, 1]];

impl Cluster {
    /// The permutations of node numbers that do not change the cluster's behaviour. In synchronous mode a leader with
    /// two standbys chooses the first of them, as agents do by name, so the nodes are not alike.
    pub fn renumberings(&self) -> &'static [[NodeId; MAX_NODES]] {
        match (self.settings.nodes, self.settings.synchronous) {
            (2, _) => &ALL[..2],
            (_, true) => &ALL[..1],
            _ => &ALL,
        }
    }

    /// The same state with other node numbers: node `i` becomes node `to[i]`.
    pub fn renumbered(&self, state: &State, to: [NodeId; MAX_NODES]) -> State {
        let mut renumbered = *state;
        for (from, node) in state.nodes.iter().enumerate() {
            let mut node = *node;
            if let Some(agent) = node.agent.as_mut() {
                agent.seen = agent.seen.map(|seen| to[usize::from(seen)]);
            }
            node.sync_names = node.sync_names.map(|named| to[usize::from(named)]);
            if let Upstream::Member(source) = node.upstream {
                node.upstream = Upstream::Member(to[usize::from(source)]);
            }
            renumbered.nodes[usize::from(to[from])] = node;
        }
        if let Some(key) = renumbered.leader.as_mut() {
            key.holder = to[usize::from(key.holder)];
        }
        if let Some(key) = renumbered.sync.as_mut() {
            key.leader = to[usize::from(key.leader)];
            key.standby = key.standby.map(|standby| to[usize::from(standby)]);
        }
        if let Some(read) = renumbered.stalled.as_mut() {
            read.node = to[usize::from(read.node)];
            read.leader = read.leader.map(|leader| to[usize::from(leader)]);
            if let Some(key) = read.sync.as_mut() {
                key.leader = to[usize::from(key.leader)];
                key.standby = key.standby.map(|standby| to[usize::from(standby)]);
            }
        }
        renumbered
    }

    /// The permutations that sort the nodes by their signatures, which do not depend on node numbers: usually only one.
    fn orders(&self, state: &State) -> impl Iterator<Item = [NodeId; MAX_NODES]> + use<> {
        let renumberings = self.renumberings();
        let alike = renumberings.len() > 1;
        let nodes = usize::from(self.settings.nodes);
        let sign = |id| if id < nodes { self.signature(state, id as NodeId) } else { (0, 0) };
        let signatures: [_; MAX_NODES] = std::array::from_fn(sign);
        renumberings.iter().copied().filter(move |to| {
            let mut sorted = [(0, 0); MAX_NODES];
            for (signature, to) in signatures.iter().zip(to) {
                sorted[usize::from(*to)] = *signature;
            }
            !alike || sorted[..nodes].is_sorted()
        })
    }

    /// Numbers the WAL records in the order in which the nodes' data directories lead to them.
    pub(in crate::cluster) fn rename_records(&self, state: &mut State) {
        let State { wal, remote, nodes, .. } = state;
        let mut data: [&mut Point; MAX_NODES + 1] = {
            let [first, second, third] = nodes;
            [&mut first.data, &mut second.data, &mut third.data, remote]
        };
        wal.rename(&mut data);
    }

    /// Puts the nodes and then the WAL records into order.
    fn put_in_order(&self, state: &mut State, to: [NodeId; MAX_NODES]) {
        if to != ALL[0] {
            *state = self.renumbered(state, to);
        }
        self.rename_records(state);
    }

    /// The representative of all states that differ only in the numbers of nodes and WAL records.
    pub fn in_order_of_nodes(&self, state: &State) -> State {
        let mut first = *state;
        self.order_nodes(&mut first);
        first
    }

    fn order_nodes(&self, state: &mut State) {
        let mut orders = self.orders(state);
        let first = orders.next().expect("the nodes can be put into some order");
        let given = *state;
        self.put_in_order(state, first);
        for to in orders {
            let mut other = given;
            self.put_in_order(&mut other, to);
            if self.packed(&other) < self.packed(state) {
                *state = other;
            }
        }
    }

    pub(in crate::cluster) fn canonical_state(&self, state: &State) -> State {
        let mut state = *state;
        self.clear_dead_variables(&mut state);
        self.order_nodes(&mut state);
        state
    }
}
