//! Safety of crash recovery and of pg_rewind, by the processes of a node.
//!
//! Nothing here knows the model.

use pghaspec_model::recover::control::ControlState;
use pghaspec_model::vocabulary::event::{Event, Kind, Process, Source};
use pghaspec_model::vocabulary::property::Property;

use super::definition::{Agents, Applies, Asked, Definition, Name};
use crate::features;
use crate::history::intervals::Intervals;
use crate::history::{History, describe, seconds};
use crate::judge::facts::commits::Commits;
use crate::judge::facts::deaths::{Death, deaths};
use crate::judge::facts::end_state::FINDINGS;
use crate::judge::facts::processes::{Life, OPEN, is_of_pg_rewind, lives, of_pg_rewind, unseen as unseen_between};
use crate::judge::facts::writable::PROOFS;
use crate::judge::verdict::{Check, Earliest};

/// Inconclusive, if starts and ends of processes were not all seen.
pub fn unseen(history: &History, check: &Definition) -> Option<Check> {
    check.unobserved(history).or_else(|| {
        let why = "processes were only looked for now and then: a start may have been missed";
        history.polls_processes().then(|| check.inconclusive(why))
    })
}

/// `crash-recovery-once`: single-user crash recovery starts at most once per recovery episode of one agent process.
pub static CRASH_RECOVERY_ONCE: Definition = Definition {
    name: Name::Property(Property::CrashRecoveryOnce),
    needs: &[Source::Process],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "processes were only looked for now and then, or a process of the node died in between that no fault \
                   of the scenario hit",
    carries: &[&OPEN, &FINDINGS],
    asked: Asked::EachPart(crash_recovery_once),
};

fn crash_recovery_once(history: &History) -> Check {
    let mut earliest = Earliest::default();
    let (mut total, mut excused) = (0, None);
    let deaths = deaths(history);
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
                        let between = |death: &&Death| {
                            death.node == *node && death.at[1] >= first.at[0] && death.at[0] <= second.at[1]
                        };
                        if let Some(death) = deaths.iter().find(between) {
                            excused.get_or_insert_with(|| {
                                CRASH_RECOVERY_ONCE.inconclusive(format!(
                                    "{node}: postgres --single started at {} and again at {}, and in between: {}",
                                    seconds(first.at[1]),
                                    seconds(second.at[1]),
                                    death.words
                                ))
                            });
                            continue;
                        }
                        earliest.offer(second.seq, || {
                            CRASH_RECOVERY_ONCE.fail(format!(
                                "{node}: postgres --single started at {} and again at {}, and nothing had come up in \
                                 between",
                                seconds(first.at[1]),
                                seconds(second.at[1])
                            ))
                        });
                    }
                }
                // The episode is over: Postgres is up, the agent is a new one, or a new crash was inflicted.
                Kind::Server { state, .. } if state.is_up() => starts.clear(),
                Kind::ProcessStarted { what: Process::Agent, .. } | Kind::Fault { .. } => starts.clear(),
                _ => {}
            }
        }
    }
    if let Some(check) = earliest.found().or(excused) {
        return check;
    }
    if let Some(check) = unseen(history, &CRASH_RECOVERY_ONCE) {
        return check;
    }
    CRASH_RECOVERY_ONCE.pass(format!("postgres --single started {total} times"))
}

/// `crash-recovery-alone`: single-user mode never runs while something else uses the data directory: a postmaster, a
/// backend that outlived its own, pg_rewind or pg_basebackup. A `postgres --single` that ends with an error was turned
/// away by the lock file or did not get far; one that pg_rewind runs itself is its own business.
pub static CRASH_RECOVERY_ALONE: Definition = Definition {
    name: Name::Property(Property::CrashRecoveryAlone),
    needs: &[Source::Process],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "processes were only looked for now and then",
    carries: &[&OPEN, &PROOFS],
    asked: Asked::EachPart(crash_recovery_alone),
};

