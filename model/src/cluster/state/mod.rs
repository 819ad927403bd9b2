//! The state of a cluster: the keys in etcd, each node's Postgres and data directory, and each agent's memory.
//!
//! | file | contents |
//! | --- | --- |
//! | `wal.rs` | the WAL of all data directories, as a tree of records |
//! | `packed.rs` | a state in a few machine words |
//! | `dead_variables.rs` | values that nobody will read again, set to a fixed value |
//! | `canonical.rs` | the orbit representative: the one state that stands for all that behave alike |

mod canonical;
mod dead_variables;
mod packed;
pub(in crate::cluster) mod wal;

use crate::recover::automaton::Position;
use crate::recover::control::ControlState;
use crate::recover::dialogue::Task;

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

/// One node: its Postgres, its data directory, its watchdog, its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// The process that uses the data directory.
    pub server: Server,
    /// An orphan: a backend of a dead postmaster is still alive and can commit.
    pub orphans: bool,
    /// The process neither becomes ready nor ends.
    pub hung: bool,
    /// `primary_start_timeout` has expired. Only the model with clocks (`timed/`) sets it.
    pub late: bool,
    /// `Database cluster state` in pg_control; `None` if the data directory is empty.
    pub control: Option<ControlState>,
    /// The end of the WAL in the data directory.
    pub data: Point,
    /// standby.signal exists.
    pub signal: bool,
    /// backup_label exists.
    pub backup_label: bool,
    /// The source of WAL that the recovery configuration names.
    pub upstream: Upstream,
    /// `synchronous_standby_names`: the standby that commits wait for.
    pub sync_names: Option<NodeId>,
    /// The disk is full.
    pub disk_full: bool,
    /// The node's connection to the DCS.
    pub dcs: Reach,
    /// The watchdog is armed: it resets the node before an unattended lease ends.
    pub watchdog: bool,
    /// The agent's process, if it is alive.
    pub agent: Option<Agent>,
    /// Starts of single-user recovery in this recovery episode, counted up to 2. Only the properties read it.
    pub single_user_starts: u8,
}

/// `primary_conninfo`: the source of WAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Upstream {
    /// Empty.
    Nobody,
    /// A member.
    Member(NodeId),
    /// The remote primary of a standby cluster.
    Remote,
}

/// A node's connection to the DCS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reach {
    /// Requests and replies arrive.
    Both,
    /// Requests arrive and take effect, but replies get lost.
    NoReplies,
    /// Requests do not arrive.
    Nothing,
}

/// The process that uses the data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Server {
    /// None.
    Down,
    /// A postmaster that recovers before it accepts connections.
    Starting,
    /// A postmaster in recovery that accepts connections.
    Standby,
    /// A postmaster that accepts writes.
    Primary,
    /// `postgres --single`.
    SingleUser,
    /// `pg_rewind`.
    Rewinding,
    /// `pg_basebackup` into the emptied data directory.
    Copying,
}

/// The memory and the progress of one agent process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent {
    /// Its place in its cycle.
    pub at: At,
    /// The process is stopped, with all its threads.
    pub frozen: bool,
    /// Its lease is alive in the DCS.
    pub leased: bool,
    /// The DCS did not answer its last request: its lease and its watchdog are running down.
    pub warned: bool,
    /// The lease holder in the snapshot of this cycle; `None` between cycles.
    pub seen: Option<NodeId>,
    /// The role that it believes its Postgres has.
    pub role: Role,
    /// The state that it believes its Postgres is in.
    pub health: Health,
    /// Single-user recovery was started in this episode (`_crash_recovery_executed`).
    pub crash_recovery_started: bool,
    /// A start is under way, and the next cycle has to look at its outcome (`recovering`).
    pub recovering: bool,
    /// The state of the rewind (`postgresql/rewind.py`).
    pub rewind: Rewind,
    /// The background slot.
    pub slot: Option<Slot>,
    /// Failsafe mode: it leads with the consent of all members, or remembers its own consent to another leader.
    pub failsafe: bool,
}

/// A task in the background slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The task.
    pub task: Task,
    /// The task has started its process.
    pub begun: bool,
}

impl From<Task> for Slot {
    fn from(task: Task) -> Self {
        Slot { task, begun: false }
    }
}

/// The place of an agent in its cycle. Between two places other nodes, faults and background tasks may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Between two cycles.
    Idle,
    /// The snapshot says that it leads; it will refresh the lock before anything else.
    Lead,
    /// The lock is refreshed or taken; it will make its node lead.
    Granted,
    /// Its background task is at work; it will refresh the lock.
    LongAction,
    /// Its Postgres is starting; it will refresh the lock.
    StartingUp,
    /// It is a standby of the leader in its snapshot, and will compare timelines with it.
    Compare,
    /// It has found that its standby diverged, and will log that it rewinds the standby or clones it anew.
    Rewinding,
    /// Nobody held the lock and no other node was healthier; it will try to take the lock.
    Race,
    /// `recover()` waits for an answer.
    Recover(Position),
    /// `demote('immediate')` has released the lock inside `recover()`; the standby is started next.
    Released(Position),
}

