//! The state of a cluster: what etcd, every Postgres and every agent hold.

use crate::automaton::Position;
use crate::control::ControlState;
use crate::dialogue::Task;

/// Most nodes that a cluster can have.
pub const MAX_NODES: usize = 3;

/// Number of a node, from 0.
pub type NodeId = u8;

/// The whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The leader key in etcd.
    pub leader: Option<LeaderKey>,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// The nodes; those beyond the cluster's size never change.
    pub nodes: [Node; MAX_NODES],
    /// How many faults may still happen.
    pub budget: Budget,
}

/// The leader key: it names a member, and it lives as long as the lease under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaderKey {
    /// The member that it names. Ownership is by name, not by lease or process.
    pub holder: NodeId,
    /// The lease under it.
    pub lease: Lease,
}

/// The lease under the leader key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lease {
    /// Kept alive by the running agent of the holder.
    Kept,
    /// Its agent was killed: it ends when `ttl` is over, and the key with it.
    Orphaned,
}

/// Faults that may still happen; [`Budget::UNLIMITED`] is never used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Budget {
    /// SIGKILLs of a postmaster.
    pub postmaster_kills: u8,
    /// SIGKILLs of an agent.
    pub agent_kills: u8,
    /// Failures of single-user recovery.
    pub single_user_failures: u8,
}

impl Budget {
    /// A number that is never used up.
    pub const UNLIMITED: u8 = u8::MAX;

    /// Takes one; false if none is left.
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
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Which process, if any, uses the data directory.
    pub server: Server,
    /// `Database cluster state` in pg_control.
    pub control: ControlState,
    /// Timeline of the data.
    pub timeline: u8,
    /// standby.signal exists.
    pub signal: bool,
    /// The watchdog is armed: it resets the node before an unattended lease ends.
    pub watchdog: bool,
    /// The agent's process, if it is alive.
    pub agent: Option<Agent>,
    /// Starts of single-user recovery in this recovery episode, at most 2. Only the properties read it.
    pub single_user_starts: u8,
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
}

/// What one agent process knows and does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Agent {
    /// Where in its cycle it is.
    pub at: At,
    /// Holder of the leader key in the snapshot of this cycle; nobody between cycles.
    pub seen: Option<NodeId>,
    /// The role that it believes its Postgres has.
    pub role: Role,
    /// It saw its Postgres running and has not taken note of its death yet, or has (`crashed`).
    pub health: Health,
    /// Single-user recovery was started in this episode (`_crash_recovery_started`).
    pub crash_recovery_started: bool,
    /// A start is under way whose outcome the next cycle has to look at (`recovering`).
    pub recovering: bool,
    /// The state of the rewind (`postgresql/rewind.py`).
    pub rewind: Rewind,
    /// The background slot.
    pub slot: Option<Slot>,
}

/// A task in the background slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// What it is.
    pub task: Task,
    /// It has started its process.
    pub begun: bool,
}

impl From<Task> for Slot {
    fn from(task: Task) -> Self {
        Slot { task, begun: false }
    }
}

/// Where in its cycle an agent is. Between two places other nodes, faults and background tasks may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum At {
    /// Between two cycles.
    Idle,
    /// It has a snapshot of the cluster and will act on it.
    Loaded,
    /// It is a standby of the leader in its snapshot, and will compare timelines with it.
    Compare,
    /// It has found that its standby diverged, and will say that it rewinds.
    Rewinding,
    /// Nobody held the lock and no other node was healthier: it will try to take the lock.
    Race,
    /// `recover()` waits for an answer.
    Recover(Position),
    /// `demote('immediate')` has given up the lock inside `recover()`; the standby is started next.
    Released(Position),
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
}

/// What an agent believes of its Postgres' process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// `running` or `starting`
    Running,
    /// `crashed`
    Crashed,
    /// `stopped` or `start failed`
    Stopped,
}

/// States of the rewind (patroni `postgresql/rewind.py`). `CHECKPOINT` and `FAILED` are not reached in this model.
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
}

impl Node {
    /// A node that does not belong to the cluster.
    pub(super) fn absent() -> Self {
        Node {
            server: Server::Down,
            control: ControlState::ShutDown,
            timeline: 0,
            signal: false,
            watchdog: false,
            agent: None,
            single_user_starts: 0,
        }
    }

    /// A healthy primary whose agent holds the lock.
    pub(super) fn primary(timeline: u8, watchdog: bool) -> Self {
        Node {
            server: Server::Primary,
            control: ControlState::InProduction,
            timeline,
            signal: false,
            watchdog,
            agent: Some(Agent { role: Role::Primary, ..Agent::started(Role::Replica, Health::Running) }),
            single_user_starts: 0,
        }
    }

    /// A healthy standby.
    pub(super) fn standby(timeline: u8) -> Self {
        Node {
            server: Server::Standby,
            control: ControlState::InArchiveRecovery,
            timeline,
            signal: true,
            watchdog: false,
            agent: Some(Agent::started(Role::Replica, Health::Running)),
            single_user_starts: 0,
        }
    }

    /// A postmaster is alive.
    pub fn has_postmaster(&self) -> bool {
        matches!(self.server, Server::Starting | Server::Standby | Server::Primary)
    }

    /// Client writes can commit here.
    pub fn is_writable(&self) -> bool {
        self.server == Server::Primary
    }

    /// Its agent answers, and its Postgres is a standby that could be promoted.
    pub fn is_candidate(&self) -> bool {
        self.agent.is_some() && self.server == Server::Standby
    }
}

impl Agent {
    /// A process that has just started.
    pub(super) fn started(role: Role, health: Health) -> Self {
        Agent {
            at: At::Idle,
            seen: None,
            role,
            health,
            crash_recovery_started: false,
            recovering: false,
            rewind: Rewind::Initial,
            slot: None,
        }
    }

    /// The task in the background slot.
    pub fn task(&self) -> Option<Task> {
        self.slot.map(|slot| slot.task)
    }

    /// Ends the cycle: the snapshot is not used again.
    pub(super) fn rest(&mut self) {
        self.at = At::Idle;
        self.seen = None;
    }

    /// `trigger_check_diverged_lsn()`, where rewind or wiping is allowed.
    pub(super) fn trigger_divergence_check(&mut self, allowed: bool) {
        if allowed && self.rewind != Rewind::Need {
            self.rewind = Rewind::Check;
        }
    }
}
