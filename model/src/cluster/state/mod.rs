//! The state of a cluster: the keys in etcd, each node's Postgres and data directory, and each agent's memory.
//!
//! | file | contents |
//! | --- | --- |
//! | `node.rs` | a node: its Postgres, its data directory, its watchdog |
//! | `agent.rs` | an agent: its memory, and its place in its cycle |
//! | `wal.rs` | the WAL of all data directories, as a tree of records |
//! | `packed.rs` | a state in a few machine words |
//! | `believed.rs` | the same for a belief, which follows one cluster for long |
//! | `fields.rs` | the fields of these words, in bits |
//! | `dead_variables.rs` | values that nobody will read again, set to a fixed value |
//! | `canonical.rs` | the orbit representative: the one state that stands for all that behave alike |

mod agent;
mod believed;
mod canonical;
mod dead_variables;
mod fields;
mod node;
mod packed;
pub(in crate::cluster) mod wal;

pub use agent::{Agent, At, Health, Rewind, Role, Slot};
pub use node::{Node, Reach, Server, Upstream};

use wal::{Point, Wal};

/// The largest number of nodes of a cluster.
pub const MAX_NODES: usize = 3;

/// The number of a node, from 0.
pub type NodeId = u8;

/// The state of the whole cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The leader key in etcd.
    pub leader: Option<LeaderKey>,
    /// The key `/sync` in etcd, in synchronous mode.
    pub sync: Option<SyncKey>,
    /// The key `/status` in etcd: the leader's WAL position when it last refreshed the lock.
    pub status: u8,
    /// The key `/history` in etcd: the newest timeline that a leader has announced.
    pub history: u8,
    /// The cluster is in maintenance: agents leave Postgres alone.
    pub paused: bool,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// The DCS answers nobody.
    pub dcs_down: bool,
    /// The nodes do not reach each other.
    pub nodes_cut: bool,
    /// The WAL of all data directories.
    pub wal: Wal,
    /// The WAL position of the remote primary of a standby cluster.
    pub remote: Point,
    /// The nodes; those beyond the cluster's size never change.
    pub nodes: [Node; MAX_NODES],
    /// The faults and other events that may still happen.
    pub budget: Budget,
    /// The node whose watch of the DCS stalls. At most one does at a time.
    pub stalled: Option<Stalled>,
}

/// A node whose watch of the DCS stalls, and the keys as its agent reads them: their old values, updated only by the
/// agent's own writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stalled {
    /// The node.
    pub node: NodeId,
    /// The member that the leader key names.
    pub leader: Option<NodeId>,
    /// The leader key is under the lease that this node's own agent process keeps alive.
    pub session: bool,
    /// The key `/sync`.
    pub sync: Option<SyncKey>,
    /// The key `/status`.
    pub status: u8,
    /// The key `/history`.
    pub history: u8,
}

/// The leader key, also called the leader lock: it names a member, and exists as long as the lease under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderKey {
    /// The member that it names, the lease holder. Ownership is by name, not by lease or process.
    pub holder: NodeId,
    /// The lease under it.
    pub lease: Lease,
}

/// The lease under the leader key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// The lease of the holder's running agent process, which keeps it alive while it reaches the DCS.
    Kept,
    /// The lease of a process that was killed: it ends after `ttl`, and the key with it.
    Orphaned,
}

/// The key `/sync`: the standby that has every acknowledged commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SyncKey {
    /// The leader that wrote it.
    pub leader: NodeId,
    /// The standby, if there is one.
    pub standby: Option<NodeId>,
}

/// The budgets: how often each class of events may still happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget {
    /// Faults of processes ([`Class::Process`](crate::vocabulary::fault::Class::Process)).
    pub process: u8,
    /// Failures of what agents start ([`Class::Task`](crate::vocabulary::fault::Class::Task)).
    pub task: u8,
    /// Faults of the DCS and the network ([`Class::Network`](crate::vocabulary::fault::Class::Network)).
    pub network: u8,
    /// Commits of clients.
    pub commits: u8,
    /// Actions of operators: maintenance, requests through an agent's API.
    pub operator: u8,
}

impl Budget {
    /// A budget that is never used up.
    pub const UNLIMITED: u8 = u8::MAX;
    /// Empty budgets.
    pub const NONE: Budget = Budget { process: 0, task: 0, network: 0, commits: 0, operator: 0 };

    /// Takes one from a budget; false if none is left.
    pub fn take(left: &mut u8) -> bool {
        match *left {
            0 => false,
            Budget::UNLIMITED => true,
            _ => {
                *left -= 1;
                true
            }
        }
    }
}

impl State {
    /// Replaces every other node by one that does not belong to the cluster.
    pub fn leave_only(&mut self, id: NodeId) {
        for (other, node) in (0..).zip(&mut self.nodes) {
            if other != id {
                *node = Node::absent();
            }
        }
    }
}
