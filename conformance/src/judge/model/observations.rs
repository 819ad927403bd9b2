//! The observations of a history, part by part, as the model is asked to explain them.
//!
//! An event of a history is an interval in which an outsider saw something; an observation says it in the model's
//! words.

use std::collections::BTreeSet;

use pghaspec_model::belief::{Channels, Observation, Seen};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Names, NodeId};
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::vocabulary::fault::Fault;

use crate::history::{History, SECOND, describe, seconds};
use crate::judge::facts::deaths::{Dead, Death, deaths};
use crate::judge::facts::lock;
use crate::judge::facts::shutdown::Server;

/// The observer that turns a history into observations, from the phase `ready`, when the cluster was healthy, to the
/// end of `settled`.
pub struct Observer {
    /// The nodes' names.
    pub names: Names,
    /// The lock holder when the cluster was ready.
    pub leader: NodeId,
    /// On which timeline.
    pub timeline: u32,
    /// Channels that miss everything.
    pub blind: Channels,
    /// Intervals in which not all was seen, in words.
    pub gaps: Vec<String>,
    /// Faults that were recorded.
    pub faults: BTreeSet<Fault>,
    /// Something was done that must change nothing, and may have changed something.
    pub disturbed: bool,
    /// The primary that a standby cluster follows was replaced.
    pub remote_fails_over: bool,
    /// Something changed.
    pub changed: bool,
    from: u64,
    to: u64,
    key: Option<NodeId>,
    revision_from: u64,
    /// Nodes that were found to be writable, and of which nothing else was seen since.
    writable: Vec<bool>,
    /// The highest timeline on which each node was a primary, and the cycle that it is given for that.
    timelines: Vec<u32>,
    cycles: Vec<Cycle>,
    /// Nodes whose agents died by no fault of the scenario, and were not started again: which, and when.
    agentless: Vec<(NodeId, u64)>,
}

/// A cycle that the agent of a new primary has had in time.
struct Cycle {
    id: NodeId,
    at: u64,
    seq: u64,
}

/// The chain of what etcd has put in order.
const REVISIONS: u8 = 1;

impl Observer {
    /// By the first part of a history; the error says why it cannot be asked.
    pub fn of(history: &History) -> Result<Observer, String> {
        let run = &history.run;
        if !(1..=3).contains(&run.nodes.len()) {
            return Err(format!("the model has up to three nodes, and this cluster {}", run.nodes.len()));
        }
        for source in [Source::Etcd, Source::Postgres] {
            if !history.observed(source) {
                let source = describe::source(source);
                return Err(format!("needs the observer `{source}`, and this run had none"));
            }
        }
        let to = history.phase(Phase::ReadBack).ok_or("the run was not finished")?;
        let from = history.phase(Phase::Ready).ok_or("the cluster never got ready")?;
        let names = Names::new(run.nodes.clone());
        let (leader, timeline) = healthy_leader(history, &names, from)?;
        let mut blind = Channels::NONE;
        if !history.observed(Source::Process) || history.polls_processes() {
            blind = blind.and(Channels::of(Source::Process, None));
        }
        if !history.observed(Source::AgentLog) {
            blind = blind.and(Channels::of(Source::AgentLog, None));
        }
        Ok(Observer {
            names,
            leader,
            timeline,
            blind,
            gaps: Vec::new(),
            faults: BTreeSet::new(),
            disturbed: false,
            remote_fails_over: false,
            changed: false,
            from,
            to,
            key: Some(leader),
            revision_from: 0,
            writable: vec![false; run.nodes.len()],
            timelines: vec![0; run.nodes.len()],
            cycles: Vec::new(),
            agentless: Vec::new(),
        })
    }

    /// The observations of the next part, in the order in which they begin.
    ///
    /// # Errors
    /// It shows something that the model cannot be asked.
    pub fn take(&mut self, history: &History, is_last: bool) -> Result<Vec<Observation>, String> {
        let mut shown = Vec::new();
        self.observe(history, &mut shown)?;
        let servers: Vec<Server> = history.run.nodes.iter().map(|node| Server::of(history, node)).collect();
        self.leave_gaps(history, &servers, &mut shown);
        let end = history.fresh().iter().map(|event| event.at[1]).max().filter(|_| !is_last).unwrap_or(u64::MAX);
        self.await_cycles(history, end, &mut shown);
        shown.sort_by_key(|seen| seen.at[0]);
        self.changed |= shown.iter().any(|seen| matches!(seen.what, Seen::Change(_)));
        Ok(shown)
    }

