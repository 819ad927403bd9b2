//! Events in words, for reports and error texts.
//!
//! Nothing else may print an event: a reader meets the same words everywhere.

use pghaspec_model::cluster::sight::process_text;
use pghaspec_model::vocabulary::event::{
    Event, Kind, Phase, Process, ServerState, Session, Source, Watchdog, WriteResult,
};

use super::row_ids::Rows;
use super::seconds;

/// One line: when, which node, what.
pub fn line(event: &Event) -> String {
    format!("{:>10}  {:<4} {}", seconds(event.at[1]), event.node.as_deref().unwrap_or("-"), what(event))
}

/// The content of an event, in words.
pub fn what(event: &Event) -> String {
    match &event.kind {
        Kind::Run(run) => format!("run of {} {}, scenario {}", run.agent, run.version, run.scenario),
        Kind::Phase { phase } => format!("phase {}", self::phase(*phase)),
        Kind::Fault { fault, effect } => {
            format!("fault {} ({})", fault.id(), effect.as_deref().unwrap_or("no effect was seen"))
        }
        Kind::Disturbance { disturbance, effect } => {
            format!("disturbance {} ({})", disturbance.id(), effect.as_deref().unwrap_or("no effect was seen"))
        }
        Kind::Watchdog { change, timeout_s } => match (change, timeout_s) {
            (Watchdog::Armed, Some(timeout)) => format!("the watchdog is armed for {timeout} s"),
            (Watchdog::Armed, None) => "the watchdog is armed".to_owned(),
            (Watchdog::Disarmed, _) => "the watchdog is disarmed".to_owned(),
            (Watchdog::Abandoned, _) => "the watchdog is left armed, and nobody keeps it alive".to_owned(),
            (Watchdog::Fired, _) => "the watchdog fires and resets the node".to_owned(),
        },
        Kind::LeaderKey { holder: Some(holder), revision, .. } => {
            format!("the leader key names {holder} (revision {revision})")
        }
        Kind::LeaderKey { holder: None, revision, .. } => format!("the leader key is gone (revision {revision})"),
        Kind::ProcessStarted { what, pid, .. } => format!("{} starts (process {pid})", process_text(*what)),
        Kind::ProcessExited { what, pid, code, signal, .. } => {
            let how = match (signal, code) {
                (Some(signal), _) => format!("of signal {signal}"),
                (None, Some(code)) => format!("with code {code}"),
                (None, None) => "in a way that was not seen".into(),
            };
            format!("{} ends {how} (process {pid})", process_text(*what))
        }
        Kind::ChildKilled { postmaster, pid, signal } => {
            format!("a child of postmaster {postmaster} ends of signal {signal} (process {pid})")
        }
        Kind::OutOfMemory { kills: 1 } => "the kernel kills a process for want of memory".to_owned(),
        Kind::OutOfMemory { kills } => format!("the kernel kills {kills} processes for want of memory"),
        Kind::NodeEnded { code, out_of_memory } => {
            let code = code.map_or_else(String::new, |code| format!(" with code {code}"));
            let why = if *out_of_memory { ", and a process of it was killed for want of memory" } else { "" };
            format!("the whole node ends{code}{why}")
        }
        Kind::NoSpace => "there is no room on the disk".to_owned(),
        Kind::Starved { what, pid, waited_ns } => {
            format!("{} had no CPU for {} (process {pid})", process_text(*what), seconds(*waited_ns))
        }
        Kind::DiskStalled => format!("the disk did not answer for {}", seconds(event.at[1] - event.at[0])),
        Kind::Server { state, timeline, .. } => {
            let state = self::state(*state);
            timeline.map_or(state.to_owned(), |timeline| format!("{state} on timeline {timeline}"))
        }
        Kind::Write { id, session, result, error } => {
            let session = self::session(*session);
            let result = match result {
                WriteResult::Ok => "acknowledged",
                WriteResult::Failed => "refused",
                WriteResult::Indeterminate => "lost without an answer",
            };
            let error = error.as_ref().map_or(String::new(), |error| format!(": {error}"));
            format!("write {id} through {session} was {result}{error}")
        }
        Kind::Batch { rows: [first, last], result } => {
            let result = match result {
                WriteResult::Ok => "committed here",
                WriteResult::Failed => "refused",
                WriteResult::Indeterminate => "lost without an answer",
            };
            format!("rows {first} to {last} of a procedure were {result}")
        }
        Kind::Recover { branch, message } => format!("the agent says \"{message}\" (recover decides {})", branch.id()),
        Kind::Said { message, .. } => format!("the agent says \"{message}\""),
        Kind::ReadBack { rows } => {
            format!("{} rows are read back", Rows::new(rows.iter().copied()).len())
        }
        Kind::Gap { of, why, .. } => format!("not all was observed by {}: {why}", source(*of)),
    }
}

/// A gap: of which observer, from when to when, and why.
pub fn gap_text(event: &Event) -> String {
    let [from, to] = event.at.map(seconds);
    match &event.kind {
        Kind::Gap { of, why, .. } => format!("not all was observed by {} from {from} to {to}: {why}", source(*of)),
        _ => what(event),
    }
}

/// An observer, as in histories.
pub fn source(source: Source) -> &'static str {
    match source {
        Source::Harness => "harness",
        Source::Etcd => "etcd",
        Source::Authority => "authority",
        Source::Process => "process",
        Source::Postgres => "postgres",
        Source::Writer => "writer",
        Source::AgentLog => "agent-log",
        Source::Watchdog => "watchdog",
    }
}

/// A phase, as in histories.
pub fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Bootstrap => "bootstrap",
        Phase::Ready => "ready",
        Phase::Fault => "fault",
        Phase::Heal => "heal",
        Phase::Settled => "settled",
        Phase::ReadBack => "read-back",
        Phase::End => "end",
    }
}

/// A process, by its program.
pub fn process(process: Process) -> &'static str {
    process_text(process)
}

/// The session of a write, in words.
pub fn session(session: Session) -> &'static str {
    match session {
        Session::Held => "a session from before the fault",
        Session::Fresh => "a new session",
    }
}

/// The finding of a probe, in words.
pub fn state(state: ServerState) -> &'static str {
    match state {
        ServerState::Primary => "Postgres is a writable primary",
        ServerState::ReadOnlyPrimary => "Postgres is a primary whose sessions begin read-only",
        ServerState::Standby => "Postgres is a standby",
        ServerState::Starting => "Postgres accepts no sessions yet",
        ServerState::Refused => "nothing listens",
        ServerState::Unknown => "Postgres does not answer",
    }
}
