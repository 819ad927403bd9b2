//! What can happen next in a cluster.

use crate::dialogue::Answer;
use crate::fault::Fault;

use super::state::NodeId;

/// One step of one part of the cluster. Every step is atomic; whatever takes time or talks to the network is several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A fault hits a node.
    Fault(Fault, NodeId),
    /// The watchdog resets the node: agent and Postgres end at once.
    WatchdogResets(NodeId),
    /// The agent begins a cycle: it reads the cluster from etcd.
    Load(NodeId),
    /// The agent acts on its snapshot, up to its next use of the network.
    Act(NodeId),
    /// The agent of a standby has compared its timeline with the leader's: the data diverged, or did not, or nobody knows.
    Compare(NodeId, Option<bool>),
    /// The agent tries to take the leader lock.
    Acquire(NodeId),
    /// The world answers the question that `recover()` asks.
    Answer(NodeId, Answer),
    /// `recover()` has decided; its message is said and the cycle ends.
    Decide(NodeId),
    /// The demotion inside `recover()` goes on after the lock was given up.
    Demoted(NodeId),
    /// The background task starts `postgres --single`.
    SingleUserStarts(NodeId),
    /// `postgres --single` ends well: pg_control says `shut down`.
    SingleUserEnds(NodeId),
    /// The background task starts a postmaster.
    PostmasterStarts(NodeId),
    /// The postmaster accepts connections.
    PostmasterReady(NodeId),
    /// The background task stops the postmaster before pg_rewind.
    PostmasterStops(NodeId),
    /// The background task starts pg_rewind.
    RewindStarts(NodeId),
    /// pg_rewind ends well.
    RewindEnds(NodeId),
    /// The background task promotes the standby.
    Promote(NodeId),
    /// The background task is done, and the slot is free again.
    TaskEnds(NodeId),
    /// A standby follows the primary onto its timeline.
    Follow(NodeId),
}

impl Action {
    /// The node that acts or is hit.
    pub fn node(self) -> NodeId {
        match self {
            Action::Fault(_, node)
            | Action::WatchdogResets(node)
            | Action::Load(node)
            | Action::Act(node)
            | Action::Compare(node, _)
            | Action::Acquire(node)
            | Action::Answer(node, _)
            | Action::Decide(node)
            | Action::Demoted(node)
            | Action::SingleUserStarts(node)
            | Action::SingleUserEnds(node)
            | Action::PostmasterStarts(node)
            | Action::PostmasterReady(node)
            | Action::PostmasterStops(node)
            | Action::RewindStarts(node)
            | Action::RewindEnds(node)
            | Action::Promote(node)
            | Action::TaskEnds(node)
            | Action::Follow(node) => node,
        }
    }

    /// The stable name of the kind of action, as coverage reports it.
    pub fn id(self) -> &'static str {
        match self {
            Action::Fault(fault, _) => fault.id(),
            Action::WatchdogResets(_) => "watchdog-resets",
            Action::Load(_) => "load",
            Action::Act(_) => "act",
            Action::Compare(..) => "compare",
            Action::Acquire(_) => "acquire",
            Action::Answer(..) => "answer",
            Action::Decide(_) => "decide",
            Action::Demoted(_) => "demoted",
            Action::SingleUserStarts(_) => "single-user-starts",
            Action::SingleUserEnds(_) => "single-user-ends",
            Action::PostmasterStarts(_) => "postmaster-starts",
            Action::PostmasterReady(_) => "postmaster-ready",
            Action::PostmasterStops(_) => "postmaster-stops",
            Action::RewindStarts(_) => "rewind-starts",
            Action::RewindEnds(_) => "rewind-ends",
            Action::Promote(_) => "promote",
            Action::TaskEnds(_) => "task-ends",
            Action::Follow(_) => "follow",
        }
    }

    /// Names of all kinds of action that are not faults, for coverage.
    pub const IDS: [&'static str; 18] = [
        "watchdog-resets",
        "load",
        "act",
        "compare",
        "acquire",
        "answer",
        "decide",
        "demoted",
        "single-user-starts",
        "single-user-ends",
        "postmaster-starts",
        "postmaster-ready",
        "postmaster-stops",
        "rewind-starts",
        "rewind-ends",
        "promote",
        "task-ends",
        "follow",
    ];
}