    fn observe(&mut self, history: &History, shown: &mut Vec<Observation>) -> Result<(), String> {
        let (from, to) = (self.from, self.to);
        let servers: Vec<Server> = history.run.nodes.iter().map(|node| Server::of(history, node)).collect();
        for death in deaths(history) {
            self.observe_death(history, &servers, &death, shown)?;
        }
        for event in history.fresh() {
            match &event.kind {
                Kind::Fault { fault, .. } => drop(self.faults.insert(*fault)),
                Kind::Disturbance { disturbance, .. } => {
                    self.disturbed = true;
                    self.remote_fails_over |= *disturbance == Disturbance::RemoteFailover;
                }
                _ => {}
            }
            // When the key changed is known less well than that it did: a change that came to be known after the
            // cluster was ready is one since then. So is a fault, which nobody makes before.
            let since = matches!(event.kind, Kind::LeaderKey { .. } | Kind::Fault { .. } | Kind::Disturbance { .. });
            let begins = if since { event.at[1] > from } else { event.at[0] >= from };
            if !begins || event.at[1] > to {
                continue;
            }
            let id = event.node.as_deref().and_then(|name| self.names.id(name));
            let (mut at, mut chain) = ([event.at[0].max(from), event.at[1]], 0);
            let what = match &event.kind {
                // It ends by itself: the key tells.
                Kind::Fault { fault: Fault::LeaseExpires, .. } => continue,
                Kind::Fault { fault, effect: None } => {
                    return Err(format!("nothing shows that {} took effect, or when", fault.id()));
                }
                // A postmaster that may not go on without one of its processes ends: the model has the end of a
                // postmaster at one moment.
                Kind::Fault { fault: Fault::BackendCrashed, .. } if !history.run.configuration.restart_after_crash => {
                    let id = known(id)?;
                    at[1] = servers[usize::from(id)].next_exit(at[0]).unwrap_or(at[1]).max(at[1]);
                    Seen::Change(Sight::Fault(Fault::PostmasterKilled, id))
                }
                Kind::Fault { fault, .. } if of_the_cluster(*fault) => Seen::Change(Sight::Fault(*fault, 0)),
                Kind::Fault { fault, .. } => Seen::Change(Sight::Fault(*fault, known(id)?)),
                Kind::Disturbance { disturbance: Disturbance::RemoteFailover, effect: Some(_) } => {
                    Seen::Change(Sight::RemoteFailover)
                }
                Kind::LeaderKey { change, holder, .. } => {
                    let holder = holder.as_deref().map(|name| known(self.names.id(name))).transpose()?;
                    let before = std::mem::replace(&mut self.key, holder);
                    self.revision_from = self.revision_from.max(at[0]).min(at[1]);
                    (at[0], chain) = (self.revision_from, REVISIONS);
                    match change {
                        KeyChange::Present => Seen::Holder(holder),
                        // A new lease under the same name changes nothing that the model knows.
                        KeyChange::Overwritten if before == holder => continue,
                        _ => Seen::Change(Sight::LeaderKey(holder)),
                    }
                }
                Kind::ProcessStarted { what, .. } => {
                    let id = known(id)?;
                    // Who killed an agent, or its node, may have it started again, too.
                    let starts_dead =
                        |(of, died): &(NodeId, u64)| *what == Process::Agent && *of == id && *died <= event.at[1];
                    let was_dead = self.agentless.iter().any(starts_dead);
                    self.agentless.retain(|dead| !starts_dead(dead));
                    if was_dead && !is_restarted(history, event) {
                        let what = Seen::Change(Sight::Fault(Fault::AgentRestarted, id));
                        self.faults.insert(Fault::AgentRestarted);
                        shown.push(Observation { at, what, seq: event.seq, chain });
                    }
                    Seen::Change(Sight::Started(*what, id))
                }
                Kind::ProcessExited { what, .. } => {
                    let id = known(id)?;
                    at[0] = servers[usize::from(id)].began_to_end(*what, at[0]).max(from);
                    Seen::Change(Sight::Exited(*what, id))
                }
                Kind::Recover { branch, .. } => Seen::Change(Sight::Said(*branch, known(id)?)),
                Kind::Server { state: ServerState::Unknown, .. } => {
                    self.writable[usize::from(known(id)?)] = false;
                    continue;
                }
                Kind::Server { state, timeline, .. } => {
                    let id = known(id)?;
                    self.writable[usize::from(id)] = *state == ServerState::Primary;
                    Seen::Looks(id, *state, *timeline)
                }
                // A write that was acknowledged proves that its node was writable. The first after each change says it.
                // Backends outlive a killed postmaster by moments: what they write is left to `writable-needs-lock`.
                Kind::Write { result: WriteResult::Ok, .. } => {
                    let id = known(id)?;
                    let said = std::mem::replace(&mut self.writable[usize::from(id)], true);
                    if servers[usize::from(id)].is_outlived_by(event.at) {
                        self.writable[usize::from(id)] = said;
                        continue;
                    }
                    if said {
                        continue;
                    }
                    Seen::Looks(id, ServerState::Primary, None)
                }
                _ => continue,
            };
            if let (Seen::Change(_), Some(id)) = (what, id) {
                self.writable[usize::from(id)] = false;
            }
            shown.push(Observation { at, what, seq: event.seq, chain });
        }
        Ok(())
    }

