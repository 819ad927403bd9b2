//! The view of the cluster at the moment, put together from the recorded events. The lab waits on it; it is no verdict.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Event, Kind, Process, ServerState, Session, Watchdog, WriteResult};

/// The cluster as last observed.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Holder of the leader key.
    pub leader: Option<String>,
    /// The nodes, by name.
    pub nodes: BTreeMap<String, NodeView>,
    /// The leader of this cluster follows a remote primary.
    pub standby_cluster: bool,
    /// Upper bound of the last change, nanoseconds: of the leader key, of a probe's finding, of a process. A probe that
    /// could not tell the state is no change, and neither are words of the agent, unless they say what it does about
    /// its Postgres.
    pub changed_at: u64,
    /// The number of phases that have begun.
    pub phases: u64,
    /// All events so far, in the order in which they were recorded.
    pub events: Vec<Event>,
}

/// One node as last observed.
#[derive(Clone, Debug, Default)]
pub struct NodeView {
    /// The finding of the last probe.
    pub finding: Option<Finding>,
    /// The finding of the last probe that could tell the state.
    pub last_certain: Option<Finding>,
    /// The start of the last finished probe, nanoseconds.
    pub probed_at: u64,
    /// Its running processes, by process id on the host.
    pub processes: BTreeMap<u32, Process>,
    /// Processes that ended: kind, process id, signal.
    pub exits: Vec<(Process, u32, Option<i32>)>,
    /// Sessions through which a write was acknowledged.
    pub wrote: BTreeSet<Session>,
    /// The upper bound of the end of its last agent, while it has none, nanoseconds.
    pub agent_gone_at: Option<u64>,
    /// Its container has ended, and was not started again.
    pub container_ended: bool,
    /// The words with which Postgres refused the login of the last probe that was answered.
    pub login_refused: Option<String>,
}

/// The finding of a probe of Postgres.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The state.
    pub state: ServerState,
    /// Timeline being written or replayed.
    pub timeline: Option<u32>,
    /// WAL position in bytes.
    pub lsn: Option<u64>,
    /// A standby's WAL receiver streams.
    pub streaming: Option<bool>,
    /// The contents of the control file.
    pub control: Option<ControlFile>,
}

impl Finding {
    /// A finding of which only the state is known.
    pub fn only(state: ServerState) -> Finding {
        Finding { state, timeline: None, lsn: None, streaming: None, control: None }
    }

    /// Says whether both findings are the same but for the WAL position, which moves all the time.
    pub fn same(&self, other: &Finding) -> bool {
        (self.state, self.timeline, self.streaming) == (other.state, other.timeline, other.streaming)
    }

    /// The finding in words, which complete "Postgres is …".
    pub fn words(&self) -> String {
        let state = match self.state {
            ServerState::Primary => "primary",
            ServerState::ReadOnlyPrimary => "primary, read-only,",
            ServerState::Standby => "standby",
            ServerState::Starting => return "starting".to_owned(),
            ServerState::Refused => return "refusing connections".to_owned(),
            ServerState::Unknown => return "not answering".to_owned(),
        };
        let timeline = match self.timeline {
            Some(timeline) => format!("on timeline {timeline}"),
            None => "on an unknown timeline".to_owned(),
        };
        let streams = match self.streaming {
            Some(true) => ", streaming",
            Some(false) => ", not streaming",
            None => "",
        };
        format!("{state} {timeline}{streams}")
    }
}

/// A healthy cluster: its leader and its timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Healthy {
    /// The leader.
    pub leader: String,
    /// Its timeline.
    pub timeline: u32,
}

impl View {
    /// A view of nodes of which nothing is known.
    pub fn of(nodes: &[String]) -> View {
        View { nodes: nodes.iter().map(|node| (node.clone(), NodeView::default())).collect(), ..View::default() }
    }

