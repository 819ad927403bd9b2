//! Safety properties of crash recovery, by the lives of processes on a node. Nothing here knows the model.

use pghaspec_model::recover::control::ControlState;
use pghaspec_model::vocabulary::event::{Event, Kind, Process, ServerState, Source};
use pghaspec_model::vocabulary::property::Property;

use super::leadership::unobserved;
use crate::history::describe;
use crate::history::intervals::Intervals;
use crate::history::{History, seconds};
use crate::judge::facts::commits::Commits;
use crate::judge::facts::processes::{Life, lives};
use crate::judge::verdict::Check;

/// All of them.
pub fn checks(history: &History) -> Vec<Check> {
    vec![crash_recovery_once(history), crash_recovery_alone(history), clean_before_rewind(history)]
}

/// Why a property of processes cannot be told, if it cannot.
pub fn unseen(history: &History, id: &str) -> Option<Check> {
    unobserved(history, id, &[Source::Process]).or_else(|| {
        let why = "processes were only looked for now and then: a start may have been missed";
        history.polls_processes().then(|| Check::inconclusive(id, why))
    })
}

/// `crash-recovery-once`: single-user crash recovery starts at most once per recovery episode of one agent process.
pub fn crash_recovery_once(history: &History) -> Check {
    let id = Property::CrashRecoveryOnce.id();
    let mut total = 0;
    for node in &history.run.nodes {
        let mut events: Vec<&Event> = history.events.iter().filter(|event| event.node.as_ref() == Some(node)).collect();
        events.sort_by_key(|event| event.at);
        let mut starts: Vec<&Event> = Vec::new();
        for event in events {
            match &event.kind {
                Kind::ProcessStarted { what: Process::SingleUser, argv, .. } if !is_of_pg_rewind(argv) => {
                    starts.push(event);
                    total += usize::from(history.is_fresh(event));
                    if let [.., first, second] = starts.as_slice()
                        && history.is_fresh(second)
                    {
                        return Check::fail(
                            id,
                            format!(
                                "{node}: postgres --single started at {} and again at {}, and nothing had come up in between",
                                seconds(first.at[1]),
                                seconds(second.at[1])
                            ),
                        )
                        .at(Some(second.seq));
                    }
                }
                // The episode is over: Postgres is up, the agent is a new one, or a new crash was inflicted.
                Kind::Server { state: ServerState::Primary | ServerState::Standby, .. }
                | Kind::ProcessStarted { what: Process::Agent, .. }
                | Kind::Fault { .. } => starts.clear(),
                _ => {}
            }
        }
    }
    if let Some(check) = unseen(history, id) {
        return check;
    }
    Check::pass(id, format!("postgres --single started {total} times"))
}

/// `crash-recovery-alone`: single-user mode never runs while something else uses the data directory: a postmaster, a backend that
/// outlived its own, pg_rewind or pg_basebackup. A `postgres --single` that ends with an error was turned away by the lock file or did not
/// get far; one that pg_rewind runs itself is its own business.
pub fn crash_recovery_alone(history: &History) -> Check {
    let id = Property::CrashRecoveryAlone.id();
    let mut alone = 0;
    let commits = Commits::of(history);
    for node in &history.run.nodes {
        let lives = lives(history, node);
        let certain = Intervals::new(lives.iter().map(Life::certain));
        for single in lives.iter().filter(|life| life.what == Process::SingleUser && !of_pg_rewind(life)) {
            if single.seq < history.before.events || single.code.is_some_and(|code| code != 0) {
                continue;
            }
            let near = certain.meeting(single.certain()).into_iter().map(|place| &lives[place]);
            let other = near.into_iter().find(|other| {
                !matches!(other.what, Process::Agent | Process::SingleUser) && other.certainly_overlaps(single)
            });
            if let Some(other) = other {
                return Check::fail(
                    id,
                    format!(
                        "{node} ran postgres --single (process {}) from {} to {} while its {} (process {}) was alive, from {} to {}",
                        single.pid,
                        seconds(single.from[1]),
                        single.end_text(),
                        describe::process(other.what),
                        other.pid,
                        seconds(other.from[1]),
                        other.end_text(),
                    ),
                )
                .at(Some(single.seq));
            }
            let [from, to] = single.certain();
            if let Some(event) = commits.within(node, [from, to]) {
                return Check::fail(
                    id,
                    format!(
                        "{node} ran postgres --single (process {}) from {} to {}, and a backend still wrote at {}: {}",
                        single.pid,
                        seconds(from),
                        single.end_text(),
                        seconds(event.at[1]),
                        describe::what(event)
                    ),
                )
                .at(Some(event.seq));
            }
            alone += 1;
        }
    }
    unseen(history, id).unwrap_or_else(|| match alone {
        0 => Check::pass(id, "postgres --single recovered nothing"),
        _ => Check::pass(id, format!("postgres --single ran {alone} times, and nothing else used the data directory")),
    })
}

