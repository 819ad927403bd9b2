//! The goals of a suite: the branches, faults and broken properties that its schedules lead to.

use crate::cluster::{Action, Cluster, NodeId, Server, State};
use crate::mutants::Mutant;
use crate::recover::branch::Branch;
use crate::rules::edition::Edition;
use crate::vocabulary::fault::{Class, Fault};
use crate::vocabulary::property::Property;

/// A goal of a schedule of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Goal {
    /// A branch of `recover()` by the rules of an edition.
    Branch(Edition, Branch),
    /// A fault hits a node or the cluster in some state. For the end of a fault only the target is distinguished, not
    /// the state.
    Fault(Fault, Hit, Option<StateClass>),
    /// A property is broken by the rules of an edition: a known violation.
    Violation(Property, Edition),
    /// A property is broken by the rules of the edition `ideal` with one rule broken on purpose.
    Kill(Property, Mutant),
}

/// The target of a fault, at the moment when it hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hit {
    /// The node that holds the leader key.
    Leader,
    /// A node that does not hold the leader key.
    Member,
    /// All nodes.
    Cluster,
}

/// The state of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateClass {
    /// The process that uses the data directory of the node, or of the leader if the fault hits all nodes.
    Server(Server),
    /// The fault hits all nodes, and nobody holds the leader key.
    NoLeader,
}

/// True if the fault hits all nodes at once.
pub fn hits_cluster(fault: Fault) -> bool {
    matches!(fault, Fault::NodesCut | Fault::NodesJoined | Fault::DcsDown | Fault::DcsUp)
}

impl Hit {
    /// The target of a fault.
    pub fn of(state: &State, fault: Fault, id: NodeId) -> Hit {
        match state.leader {
            _ if hits_cluster(fault) => Hit::Cluster,
            Some(key) if key.holder == id => Hit::Leader,
            _ => Hit::Member,
        }
    }

    /// The stable name, as in scenarios.
    pub fn id(self) -> &'static str {
        match self {
            Hit::Leader => "leader",
            Hit::Member => "member",
            Hit::Cluster => "cluster",
        }
    }
}

impl StateClass {
    /// The state of the target of a fault.
    pub fn of(state: &State, fault: Fault, id: NodeId) -> StateClass {
        let hit = if hits_cluster(fault) { state.leader.map(|key| key.holder) } else { Some(id) };
        hit.map_or(StateClass::NoLeader, |id| StateClass::Server(state.nodes[usize::from(id)].server))
    }

    /// The stable name.
    pub fn id(self) -> &'static str {
        match self {
            StateClass::Server(Server::Down) => "down",
            StateClass::Server(Server::Starting) => "starting",
            StateClass::Server(Server::Standby) => "standby",
            StateClass::Server(Server::Primary) => "primary",
            StateClass::Server(Server::SingleUser) => "single-user",
            StateClass::Server(Server::Rewinding) => "rewinding",
            StateClass::Server(Server::Copying) => "copying",
            StateClass::NoLeader => "no-leader",
        }
    }
}

impl Goal {
    /// The goal that a step reaches, if any. The end of a lease is no fault that anybody injects.
    pub fn of_step(cluster: &Cluster, before: &State, action: Action) -> Option<Goal> {
        match action {
            Action::Fault(Fault::LeaseExpires, _) => None,
            Action::Fault(fault, id) => {
                let class = (fault.class() != Class::Free).then(|| StateClass::of(before, fault, id));
                Some(Goal::Fault(fault, Hit::of(before, fault, id), class))
            }
            _ => {
                let branch = cluster.branch_of(before, action)?;
                Some(Goal::Branch(cluster.settings.edition, branch))
            }
        }
    }

    /// The stable name, for instance `branch/4.1/fail-over` or `fault/agent-killed/leader/single-user`.
    pub fn id(&self) -> String {
        match self {
            Goal::Branch(edition, branch) => format!("branch/{}/{}", edition.id(), branch.id()),
            Goal::Fault(fault, hit, None) => format!("fault/{}/{}", fault.id(), hit.id()),
            Goal::Fault(fault, hit, Some(class)) => format!("fault/{}/{}/{}", fault.id(), hit.id(), class.id()),
            Goal::Violation(property, edition) => format!("property/{}/{}", property.id(), edition.id()),
            Goal::Kill(property, mutant) => format!("property/{}/{}", property.id(), mutant.id()),
        }
    }

    /// `branch`, `fault` or `property`.
    pub fn kind(&self) -> &'static str {
        match self {
            Goal::Branch(..) => "branch",
            Goal::Fault(..) => "fault",
            Goal::Violation(..) | Goal::Kill(..) => "property",
        }
    }
}
