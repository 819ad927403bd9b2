//! Well-formedness of a history, event by event: what an observer can have recorded.
//!
//! A history that contradicts itself was damaged or put together, and is refused, so that no verdict comes of it.

use std::collections::BTreeSet;

use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Run, Source, WriteResult};

use super::consistency::SoFar;
use super::damage::{Damage, ensure};
use super::{SECOND, describe};

/// Nanoseconds of the longest run that can be: ten years. Sums of a few times stay far below the greatest number.
const LONGEST: u64 = 10 * 366 * 86_400 * SECOND;

/// The greatest number of a row. JSON readers know no greater whole number for certain.
const MOST_ROWS: u64 = 1 << 53;

/// The greatest number of seconds of a setting, more than a week.
const MOST_SECONDS: u32 = 1_000_000;

/// Most nodes of a run.
const MOST_NODES: usize = 100;

/// Most words of a command line, and most bytes of all of them: the lab keeps the first 8 KiB.
const MOST_WORDS: usize = 4_096;
const LONGEST_ARGV: usize = 64 << 10;

/// Bytes of the longest message: the lab keeps the first thousand characters.
const LONGEST_MESSAGE: usize = 16 << 10;

/// Characters of the longest name.
const LONGEST_NAME: usize = 300;

/// A validator that is given all events of a history, in the order of their recording.
pub struct Validator<'r> {
    run: &'r Run,
    so_far: SoFar,
}

