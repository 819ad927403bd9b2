//! What can happen next in a cluster.

use crate::recover::dialogue::Answer;
use crate::vocabulary::fault::Fault;

use super::state::NodeId;

/// One step of one part of the cluster. Every step is atomic; whatever takes time or talks to the network is several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A fault hits a node, or ends. What hits the whole cluster is said of its first node.
    Fault(Fault, NodeId),
    /// The watchdog resets the node: agent and Postgres end at once.
    WatchdogResets(NodeId),
    /// The last backend of a dead postmaster ends.
    OrphansEnd(NodeId),
    /// A member forgets that it agreed to a leader that does not reach the DCS.
    Forget(NodeId),
    /// The agent begins a cycle: it reads the cluster from etcd and acts on it, up to its next use of the network.
    Cycle(NodeId),
    /// The agent refreshes the leader lock.
    Update(NodeId),
    /// The agent, which has just refreshed or taken the lock, sees to it that its node leads.
    Enforce(NodeId),
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
    /// The background task stops the postmaster before pg_rewind or a new copy.
    PostmasterStops(NodeId),
    /// The background task starts pg_rewind.
    RewindStarts(NodeId),
    /// pg_rewind ends well.
    RewindEnds(NodeId),
    /// The background task empties the data directory and starts pg_basebackup.
    CopyStarts(NodeId),
    /// pg_basebackup ends.
    CopyEnds(NodeId),
    /// The background task promotes the standby.
    Promote(NodeId),
    /// The background task is done, and the slot is free again.
    TaskEnds(NodeId),
    /// A standby receives what its source has; if that is a new timeline, it follows.
    Replicate(NodeId),
    /// A client commits.
    Commit(NodeId),
    /// An operator puts the cluster into maintenance.
    Pause,
    /// An operator ends the maintenance.
    Resume,
    /// An operator asks an agent to restart its Postgres: the background slot is taken.
    Request(NodeId),
    /// The primary that a standby cluster follows commits.
    RemoteCommit,
    /// In the cluster that a standby cluster follows another node takes over, without the last record.
    RemoteFailover,
}

impl Action {
    /// The node that acts or is hit; the first one where it is the cluster.
    pub fn node(self) -> NodeId {
        match self {
            Action::Fault(_, node)
            | Action::WatchdogResets(node)
            | Action::OrphansEnd(node)
            | Action::Forget(node)
            | Action::Cycle(node)
            | Action::Update(node)
            | Action::Enforce(node)
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
            | Action::CopyStarts(node)
            | Action::CopyEnds(node)
            | Action::Promote(node)
            | Action::TaskEnds(node)
            | Action::Replicate(node)
            | Action::Commit(node)
            | Action::Request(node) => node,
            Action::Pause | Action::Resume | Action::RemoteCommit | Action::RemoteFailover => 0,
        }
    }

    /// The stable name of the kind of action, as coverage reports it.
    pub fn id(self) -> &'static str {
        Action::IDS.get(self.kind().wrapping_sub(Fault::ALL.len())).copied().unwrap_or_else(|| match self {
            Action::Fault(fault, _) => fault.id(),
            _ => unreachable!("every kind has a name"),
        })
    }

    /// Number of the kind of action: faults come first, then as in [`Action::IDS`].
    pub fn kind(self) -> usize {
        Fault::ALL.len()
            + match self {
                Action::Fault(fault, _) => return fault as usize,
                Action::WatchdogResets(_) => 0,
                Action::OrphansEnd(_) => 1,
                Action::Forget(_) => 2,
                Action::Cycle(_) => 3,
                Action::Update(_) => 4,
                Action::Enforce(_) => 5,
                Action::Compare(..) => 6,
                Action::Acquire(_) => 7,
                Action::Answer(..) => 8,
                Action::Decide(_) => 9,
                Action::Demoted(_) => 10,
                Action::SingleUserStarts(_) => 11,
                Action::SingleUserEnds(_) => 12,
                Action::PostmasterStarts(_) => 13,
                Action::PostmasterReady(_) => 14,
                Action::PostmasterStops(_) => 15,
                Action::RewindStarts(_) => 16,
                Action::RewindEnds(_) => 17,
                Action::CopyStarts(_) => 18,
                Action::CopyEnds(_) => 19,
                Action::Promote(_) => 20,
                Action::TaskEnds(_) => 21,
                Action::Replicate(_) => 22,
                Action::Commit(_) => 23,
                Action::Pause => 24,
                Action::Resume => 25,
                Action::Request(_) => 26,
                Action::RemoteCommit => 27,
                Action::RemoteFailover => 28,
            }
    }

    /// Names of all kinds of action that are not faults, for coverage.
    pub const IDS: [&'static str; 29] = [
        "watchdog-resets",
        "orphans-end",
        "forget",
        "cycle",
        "update",
        "enforce",
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
        "copy-starts",
        "copy-ends",
        "promote",
        "task-ends",
        "replicate",
        "commit",
        "pause",
        "resume",
        "request",
        "remote-commit",
        "remote-failover",
    ];
}
