//! Well-formedness of a history as a whole: its events one after the other must fit together.
//!
//! A history that contradicts itself was damaged or put together, and no verdict may come of it.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Phase, Process, Source};

use super::damage::{Damage, ensure};
use super::describe;
use super::row_ids::Growing;

/// The state of a history up to an event: what is open, such as processes that run, and ranges of rows.
#[derive(Default)]
pub struct SoFar {
    phases: Vec<(Phase, u64)>,
    /// The end of the run, when it was recorded.
    over: u64,
    /// The latest end of an event, and the place of the first that ends then.
    latest: (u64, usize),
    /// The last change of the leader key.
    key: Option<Key>,
    nodes: Vec<String>,
    /// Processes that run, by node and process id: nodes may be on several hosts, which number their processes apart.
    running: BTreeMap<(usize, u32), Running>,
    /// Nodes and kinds of which a process was seen.
    processes_seen: BTreeSet<(usize, Process)>,
    writes: Growing,
    read_back: BTreeSet<usize>,
    /// Something was missed of the leader key, or of processes.
    gaps: [bool; 2],
    /// The first event that cannot be, if nothing was missed of these.
    doubtful: [Option<Damage>; 2],
}

/// A change of the leader key.
#[derive(Clone, Copy)]
struct Key {
    revision: i64,
    /// Somebody holds it afterwards.
    held: bool,
    lease: i64,
}

/// A process that runs.
struct Running {
    what: Process,
    /// The earliest moment of its start, nanoseconds.
    since: u64,
}

/// The sources that may have missed something, and their places in what is kept of each.
const OF: [Source; 2] = [Source::Etcd, Source::Process];
const KEY: usize = 0;
const PROCESSES: usize = 1;

impl SoFar {
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
    pub fn sooner(&mut self, damage: Damage) -> Damage {
        let first = self.refuted();
        first.filter(|first| first.0 < damage.0).unwrap_or(damage)
    }

    /// All were seen.
    pub fn end(mut self) -> Result<(), Damage> {
        if let Some(damage) = self.refuted() {
            return Err(damage);
        }
        match self.phases.last() {
            Some((Phase::End, _)) if self.latest.0 > self.over => {
                Err((self.latest.1, "at: is later than the end of the run".into()))
            }
            _ => Ok(()),
        }
    }

    /// The first event that cannot be, as nothing was missed.
    fn refuted(&mut self) -> Option<Damage> {
        let whole = self.doubtful.iter_mut().zip(self.gaps).filter(|(_, missed)| !missed);
        whole.filter_map(|(damage, _)| damage.take()).min()
    }

    /// Notes a contradiction that can be only if something was missed.
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
        let before = self.key.replace(Key { revision, held, lease });
        let Some(Key { revision: last, held: was_held, lease: last_lease }) = before else { return Ok(Ok(())) };
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
        let running = self.running.insert((node, pid), Running { what, since: event.at[0] });
        ensure(running.is_none(), || format!("pid: process {pid} started before and did not end"))
    }

    /// A process that waits for a CPU runs. One that was there before anybody observed was not seen to start.
    fn starved(&mut self, event: &Event, what: Process, pid: u32) -> Result<(), String> {
        let node = self.node(event);
        match self.running.get(&(node, pid)) {
            Some(running) => ensure(running.what == what, || {
                format!("what: process {pid} started as {}", describe::process(running.what))
            }),
            None => ensure(!self.processes_seen.contains(&(node, what)), || {
                format!("pid: process {pid} waits for a CPU and does not run")
            }),
        }
    }

    fn exited(&mut self, event: &Event, what: Process, pid: u32) -> Result<Result<(), String>, String> {
        let node = self.node(event);
        match self.running.remove(&(node, pid)) {
            Some(Running { what: started, since }) => {
                ensure(started == what, || format!("what: process {pid} started as {}", describe::process(started)))?;
                ensure(since <= event.at[1], || format!("at: process {pid} ends before it starts"))?;
                Ok(Ok(()))
            }
            // A process that was there before anybody observed ends without having been seen to start.
            None => {
                let first = self.processes_seen.insert((node, what));
                Ok(ensure(first, || format!("pid: process {pid} ends and never started")))
            }
        }
    }
}