impl<'r> Validator<'r> {
    /// Of such a run.
    ///
    /// # Errors
    /// It cannot be.
    pub fn of(run: &'r Run) -> Result<Validator<'r>, Damage> {
        described(run).map_err(|problem| (0, problem))?;
        Ok(Validator { run, so_far: SoFar::default() })
    }

    /// The next event.
    ///
    /// # Errors
    /// It cannot be.
    pub fn take(&mut self, event: &Event) -> Result<(), Damage> {
        let index = event.seq as usize;
        in_time(event)
            .and_then(|()| said_by_who_can(self.run, event))
            .and_then(|()| placed(self.run, event))
            .and_then(|()| fields(event))
            .and_then(|()| self.so_far.take(index, event))
            .map_err(|problem| self.so_far.sooner((index, problem)))
    }

    /// There are no more.
    ///
    /// # Errors
    /// The first event that cannot be, if nothing that was missed explains it.
    pub fn end(self) -> Result<(), Damage> {
        self.so_far.end()
    }
}

/// The run's own words.
fn described(run: &Run) -> Result<(), String> {
    let distinct: BTreeSet<&String> = run.nodes.iter().collect();
    ensure(!run.nodes.is_empty(), || "nodes: the run has none".into())?;
    ensure(distinct.len() == run.nodes.len(), || format!("nodes: a name stands twice in {}", run.nodes.join(", ")))?;
    ensure(!run.nodes.iter().any(String::is_empty), || "nodes: a node has no name".into())?;
    ensure(run.nodes.len() <= MOST_NODES, || format!("nodes: are more than {MOST_NODES}"))?;
    for (key, name) in
        [("run", &run.run), ("scenario", &run.scenario), ("agent", &run.agent), ("version", &run.version)]
            .into_iter()
            .chain(run.nodes.iter().map(|node| ("nodes", node)))
    {
        ensure(name.len() <= LONGEST_NAME, || format!("{key}: a name is longer than {LONGEST_NAME} bytes"))?;
        ensure(!name.contains(char::is_control), || format!("{key}: a name has a character of control"))?;
    }
    ensure(run.loop_wait_s > 0 && run.ttl_s > 0, || "loop_wait_s and ttl_s must be more than 0".into())?;
    for (key, value) in [
        ("loop_wait_s", run.loop_wait_s),
        ("ttl_s", run.ttl_s),
        ("retry_timeout_s", run.retry_timeout_s),
        ("primary_start_timeout_s", run.primary_start_timeout_s),
    ] {
        ensure(value <= MOST_SECONDS, || format!("{key}: {value} seconds are more than a week"))?;
    }
    let lag = run.configuration.maximum_lag_on_failover;
    ensure(lag <= i64::MAX as u64, || format!("maximum_lag_on_failover: {lag} bytes are more than any WAL has"))?;
    ensure((1..=MOST_NODES as u32).contains(&run.configuration.etcd_members), || {
        format!("etcd_members: {} is no number of members", run.configuration.etcd_members)
    })?;
    let observed: BTreeSet<Source> = run.observed.iter().copied().collect();
    ensure(observed.len() == run.observed.len(), || "observed: a source stands twice".into())?;
    ensure(observed.contains(&Source::Harness), || "observed: `harness` is missing, who records the run".into())
}

/// The times of an event are such that a run can have.
fn in_time(event: &Event) -> Result<(), String> {
    ensure(event.at[1] <= LONGEST, || format!("at: {} ns are more than ten years after the start", event.at[1]))
}

/// Each kind of event has its own observer, and only who observed can have seen something.
fn said_by_who_can(run: &Run, event: &Event) -> Result<(), String> {
    let may: &[Source] = match event.kind {
        Kind::Run(_)
        | Kind::Phase { .. }
        | Kind::Fault { .. }
        | Kind::Disturbance { .. }
        | Kind::Gap { .. }
        | Kind::NodeEnded { .. } => &[Source::Harness],
        Kind::LeaderKey { .. } => &[Source::Etcd, Source::Authority],
        Kind::ProcessStarted { .. }
        | Kind::ProcessExited { .. }
        | Kind::ChildKilled { .. }
        | Kind::OutOfMemory { .. }
        | Kind::Starved { .. }
        | Kind::DiskStalled
        | Kind::NoSpace => &[Source::Process],
        Kind::Server { .. } | Kind::ReadBack { .. } => &[Source::Postgres],
        Kind::Write { .. } => &[Source::Writer],
        Kind::Batch { .. } => &[Source::Writer, Source::Postgres],
        Kind::Recover { .. } | Kind::Said { .. } => &[Source::AgentLog],
        Kind::Watchdog { .. } => &[Source::Watchdog],
    };
    let source = describe::source(event.source);
    ensure(may.contains(&event.source), || format!("source: the observer `{source}` does not see such events"))?;
    ensure(run.observed.contains(&event.source), || {
        format!("source: `{source}` did not observe this run, as its first event says")
    })
}

/// Events are about a node, or about the cluster.
fn placed(run: &Run, event: &Event) -> Result<(), String> {
    match (&event.kind, &event.node) {
        (
            Kind::Run(_) | Kind::Phase { .. } | Kind::LeaderKey { .. } | Kind::DiskStalled | Kind::NoSpace,
            Some(node),
        ) => Err(format!("node: is about the cluster, and names {node}")),
        (
            Kind::Run(_)
            | Kind::Phase { .. }
            | Kind::LeaderKey { .. }
            | Kind::DiskStalled
            | Kind::NoSpace
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

/// The agent's words.
fn said(message: &str) -> Result<(), String> {
    ensure(!message.is_empty(), || "message: the agent said nothing".into())?;
    ensure(message.len() <= LONGEST_MESSAGE, || format!("message: is longer than {} KiB", LONGEST_MESSAGE >> 10))
}

/// The fields of one event fit together.
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
        Kind::ProcessStarted { argv, .. } => {
            ensure(argv.len() <= MOST_WORDS, || format!("argv: has more than {MOST_WORDS} words"))?;
            ensure(argv.iter().map(String::len).sum::<usize>() <= LONGEST_ARGV, || {
                format!("argv: has more than {} KiB", LONGEST_ARGV >> 10)
            })
        }
        Kind::ProcessExited { code, signal, .. } => {
            ensure(code.is_none() || signal.is_none(), || "code, signal: it ended by itself or by a signal".into())?;
            ensure(code.is_none_or(|code| (0..=255).contains(&code)), || "code: is none".into())?;
            ensure(signal.is_none_or(|signal| (1..=64).contains(&signal)), || "signal: there is no such signal".into())
        }
        Kind::ChildKilled { postmaster, pid, signal } => {
            ensure(*pid > 0 && *postmaster > 0, || "pid, postmaster: 0 is no process".into())?;
            ensure(pid != postmaster, || "pid: nobody is a child of its own".into())?;
            ensure((1..=64).contains(signal), || "signal: there is no such signal".into())
        }
        Kind::OutOfMemory { kills } => ensure(*kills > 0, || "kills: nobody was killed".into()),
        Kind::NodeEnded { code, .. } => {
            ensure(code.is_none_or(|code| (0..=255).contains(&code)), || "code: is none".into())
        }
        Kind::Server { state, timeline, lsn, streaming, control } => {
            let answers = state.is_up();
            let says = timeline.is_some() || lsn.is_some() || streaming.is_some() || control.is_some();
            ensure(answers || !says, || "state: who accepts no session says no more than that".into())?;
            ensure(*timeline != Some(0), || "timeline: timelines begin with 1".into())?;
            ensure(lsn.is_none_or(|lsn| lsn <= i64::MAX as u64), || "lsn: no WAL is as long".into())?;
            ensure(!state.is_primary() || streaming.is_none(), || "streaming: a primary does not".into())
        }
        Kind::Write { id, result, error, .. } => {
            ensure(*id <= MOST_ROWS, || format!("id: {id} is no number of a row"))?;
            ensure(*result != WriteResult::Ok || error.is_none(), || "error: what was acknowledged has none".into())
        }
        Kind::Starved { pid, waited_ns, .. } => {
            ensure(*pid > 0, || "pid: 0 is no process".into())?;
            ensure((1..=event.at[1] - event.at[0]).contains(waited_ns), || {
                "waited_ns: nobody waits for longer than the time in which it was, or not at all".into()
            })
        }
        Kind::DiskStalled => ensure(event.at[0] < event.at[1], || "at: nobody waited".into()),
        Kind::Batch { rows: [first, last], .. } => {
            ensure(first <= last, || "rows: end before they begin".into())?;
            ensure(*last <= MOST_ROWS, || format!("rows: {last} is no number of a row"))
        }
        Kind::ReadBack { rows } => {
            let inward = rows.iter().all(|[first, last]| first <= last);
            let rising = rows.windows(2).all(|pair| pair[0][1] < pair[1][0]);
            ensure(inward && rising, || "rows: are not ranges in increasing order".into())?;
            let last = rows.last().map_or(0, |[_, last]| *last);
            ensure(last <= MOST_ROWS, || format!("rows: {last} is no number of a row"))
        }
        Kind::Fault { effect, .. } | Kind::Disturbance { effect, .. } => {
            ensure(effect.as_ref().is_none_or(|effect| !effect.is_empty()), || {
                "effect: is empty; no effect is null".into()
            })
        }
        Kind::Recover { message, .. } => said(message),
        Kind::Said { pattern, message } => {
            ensure(!pattern.is_empty(), || "pattern: the agent said nothing".into())?;
            said(message)
        }
        _ => Ok(()),
    }
}