    /// A death that no fault of the scenario caused is the fault that it equals, inflicted by somebody else. One that
    /// may be the agent's own is explained by its rules, or it is not.
    fn observe_death(
        &mut self,
        history: &History,
        servers: &[Server],
        death: &Death,
        shown: &mut Vec<Observation>,
    ) -> Result<(), String> {
        if death.may_be_own || death.at[1] < self.from || death.at[0] > self.to {
            return Ok(());
        }
        let Some(fault) = death.fault() else {
            return Err(format!("the model does not know such a death: {}", death.words));
        };
        let id = known(self.names.id(&death.node))?;
        let server = &servers[usize::from(id)];
        self.faults.insert(fault);
        if matches!(fault, Fault::AgentKilled | Fault::NodeKilled) {
            self.agentless.push((id, death.at[0]));
        }
        let mut at = death.at;
        if let Dead::Process(what) = death.dead {
            at[0] = server.began_to_end(what, at[0]);
        }
        let fault = match fault {
            // As of those that are injected: a postmaster that may not go on without one of its processes ends.
            Fault::BackendCrashed if !history.run.configuration.restart_after_crash => {
                at[1] = server.next_exit(at[0]).unwrap_or(at[1]).max(at[1]);
                Fault::PostmasterKilled
            }
            fault => fault,
        };
        at[0] = at[0].max(self.from);
        shown.push(Observation { at, what: Seen::Change(Sight::Fault(fault, id)), seq: death.seq, chain: 0 });
        Ok(())
    }

