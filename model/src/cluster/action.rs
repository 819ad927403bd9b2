//! The steps of a cluster.

use crate::recover::dialogue::Answer;
use crate::vocabulary::fault::Fault;

use super::state::NodeId;

/// One step of one part of the cluster. Each step is atomic: whatever takes time or uses the network is several steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A fault hits a node, or ends. A fault of the whole cluster carries the first node.
    Fault(Fault, NodeId),
    /// The watchdog resets the node: agent and Postgres end at once.
    WatchdogResets(NodeId),
    /// The last backend of a dead postmaster ends.
    OrphansEnd(NodeId),
    /// A member forgets that it has agreed to a leader that does not reach the DCS.
    Forget(NodeId),
    /// The agent begins a cycle: it reads the cluster from etcd and acts on it, up to its next use of the network.
    Cycle(NodeId),
    /// The agent refreshes the leader lock.
    Update(NodeId),
    /// The agent has just refreshed or taken the lock, and now makes its node lead.
    Enforce(NodeId),
    /// The agent of a standby has compared its timeline with the leader's: the data diverged (`true`), it did not
    /// (`false`), or the comparison gave no result (`None`).
    Compare(NodeId, Option<bool>),
    /// The agent tries to take the leader lock.
    Acquire(NodeId),
    /// The world answers the question that `recover()` asks.
    Answer(NodeId, Answer),
    /// `recover()` has decided: the agent logs the message, and the cycle ends.
    Decide(NodeId),
    /// The demotion inside `recover()` continues after the lock was released.
    Demoted(NodeId),
    /// The background task starts `postgres --single`.
    SingleUserStarts(NodeId),
    /// `postgres --single` succeeds: pg_control says `shut down`.
    SingleUserEnds(NodeId),
    /// The background task starts a postmaster.
    PostmasterStarts(NodeId),
    /// The postmaster accepts connections.
    PostmasterReady(NodeId),
    /// The background task stops the postmaster before pg_rewind or a new copy.
    PostmasterStops(NodeId),
    /// The background task starts pg_rewind.
    RewindStarts(NodeId),
    /// pg_rewind succeeds.
    RewindEnds(NodeId),
    /// The background task empties the data directory and starts pg_basebackup.
    CopyStarts(NodeId),
    /// pg_basebackup ends.
    CopyEnds(NodeId),
    /// The background task promotes the standby.
    Promote(NodeId),
    /// The background task is done, and its slot is free again.
    TaskEnds(NodeId),
    /// A standby receives what its source has; if the source is on a new timeline, the standby follows it there.
    Replicate(NodeId),
    /// A client commits.
    Commit(NodeId),
    /// An operator puts the cluster into maintenance.
    Pause,
    /// An operator ends the maintenance.
    Resume,
    /// An operator asks an agent to restart its Postgres: the background slot is taken.
    Request(NodeId),
    /// A client commits on the primary that a standby cluster follows.
    RemoteCommit,
    /// In the cluster that a standby cluster follows, another node takes over, without the last record.
    RemoteFailover,
}

impl Action {
    /// The node that acts or is hit; the first node for steps of the whole cluster.
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

    /// The stable name of the kind of step, as coverage reports it.
    pub fn id(self) -> &'static str {
        Action::IDS.get(self.kind().wrapping_sub(Fault::ALL.len())).copied().unwrap_or_else(|| match self {
            Action::Fault(fault, _) => fault.id(),
            _ => unreachable!("every kind has a name"),
        })
    }

    /// The number of the kind of step: the faults first, then the kinds in the order of [`Action::IDS`].
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

    /// The names of all kinds of step that are not faults.
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
