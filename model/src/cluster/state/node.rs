//! A node: its Postgres, its data directory, its watchdog, its connection to the DCS.

use crate::recover::control::ControlState;

use super::NodeId;
use super::agent::{Agent, Health, Role};
use super::wal::Point;

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

impl Server {
    /// The process in words.
    pub fn text(self) -> &'static str {
        match self {
            Server::Down => "down",
            Server::Starting => "starting",
            Server::Standby => "standby",
            Server::Primary => "primary",
            Server::SingleUser => "single-user mode",
            Server::Rewinding => "rewinding",
            Server::Copying => "copying",
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
