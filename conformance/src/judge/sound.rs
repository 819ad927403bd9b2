//! Whether a history can be what an observer recorded. What contradicts itself was damaged or put together, and is refused: no verdict
//! may come of it.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::event::{Event, KeyChange, Kind, Phase, Process, Run, ServerState, Source, WriteResult};

use super::words;

/// Index of an event and what is wrong with it.
pub type Fault = (usize, String);

/// Looks at all events of a history, in the order of their recording.
///
/// # Errors
/// The first event that cannot be.
pub fn check(run: &Run, events: &[Event]) -> Result<(), Fault> {
    described(run).map_err(|problem| (0, problem))?;
    let mut seen = Seen::of(events);
    for (index, event) in events.iter().enumerate() {
        said_by_who_can(run, event)
            .and_then(|()| placed(run, event))
            .and_then(|()| fields(event))
            .and_then(|()| seen.take(index, event))
            .map_err(|problem| (index, problem))?;
    }
    Ok(())
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

/// The run's own words.
fn described(run: &Run) -> Result<(), String> {
    let distinct: BTreeSet<&String> = run.nodes.iter().collect();
    ensure(!run.nodes.is_empty(), || "nodes: the run has none".into())?;
    ensure(distinct.len() == run.nodes.len(), || format!("nodes: a name stands twice in {}", run.nodes.join(", ")))?;
    ensure(!run.nodes.iter().any(String::is_empty), || "nodes: a node has no name".into())?;
    ensure(run.loop_wait_s > 0 && run.ttl_s > 0, || "loop_wait_s and ttl_s must be more than 0".into())?;
    ensure(matches!(run.process_observation.as_str(), "proc-connector" | "polling"), || {
        format!("process_observation: `{}` is neither `proc-connector` nor `polling`", run.process_observation)
    })?;
    let observed: BTreeSet<Source> = run.observed.iter().copied().collect();
    ensure(observed.len() == run.observed.len(), || "observed: a source stands twice".into())?;
    ensure(observed.contains(&Source::Harness), || "observed: `harness` is missing, who records the run".into())
}

/// Each kind of event has its own observer, and only who observed can have seen something.
fn said_by_who_can(run: &Run, event: &Event) -> Result<(), String> {
    let may: &[Source] = match event.kind {
        Kind::Run(_) | Kind::Phase { .. } | Kind::Fault { .. } | Kind::Disturbance { .. } | Kind::Gap { .. } => {
            &[Source::Harness]
        }
        Kind::LeaderKey { .. } => &[Source::Etcd],
        Kind::ProcessStarted { .. } | Kind::ProcessExited { .. } => &[Source::Process],
        Kind::Server { .. } | Kind::ReadBack { .. } => &[Source::Postgres],
        Kind::Write { .. } => &[Source::Writer],
        Kind::Batch { .. } => &[Source::Writer, Source::Postgres],
        Kind::Recover { .. } | Kind::Said { .. } => &[Source::AgentLog],
        Kind::Watchdog { .. } => &[Source::Watchdog],
    };
    let source = words::source(event.source);
    ensure(may.contains(&event.source), || format!("source: the observer `{source}` does not see such events"))?;
    ensure(run.observed.contains(&event.source), || {
        format!("source: `{source}` did not observe this run, as its first event says")
    })
}

/// Events are about a node, or about the cluster.
fn placed(run: &Run, event: &Event) -> Result<(), String> {
    match (&event.kind, &event.node) {
        (Kind::Run(_) | Kind::Phase { .. } | Kind::LeaderKey { .. }, Some(node)) => {
            Err(format!("node: is about the cluster, and names {node}"))
        }
        (
            Kind::Run(_)
            | Kind::Phase { .. }
            | Kind::LeaderKey { .. }
            | Kind::Fault { .. }
            | Kind::Disturbance { .. }
            | Kind::Gap { .. },
            None,
        ) => Ok(()),
        (_, None) => Err("node: is about a node, and names none".into()),
        (_, Some(node)) => {
            ensure(run.nodes.contains(node), || format!("node: is about `{node}`, which is no node of this run"))
        }
    }
}

/// What the fields of one event say together.
fn fields(event: &Event) -> Result<(), String> {
    match &event.kind {
        Kind::LeaderKey { change, holder, revision, lease } => {
            let gone = matches!(change, KeyChange::Deleted | KeyChange::Expired);
            ensure(holder.is_none() == gone, || {
                "holder: a key that is gone names nobody, and one that is there somebody".into()
            })?;
            ensure(holder.as_ref().is_none_or(|holder| !holder.is_empty()), || "holder: is empty".into())?;
            ensure(*revision > 0, || format!("revision: {revision} is none of etcd's"))?;
            ensure(*lease >= 0, || format!("lease: {lease} is none of etcd's"))
        }
        Kind::ProcessExited { code, signal, .. } => {
            ensure(code.is_none() || signal.is_none(), || "code, signal: it ended by itself or by a signal".into())?;
            ensure(code.is_none_or(|code| (0..=255).contains(&code)), || "code: is none".into())?;
            ensure(signal.is_none_or(|signal| (1..=64).contains(&signal)), || "signal: there is no such signal".into())
        }
        Kind::Server { state, timeline, lsn, streaming, control } => {
            let answers = matches!(state, ServerState::Primary | ServerState::Standby);
            let says = timeline.is_some() || lsn.is_some() || streaming.is_some() || control.is_some();
            ensure(answers || !says, || "state: who accepts no session says no more than that".into())?;
            ensure(*timeline != Some(0), || "timeline: timelines begin with 1".into())?;
            ensure(*state != ServerState::Primary || streaming.is_none(), || "streaming: a primary does not".into())
        }
        Kind::Write { result, error, .. } => {
            ensure(*result != WriteResult::Ok || error.is_none(), || "error: what was acknowledged has none".into())
        }
        Kind::Batch { rows: [first, last], .. } => ensure(first <= last, || "rows: end before they begin".into()),
        Kind::ReadBack { rows } => {
            let inward = rows.iter().all(|[first, last]| first <= last);
            let rising = rows.windows(2).all(|pair| pair[0][1] < pair[1][0]);
            ensure(inward && rising, || "rows: are not ranges in increasing order".into())
        }
        Kind::Fault { effect, .. } | Kind::Disturbance { effect, .. } => {
            ensure(effect.as_ref().is_none_or(|effect| !effect.is_empty()), || {
                "effect: is empty; no effect is null".into()
            })
        }
        Kind::Recover { message, .. } => ensure(!message.is_empty(), || "message: the agent said nothing".into()),
        Kind::Said { pattern, message } => {
            ensure(!pattern.is_empty() && !message.is_empty(), || "pattern, message: the agent said nothing".into())
        }
        _ => Ok(()),
    }
}

/// What events say together.
struct Seen<'h> {
    phases: Vec<(Phase, u64)>,
    end: u64,
    key: Option<(i64, bool, i64)>,
    key_is_whole: bool,
    processes_are_whole: bool,
    running: BTreeMap<u32, (&'h str, Process, u64)>,
    /// Of which node, and of which kind, a process was seen.
    processes_seen: BTreeSet<(&'h str, Process)>,
    /// Numbers of rows, as ranges by their first one: clients number them in a row.
    writes: BTreeMap<u64, u64>,
    read_back: BTreeSet<&'h str>,
}

impl<'h> Seen<'h> {
    fn of(events: &[Event]) -> Seen<'h> {
        let whole = |source| !events.iter().any(|event| matches!(event.kind, Kind::Gap { of, .. } if of == source));
        let end = events.iter().rev().find(|event| event.kind == Kind::Phase { phase: Phase::End });
        Seen {
            phases: Vec::new(),
            end: end.map_or(u64::MAX, |event| event.at[1]),
            key: None,
            key_is_whole: whole(Source::Etcd),
            processes_are_whole: whole(Source::Process),
            running: BTreeMap::new(),
            processes_seen: BTreeSet::new(),
            writes: BTreeMap::new(),
            read_back: BTreeSet::new(),
        }
    }

    fn take(&mut self, index: usize, event: &'h Event) -> Result<(), String> {
        ensure(index == 0 || !matches!(event.kind, Kind::Run(_)), || "says anew what was run".into())?;
        ensure(self.phases.last().is_none_or(|(phase, _)| *phase != Phase::End), || {
            "was recorded after the end of the run".into()
        })?;
        ensure(event.at[1] <= self.end, || "at: is later than the end of the run".into())?;
        match &event.kind {
            Kind::Phase { phase } => self.phase(*phase, event.at[0]),
            Kind::LeaderKey { change, holder, revision, lease } => {
                self.key(*change, holder.is_some(), *revision, *lease)
            }
            Kind::ProcessStarted { what, pid, .. } => self.started(event, *what, *pid),
            Kind::ProcessExited { what, pid, .. } => self.exited(event, *what, *pid),
            Kind::Write { id, .. } => {
                ensure(self.is_new_row(*id), || format!("id: {id} was written before, and each number is used once"))
            }
            Kind::ReadBack { .. } => {
                let begun = self.phases.iter().any(|(phase, at)| *phase == Phase::ReadBack && *at <= event.at[0]);
                ensure(begun, || "is read back before the phase read-back".into())?;
                let node = event.node.as_deref().unwrap_or_default();
                ensure(self.read_back.insert(node), || format!("node: {node} was read back before"))
            }
            _ => Ok(()),
        }
    }

    fn is_new_row(&mut self, id: u64) -> bool {
        if let Some((_, last)) = self.writes.range_mut(..=id).next_back() {
            if *last >= id {
                return false;
            }
            if *last + 1 == id {
                *last = id;
                return true;
            }
        }
        self.writes.insert(id, id);
        true
    }

    fn phase(&mut self, phase: Phase, at: u64) -> Result<(), String> {
        let name = words::phase(phase);
        if let Some((before, since)) = self.phases.last() {
            let last = words::phase(*before);
            ensure(*before < phase, || format!("phase: `{name}` does not come after `{last}`"))?;
            ensure(*since <= at, || format!("at: the phase `{name}` begins before `{last}`, which it follows"))?;
        }
        self.phases.push((phase, at));
        Ok(())
    }

    /// etcd counts every change, and a change says what was there before it.
    fn key(&mut self, change: KeyChange, held: bool, revision: i64, lease: i64) -> Result<(), String> {
        let before = self.key.replace((revision, held, lease));
        let Some((last, was_held, last_lease)) = before else { return Ok(()) };
        ensure(last < revision, || format!("revision: {revision} does not come after {last}"))?;
        if !self.key_is_whole {
            return Ok(());
        }
        let there = match change {
            KeyChange::Present => return Err("change: a key is found at the start of the watch only".into()),
            KeyChange::Created => false,
            KeyChange::Overwritten | KeyChange::Deleted | KeyChange::Expired => true,
        };
        let was = if was_held { "there" } else { "not there" };
        ensure(was_held == there, || format!("change: the key was {was} before, and nothing was missed"))?;
        ensure(held || lease == last_lease, || "lease: the key that is gone had another lease".into())
    }

    fn started(&mut self, event: &'h Event, what: Process, pid: u32) -> Result<(), String> {
        ensure(pid > 0, || "pid: 0 is no process".into())?;
        let node = event.node.as_deref().unwrap_or_default();
        self.processes_seen.insert((node, what));
        let running = self.running.insert(pid, (node, what, event.at[0]));
        ensure(running.is_none() || !self.processes_are_whole, || {
            format!("pid: process {pid} started before and did not end")
        })
    }

    fn exited(&mut self, event: &'h Event, what: Process, pid: u32) -> Result<(), String> {
        match self.running.remove(&pid) {
            Some((node, started, since)) => {
                ensure(event.node.as_deref() == Some(node), || format!("node: process {pid} is of {node}"))?;
                ensure(started == what, || format!("what: process {pid} started as {}", words::process(started)))?;
                ensure(since <= event.at[1], || format!("at: process {pid} ends before it starts"))
            }
            // What was there before anybody observed ends without having been seen to start.
            None => {
                let node = event.node.as_deref().unwrap_or_default();
                let first = self.processes_seen.insert((node, what));
                ensure(first || !self.processes_are_whole, || format!("pid: process {pid} ends and never started"))
            }
        }
    }
}
