//! The processes in a history, held to the log of the observer: what is recorded of them is recorded anew from it.
//!
//! The clock of the run is the one thing that the log does not tell, so it is taken from the first start that both
//! have; by it every other time has to agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// Starts of the history, by process id: the first ones, from which the clock is learned.
    first: HashMap<u32, Vec<&'h Event>>,
    /// All starts of the history, by process id and time.
    starts: HashMap<(u32, [u64; 2]), &'h Event>,
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
    /// The processes that both tell of.
    lives: Vec<Life>,
    /// The last life of each process id, by its place.
    last: HashMap<u32, usize>,
    /// Number of the processes of each node that have not ended yet.
    left: HashMap<String, usize>,
}

/// The life of a process that both tell of.
struct Life {
    node: String,
    pid: u32,
    /// Nanoseconds of the run, and of its end the greatest number as long as it is not known.
    at: [u64; 2],
}

impl<'h> Observed<'h> {
    /// Nothing was read yet. `suite` is the agent's manifest, if it is one of the suite's.
    ///
    /// # Errors
    /// The history calls something the agent that cannot be.
    pub(super) fn of(history: &'h History, suite: Option<&Manifest>) -> Result<Observed<'h>, String> {
        let (mut first, mut starts): (HashMap<u32, Vec<&Event>>, HashMap<_, _>) = Default::default();
        for event in &history.events {
            if let Kind::ProcessStarted { pid, .. } = event.kind {
                let of_pid = first.entry(pid).or_default();
                if of_pid.len() < MOST {
                    of_pid.push(event);
                }
                starts.insert((pid, event.at), event);
            }
        }
        let agent = match suite {
            Some(manifest) => manifest.agent_process.clone(),
            None => called_agent(history)?,
        };
        Ok(Observed { history, first, starts, agent, anew: None, mechanism: None })
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
        if let Report::Exit { at, pid, .. } = &report
            && let Some(life) = anew.last.remove(pid).and_then(|place| anew.lives.get_mut(place))
        {
            life.at[1] = anew.clock.of_monotonic(at[0]);
            anew.left.entry(life.node.clone()).and_modify(|left| *left -= 1);
        }
        anew.processes.take(Input::Report(report));
    }

    /// Learns from the start of a process which clock the run has, and which node a namespace is of.
    fn start(&mut self, at: [u64; 2], pid: u32, pidns: u64, argv: &[String]) {
        let same = |event: &&Event| matches!(&event.kind, Kind::ProcessStarted { argv: of, .. } if of == argv);
        let told = match &self.anew {
            None => {
                let of_pid = self.first.get(&pid).map_or(&[][..], Vec::as_slice);
                of_pid.iter().copied().find(|event| event.at[1] > 0 && at[0] >= event.at[0] && same(event))
            }
            Some(anew) => self.starts.get(&(pid, at.map(|edge| anew.clock.of_monotonic(edge)))).copied().filter(same),
        };
        let Some(event) = told else { return };
        let Some(node) = event.node.clone() else { return };
        let (history, agent) = (self.history, &self.agent);
        let anew = self.anew.get_or_insert_with(|| {
            let zero = at[0] - event.at[0];
            let clock = RunClock::of_zero(zero);
            let recorder = Recorder::in_memory(clock, &history.run.nodes);
            let mut processes = Processes::since(recorder.clone(), agent.clone(), event.at[0]);
            processes.take(Input::AllKnown);
            Anew {
                zero,
                clock,
                since: event.at[0],
                recorder,
                processes,
                nodes: BTreeMap::new(),
                lives: Vec::new(),
                last: HashMap::new(),
                left: HashMap::new(),
            }
        });
        // A namespace is another node's when nobody is left in it, and not before.
        let of_other = anew.nodes.get(&pidns).filter(|known| **known != node);
        if of_other.is_some_and(|other| anew.left.get(other).is_some_and(|left| *left > 0)) {
            return;
        }
        if anew.last.insert(pid, anew.lives.len()).is_none() {
            *anew.left.entry(node.clone()).or_default() += 1;
        }
        anew.lives.push(Life { node: node.clone(), pid, at: [event.at[0], u64::MAX] });
        if anew.nodes.get(&pidns) != Some(&node) {
            anew.nodes.retain(|_, known| *known != node);
            anew.nodes.insert(pidns, node.clone());
            anew.processes.take(Input::Namespace { pidns, node, since: 0 });
        }
    }

    /// The processes that both tell of, by their number and the time of their start on the machine's clock.
    pub(super) fn processes(&self) -> Vec<(u32, u64)> {
        self.anew.iter().flat_map(|anew| anew.lives.iter().map(|life| (life.pid, anew.zero + life.at[0]))).collect()
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
        let alive = Alive::of(lives);
        let view = recorder.view();
        let view = view.borrow();
        for event in view.events.iter().filter(|event| is_observed(event) || is_gap(event)) {
            let left = told.get_mut(&key(event));
            match left.filter(|left| **left > 0) {
                Some(left) => *left -= 1,
                None if event.at[1] >= over => {}
                // A namespace's number is given away when nobody is left in it.
                None if event.node.as_deref().is_some_and(|node| !alive.at(node, event.at[0])) => {}
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

/// The times in which some process of a node lived for certain, by both.
struct Alive(HashMap<String, Vec<[u64; 2]>>);

impl Alive {
    fn of(lives: Vec<Life>) -> Alive {
        let mut nodes: HashMap<String, Vec<[u64; 2]>> = HashMap::new();
        for Life { node, at, .. } in lives {
            nodes.entry(node).or_default().push(at);
        }
        for all in nodes.values_mut() {
            all.sort_unstable();
            // The latest end so far.
            let mut latest = 0;
            for [_, to] in all {
                latest = latest.max(*to);
                *to = latest;
            }
        }
        Alive(nodes)
    }

    fn at(&self, node: &str, at: u64) -> bool {
        let all = self.0.get(node).map_or(&[][..], Vec::as_slice);
        let begun = all.partition_point(|[from, _]| *from <= at);
        begun.checked_sub(1).is_some_and(|last| at < all[last][1])
    }
}

/// The command lines that a history calls the agent's. Those of servers and tools are none.
fn called_agent(history: &History) -> Result<Regex, String> {
    let nobody = Regex::new("$.").map_err(|error| error.to_string())?;
    let mut lines: BTreeSet<String> = BTreeSet::new();
    for event in &history.events {
        if let Kind::ProcessStarted { what: Process::Agent, argv, pid } = &event.kind {
            if let Some(kind) = classify(Some(""), argv, &nobody) {
                return Err(format!("calls process {pid} the agent, which is {}", describe::process(kind)));
            }
            lines.insert(regex::escape(&argv.join(" ")));
        }
    }
    if lines.is_empty() {
        return Ok(nobody);
    }
    let lines: Vec<String> = lines.into_iter().collect();
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