    /// The model knows no time, and an agent's cycle cannot be seen. But a new primary's agent does not do without for
    /// long.
    fn await_cycles(&mut self, history: &History, end: u64, shown: &mut Vec<Observation>) {
        let run = &history.run;
        // The cycle in which it became one, and another in which an operation had to be tried again.
        let cycle = u64::from(2 * run.loop_wait_s + run.retry_timeout_s) * SECOND;
        let died = deaths(history);
        for name in &run.nodes {
            let Some(id) = self.names.id(name) else { continue };
            let highest = &mut self.timelines[usize::from(id)];
            for event in history.fresh().iter().filter(|event| event.node.as_ref() == Some(name)) {
                if let Kind::Server { state: ServerState::Primary, timeline: Some(timeline), .. } = event.kind
                    && timeline > *highest
                {
                    *highest = timeline;
                    if event.at[0] >= self.from {
                        self.cycles.push(Cycle { id, at: event.at[1] + cycle, seq: event.seq });
                    }
                }
            }
            let disturbs = |event: &&Event| {
                matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. } | Kind::Gap { of: Source::Etcd, .. })
                    && event.node.as_ref().is_none_or(|node| node == name)
            };
            let mut disturbed: Vec<[u64; 2]> = history.events.iter().filter(disturbs).map(|event| event.at).collect();
            disturbed.extend(died.iter().filter(|death| death.node == *name).map(|death| death.at));
            disturbed.sort_unstable();
            // What begins no earlier than the cycle is over does not make it longer, and neither does what begins later
            // still.
            for mine in self.cycles.iter_mut().filter(|mine| mine.id == id) {
                for [begin, last] in &disturbed {
                    if *begin >= mine.at {
                        break;
                    }
                    mine.at = mine.at.max(last + cycle);
                }
            }
        }
        let to = self.to;
        self.cycles.retain(|Cycle { id, at, seq }| {
            let over = *at <= end;
            if over && *at <= to {
                shown.push(Observation { at: [*at; 2], what: Seen::HasHadCycle(*id), seq: *seq, chain: 0 });
            }
            !over
        });
    }

    /// In a stated gap changes may hide. So they may where something was seen of which nobody knows whether it was
    /// before the cluster was ready.
    fn leave_gaps(&mut self, history: &History, servers: &[Server], shown: &mut Vec<Observation>) {
        let (from, to) = (self.from, self.to);
        let mut gaps: Vec<(Channels, [u64; 2], u64)> = Vec::new();
        for event in history.fresh().iter().filter(|event| event.at[0] < from && event.at[1] > from) {
            let changes =
                matches!(event.kind, Kind::ProcessStarted { .. } | Kind::ProcessExited { .. } | Kind::Recover { .. });
            if let Some(id) = event.node.as_deref().and_then(|name| self.names.id(name)).filter(|_| changes) {
                let channels = Channels::of(event.source, Some(id)).without(self.blind);
                gaps.extend(channels.each().map(|channel| (channel, [from, event.at[1]], event.seq)));
            }
        }
        for event in history.fresh().iter().filter(|event| event.at[1] >= from && event.at[0] <= to) {
            let Kind::Gap { of, why, .. } = &event.kind else { continue };
            let id = event.node.as_deref().and_then(|name| self.names.id(name));
            let channels = Channels::of(*of, id).without(self.blind);
            if channels.is_empty() {
                continue;
            }
            self.gaps.push(format!(
                "{} from {} to {}: {why}",
                describe::source(*of),
                seconds(event.at[0]),
                seconds(event.at[1])
            ));
            if *of != Source::Process {
                gaps.extend(channels.each().map(|channel| (channel, event.at, event.seq)));
                continue;
            }
            // A postmaster whose end is missed has closed its sockets before.
            for other in (0..servers.len()).filter_map(|other| NodeId::try_from(other).ok()) {
                if id.is_none_or(|id| id == other) {
                    let server = &servers[usize::from(other)];
                    let begin = event.at.map(|edge| server.began_to_end(Process::Postmaster, edge)).into_iter().min();
                    let at = [begin.unwrap_or(event.at[0]).min(event.at[0]), event.at[1]];
                    let own = Channels::of(*of, Some(other)).without(self.blind);
                    gaps.extend(own.each().map(|channel| (channel, at, event.seq)));
                }
            }
        }
        gaps.sort_unstable();
        let mut merged: Vec<(Channels, [u64; 2], u64)> = Vec::new();
        for (channel, at, seq) in gaps {
            match merged.last_mut() {
                Some((last, open, _)) if *last == channel && at[0] <= open[1] + 1 => open[1] = open[1].max(at[1]),
                _ => merged.push((channel, at, seq)),
            }
        }
        for (channel, [begin, end], seq) in merged {
            let begin = begin.max(from);
            let end = end.max(begin + 1);
            shown.push(Observation { at: [begin; 2], what: Seen::Blind(channel), seq, chain: 0 });
            shown.push(Observation { at: [end; 2], what: Seen::Sighted(channel), seq, chain: 0 });
        }
    }
}

/// The harness has started this agent.
fn is_restarted(history: &History, started: &Event) -> bool {
    history.events.iter().any(|event| {
        let restarts = matches!(event.kind, Kind::Fault { fault: Fault::AgentRestarted, .. });
        restarts && event.node == started.node && event.at[0] <= started.at[1] && event.at[1] >= started.at[0]
    })
}

/// A fault that hits the cluster as a whole, and not one node.
fn of_the_cluster(fault: Fault) -> bool {
    matches!(fault, Fault::NodesCut | Fault::NodesJoined | Fault::DcsDown | Fault::DcsUp)
}

/// The lock holder when the cluster was ready, and its timeline.
fn healthy_leader(history: &History, names: &Names, from: u64) -> Result<(NodeId, u32), String> {
    let before = || history.events.iter().filter(move |event| event.at[1] <= from);
    let holder = before().rev().find_map(|event| match &event.kind {
        Kind::LeaderKey { holder, .. } => Some(holder.clone()),
        _ => None,
    });
    if lock::unseen(history).iter().any(|[begin, end]| *begin <= from && from < *end) {
        return Err("nobody saw who held the leader lock when the cluster was ready".into());
    }
    let holder = holder.flatten().ok_or("nobody held the leader lock when the cluster was ready")?;
    let leader = known(names.id(&holder))?;
    // In a standby cluster the leader is no primary.
    let timeline = before().rev().find_map(|event| match &event.kind {
        Kind::Server { timeline: Some(timeline), .. } if event.node.as_ref() == Some(&holder) => Some(*timeline),
        _ => None,
    });
    // Postgres counts timelines from 1.
    let timeline = timeline.filter(|timeline| *timeline > 0);
    Ok((leader, timeline.ok_or("the leader was seen on no timeline before the cluster was ready")?))
}

fn known(node: Option<NodeId>) -> Result<NodeId, String> {
    node.ok_or_else(|| "an event names a node that is not of this run".into())
}
