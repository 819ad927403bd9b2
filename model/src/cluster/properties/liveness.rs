//! What must happen at last, and what is assumed of everybody who has to help.
//!
//! Faults end: their budgets run out. What a running process can do all the time it does at last, and so does whoever mends what is broken
//! (weak fairness). A choice that comes again and again is taken at last where a process tries again and again (strong fairness): copying
//! from a leader that had not made its checkpoint, taking the lock.

use crate::engine::Fairness;
use crate::vocabulary::fault::{Class, Fault};
use crate::vocabulary::property::Property;

use crate::cluster::Cluster;
use crate::cluster::action::Action;
use crate::cluster::state::*;

/// Classes of a node's actions, as fairness sees them.
const CLASSES: u8 = 8;

impl Cluster {
    pub(in crate::cluster) fn fairness_of(&self, action: Action) -> Fairness {
        let of_node = |class: u8| action.node() * CLASSES + class;
        match action {
            Action::Fault(fault, _) if fault.class() == Class::Free => match fault {
                Fault::AgentRestarted => Fairness::Weak(of_node(0)),
                Fault::AgentThawed => Fairness::Weak(of_node(1)),
                Fault::LeaseExpires => Fairness::Weak(of_node(2)),
                // Between two cycles, which come again and again.
                Fault::WatchResumes => Fairness::Strong(of_node(3)),
                // Where something is mended; a node has one trouble of this kind at a time, and the cluster's are those of its first node.
                _ => Fairness::Weak(of_node(3)),
            },
            Action::Fault(..)
            | Action::Commit(_)
            | Action::Pause
            | Action::Request(_)
            | Action::RemoteCommit
            | Action::RemoteFailover => Fairness::None,
            Action::Resume | Action::WatchdogResets(_) | Action::OrphansEnd(_) | Action::Forget(_) => {
                Fairness::Weak(of_node(4))
            }
            Action::Acquire(_) | Action::RewindStarts(_) | Action::CopyStarts(_) => Fairness::Strong(of_node(5)),
            Action::Cycle(_)
            | Action::Update(_)
            | Action::Enforce(_)
            | Action::Compare(..)
            | Action::Answer(..)
            | Action::Decide(_)
            | Action::Demoted(_) => Fairness::Weak(of_node(6)),
            _ => Fairness::Weak(of_node(7)),
        }
    }

    /// The occasions on which a promise is given, and what keeps it: for each node, or once for all.
    pub fn promises(&self, property: Property) -> Vec<Promise> {
        match property {
            Property::LeaderEventually => vec![Promise { property, node: 0 }],
            Property::CrashedNodeRejoins | Property::UnstartableLeaderYields => {
                self.node_ids().map(|node| Promise { property, node }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Nothing is broken that will not mend.
    fn faults_are_over(&self, state: &State) -> bool {
        state.budget.process == 0
            && state.budget.task == 0
            && state.budget.network == 0
            && state.nodes.iter().all(|node| !node.hung && !node.disk_full)
    }

    /// No fault is to come, none is unmended, and no node leads though one could.
    pub(crate) fn waits_for_leader(&self, state: &State) -> bool {
        let reached = !state.dcs_down
            && !state.nodes_cut
            && state.stalled.is_none()
            && state.nodes.iter().all(|node| node.dcs == Reach::Both);
        let candidates = self.node_ids().any(|id| self.is_failover_possible(state, id));
        self.faults_are_over(state) && reached && candidates && !self.anybody_leads(state)
    }

    /// Some node leads.
    pub(crate) fn anybody_leads(&self, state: &State) -> bool {
        self.node_ids().any(|id| self.leads(state, id))
    }

    fn leads(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let server = if self.settings.standby_cluster { Server::Standby } else { Server::Primary };
        state.leader.is_some_and(|key| key.holder == id) && node.server == server && node.is_attended()
    }
}

/// Something that must happen after an occasion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    property: Property,
    node: NodeId,
}

impl Promise {
    /// The node that it is about.
    pub fn node(self) -> NodeId {
        self.node
    }

    /// It is given in this state.
    pub fn is_given(self, cluster: &Cluster, state: &State) -> bool {
        let node = &state.nodes[usize::from(self.node)];
        match self.property {
            Property::LeaderEventually => cluster.faults_are_over(state),
            Property::CrashedNodeRejoins => cluster.faults_are_over(state) && !node.has_postmaster(),
            // With faults still to come it may be hit again, but not for ever.
            _ => {
                state.leader.is_some_and(|key| key.holder == self.node)
                    && node.is_attended()
                    && (node.hung || node.disk_full)
                    && cluster.is_failover_possible(state, self.node)
            }
        }
    }

    /// It is kept in this state.
    pub fn is_kept(self, cluster: &Cluster, state: &State) -> bool {
        let node = &state.nodes[usize::from(self.node)];
        match self.property {
            Property::LeaderEventually => cluster.anybody_leads(state),
            Property::CrashedNodeRejoins => cluster.leads(state, self.node) || cluster.streams(state, self.node),
            _ => {
                state.leader.is_none_or(|key| key.holder != self.node)
                    || !(node.hung || node.disk_full)
                    || !node.is_attended()
                    || !cluster.is_failover_possible(state, self.node)
            }
        }
    }
}