impl At {
    /// True if its next write depends on the keys as this cycle read them, however old they are by now.
    pub(in crate::cluster) fn compares_what_it_read(self) -> bool {
        matches!(self, At::Lead | At::Granted | At::Race)
    }
}

/// The role that an agent believes its Postgres has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `primary` (`master` before 4.0)
    Primary,
    /// `replica`
    Replica,
    /// `demoted`
    Demoted,
    /// `standby_leader`
    StandbyLeader,
}

/// The state that an agent believes its Postgres' process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// `running` or `starting`
    Running,
    /// `crashed`
    Crashed,
    /// `stopped` or `start failed`
    Stopped,
}

/// The state of the rewind (patroni `postgresql/rewind.py`). `CHECKPOINT` is not distinguished from `INITIAL`: a task
/// that has to wait for the leader's checkpoint ends without doing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rewind {
    /// Nothing is known.
    Initial,
    /// The timelines have to be compared.
    Check,
    /// The data diverged.
    Need,
    /// The data did not diverge.
    NotNeed,
    /// pg_rewind succeeded.
    Success,
    /// pg_rewind failed though the leader was healthy.
    Failed,
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

impl Node {
    /// A node that does not belong to the cluster.
    pub(in crate::cluster) fn absent() -> Self {
        Node {
            server: Server::Down,
            orphans: false,
            hung: false,
            late: false,
            control: Some(ControlState::ShutDown),
            data: 0,
            signal: false,
            backup_label: false,
            upstream: Upstream::Nobody,
            sync_names: None,
            disk_full: false,
            dcs: Reach::Both,
            watchdog: false,
            agent: None,
            single_user_starts: 0,
        }
    }

    /// A healthy primary whose agent holds the lock.
    pub(in crate::cluster) fn primary(watchdog: bool) -> Self {
        Node {
            server: Server::Primary,
            control: Some(ControlState::InProduction),
            watchdog,
            agent: Some(Agent::started(Role::Primary, Health::Running)),
            ..Node::absent()
        }
    }

    /// A healthy standby.
    pub(in crate::cluster) fn standby(upstream: Upstream) -> Self {
        Node {
            server: Server::Standby,
            control: Some(ControlState::InArchiveRecovery),
            signal: true,
            upstream,
            agent: Some(Agent::started(Role::Replica, Health::Running)),
            ..Node::absent()
        }
    }

    /// True if a postmaster is alive.
    pub fn has_postmaster(&self) -> bool {
        matches!(self.server, Server::Starting | Server::Standby | Server::Primary)
    }

    /// True for a primary that is shutting down and has not ended. It accepts no connections, like one that starts, but
    /// was in production until now.
    pub(in crate::cluster) fn is_shutting_down(&self) -> bool {
        self.server == Server::Starting && self.hung && self.control == Some(ControlState::InProduction)
    }

    /// True while a server starts, or recovers in single-user mode.
    pub fn is_starting(&self) -> bool {
        matches!(self.server, Server::Starting | Server::SingleUser)
    }

    /// True if writes of clients can commit here.
    pub fn is_writable(&self) -> bool {
        self.server == Server::Primary || self.orphans
    }

    /// True if the agent is alive and not frozen.
    pub fn is_attended(&self) -> bool {
        self.agent.as_ref().is_some_and(|agent| !agent.frozen)
    }

    /// Ends the process that uses the data directory.
    pub(in crate::cluster) fn ends(&mut self) {
        self.server = Server::Down;
        self.hung = false;
    }
}

impl Agent {
    /// The memory of a process that has just started.
    pub(in crate::cluster) fn started(role: Role, health: Health) -> Self {
        Agent {
            at: At::Idle,
            frozen: false,
            leased: true,
            warned: false,
            seen: None,
            role,
            health,
            crash_recovery_started: false,
            recovering: false,
            rewind: Rewind::Initial,
            slot: None,
            failsafe: false,
        }
    }

    /// The task in the background slot.
    pub fn task(&self) -> Option<Task> {
        self.slot.map(|slot| slot.task)
    }

    /// Ends the cycle: the snapshot is discarded.
    pub(in crate::cluster) fn rest(&mut self) {
        self.at = At::Idle;
        self.seen = None;
    }

    /// `trigger_check_diverged_lsn()`, where rewind or wiping is allowed.
    pub(in crate::cluster) fn trigger_divergence_check(&mut self, allowed: bool) {
        if allowed && self.rewind != Rewind::Need {
            self.rewind = Rewind::Check;
        }
    }
}
