//! Liveness properties (promises), and the fairness that they assume.
//!
//! Faults end, because their budgets run out. Weak fairness: a step that a running process can take all the time is
//! taken at last, and so are repairs. Strong fairness: where a process tries again and again, a choice that comes again
//! and again is taken at last, such as taking the lock, or copying from a leader that had not made its checkpoint
//! before.

use crate::engine::Fairness;
use crate::vocabulary::fault::{Class, Fault};
use crate::vocabulary::property::Property;

use crate::cluster::Cluster;
use crate::cluster::action::Action;
use crate::cluster::state::*;

/// The number of fairness classes of each node.
const CLASSES: u8 = 8;

impl Cluster {
    pub(in crate::cluster) fn fairness_of(&self, action: Action) -> Fairness {
        let of_node = |class: u8| action.node() * CLASSES + class;
        match action {
            Action::Fault(fault, _) if fault.class() == Class::Free => match fault {
                Fault::AgentRestarted => Fairness::Weak(of_node(0)),
                Fault::AgentThawed => Fairness::Weak(of_node(1)),
                Fault::LeaseExpires => Fairness::Weak(of_node(2)),
                // Possible only between two cycles, which come again and again.
                Fault::WatchResumes => Fairness::Strong(of_node(3)),
                // Repairs. A node has one trouble of this kind at a time, and the cluster's troubles are those of its
                // first node.
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

    /// The promises of a property: one for each node, or one for the cluster.
    pub fn promises(&self, property: Property) -> Vec<Promise> {
        match property {
            Property::LeaderEventually => vec![Promise { property, node: 0 }],
            Property::CrashedNodeRejoins | Property::UnstartableLeaderYields => {
                self.node_ids().map(|node| Promise { property, node }).collect()
            }
            _ => Vec::new(),
        }
    }

    /// True if no fault is still to come and nothing is broken for good.
    fn faults_are_over(&self, state: &State) -> bool {
        state.budget.process == 0
            && state.budget.task == 0
            && state.budget.network == 0
            && state.nodes.iter().all(|node| !node.hung && !node.disk_full)
    }

    /// True if no fault is to come, none is unrepaired, and no node leads though one could.
    pub(crate) fn waits_for_leader(&self, state: &State) -> bool {
        let reached = !state.dcs_down
            && !state.nodes_cut
            && state.stalled.is_none()
            && state.nodes.iter().all(|node| node.dcs == Reach::Both);
        let candidates = self.node_ids().any(|id| self.is_failover_possible(state, id));
        self.faults_are_over(state) && reached && candidates && !self.anybody_leads(state)
    }

    /// True if some node leads.
    pub(crate) fn anybody_leads(&self, state: &State) -> bool {
        self.node_ids().any(|id| self.leads(state, id))
    }

    fn leads(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let server = if self.settings.standby_cluster { Server::Standby } else { Server::Primary };
        state.leader.is_some_and(|key| key.holder == id) && node.server == server && node.is_attended()
    }
}

/// A promise: whenever it is given in a state, it has to be kept in that state or a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    property: Property,
    node: NodeId,
}

impl Promise {
    /// The node that the promise is about.
    pub fn node(self) -> NodeId {
        self.node
    }

    /// True if the promise is given in this state.
    pub fn is_given(self, cluster: &Cluster, state: &State) -> bool {
        let node = &state.nodes[usize::from(self.node)];
        match self.property {
            Property::LeaderEventually => cluster.faults_are_over(state),
            Property::CrashedNodeRejoins => cluster.faults_are_over(state) && !node.has_postmaster(),
            // With faults still to come, the node may be hit again, but not for ever.
            _ => {
                state.leader.is_some_and(|key| key.holder == self.node)
                    && node.is_attended()
                    && (node.hung || node.disk_full)
                    && cluster.is_failover_possible(state, self.node)
            }
        }
    }

    /// True if the promise is kept in this state.
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
