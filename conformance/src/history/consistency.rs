//! What events of a history say together, one after the other.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Phase, Process, Source};

use super::describe;
use super::row_ids::Growing;
use super::validate::{Fault, ensure};

/// What was seen so far. It holds what is open: processes that run, ranges of rows.
#[derive(Default)]
pub struct Seen {
    phases: Vec<(Phase, u64)>,
    /// The end of the run, when it was recorded.
    over: u64,
    /// The latest end of an event, and where the first is that ends then.
    latest: (u64, usize),
    key: Option<(i64, bool, i64)>,
    nodes: Vec<String>,
    running: BTreeMap<u32, (usize, Process, u64)>,
    /// Of which node, and of which kind, a process was seen.
    processes_seen: BTreeSet<(usize, Process)>,
    writes: Growing,
    read_back: BTreeSet<usize>,
    /// Something was missed of the leader key, or of processes.
    gaps: [bool; 2],
    /// The first event that cannot be, if nothing was missed of these.
    doubtful: [Option<Fault>; 2],
}

/// What may have been missed.
const OF: [Source; 2] = [Source::Etcd, Source::Process];
const KEY: usize = 0;
const PROCESSES: usize = 1;

impl Seen {
    /// The next event.
    pub fn take(&mut self, index: usize, event: &Event) -> Result<(), String> {
        ensure(index == 0 || !matches!(event.kind, Kind::Run(_)), || "says anew what was run".into())?;
        ensure(self.phases.last().is_none_or(|(phase, _)| *phase != Phase::End), || {
            "was recorded after the end of the run".into()
        })?;
        if event.at[1] > self.latest.0 {
            self.latest = (event.at[1], index);
        }
        match &event.kind {
            Kind::Phase { phase } => {
                self.over = event.at[1];
                self.phase(*phase, event.at[0])
            }
            Kind::LeaderKey { change, holder, revision, lease } => {
                let said = self.key(*change, holder.is_some(), *revision, *lease)?;
                self.doubt(KEY, index, said);
                Ok(())
            }
            Kind::ProcessStarted { what, pid, .. } => {
                ensure(*pid > 0, || "pid: 0 is no process".into())?;
                let said = self.started(event, *what, *pid);
                self.doubt(PROCESSES, index, said);
                Ok(())
            }
            Kind::ProcessExited { what, pid, .. } => {
                let said = self.exited(event, *what, *pid)?;
                self.doubt(PROCESSES, index, said);
                Ok(())
            }
            Kind::Starved { what, pid, .. } => {
                let said = self.starved(event, *what, *pid);
                self.doubt(PROCESSES, index, said);
                Ok(())
            }
            Kind::Write { id, .. } => {
                ensure(!self.writes.contains(*id), || {
                    format!("id: {id} was written before, and each number is used once")
                })?;
                self.writes.insert([*id, *id]);
                Ok(())
            }
            Kind::ReadBack { .. } => {
                let begun = self.phases.iter().any(|(phase, at)| *phase == Phase::ReadBack && *at <= event.at[0]);
                ensure(begun, || "is read back before the phase read-back".into())?;
                let node = self.node(event);
                let first = self.read_back.insert(node);
                ensure(first, || format!("node: {} was read back before", self.nodes[node]))
            }
            Kind::Gap { of, .. } => {
                for (missed, source) in self.gaps.iter_mut().zip(OF) {
                    *missed |= *of == source;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An earlier event that cannot be, by all that is known now.
    pub fn sooner(&mut self, fault: Fault) -> Fault {
        let first = self.refuted();
        first.filter(|first| first.0 < fault.0).unwrap_or(fault)
    }

    /// All were seen.
    pub fn end(mut self) -> Result<(), Fault> {
        if let Some(fault) = self.refuted() {
            return Err(fault);
        }
        match self.phases.last() {
            Some((Phase::End, _)) if self.latest.0 > self.over => {
                Err((self.latest.1, "at: is later than the end of the run".into()))
            }
            _ => Ok(()),
        }
    }

    /// The first event that cannot be, as nothing was missed.
    fn refuted(&mut self) -> Option<Fault> {
        let whole = self.doubtful.iter_mut().zip(self.gaps).filter(|(_, missed)| !missed);
        whole.filter_map(|(fault, _)| fault.take()).min()
    }

    /// What cannot be, unless something was missed.
    fn doubt(&mut self, of: usize, index: usize, said: Result<(), String>) {
        if let (Err(problem), None) = (said, &self.doubtful[of]) {
            self.doubtful[of] = Some((index, problem));
        }
    }

    /// The number of the event's node.
    fn node(&mut self, event: &Event) -> usize {
        let name = event.node.as_deref().unwrap_or_default();
        self.nodes.iter().position(|known| known == name).unwrap_or_else(|| {
            self.nodes.push(name.to_owned());
            self.nodes.len() - 1
        })
    }

    fn phase(&mut self, phase: Phase, at: u64) -> Result<(), String> {
        let name = describe::phase(phase);
        if let Some((before, since)) = self.phases.last() {
            let last = describe::phase(*before);
            ensure(*before < phase, || format!("phase: `{name}` does not come after `{last}`"))?;
            ensure(*since <= at, || format!("at: the phase `{name}` begins before `{last}`, which it follows"))?;
        }
        self.phases.push((phase, at));
        Ok(())
    }

    /// etcd counts every change, and a change says what was there before it, if none was missed.
    fn key(&mut self, change: KeyChange, held: bool, revision: i64, lease: i64) -> Result<Result<(), String>, String> {
        let before = self.key.replace((revision, held, lease));
        let Some((last, was_held, last_lease)) = before else { return Ok(Ok(())) };
        ensure(last < revision, || format!("revision: {revision} does not come after {last}"))?;
        let there = match change {
            KeyChange::Present => return Ok(Err("change: a key is found at the start of the watch only".into())),
            KeyChange::Created => false,
            KeyChange::Overwritten | KeyChange::Deleted | KeyChange::Expired => true,
        };
        let was = if was_held { "there" } else { "not there" };
        Ok(ensure(was_held == there, || format!("change: the key was {was} before, and nothing was missed")).and_then(
            |()| ensure(held || lease == last_lease, || "lease: the key that is gone had another lease".into()),
        ))
    }

    fn started(&mut self, event: &Event, what: Process, pid: u32) -> Result<(), String> {
        let node = self.node(event);
        self.processes_seen.insert((node, what));
        let running = self.running.insert(pid, (node, what, event.at[0]));
        ensure(running.is_none(), || format!("pid: process {pid} started before and did not end"))
    }

    /// Whoever waits for a CPU is there. What was there before anybody observed was not seen to start.
    fn starved(&mut self, event: &Event, what: Process, pid: u32) -> Result<(), String> {
        let of = self.node(event);
        match self.running.get(&pid) {
            Some((node, ..)) if *node != of => Err(format!("node: process {pid} is of {}", self.nodes[*node])),
            Some((_, started, _)) if *started != what => {
                Err(format!("what: process {pid} started as {}", describe::process(*started)))
            }
            Some(_) => Ok(()),
            None => ensure(!self.processes_seen.contains(&(of, what)), || {
                format!("pid: process {pid} waits for a CPU and does not run")
            }),
        }
    }

    fn exited(&mut self, event: &Event, what: Process, pid: u32) -> Result<Result<(), String>, String> {
        let of = self.node(event);
        match self.running.remove(&pid) {
            Some((node, started, since)) => {
                ensure(of == node, || format!("node: process {pid} is of {}", self.nodes[node]))?;
                ensure(started == what, || format!("what: process {pid} started as {}", describe::process(started)))?;
                ensure(since <= event.at[1], || format!("at: process {pid} ends before it starts"))?;
                Ok(Ok(()))
            }
            // What was there before anybody observed ends without having been seen to start.
            None => {
                let first = self.processes_seen.insert((of, what));
                Ok(ensure(first, || format!("pid: process {pid} ends and never started")))
            }
        }
    }
}
