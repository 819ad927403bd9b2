//! The processes in a history, held to the log of the observer: what is recorded of them is recorded anew from it.
//!
//! The clock of the run is the one thing that the log does not tell, so it is taken from the first start that both have;
//! by it every other time has to agree.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use pghaspec_model::vocabulary::event::{Event, Kind, Mechanism, Phase, Process, Source};
use regex::Regex;

use crate::history::{History, describe, seconds};
use crate::manifest::Manifest;
use crate::observe::clock::RunClock;
use crate::observe::processes::kind::classify;
use crate::observe::processes::report::Report;
use crate::observe::processes::{Input, Processes, SILENT};
use crate::observe::recorder::Recorder;

/// Most objections about the processes of one scenario.
const MOST: usize = 5;

/// Nanoseconds after the first start in which the machine as a whole is not compared: the recording of it began at some
/// moment shortly before.
const BEGINS: u64 = 1_000_000_000;

/// The processes that the observer's log tells of, as far as it was read.
pub(super) struct Observed<'h> {
    history: &'h History,
    /// Starts of the history by process id.
    starts: HashMap<u32, Vec<&'h Event>>,
    agent: Regex,
    /// The recording that is made anew, from the first start that both have.
    anew: Option<Anew>,
    mechanism: Option<Mechanism>,
}

/// A recording that is made anew.
struct Anew {
    /// The machine's clock when the run began.
    zero: u64,
    clock: RunClock,
    /// The time of the first start.
    since: u64,
    recorder: Recorder,
    processes: Processes,
    /// The namespaces that are known, and their nodes.
    nodes: BTreeMap<u64, String>,
    /// The lives of processes that both tell of, by node; nanoseconds of the run.
    lives: Vec<(String, u32, [u64; 2])>,
}

