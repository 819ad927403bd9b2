//! The recorder of a simulated behaviour: it writes the events that a lab's observers would have.
//!
//! Of what was seen it remembers what later events refer to.

use std::collections::BTreeMap;

use pghaspec_model::belief::{Behaviour, Observation, Seen};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Action, NodeId, Server, State};
use pghaspec_model::recover::control::{ControlFile, ControlState};
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{
    Event, FORMAT, KeyChange, Kind, Phase, Process, ServerState, Source, Watchdog,
};
use pghaspec_model::vocabulary::fault::Fault;

/// The system identifier of every simulated cluster.
const SYSTEM: u64 = 1;

pub(super) fn name(id: NodeId) -> String {
    format!("n{}", id + 1)
}

pub(super) fn server(state: ServerState, timeline: Option<u32>) -> Kind {
    let says = |state| Some(ControlFile { system: SYSTEM, state });
    let control = match state {
        ServerState::Primary => says(ControlState::InProduction),
        ServerState::Standby => says(ControlState::InArchiveRecovery),
        _ => None,
    };
    Kind::Server { state, timeline, lsn: None, streaming: (state == ServerState::Standby).then_some(true), control }
}

/// The changes of all watchdogs, each with its moment.
pub(super) fn watchdogs(behaviour: &Behaviour) -> Vec<(u64, NodeId, Watchdog)> {
    let mut changes = Vec::new();
    let mut before = behaviour.init;
    for ((action, after), at) in behaviour.steps.iter().zip(&behaviour.moments) {
        for (id, (was, is)) in (0..).zip(before.nodes.iter().zip(&after.nodes)) {
            changes.extend(match (was.watchdog, is.watchdog) {
                (false, true) => Some((*at, id, Watchdog::Armed)),
                (true, false) if *action == Action::WatchdogResets(id) => Some((*at, id, Watchdog::Fired)),
                (true, false) => Some((*at, id, Watchdog::Disarmed)),
                (true, true) if was.agent.is_some() && is.agent.is_none() => Some((*at, id, Watchdog::Abandoned)),
                _ => None,
            });
        }
        before = *after;
    }
    changes
}

/// The end of a process by a step, as an observer of processes records it.
fn exited(what: Process, pid: u32, id: NodeId, shown_by: Option<(State, Action, State)>) -> Kind {
    use Fault::{
        AgentKilled, DiskFull, NodeKilled, OrphansLeft, PostmasterKilled, RewindFails, SingleUserFails, StartFails,
    };
    let (mut code, mut signal, mut control) = (Some(0), None, None);
    if let Some((before, action, after)) = shown_by {
        let (was, is) = (&before.nodes[usize::from(id)], &after.nodes[usize::from(id)]);
        match action {
            Action::WatchdogResets(_) | Action::Fault(PostmasterKilled | OrphansLeft | AgentKilled | NodeKilled, _) => {
                (code, signal) = (None, Some(9));
            }
            Action::Fault(DiskFull | RewindFails | SingleUserFails | StartFails, _) => code = Some(1),
            // It found out that it cannot start.
            Action::PostmasterStops(_) if was.server == Server::Starting && was.control == is.control => {
                code = Some(1);
            }
            _ => {}
        }
        if matches!(what, Process::Postmaster | Process::SingleUser) {
            control = is.control.map(|state| ControlFile { system: SYSTEM, state });
        }
    }
    Kind::ProcessExited { what, pid, code, signal, control }
}

/// Writes events, and remembers what later ones refer to: who holds the key, and the ids of processes.
pub(super) struct Scribe {
    pub(super) events: Vec<Event>,
    holder: Option<NodeId>,
    revision: i64,
    pids: BTreeMap<(NodeId, Process), u32>,
    last_pid: u32,
}

impl Scribe {
    pub(super) fn new(nodes: u8, leader: NodeId) -> Self {
        let mut scribe =
            Scribe { events: Vec::new(), holder: Some(leader), revision: 1, pids: BTreeMap::new(), last_pid: 100 };
        for id in 0..nodes {
            scribe.new_pid(id, Process::Agent);
            scribe.new_pid(id, Process::Postmaster);
        }
        scribe
    }

    fn new_pid(&mut self, id: NodeId, what: Process) -> u32 {
        self.last_pid += 1;
        self.pids.insert((id, what), self.last_pid);
        self.last_pid
    }

    fn put(&mut self, at: [u64; 2], node: Option<NodeId>, source: Source, kind: Kind) {
        let seq = self.events.len() as u64;
        self.events.push(Event { v: FORMAT, seq, at, node: node.map(name), source, kind });
    }

    pub(super) fn write(&mut self, at: u64, node: Option<NodeId>, source: Source, kind: Kind) {
        self.put([at; 2], node, source, kind);
    }

    pub(super) fn watchdog(&mut self, at: u64, id: NodeId, change: Watchdog) {
        self.write(at, Some(id), Source::Watchdog, Kind::Watchdog { change, timeout_s: None });
    }

    pub(super) fn phase(&mut self, at: u64, phase: Phase) {
        self.write(at, None, Source::Harness, Kind::Phase { phase });
    }

    pub(super) fn observe(&mut self, observation: &Observation, shown_by: Option<(State, Action, State)>) {
        let at = observation.at;
        match observation.what {
            Seen::Looks(id, state, timeline) => self.put(at, Some(id), Source::Postgres, server(state, timeline)),
            Seen::Change(Sight::Fault(fault, id)) => {
                let whole = matches!(fault, Fault::NodesCut | Fault::NodesJoined | Fault::DcsDown | Fault::DcsUp);
                let effect = Some("simulated".to_owned());
                self.put(at, (!whole).then_some(id), Source::Harness, Kind::Fault { fault, effect });
            }
            Seen::Change(Sight::RemoteFailover) => {
                let effect = Some("simulated".to_owned());
                let disturbance = Disturbance::RemoteFailover;
                self.put(at, None, Source::Harness, Kind::Disturbance { disturbance, effect });
            }
            Seen::Change(Sight::LeaderKey(holder)) => {
                let ended = matches!(shown_by, Some((_, Action::Fault(Fault::LeaseExpires | Fault::LeaseLost, _), _)));
                let change = match (self.holder, holder) {
                    (_, None) if ended => KeyChange::Expired,
                    (_, None) => KeyChange::Deleted,
                    (None, Some(_)) => KeyChange::Created,
                    (Some(_), Some(_)) => KeyChange::Overwritten,
                };
                self.holder = holder;
                self.revision += 1;
                let revision = self.revision;
                let kind = Kind::LeaderKey { change, holder: holder.map(name), revision, lease: 1 };
                self.put(at, None, Source::Etcd, kind);
            }
            Seen::Change(Sight::Started(what, id)) => {
                let pid = self.new_pid(id, what);
                self.put(at, Some(id), Source::Process, Kind::ProcessStarted { what, pid, argv: Vec::new() });
            }
            Seen::Change(Sight::Exited(what, id)) => {
                let pid = self.pids.get(&(id, what)).copied().unwrap_or(0);
                self.put(at, Some(id), Source::Process, exited(what, pid, id, shown_by));
            }
            Seen::Change(Sight::Said(branch, id)) => {
                let kind = Kind::Recover { branch, message: branch.id().to_owned() };
                self.put(at, Some(id), Source::AgentLog, kind);
            }
            Seen::Holder(_) | Seen::HasHadCycle(_) | Seen::Blind(_) | Seen::Sighted(_) => {
                unreachable!("a behaviour is watched from its beginning to its end")
            }
        }
    }
}
