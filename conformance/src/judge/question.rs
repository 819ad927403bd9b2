//! What the model is asked to explain: a history as the model's observations.

use pghaspec_model::belief::{Belief, Channels, Explanation, Observation, Refusal, Seen, Start};
use pghaspec_model::cluster::show::Sight;
use pghaspec_model::cluster::{Budget, Cluster, Names, NodeId, Rewind, Settings, StartTimeouts, State, SyncKey};
use pghaspec_model::disturbance::Disturbance;
use pghaspec_model::edition::{Edition, Rules};
use pghaspec_model::event::{Event, KeyChange, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;

use super::beliefs::with_belief;
use super::history::{History, rules, seconds};
use super::server::Server;

/// What the model is asked to explain.
pub struct Question {
    /// The nodes' names.
    pub names: Names,
    /// What was seen, in the order in which it begins.
    pub observations: Vec<Observation>,
    /// Intervals in which not all was seen, in words.
    pub gaps: Vec<String>,
    settings: Settings,
    /// The edition that the agent claims, and the rules in which its release differs from that.
    claimed: Option<(Edition, Vec<String>)>,
    /// There is one node only.
    alone: bool,
    leader: NodeId,
    timeline: u32,
    blind: Channels,
}

/// The chain of what etcd has put in order.
const REVISIONS: u8 = 1;

impl Question {
    /// From the phase `ready`, when the cluster was healthy, to the end of `settled`; the error says why it cannot be asked.
    pub fn of(history: &History) -> Result<Question, String> {
        let run = &history.run;
        let nodes = match run.nodes.len() {
            // A cluster of one behaves as one of two whose other node is never there.
            1 => 2,
            2 | 3 => run.nodes.len() as u8,
            other => return Err(format!("the model has up to three nodes, and this cluster {other}")),
        };
        for source in [Source::Etcd, Source::Postgres] {
            if !history.observed(source) {
                return Err(format!("needs the observer {source:?}, and this run had none"));
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
        let mut question = Question {
            settings: settings(history, nodes),
            claimed: Edition::from_id(&run.edition).map(|edition| (edition, run.rules.clone())),
            alone: run.nodes.len() == 1,
            leader,
            timeline,
            blind,
            observations: Vec::new(),
            gaps: Vec::new(),
            names,
        };
        question.observe(history, from, to)?;
        question.leave_gaps(history, from, to);
        question.await_cycles(history, from, to);
        // What must change nothing may have done so.
        let disturbed = history.events.iter().any(|event| matches!(event.kind, Kind::Disturbance { .. }));
        if !disturbed && !question.observations.iter().any(|seen| matches!(seen.what, Seen::Change(_))) {
            return Err("nothing happened between ready and the end".into());
        }
        question.observations.sort_by_key(|seen| seen.at[0]);
        Ok(question)
    }

    fn observe(&mut self, history: &History, from: u64, to: u64) -> Result<(), String> {
        let servers: Vec<Server> = history.run.nodes.iter().map(|node| Server::of(history, node)).collect();
        let mut key = Some(self.leader);
        let mut revision_from = 0;
        // A node that was found to be writable, and of which nothing else was seen since.
        let mut writable = vec![false; servers.len()];
        for event in history.events.iter().filter(|event| event.at[0] >= from && event.at[1] <= to) {
            let id = event.node.as_deref().and_then(|name| self.names.id(name));
            let (mut at, mut chain) = (event.at, 0);
            let what = match &event.kind {
                // It ends by itself: the key tells.
                Kind::Fault { fault: Fault::LeaseExpires, .. } => continue,
                Kind::Fault { fault, effect: None } => {
                    return Err(format!("nothing shows that {} took effect, or when", fault.id()));
                }
                // A postmaster that may not go on without one of its processes ends: the model has the end of a postmaster at one moment.
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
                    let before = std::mem::replace(&mut key, holder);
                    revision_from = revision_from.max(at[0]).min(at[1]);
                    (at[0], chain) = (revision_from, REVISIONS);
                    match change {
                        KeyChange::Present => Seen::Holder(holder),
                        // A new lease under the same name changes nothing that the model knows.
                        KeyChange::Overwritten if before == holder => continue,
                        _ => Seen::Change(Sight::LeaderKey(holder)),
                    }
                }
                Kind::ProcessStarted { what, .. } => Seen::Change(Sight::Started(*what, known(id)?)),
                Kind::ProcessExited { what, .. } => {
                    let id = known(id)?;
                    if *what == Process::Postmaster {
                        at[0] = servers[usize::from(id)].began_to_end(at[0]);
                    }
                    Seen::Change(Sight::Exited(*what, id))
                }
                Kind::Recover { branch, .. } => Seen::Change(Sight::Said(*branch, known(id)?)),
                Kind::Server { state: ServerState::Unknown, .. } => {
                    writable[usize::from(known(id)?)] = false;
                    continue;
                }
                Kind::Server { state, timeline, .. } => {
                    let id = known(id)?;
                    writable[usize::from(id)] = *state == ServerState::Primary;
                    Seen::Looks(id, *state, *timeline)
                }
                // A write that was acknowledged proves that its node was writable. The first after each change says it. Backends outlive
                // a killed postmaster by moments: what they write is left to `writable-needs-lock`.
                Kind::Write { result: WriteResult::Ok, .. } => {
                    let id = known(id)?;
                    let said = std::mem::replace(&mut writable[usize::from(id)], true);
                    if servers[usize::from(id)].is_outlived_by(event.at) {
                        writable[usize::from(id)] = said;
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
                writable[usize::from(id)] = false;
            }
            self.observations.push(Observation { at, what, seq: event.seq, chain });
        }
        Ok(())
    }

    /// The model knows no time, and an agent's cycle cannot be seen. But a new primary's agent does not do without for long.
    fn await_cycles(&mut self, history: &History, from: u64, to: u64) {
        let run = &history.run;
        // The cycle in which it became one, and another in which an operation had to be tried again.
        let cycle = u64::from(2 * run.loop_wait_s + run.retry_timeout_s) * 1_000_000_000;
        for name in &run.nodes {
            let Some(id) = self.names.id(name) else { continue };
            let disturbs = |event: &&Event| {
                matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. } | Kind::Gap { of: Source::Etcd, .. })
                    && event.node.as_ref().is_none_or(|node| node == name)
            };
            let disturbed: Vec<[u64; 2]> = history.events.iter().filter(disturbs).map(|event| event.at).collect();
            let mut timelines = 0;
            for event in history.events.iter().filter(|event| event.node.as_ref() == Some(name)) {
                let Kind::Server { state: ServerState::Primary, timeline: Some(timeline), .. } = event.kind else {
                    continue;
                };
                if timeline <= timelines {
                    continue;
                }
                timelines = timeline;
                let mut at = event.at[1] + cycle;
                while let Some(last) =
                    disturbed.iter().filter(|[begin, end]| *begin < at && end + cycle > at).map(|at| at[1]).max()
                {
                    at = last + cycle;
                }
                if event.at[0] >= from && at <= to {
                    self.observations.push(Observation {
                        at: [at; 2],
                        what: Seen::HasHadCycle(id),
                        seq: event.seq,
                        chain: 0,
                    });
                }
            }
        }
    }

    /// In a stated gap changes may hide.
    fn leave_gaps(&mut self, history: &History, from: u64, to: u64) {
        let mut gaps: Vec<(Channels, [u64; 2], u64)> = Vec::new();
        for event in history.events.iter().filter(|event| event.at[1] >= from && event.at[0] <= to) {
            let Kind::Gap { of, why } = &event.kind else { continue };
            let id = event.node.as_deref().and_then(|name| self.names.id(name));
            let channels = Channels::of(*of, id).without(self.blind);
            if channels.is_empty() {
                continue;
            }
            self.gaps.push(format!("{of:?} from {} to {}: {why}", seconds(event.at[0]), seconds(event.at[1])));
            gaps.extend(channels.each().map(|channel| (channel, event.at, event.seq)));
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
            self.observations.push(Observation { at: [begin; 2], what: Seen::Blind(channel), seq, chain: 0 });
            self.observations.push(Observation { at: [end; 2], what: Seen::Sighted(channel), seq, chain: 0 });
        }
    }

    /// Rules in which the agent's release differs from this edition, if that is the one that it claims.
    fn differs(&self, edition: Edition) -> &[String] {
        match &self.claimed {
            Some((claimed, differs)) if *claimed == edition => differs,
            _ => &[],
        }
    }

    /// The rules of an edition, or of a release that claims it.
    pub fn rules(&self, edition: Edition) -> Rules {
        rules(edition, self.differs(edition))
    }

    /// The edition's name, and how the agent's release differs from it.
    pub fn name(&self, edition: Edition) -> String {
        match self.differs(edition) {
            [] => edition.id().to_owned(),
            differs => format!("{} with {}", edition.id(), differs.join(", ")),
        }
    }

    /// What is modelled, by the rules of an edition.
    pub fn settings(&self, edition: Edition, mutant: Option<Mutant>) -> Settings {
        Settings { edition, rules: self.rules(edition), mutant, ..self.settings.clone() }
    }

    /// Whether these rules explain it.
    pub fn ask(&self, settings: Settings) -> Result<Explanation, Refusal> {
        with_belief(settings, |belief| self.ask_belief(belief))
    }

    fn ask_belief(&self, belief: &mut Belief) -> Result<Explanation, Refusal> {
        let cluster = belief.cluster();
        let zero = cluster.settings.start_timeouts == StartTimeouts::Zero;
        let mut healthy = cluster.healthy(self.leader, 1, zero);
        if self.alone {
            healthy.leave_only(self.leader);
        }
        let states = with_unknown_memory(cluster, healthy);
        let start = Start { states, timeline: self.timeline, blind: self.blind };
        belief.explain(&start, self.observations.iter().copied())
    }

    /// Whether an edition explains it.
    pub fn ask_edition(&self, edition: Edition) -> Result<Explanation, Refusal> {
        self.ask(self.settings(edition, None))
    }
}

/// Everything that the run says about its cluster. Any fault may have been recorded; only those that make agents' cycles longer are left out
/// where they were not.
fn settings(history: &History, nodes: u8) -> Settings {
    let configuration = &history.run.configuration;
    let recorded = |fault: Fault| {
        history.events.iter().any(|event| matches!(&event.kind, Kind::Fault { fault: found, .. } if *found == fault))
    };
    let freezes = recorded(Fault::AgentFrozen);
    let cuts = [Fault::RequestsLost, Fault::RepliesLost, Fault::DcsDown].into_iter().any(recorded);
    let stalls = recorded(Fault::WatchStalls);
    // What is lost on its way is lost to the watch, too.
    let stalls_unseen = cuts && !stalls;
    let faults = Fault::ALL.into_iter().filter(|fault| match fault {
        Fault::AgentFrozen => freezes,
        Fault::RequestsLost | Fault::RepliesLost | Fault::DcsDown => cuts,
        Fault::WatchStalls | Fault::WatchResumes => stalls || stalls_unseen,
        _ => true,
    });
    let faults: Vec<Fault> = faults.collect();
    let zero = history.run.primary_start_timeout_s == 0;
    let remote_fails_over = history
        .events
        .iter()
        .any(|event| matches!(event.kind, Kind::Disturbance { disturbance: Disturbance::RemoteFailover, .. }));
    let settings = Settings {
        start_timeouts: if zero { StartTimeouts::Zero } else { StartTimeouts::Positive },
        watchdog: configuration.watchdog_present
            && (configuration.watchdog_required || configuration.watchdog_automatic),
        can_rewind: configuration.use_pg_rewind,
        remove_on_divergence: configuration.remove_data_directory_on_diverged_timelines,
        standby_cluster: configuration.standby_cluster,
        synchronous: configuration.synchronous_mode,
        failsafe: configuration.failsafe_mode,
        as_observed: true,
        stalls_unseen,
        budget: Budget {
            process: Budget::UNLIMITED,
            task: Budget::UNLIMITED,
            network: Budget::UNLIMITED,
            operator: if remote_fails_over { Budget::UNLIMITED } else { 0 },
            ..Budget::NONE
        },
        ..Settings::of_timelines(Edition::V4_1, nodes)
    };
    settings.with_faults(&faults)
}

/// What hits the cluster as a whole, and not one node.
fn of_the_cluster(fault: Fault) -> bool {
    matches!(fault, Fault::NodesCut | Fault::NodesJoined | Fault::DcsDown | Fault::DcsUp)
}

/// Who held the lock when the cluster was ready, and on which timeline.
fn healthy_leader(history: &History, names: &Names, from: u64) -> Result<(NodeId, u32), String> {
    let before = || history.events.iter().filter(move |event| event.at[1] <= from);
    let holder = before().rev().find_map(|event| match &event.kind {
        Kind::LeaderKey { holder, .. } => Some(holder.clone()),
        _ => None,
    });
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

/// What a healthy standby's agent remembers of earlier comparisons cannot be seen: it may be about to compare timelines. Nor can whom the
/// leader has chosen for its synchronous standby, if it has: `/sync` is not recorded.
pub fn with_unknown_memory(cluster: &Cluster, healthy: State) -> Vec<State> {
    let mut states = vec![healthy];
    if let Some(sync) = healthy.sync {
        for standby in cluster.node_ids().filter(|id| *id != sync.leader) {
            let mut state = healthy;
            state.sync = Some(SyncKey { standby: Some(standby), ..sync });
            state.nodes[usize::from(sync.leader)].sync_names = Some(standby);
            states.push(state);
        }
    }
    for id in cluster.node_ids() {
        for mut state in states.clone() {
            if let Some(agent) = state.nodes[usize::from(id)].agent.as_mut() {
                agent.rewind = Rewind::Check;
                states.push(state);
            }
        }
    }
    states
}
