//! Whether the specification allows what was seen: the history against every behaviour of the cluster model.

use std::collections::BTreeMap;

use pghaspec_model::belief::{Divergence, Explanation, Observation, Seen, explain};
use pghaspec_model::cluster::show::Sight;
use pghaspec_model::cluster::{Budget, Cluster, Names, Rewind, Settings, StartTimeouts, State};
use pghaspec_model::edition::{Edition, Rules};
use pghaspec_model::event::{Event, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;
use pghaspec_model::switch::Switch;

use super::history::{History, seconds};
use super::verdict::Check;
use super::words;

const ID: &str = "allowed-by-the-model";

/// Events shown before the one that has no explanation.
const CONTEXT: usize = 8;

/// `allowed-by-the-model`: some behaviour of the edition explains the history.
pub fn allowed(history: &History, edition: Edition) -> Check {
    let question = match Question::of(history) {
        Ok(question) => question,
        Err(why) => return Check::inconclusive(ID, why),
    };
    match question.ask(edition, None) {
        Ok(explanation) => Check::pass(
            ID,
            format!(
                "edition {} explains all {} observations from ready to settled; at most {} model states were possible at once",
                question.name(edition),
                explanation.observations,
                explanation.widest
            ),
        ),
        Err(divergence) => Check::fail(ID, question.refutation(history, edition, &divergence)),
    }
}

/// The editions that explain the history; `None` if it cannot be asked.
pub fn explaining_editions(history: &History) -> Option<Vec<Edition>> {
    let question = Question::of(history).ok()?;
    Some(Edition::ALL.into_iter().filter(|edition| question.ask(*edition, None).is_ok()).collect())
}

/// What the model is asked to explain.
struct Question {
    names: Names,
    nodes: u8,
    leader: u8,
    timeline: u8,
    start_timeout_is_zero: bool,
    /// The edition that the agent claims, and the rules in which its release differs from that.
    claimed: Option<(Edition, Vec<String>)>,
    hears_the_agent: bool,
    sees_processes: bool,
    observations: Vec<Observation>,
}

impl Question {
    /// From the phase `ready`, when the cluster was healthy, to the end of `settled`; the error says why it cannot be asked.
    fn of(history: &History) -> Result<Question, String> {
        let run = &history.run;
        let nodes = match run.nodes.len() {
            2 | 3 => run.nodes.len() as u8,
            other => return Err(format!("the model has two or three nodes, and this cluster {other}")),
        };
        if let Some(why) = history.blind(&[Source::Etcd, Source::Postgres]) {
            return Err(why);
        }
        if let Some(why) = history.gap_of(&[Source::Process, Source::AgentLog]) {
            return Err(why);
        }
        if history.phase(Phase::ReadBack).is_none() {
            return Err("the run was not finished".into());
        }
        let names = Names::new(run.nodes.clone());
        let from = history.phase(Phase::Ready).ok_or("the cluster never got ready")?;
        let to = history.phase(Phase::ReadBack).unwrap_or(u64::MAX);
        let node = |event: &Event| event.node.as_deref().and_then(|name| names.id(name));

        // The healthy cluster in which it begins.
        let mut holder = None;
        let mut timeline = None;
        for event in history.events.iter().filter(|event| event.at[1] <= from) {
            match &event.kind {
                Kind::LeaderKey { holder: named, .. } => holder = named.as_deref().and_then(|name| names.id(name)),
                Kind::Server { state: ServerState::Primary, timeline: Some(found), .. } => timeline = Some(*found),
                _ => {}
            }
        }
        let leader = holder.ok_or("nobody held the leader lock when the cluster was ready")?;
        let timeline = timeline.ok_or("no primary's timeline was seen before the cluster was ready")?;
        let timeline = u8::try_from(timeline).map_err(|_| format!("timeline {timeline} is beyond the model's 255"))?;

        let mut question = Question {
            nodes,
            leader,
            timeline,
            start_timeout_is_zero: run.primary_start_timeout_s == 0,
            claimed: Edition::from_id(&run.edition).map(|edition| (edition, run.rules.clone())),
            hears_the_agent: history.observed(Source::AgentLog),
            sees_processes: history.observed(Source::Process) && !history.polls_processes(),
            observations: Vec::new(),
            names: names.clone(),
        };
        let mut key = Some(leader);
        let mut looks: BTreeMap<u8, Seen> = BTreeMap::new();
        for event in history.events.iter().filter(|event| event.at[0] >= from && event.at[1] <= to) {
            let what = match &event.kind {
                Kind::Fault { fault, .. } => Seen::Change(Sight::Fault(*fault, at(node(event))?)),
                Kind::LeaderKey { holder, .. } => {
                    let holder = holder.as_deref().map(|name| at(names.id(name))).transpose()?;
                    // A new lease under the same name changes nothing that the model knows.
                    if std::mem::replace(&mut key, holder) == holder {
                        continue;
                    }
                    Seen::Change(Sight::LeaderKey(holder))
                }
                Kind::ProcessStarted { what: Process::PgBasebackup, .. } => {
                    return Err(format!(
                        "a data directory was copied at {}, and the model that histories are held to knows no reinitialization",
                        seconds(event.at[1])
                    ));
                }
                Kind::ProcessStarted { what, .. } if question.sees_processes => {
                    Seen::Change(Sight::Started(*what, at(node(event))?))
                }
                Kind::ProcessExited { what, .. } if question.sees_processes && *what != Process::PgBasebackup => {
                    Seen::Change(Sight::Exited(*what, at(node(event))?))
                }
                Kind::Recover { branch, .. } => Seen::Change(Sight::Said(*branch, at(node(event))?)),
                Kind::Server { state: ServerState::Unknown, .. } => {
                    looks.remove(&at(node(event))?);
                    continue;
                }
                // A write that was acknowledged proves that its node was writable. The first after each finding says it. Backends outlive
                // a killed postmaster by moments, and the model that histories are held to knows none that do: what they write is left to `writable-needs-lock`.
                Kind::Write { result: WriteResult::Ok, .. } => {
                    let id = at(node(event))?;
                    if outlives_its_postmaster(history, event) {
                        continue;
                    }
                    if matches!(looks.get(&id), Some(Seen::Looks(_, ServerState::Primary, _))) {
                        continue;
                    }
                    Seen::Looks(id, ServerState::Primary, None)
                }
                Kind::Server { state, timeline, .. } => {
                    let id = at(node(event))?;
                    let seen = Seen::Looks(id, *state, timeline.and_then(|timeline| u8::try_from(timeline).ok()));
                    // A finding that repeats the one before says nothing new.
                    if looks.insert(id, seen) == Some(seen) {
                        continue;
                    }
                    seen
                }
                _ => continue,
            };
            // After a change of the node, the same finding is news again.
            if let (Seen::Change(_), Some(id)) = (what, node(event)) {
                looks.remove(&id);
            }
            let at = match event.kind {
                Kind::ProcessExited { what: Process::Postmaster, .. } => [began_to_end(history, event), event.at[1]],
                _ => event.at,
            };
            question.observations.push(Observation { at, what, seq: event.seq });
        }
        if !question.observations.iter().any(|seen| matches!(seen.what, Seen::Change(_))) {
            return Err("nothing happened between ready and the end".into());
        }
        Ok(question)
    }

    /// Rules in which the agent's release differs from this edition, if that is the one that it claims.
    fn differs(&self, edition: Edition) -> &[String] {
        match &self.claimed {
            Some((claimed, differs)) if *claimed == edition => differs,
            _ => &[],
        }
    }

    fn rules(&self, edition: Edition) -> Rules {
        let mut rules = edition.rules();
        for rule in self.differs(edition) {
            Switch::apply(&mut rules, rule).expect("a history with other rules is refused when it is read");
        }
        rules
    }

    /// The edition's name, and how the agent's release differs from it.
    fn name(&self, edition: Edition) -> String {
        match self.differs(edition) {
            [] => edition.id().to_owned(),
            differs => format!("{} with {}", edition.id(), differs.join(", ")),
        }
    }

    fn cluster(&self, edition: Edition, mutant: Option<Mutant>) -> Cluster {
        Cluster::new(Settings {
            rules: self.rules(edition),
            mutant,
            start_timeouts: if self.start_timeout_is_zero { StartTimeouts::Zero } else { StartTimeouts::Positive },
            watchdog: false,
            budget: Budget { process: Budget::UNLIMITED, task: Budget::UNLIMITED, ..Budget::NONE },
            ..Settings::of_timelines(edition, self.nodes)
        })
    }

    fn ask(&self, edition: Edition, mutant: Option<Mutant>) -> Result<Explanation, Box<Divergence>> {
        let cluster = self.cluster(edition, mutant);
        let healthy = cluster.healthy(self.leader, self.timeline, self.start_timeout_is_zero);
        explain(&cluster, with_unknown_memory(&cluster, healthy), &self.observations, |sight| match sight {
            Sight::Said(..) => self.hears_the_agent,
            Sight::Started(..) | Sight::Exited(..) => self.sees_processes,
            _ => true,
        })
    }

    /// Why the history is refused: the event, what was allowed, what came before, and the rule whose breach explains it.
    fn refutation(&self, history: &History, edition: Edition, divergence: &Divergence) -> String {
        if !divergence.unseen.is_empty() {
            let unseen: Vec<_> = divergence.unseen.iter().map(|sight| sight.text(&self.names)).collect();
            return format!("every event is explained, and these should have been seen as well: {}", unseen.join("; "));
        }
        let observation = &self.observations[divergence.event];
        let event = history.events.iter().find(|event| event.seq == observation.seq);
        let what = event.map_or_else(
            || format!("{:?}", observation.what),
            |event| format!("{}: {}", event.node.as_deref().unwrap_or("the cluster"), words::what(event)),
        );
        let mut text = format!(
            "event {} at {} has no explanation in edition {}: {what}\n",
            observation.seq,
            seconds(observation.at[1]),
            self.name(edition)
        );
        match observation.what {
            Seen::Looks(id, ..) if !divergence.looks.is_empty() => {
                text +=
                    &format!("the specification allows {} to be: {}\n", self.names.of(id), divergence.looks.join("; "));
            }
            _ => {
                let allowed: Vec<_> = divergence.allowed.iter().map(|sight| sight.text(&self.names)).collect();
                let allowed = if allowed.is_empty() { "nothing that can be seen".into() } else { allowed.join("; ") };
                text += &format!("the specification allows here: {allowed}\n");
            }
        }
        text += &self.broken_rule(edition, divergence);
        text += "what came before:\n";
        let mut before: Vec<_> = history
            .events
            .iter()
            .filter(|other| {
                self.observations.iter().any(|seen| seen.seq == other.seq)
                    && other.at[1] <= observation.at[1]
                    && other.seq != observation.seq
            })
            .collect();
        before.sort_by_key(|event| event.at[1]);
        for event in before.iter().skip(before.len().saturating_sub(CONTEXT)) {
            text += &format!("  {}\n", words::line(event));
        }
        text.truncate(text.trim_end().len());
        text
    }

    /// The rule whose breach explains the event: best of all one that explains the whole history, else one that gets furthest.
    fn broken_rule(&self, edition: Edition, divergence: &Divergence) -> String {
        let whole = self.observations.len();
        let reach = |edition, mutant| match self.ask(edition, mutant) {
            Ok(_) => whole,
            Err(further) => further.explained,
        };
        let reached: Vec<(usize, Mutant)> = Mutant::UNSAFE
            .into_iter()
            .chain(Mutant::DEVIANT)
            .map(|mutant| (reach(edition, Some(mutant)), mutant))
            .filter(|(reached, _)| *reached > divergence.explained)
            .collect();
        let best = reached.iter().map(|(reached, _)| *reached).max().unwrap_or(0);
        let mut text = String::new();
        for (reached, mutant) in reached.iter().filter(|(reached, _)| *reached == best) {
            text += &format!("the rule that was broken: {} [{}]\n", mutant.rule(), mutant.id());
            if *reached < whole {
                text += &format!(
                    "  its breach explains this event and the {} after it, and not what came then\n",
                    reached - divergence.explained - 1
                );
            }
        }
        for other in Edition::ALL.into_iter().filter(|other| *other != edition && reach(*other, None) == whole) {
            text += &format!("the rules of edition {} explain the whole history\n", other.id());
        }
        if text.is_empty() {
            text += "no single broken rule that is known explains this event\n";
        }
        text
    }
}

/// A process closes its sockets before it is gone, and is reported gone later still: on a busy machine a probe may find that nothing listens
/// in between.
const CLOSING: u64 = 1_000_000_000;

/// When a postmaster that exited may have begun to do so: at the first probe, shortly before, from which on nothing listened.
fn began_to_end(history: &History, exit: &Event) -> u64 {
    let looks = || {
        history.events.iter().filter_map(|event| match &event.kind {
            Kind::Server { state, .. } if event.node == exit.node && event.at[0] < exit.at[0] => {
                Some((event.at, *state))
            }
            _ => None,
        })
    };
    let listened = looks().filter(|(_, state)| *state != ServerState::Refused).map(|(at, _)| at[1]).max().unwrap_or(0);
    let refused = looks()
        .filter(|(at, state)| *state == ServerState::Refused && at[0] >= listened && at[0] + CLOSING >= exit.at[0]);
    refused.map(|(at, _)| at[0]).min().unwrap_or(exit.at[0])
}

/// Whether a write may have been carried out by a backend whose postmaster was killed or gone already.
fn outlives_its_postmaster(history: &History, write: &Event) -> bool {
    let of_node = || history.events.iter().filter(|event| event.node == write.node);
    let started = |from: u64| {
        let starts =
            of_node().filter(|event| matches!(event.kind, Kind::ProcessStarted { what: Process::Postmaster, .. }));
        starts.map(|event| event.at[0]).filter(|&at| at >= from).min().unwrap_or(u64::MAX)
    };
    of_node()
        .filter(|event| match event.kind {
            Kind::Fault { fault, .. } => fault == Fault::PostmasterKilled,
            Kind::ProcessExited { what, .. } => what == Process::Postmaster,
            _ => false,
        })
        .any(|end| write.at[1] >= end.at[0] && write.at[0] < started(end.at[0]))
}

fn at(node: Option<u8>) -> Result<u8, String> {
    node.ok_or_else(|| "an event names a node that is not of this run".into())
}

/// What a healthy standby's agent remembers of earlier comparisons cannot be seen: it may be about to compare timelines.
fn with_unknown_memory(cluster: &Cluster, healthy: State) -> Vec<State> {
    let mut states = vec![healthy];
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const RECORDED: &str =
        include_str!("../../../fixtures/traces/starts-without-lock/leader-postmaster-killed-start-timeout-0.jsonl");

    /// When the postmaster began to end that was stopped for pg_rewind, before it exited, if these were the findings so long before.
    fn begins(findings: &[(&str, u64)]) -> u64 {
        let mut events: Vec<Value> = RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let is = |event: &Value, field: &str, value: &str| event[field] == value;
        let rewinds = |event: &Value| is(event, "kind", "recover") && is(event, "branch", "rewind");
        let said = events.iter().position(rewinds).unwrap();
        let exits = |event: &Value| is(event, "kind", "process-exited") && event["node"] == events[said]["node"];
        let exit = said + events[said..].iter().position(exits).unwrap();
        let gone = events[exit]["at"][0].as_u64().unwrap();
        let look = events.iter().find(|event| is(event, "kind", "server")).unwrap().clone();
        for (state, before) in findings {
            let mut look = look.clone();
            look["node"] = events[said]["node"].clone();
            (look["state"], look["at"]) = (json!(state), json!([gone - before, gone - before + 100]));
            events.insert(exit, look);
        }
        for (seq, event) in events.iter_mut().enumerate() {
            event["seq"] = json!(seq);
        }
        let text: String = events.iter().map(|event| format!("{event}\n")).collect();
        let history = History::parse(text.as_bytes()).unwrap();
        gone - began_to_end(&history, &history.events[exit + findings.len()])
    }

    #[test]
    fn a_server_that_ends_stops_listening_before_it_is_gone() {
        assert_eq!(begins(&[]), 0);
        assert_eq!(begins(&[("refused", 3_000_000)]), 3_000_000);
        assert_eq!(begins(&[("refused", 3_000_000), ("refused", 9_000_000)]), 9_000_000);
        // It listened again, or it was long ago.
        assert_eq!(begins(&[("standby", 2_000_000), ("refused", 3_000_000)]), 0);
        assert_eq!(begins(&[("standby", 3_000_000), ("refused", 2_000_000)]), 2_000_000);
        assert_eq!(begins(&[("refused", 2 * CLOSING)]), 0);
    }
}