impl<'h> Observed<'h> {
    /// Nothing was read yet. `suite` is the agent's manifest, if it is one of the suite's.
    ///
    /// # Errors
    /// The history calls something the agent that cannot be.
    pub(super) fn of(history: &'h History, suite: Option<&Manifest>) -> Result<Observed<'h>, String> {
        let mut starts: HashMap<u32, Vec<&Event>> = HashMap::new();
        for event in &history.events {
            if let Kind::ProcessStarted { pid, .. } = event.kind {
                starts.entry(pid).or_default().push(event);
            }
        }
        let agent = match suite {
            Some(manifest) => manifest.agent_process.clone(),
            None => called_agent(history)?,
        };
        Ok(Observed { history, starts, agent, anew: None, mechanism: None })
    }

    /// A line of the observer's log, Docker's time before it.
    pub(super) fn take(&mut self, line: &str) {
        let Some((_, text)) = line.split_once(' ') else { return };
        let Ok(report) = serde_json::from_str(text) else { return };
        match &report {
            Report::Ready { mechanism } => drop(self.mechanism.get_or_insert(*mechanism)),
            Report::Exec { at, pid, pidns: Some(pidns), argv, .. } => self.start(*at, *pid, *pidns, argv),
            _ => {}
        }
        let Some(anew) = &mut self.anew else { return };
        if let Report::Exit { at, pid, .. } = &report {
            let over = anew.clock.of_monotonic(at[0]);
            if let Some((_, _, life)) = anew.lives.iter_mut().rev().find(|(_, of, _)| of == pid) {
                life[1] = life[1].min(over);
            }
        }
        anew.processes.take(Input::Report(report));
    }

    /// Learns from the start of a process which clock the run has, and which node a namespace is of.
    fn start(&mut self, at: [u64; 2], pid: u32, pidns: u64, argv: &[String]) {
        let Some(told) = self.starts.get(&pid) else { return };
        let same = |event: &&&Event| matches!(&event.kind, Kind::ProcessStarted { argv: of, .. } if of == argv);
        let Some(event) = told.iter().filter(same).find(|event| match &self.anew {
            None => event.at[1] > 0 && at[0] >= event.at[0],
            Some(anew) => at.map(|edge| anew.clock.of_monotonic(edge)) == event.at,
        }) else {
            return;
        };
        let Some(node) = event.node.clone() else { return };
        let (history, agent) = (self.history, &self.agent);
        let anew = self.anew.get_or_insert_with(|| {
            let zero = at[0] - event.at[0];
            let clock = RunClock::of_zero(zero);
            let recorder = Recorder::in_memory(clock, &history.run.nodes);
            let mut processes = Processes::since(recorder.clone(), agent.clone(), event.at[0]);
            processes.take(Input::AllKnown);
            Anew { zero, clock, since: event.at[0], recorder, processes, nodes: BTreeMap::new(), lives: Vec::new() }
        });
        // A namespace is another node's when nobody is left in it, and not before.
        let of_other = anew.nodes.get(&pidns).filter(|known| **known != node);
        let lives_on = |(of, _, [_, to]): &(String, u32, [u64; 2])| Some(of) == of_other && *to > event.at[0];
        if anew.lives.iter().any(lives_on) {
            return;
        }
        anew.lives.push((node.clone(), pid, [event.at[0], u64::MAX]));
        if anew.nodes.get(&pidns) != Some(&node) {
            anew.nodes.retain(|_, known| *known != node);
            anew.nodes.insert(pidns, node.clone());
            anew.processes.take(Input::Namespace { pidns, node, since: 0 });
        }
    }

    /// The processes that both tell of, by their number and the time of their start on the machine's clock.
    pub(super) fn processes(&self) -> Vec<(u32, u64)> {
        self.anew
            .iter()
            .flat_map(|anew| anew.lives.iter().map(|(_, pid, [from, _])| (*pid, anew.zero + from)))
            .collect()
    }

    /// The log is at its end: what the history tells otherwise.
    pub(super) fn end(self) -> Vec<String> {
        let said = self.history.run.process_observation;
        let mut why = Vec::new();
        if let Some(observed) = self.mechanism.filter(|observed| *observed != said) {
            why.push(format!(
                "says that processes were observed by {said:?}, and the observer's log says {observed:?}"
            ));
        }
        let mut told: HashMap<u64, i64> = HashMap::new();
        let over = self.history.phase(Phase::ReadBack).unwrap_or(0);
        for event in self.history.events.iter().filter(|event| is_observed(event) || is_gap(event)) {
            *told.entry(key(event)).or_default() += 1;
        }
        let Some(Anew { since, recorder, lives, .. }) = self.anew else {
            // Whatever is told of processes has to begin with a start.
            if let Some(event) = self.history.events.iter().find(|event| is_observed(event)) {
                why.push(format!("has {}, and the observer's log has no start of its processes", words(event)));
            }
            return why;
        };
        let alive = |node: &str, at: u64| lives.iter().any(|(of, _, [from, to])| of == node && *from <= at && at < *to);
        let view = recorder.view();
        let view = view.borrow();
        for event in view.events.iter().filter(|event| is_observed(event) || is_gap(event)) {
            let left = told.get_mut(&key(event));
            match left.filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None if event.at[1] >= over => {}
                // A namespace's number is given away when nobody is left in it.
                None if event.node.as_deref().is_some_and(|node| !alive(node, event.at[0])) => {}
                None if event.node.is_none() && event.at[0] < since + BEGINS => {}
                None => why.push(format!("lacks what the observer's log has: {}", words(event))),
            }
        }
        for event in self.history.events.iter().filter(|event| is_observed(event)) {
            if event.node.is_none() && event.at[0] < since + BEGINS {
                continue;
            }
            if let Some(left) = told.get_mut(&key(event)).filter(|left| **left > 0) {
                *left = 0;
                why.push(format!("has {}, and the observer's log has not", words(event)));
            }
        }
        why.truncate(MOST);
        why
    }
}

/// The command lines that a history calls the agent's. Those of servers and tools are none.
fn called_agent(history: &History) -> Result<Regex, String> {
    let nobody = Regex::new("$.").map_err(|error| error.to_string())?;
    let mut lines: Vec<String> = Vec::new();
    for event in &history.events {
        if let Kind::ProcessStarted { what: Process::Agent, argv, pid } = &event.kind {
            if let Some(kind) = classify(Some(""), argv, &nobody) {
                return Err(format!("calls process {pid} the agent, which is {}", describe::process(kind)));
            }
            let line = regex::escape(&argv.join(" "));
            if !lines.contains(&line) {
                lines.push(line);
            }
        }
    }
    if lines.is_empty() {
        return Ok(nobody);
    }
    Regex::new(&format!("^(?:{})$", lines.join("|"))).map_err(|_| "has too many command lines of the agent".to_owned())
}

/// An event that the observer's log alone tells.
fn is_observed(event: &Event) -> bool {
    event.source == Source::Process
}

/// A gap that the observer's log tells of.
fn is_gap(event: &Event) -> bool {
    matches!(&event.kind, Kind::Gap { of: Source::Process, why, .. } if why != SILENT)
}

fn key(event: &Event) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?} {:?} {:?}", event.at, event.node, event.kind).hash(&mut hasher);
    hasher.finish()
}

fn words(event: &Event) -> String {
    let node = event.node.as_deref().map_or(String::new(), |node| format!("{node}: "));
    let what: String = describe::what(event).chars().take(100).collect();
    format!("{node}{what} at {}", seconds(event.at[0]))
}
