//! Sights: what an outside observer sees of a step.
//!
//! The judge compares them with the events of a recorded history.

use crate::recover::branch::Branch;
use crate::vocabulary::event::{Process, ServerState};
use crate::vocabulary::fault::Fault;

use super::action::Action;
use super::state::*;
use super::{Cluster, Names};

/// One observable change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sight {
    /// The harness injected a fault.
    Fault(Fault, NodeId),
    /// The leader key names another holder, or nobody.
    LeaderKey(Option<NodeId>),
    /// A process started.
    Started(Process, NodeId),
    /// A process ended.
    Exited(Process, NodeId),
    /// The agent logged what it does about its dead Postgres.
    Said(Branch, NodeId),
    /// The harness replaced the primary that a standby cluster follows.
    RemoteFailover,
}

impl Sight {
    /// The change in words.
    pub fn text(self, names: &Names) -> String {
        match self {
            Sight::Fault(fault, id) => format!("{}: fault {}", names.of(id), fault.id()),
            Sight::LeaderKey(Some(id)) => format!("the leader key names {}", names.of(id)),
            Sight::LeaderKey(None) => "the leader key is gone".into(),
            Sight::Started(process, id) => format!("{}: {} starts", names.of(id), process_text(process)),
            Sight::Exited(process, id) => format!("{}: {} ends", names.of(id), process_text(process)),
            Sight::Said(branch, id) => format!("{}: recover decides {}", names.of(id), branch.id()),
            Sight::RemoteFailover => "the primary elsewhere is another".into(),
        }
    }
}

/// The name of a process as users see it.
pub fn process_text(process: Process) -> &'static str {
    match process {
        Process::Postmaster => "postmaster",
        Process::SingleUser => "postgres --single",
        Process::PgRewind => "pg_rewind",
        Process::PgBasebackup => "pg_basebackup",
        Process::Agent => "agent",
    }
}

impl Cluster {
    /// All observable changes of a step, in no particular order.
    pub fn shows(&self, before: &State, action: Action, after: &State) -> Vec<Sight> {
        let mut sights = Vec::new();
        match action {
            // A lease ends by itself: only the key shows it.
            Action::Fault(Fault::LeaseExpires, _) => {}
            Action::Fault(Fault::WatchStalls | Fault::WatchResumes, _) if self.settings.stalls_unseen => {}
            Action::Fault(fault, id) => sights.push(Sight::Fault(fault, id)),
            Action::RemoteFailover => sights.push(Sight::RemoteFailover),
            _ => {}
        }
        if let Some(branch) = self.said_in(before, action) {
            sights.push(Sight::Said(branch, action.node()));
        }
        let holder = |state: &State| state.leader.map(|key| key.holder);
        if holder(before) != holder(after) {
            sights.push(Sight::LeaderKey(holder(after)));
        }
        let id = action.node();
        let (was, is) = (&before.nodes[usize::from(id)], &after.nodes[usize::from(id)]);
        let (old, new) = (process(was.server), process(is.server));
        if old != new {
            sights.extend(old.map(|process| Sight::Exited(process, id)));
            sights.extend(new.map(|process| Sight::Started(process, id)));
        }
        match (was.agent.is_some(), is.agent.is_some()) {
            (true, false) => sights.push(Sight::Exited(Process::Agent, id)),
            (false, true) => sights.push(Sight::Started(Process::Agent, id)),
            _ => {}
        }
        sights
    }

    /// True if a probe of this node can find this. A standby reports the timeline of its last restart point, which may
    /// lag behind.
    pub fn can_look_like(&self, state: &State, id: NodeId, found: ServerState, timeline: Option<u8>) -> bool {
        let node = &state.nodes[usize::from(id)];
        let at = state.wal.timeline_at(node.data);
        match found {
            ServerState::Unknown => true,
            // No rule begins sessions read-only: by what the model knows it is a primary.
            ServerState::Primary | ServerState::ReadOnlyPrimary => {
                node.server == Server::Primary && timeline.is_none_or(|found| found == at)
            }
            ServerState::Standby => node.server == Server::Standby && timeline.is_none_or(|found| found <= at),
            // "shutting down" is answered in the same way, by what was a server a moment ago.
            ServerState::Starting => matches!(node.server, Server::Starting | Server::Standby | Server::Primary),
            // A postmaster that has just started, or is about to end, does not listen.
            ServerState::Refused => node.server != Server::Primary && node.server != Server::Standby,
        }
    }
}

fn process(server: Server) -> Option<Process> {
    match server {
        Server::Down => None,
        Server::Starting | Server::Standby | Server::Primary => Some(Process::Postmaster),
        Server::SingleUser => Some(Process::SingleUser),
        Server::Rewinding => Some(Process::PgRewind),
        Server::Copying => Some(Process::PgBasebackup),
    }
}