    /// Says whether a watchdog has reset the node, and its agent was not seen since.
    pub fn is_coming_back(&self, node: &str) -> bool {
        let mut of_node = self.events.iter().rev().filter(|event| event.node.as_deref() == Some(node));
        let newest = of_node.find_map(|event| match event.kind {
            Kind::Watchdog { change, .. } => (change == Watchdog::Fired).then_some(true),
            Kind::ProcessStarted { what: Process::Agent, .. } => Some(false),
            _ => None,
        });
        newest == Some(true)
    }

    /// The nodes that are gone: their containers have ended, and no watchdog starts them again.
    pub fn gone(&self) -> BTreeSet<&str> {
        let ended = self.nodes.iter().filter(|(name, node)| node.container_ended && !self.is_coming_back(name));
        ended.map(|(name, _)| name.as_str()).collect()
    }

    /// Notes whether a node's container has ended.
    pub fn container_ended(&mut self, node: &str, ended: bool) {
        if let Some(node) = self.nodes.get_mut(node) {
            node.container_ended = ended;
        }
    }

    /// The events that ended at or after that moment of the run, in the order in which they were recorded.
    pub fn events_since(&self, since: u64) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(move |event| event.at[1] >= since)
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) {
        self.events.push(event.clone());
        let at = event.at[1];
        match &event.kind {
            Kind::LeaderKey { holder, .. } => {
                self.leader = holder.clone();
                self.changed_at = self.changed_at.max(at);
                return;
            }
            Kind::Phase { .. } => {
                self.phases += 1;
                return;
            }
            Kind::Run(run) => self.standby_cluster = run.configuration.standby_cluster,
            _ => {}
        }
        let Some(node) = event.node.as_ref().and_then(|name| self.nodes.get_mut(name)) else { return };
        let changed = match &event.kind {
            Kind::Server { state, timeline, lsn, streaming, control } => {
                let new =
                    Finding { state: *state, timeline: *timeline, lsn: *lsn, streaming: *streaming, control: *control };
                node.finding = Some(new);
                *state != ServerState::Unknown && node.last_certain.replace(new).is_none_or(|old| !old.same(&new))
            }
            Kind::ProcessStarted { what, pid, .. } => {
                node.processes.insert(*pid, *what);
                if *what == Process::Agent {
                    node.agent_gone_at = None;
                }
                true
            }
            Kind::ProcessExited { what, pid, signal, .. } => {
                node.processes.remove(pid);
                node.exits.push((*what, *pid, *signal));
                let left = node.processes.values().any(|what| *what == Process::Agent);
                if *what == Process::Agent && !left {
                    node.agent_gone_at = Some(at);
                }
                true
            }
            // The effect of the decision is yet to come: a standby that streams may be about to be rewound.
            Kind::Recover { .. } => true,
            Kind::Write { session, result: WriteResult::Ok, .. } => {
                node.wrote.insert(*session);
                false
            }
            _ => false,
        };
        if changed {
            self.changed_at = self.changed_at.max(at);
        }
    }

    /// The leader and its timeline, if the cluster is healthy: the holder of the leader key is the only primary and
    /// every other node streams on its timeline. In a standby cluster the holder streams from the remote primary, and
    /// no node is a primary.
    ///
    /// # Errors
    /// The first thing that is not well, in words.
    pub fn healthy(&self) -> Result<Healthy, String> {
        self.healthy_but_for(&BTreeSet::new())
    }

    /// As [`View::healthy`], of all nodes but these.
    fn healthy_but_for(&self, gone: &BTreeSet<&str>) -> Result<Healthy, String> {
        let there = |name: &&String| !gone.contains(name.as_str());
        let leader = self.leader.clone().ok_or("nobody holds the leader key")?;
        let finding = |name: &String, node: &NodeView| node.finding.ok_or_else(|| format!("{name} was not probed yet"));
        let holder =
            self.nodes.get(&leader).ok_or_else(|| format!("the leader key is held by {leader}, who is no node"))?;
        if gone.contains(leader.as_str()) {
            return Err(format!("the leader key is held by {leader}, whose container has ended"));
        }
        let timeline = match finding(&leader, holder)? {
            Finding { state: ServerState::Primary, timeline: Some(timeline), .. } if !self.standby_cluster => timeline,
            Finding { state: ServerState::Standby, timeline: Some(timeline), streaming: Some(true), .. }
                if self.standby_cluster =>
            {
                timeline
            }
            other => return Err(format!("{leader} holds the leader key but is {}", other.words())),
        };
        for (name, node) in self.nodes.iter().filter(|(name, _)| **name != leader && there(name)) {
            match finding(name, node)? {
                Finding { state: ServerState::Standby, streaming: Some(true), timeline: Some(theirs), .. }
                    if theirs == timeline => {}
                other => {
                    return Err(format!("{leader} leads on timeline {timeline}, but {name} is {}", other.words()));
                }
            }
        }
        Ok(Healthy { leader, timeline })
    }

    /// Says whether the cluster may be healthy for all that is known: no finding says otherwise, but the state of some
    /// node could not be told.
    pub fn may_be_healthy(&self) -> bool {
        let Some(leader) = self.leader.as_ref().filter(|leader| self.nodes.contains_key(*leader)) else { return false };
        let mut timelines = BTreeSet::new();
        for (name, node) in &self.nodes {
            let leads = name == leader && !self.standby_cluster;
            match node.finding {
                None | Some(Finding { state: ServerState::Unknown, .. }) => {}
                Some(Finding { state: ServerState::Primary, timeline: Some(timeline), .. }) if leads => {
                    timelines.insert(timeline);
                }
                Some(Finding {
                    state: ServerState::Standby, streaming: Some(true), timeline: Some(timeline), ..
                }) if !leads => {
                    timelines.insert(timeline);
                }
                Some(_) => return false,
            }
        }
        timelines.len() <= 1
    }

    /// As [`View::healthy`], if moreover every node was probed anew when nothing had changed for `hold` nanoseconds
    /// after `since`.
    ///
    /// # Errors
    /// The first thing that is missing, in words.
    pub fn healthy_for(&self, hold: u64, since: u64) -> Result<Healthy, String> {
        self.healthy_for_but_for(hold, since, &BTreeSet::new())
    }

    /// As [`View::healthy_for`], of all nodes but these.
    ///
    /// # Errors
    /// The first thing that is missing, in words.
    pub fn healthy_for_but_for(&self, hold: u64, since: u64, gone: &BTreeSet<&str>) -> Result<Healthy, String> {
        let healthy = self.healthy_but_for(gone)?;
        let there = self.nodes.iter().filter(|(name, _)| !gone.contains(name.as_str()));
        match there.clone().find(|(_, node)| node.probed_at < self.changed_at.max(since) + hold) {
            None => Ok(healthy),
            Some((name, _)) => Err(format!("all is well, but not for long enough yet at {name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::event::{FORMAT, KeyChange, Source};

    use super::*;

    fn event(at: u64, node: Option<&str>, kind: Kind) -> Event {
        Event { v: FORMAT, seq: 0, at: [at, at], node: node.map(str::to_owned), source: Source::Harness, kind }
    }

    fn key(holder: Option<&str>) -> Kind {
        Kind::LeaderKey { change: KeyChange::Created, holder: holder.map(str::to_owned), revision: 1, lease: 0 }
    }

    fn server(state: ServerState, timeline: u32, streaming: Option<bool>) -> Kind {
        Kind::Server { state, timeline: Some(timeline), lsn: Some(1), streaming, control: None }
    }

    fn settled() -> View {
        let mut view = View::of(&["n1".to_owned(), "n2".to_owned()]);
        view.apply(&event(1, None, key(Some("n1"))));
        view.apply(&event(2, Some("n1"), server(ServerState::Primary, 1, None)));
        view.apply(&event(3, Some("n2"), server(ServerState::Standby, 1, Some(true))));
        view
    }

    #[test]
    fn a_healthy_cluster_is_recognised() {
        assert_eq!(settled().healthy(), Ok(Healthy { leader: "n1".to_owned(), timeline: 1 }));
    }

    #[test]
    fn what_is_not_well_is_said() {
        let mut view = settled();
        view.apply(&event(4, Some("n2"), server(ServerState::Standby, 2, Some(true))));
        assert_eq!(view.healthy().unwrap_err(), "n1 leads on timeline 1, but n2 is standby on timeline 2, streaming");
        view.apply(&event(5, Some("n2"), server(ServerState::Primary, 2, None)));
        assert!(view.healthy().unwrap_err().contains("n2 is primary"));
        view.apply(&event(6, None, key(Some("n2"))));
        assert!(view.healthy().unwrap_err().contains("n1 is primary"));
        view.apply(&event(7, None, key(None)));
        assert_eq!(view.healthy().unwrap_err(), "nobody holds the leader key");
    }

    #[test]
    fn a_cluster_is_healthy_but_for_the_nodes_that_are_gone() {
        let mut view = settled();
        let refused =
            Kind::Server { state: ServerState::Refused, timeline: None, lsn: None, streaming: None, control: None };
        view.apply(&event(4, Some("n2"), refused));
        for node in view.nodes.values_mut() {
            node.probed_at = 10;
        }
        let well = |view: &View| view.healthy_for_but_for(3, 0, &view.gone()).map(|healthy| healthy.leader);
        assert!(view.gone().is_empty() && well(&view).is_err());
        view.container_ended("n2", true);
        assert_eq!(well(&view), Ok("n1".to_owned()));
        // Who holds the key is awaited until the key is gone.
        view.container_ended("n2", false);
        view.container_ended("n1", true);
        assert_eq!(well(&view).unwrap_err(), "the leader key is held by n1, whose container has ended");
        // A watchdog starts it again.
        view.apply(&event(5, Some("n1"), Kind::Watchdog { change: Watchdog::Fired, timeout_s: None }));
        assert!(view.gone().is_empty());
    }

    #[test]
    fn what_cannot_be_told_is_no_change_and_may_be_well() {
        let mut view = settled();
        assert!(view.may_be_healthy());
        let changed_at = view.changed_at;
        let unknown =
            Kind::Server { state: ServerState::Unknown, timeline: None, lsn: None, streaming: None, control: None };
        view.apply(&event(4, Some("n2"), unknown.clone()));
        assert!(view.healthy().is_err() && view.may_be_healthy());
        view.apply(&event(5, Some("n2"), server(ServerState::Standby, 1, Some(true))));
        view.apply(&event(6, Some("n2"), Kind::Said { pattern: "p".to_owned(), message: "m".to_owned() }));
        assert!(view.healthy().is_ok());
        assert_eq!(view.changed_at, changed_at);
        view.apply(&event(7, Some("n2"), server(ServerState::Standby, 2, Some(true))));
        assert_eq!(view.changed_at, 7);
        assert!(!view.may_be_healthy());
        // What the leader is cannot be told, but nothing contradicts it.
        view.apply(&event(8, Some("n1"), unknown));
        assert!(view.may_be_healthy());
        view.apply(&event(9, None, key(None)));
        assert!(!view.may_be_healthy());
    }

    #[test]
    fn health_must_hold_and_be_seen_to() {
        let mut view = settled();
        for node in view.nodes.values_mut() {
            node.probed_at = 10;
        }
        assert!(view.healthy_for(7, 0).is_ok());
        assert!(view.healthy_for(8, 0).is_err());
        // What was well before that moment does not count.
        assert!(view.healthy_for(7, 3).is_ok() && view.healthy_for(7, 4).is_err());
        // The same finding again is no change.
        view.apply(&event(9, Some("n1"), server(ServerState::Primary, 1, None)));
        assert!(view.healthy_for(7, 0).is_ok());
        let exit =
            Kind::ProcessExited { what: Process::Postmaster, pid: 7, code: None, signal: Some(9), control: None };
        view.apply(&event(9, Some("n1"), exit));
        assert!(view.healthy_for(7, 0).is_err());
        assert_eq!(view.nodes["n1"].exits, [(Process::Postmaster, 7, Some(9))]);
    }
}