/// pg_rewind (since PostgreSQL 13) runs `postgres --single -F` where the data directory was not shut down cleanly.
pub fn of_pg_rewind(single: &Life) -> bool {
    is_of_pg_rewind(single.argv)
}

/// The same of a command line.
pub fn is_of_pg_rewind(argv: &[String]) -> bool {
    argv.iter().any(|word| word == "-F")
}

/// How a data directory was left by the last process that used it.
enum Left<'h> {
    Cleanly(&'h Life<'h>),
    Uncleanly(&'h Life<'h>),
    /// A start that failed may have left it as it was, or not.
    Unknown(String),
}

/// `clean-before-rewind`: pg_rewind runs only on a cleanly shut down data directory.
pub fn clean_before_rewind(history: &History) -> Check {
    let id = Property::CleanBeforeRewind.id();
    let mut clean = Vec::new();
    let mut unknown = None;
    for node in &history.run.nodes {
        let lives = lives(history, node);
        for rewind in lives.iter().filter(|life| life.what == Process::PgRewind) {
            match left(history, &lives, rewind) {
                Left::Cleanly(life) => {
                    clean.push(format!(
                        "{node} at {}, after its {} ended cleanly",
                        seconds(rewind.from[1]),
                        describe::process(life.what)
                    ));
                }
                Left::Uncleanly(life) => {
                    return Check::fail(
                        id,
                        format!(
                            "{node} ran pg_rewind at {}, and the {} that used the data directory last (process {}) {}{}",
                            seconds(rewind.from[1]),
                            describe::process(life.what),
                            life.pid,
                            life.how_it_ended(),
                            life.control.map_or(String::new(), |control| format!(
                                "; its control file said `{}`",
                                control.state.text()
                            ))
                        ),
                    )
                    .at(Some(rewind.seq));
                }
                Left::Unknown(why) => unknown = unknown.or(Some(format!("{node} ran pg_rewind, and {why}"))),
            }
        }
    }
    if let Some(check) = unseen(history, id) {
        return check;
    }
    match unknown {
        Some(why) => Check::inconclusive(id, why),
        None if clean.is_empty() => Check::pass(id, "pg_rewind did not run"),
        None => Check::pass(id, format!("pg_rewind ran on {}", clean.join(", on "))),
    }
}

fn left<'h>(history: &History, lives: &'h [Life<'h>], rewind: &Life) -> Left<'h> {
    // They are in the order of their starts.
    let before = &lives[..lives.partition_point(|life| life.from[0] <= rewind.from[0])];
    let users = before.iter().rev().filter(|life| matches!(life.what, Process::Postmaster | Process::SingleUser));
    let mut failed = false;
    for life in users {
        if life.what == Process::SingleUser && of_pg_rewind(life) {
            continue;
        }
        if life.to.is_none_or(|to| to[0] > rewind.from[1]) {
            return Left::Uncleanly(life);
        }
        // What the control file said tells more than how a process ended: an immediate shutdown ends with code 0, too.
        if let Some(control) = life.control {
            return match control.state {
                ControlState::ShutDown | ControlState::ShutDownInRecovery => Left::Cleanly(life),
                _ => Left::Uncleanly(life),
            };
        }
        if life.what == Process::Postmaster && life.control.is_none() && is_brief(life) && !came_up(history, life) {
            continue;
        }
        if life.signal.is_some() {
            return Left::Uncleanly(life);
        }
        match life.code {
            Some(0) if !failed => return Left::Cleanly(life),
            Some(0) => return Left::Unknown("a start that failed came between the clean shutdown and it".into()),
            // A server that never came up may have left everything as it found it; one that was up and ended so did not.
            Some(_) if life.what == Process::Postmaster && !came_up(history, life) => failed = true,
            Some(_) => return Left::Uncleanly(life),
            None => return Left::Unknown(format!("how process {} ended was not seen", life.pid)),
        }
    }
    Left::Unknown("no process was seen to use the data directory before".into())
}

/// Postgres does not write the control file so soon after its start.
const UNTOUCHED_NS: u64 = 40_000_000;

/// It certainly ended before it wrote the control file.
fn is_brief(life: &Life) -> bool {
    life.to.is_some_and(|to| to[1].saturating_sub(life.from[0]) < UNTOUCHED_NS)
}

fn came_up(history: &History, life: &Life) -> bool {
    let [from, to] = life.possible();
    history.events.iter().any(|event| {
        event.node.as_deref() == Some(life.node)
            && event.at[1] >= from
            && event.at[0] <= to
            && matches!(event.kind, Kind::Server { state: ServerState::Primary | ServerState::Standby, .. })
    })
}