fn crash_recovery_alone(history: &History) -> Check {
    let mut earliest = Earliest::default();
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
                earliest.offer(single.seq, || {
                    CRASH_RECOVERY_ALONE.fail(format!(
                        "{node} ran postgres --single (process {}) from {} to {} while its {} (process {}) was \
                         alive, from {} to {}",
                        single.pid,
                        seconds(single.from[1]),
                        single.end_text(),
                        describe::process(other.what),
                        other.pid,
                        seconds(other.from[1]),
                        other.end_text(),
                    ))
                });
            }
            let [from, to] = single.certain();
            if let Some(event) = commits.within(node, [from, to]) {
                earliest.offer(event.seq, || {
                    CRASH_RECOVERY_ALONE.fail(format!(
                        "{node} ran postgres --single (process {}) from {} to {}, and a backend still wrote at {}: {}",
                        single.pid,
                        seconds(from),
                        single.end_text(),
                        seconds(event.at[1]),
                        describe::what(event)
                    ))
                });
            }
            alone += 1;
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    unseen(history, &CRASH_RECOVERY_ALONE).unwrap_or_else(|| match alone {
        0 => CRASH_RECOVERY_ALONE.pass("postgres --single recovered nothing"),
        _ => CRASH_RECOVERY_ALONE
            .pass(format!("postgres --single ran {alone} times, and nothing else used the data directory")),
    })
}

/// The state in which the last process that used a data directory left it.
enum Left<'h> {
    Cleanly(&'h Life<'h>),
    Uncleanly(&'h Life<'h>),
    /// A start that failed may have left it as it was, or not.
    Unknown(String),
}

/// `clean-before-rewind`: pg_rewind runs only on a cleanly shut down data directory.
pub static CLEAN_BEFORE_REWIND: Definition = Definition {
    name: Name::Property(Property::CleanBeforeRewind),
    needs: &[Source::Process],
    agents: Agents::Claims(features::CLEAN_BEFORE_REWIND),
    applies: Applies::Always,
    inconclusive: "processes were only looked for now and then, or the last user of the data directory was not \
                   seen to end",
    carries: &[&OPEN, &FINDINGS],
    asked: Asked::EachPart(clean_before_rewind),
};

fn clean_before_rewind(history: &History) -> Check {
    let mut earliest = Earliest::default();
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
                    earliest.offer(rewind.seq, || {
                        CLEAN_BEFORE_REWIND.fail(format!(
                            "{node} ran pg_rewind at {}, and the {} that used the data directory last (process {}) \
                             {}{}",
                            seconds(rewind.from[1]),
                            describe::process(life.what),
                            life.pid,
                            life.how_it_ended(),
                            life.control.map_or(String::new(), |control| format!(
                                "; its control file said `{}`",
                                control.state.text()
                            ))
                        ))
                    });
                }
                Left::Unknown(why) => unknown = unknown.or(Some(format!("{node} ran pg_rewind, and {why}"))),
            }
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    if let Some(check) = unseen(history, &CLEAN_BEFORE_REWIND) {
        return check;
    }
    match unknown {
        Some(why) => CLEAN_BEFORE_REWIND.inconclusive(why),
        None if clean.is_empty() => CLEAN_BEFORE_REWIND.pass("pg_rewind did not run"),
        None => CLEAN_BEFORE_REWIND.pass(format!("pg_rewind ran on {}", clean.join(", on "))),
    }
}

fn left<'h>(history: &History, lives: &'h [Life<'h>], rewind: &Life) -> Left<'h> {
    // They are in the order of their starts. What was recorded later started later, however wide the intervals are: one
    // observer tells of both.
    let before = &lives[..lives.partition_point(|life| life.from[0] <= rewind.from[1])];
    let before = before.iter().rev().filter(|life| life.seq < rewind.seq);
    let users = before.filter(|life| matches!(life.what, Process::Postmaster | Process::SingleUser));
    let mut failed = false;
    for life in users {
        if life.what == Process::SingleUser && of_pg_rewind(life) {
            continue;
        }
        if life.to.is_none() && life.lost.is_some_and(|lost| lost <= rewind.from[1]) {
            return Left::Unknown(format!("whether process {} had ended was not seen", life.pid));
        }
        if life.to.is_none_or(|to| to[0] > rewind.from[1]) {
            return Left::Uncleanly(life);
        }
        if unseen_between(history, rewind.node, life.from[0], rewind.from[1]) {
            return Left::Unknown("who used the data directory last, and how that ended, was not all seen".into());
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
            // A server that never came up may have left everything as it found it; one that was up and ended so did
            // not.
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
            && matches!(event.kind, Kind::Server { state, .. } if state.is_up())
    })
}
