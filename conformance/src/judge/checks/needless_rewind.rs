//! Needless rewinds and clones: of data directories that had not diverged, by WAL positions.
//!
//! Nothing here knows the model, which is not told positions.

use std::collections::BTreeMap;

use pghaspec_model::mutants::Mutant;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source};

use super::definition::{Agents, Applies, Asked, Definition, Name};
use crate::history::parts::Carry;
use crate::history::{History, describe, seconds};
use crate::judge::facts::end_state;
use crate::judge::facts::processes::{Life, OPEN, lives};
use crate::judge::facts::writable::{PROOFS, is_proof};
use crate::judge::verdict::{Check, Earliest};

/// `diverged-before-rewind`: a data directory is rewound or cloned anew only if it has something that the new leader's
/// has not.
///
/// It fails where that is certain: one node only was promoted since the cluster was ready, and either this node was a
/// standby all the time, had its WAL from that one, and neither was recovered in single-user mode; or it had replayed
/// all its WAL, which ends no later than what the promoted node had replayed before. Where more happened, positions
/// alone do not tell.
pub static DIVERGED_BEFORE_REWIND: Definition = Definition {
    name: Name::Own {
        id: "diverged-before-rewind",
        says: "a data directory is rewound or cloned anew only if it has something that the new leader lacks",
    },
    needs: &[Source::Process, Source::Postgres],
    agents: Agents::Any,
    applies: Applies::Always,
    inconclusive: "",
    carries: &[&OPEN, &PROOFS, &end_state::BEFORE_THE_FAULTS, &REPLAYS],
    asked: Asked::EachPart(diverged_before_rewind),
};

fn diverged_before_rewind(history: &History) -> Check {
    let mut earliest = Earliest::default();
    let mut untold = 0;
    for node in &history.run.nodes {
        let lives = lives(history, node);
        let ready = history.phase(Phase::Ready).unwrap_or(u64::MAX);
        for life in lives.iter().filter(|life| life.from[0] >= ready && replaces(&lives, life)) {
            let Some(promoted) = promoted(history, ready, life.from[0]).filter(|promoted| promoted.node != node) else {
                untold += 1;
                continue;
            };
            let wrote = of(history, node).iter().any(|event| is_proof(event) && event.at[1] >= ready);
            let alone = |node: &str| recovered(&self::lives(history, node), life, ready);
            let followed = promoted.led_before && !wrote && !alone(node) && !alone(promoted.node);
            let has_all = match end_of_wal(history, &lives, life) {
                _ if followed => {
                    Some(format!("{node} was a standby all the time, and {} had led before", promoted.node))
                }
                Some(end) if end <= promoted.replayed => Some(format!(
                    "its WAL ended at {end}, and {} had replayed {} before its promotion",
                    promoted.node, promoted.replayed
                )),
                _ => None,
            };
            match has_all {
                Some(why) => {
                    earliest.offer(life.seq, || {
                        DIVERGED_BEFORE_REWIND.fail(format!(
                            "{node} ran {} at {}, and nothing had diverged: only {} was promoted; {why}\n\
                             the rule that was broken: {} [{}]",
                            describe::process(life.what),
                            seconds(life.from[1]),
                            promoted.node,
                            Mutant::WalkNeverStops.rule(),
                            Mutant::WalkNeverStops.id(),
                        ))
                    });
                }
                None => untold += 1,
            }
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    let unobserved = DIVERGED_BEFORE_REWIND.unobserved(history);
    unobserved.unwrap_or_else(|| match untold {
        0 => DIVERGED_BEFORE_REWIND.pass("no data directory was rewound or cloned anew"),
        _ => {
            DIVERGED_BEFORE_REWIND.pass(format!("{untold} times a data directory was replaced that may have diverged"))
        }
    })
}

/// The findings by which a standby's replay is known to stand still.
static REPLAYS: Carry = Carry {
    says: "the last two findings of each standby that tell how far it has replayed",
    select: |history| {
        let mut places: BTreeMap<Option<&str>, [Option<usize>; 2]> = BTreeMap::new();
        for (place, event) in history.events.iter().enumerate() {
            if let Kind::Server { state: ServerState::Standby, lsn: Some(_), .. } = event.kind {
                let last = places.entry(event.node.as_deref()).or_default();
                *last = [last[1], Some(place)];
            }
        }
        places.into_values().flatten().flatten().collect()
    },
};

/// It replaces data: a rewind, or a copy into a directory that a server has used.
fn replaces(lives: &[Life], life: &Life) -> bool {
    let used = || lives.iter().any(|other| other.what == Process::Postmaster && other.from[1] <= life.from[0]);
    life.what == Process::PgRewind || life.what == Process::PgBasebackup && used()
}

fn of<'h>(history: &'h History, node: &str) -> Vec<&'h Event> {
    let mut events: Vec<&Event> = history.events.iter().filter(|event| event.node.as_deref() == Some(node)).collect();
    events.sort_by_key(|event| event.at);
    events
}

/// The end of a node's WAL when a process began to replace it, if that is certain: as a standby it had replayed
/// all, and it wrote nothing of its own afterwards.
fn end_of_wal(history: &History, lives: &[Life], life: &Life) -> Option<u64> {
    let events = of(history, life.node);
    let before = events.iter().filter(|event| event.at[1] <= life.from[0]);
    let standby = |event: &Event| match event.kind {
        Kind::Server { state: ServerState::Standby, lsn, .. } => lsn,
        _ => None,
    };
    let [.., replayed, last] = before.clone().filter(|event| standby(event).is_some()).collect::<Vec<_>>()[..] else {
        return None;
    };
    // It stood still for a while: nothing was left to replay.
    let end = standby(last).filter(|_| standby(replayed) == standby(last))?;
    let wrote = before.clone().any(|event| is_proof(event) && event.at[1] >= replayed.at[0]);
    (!wrote && !recovered(lives, life, replayed.at[0])).then_some(end)
}

/// A node with these lives was recovered in single-user mode since that time and before this process: that writes WAL
/// of its own, also where a standby crashed.
fn recovered(lives: &[Life], life: &Life, since: u64) -> bool {
    let between = |other: &Life| other.from[1] >= since && other.from[0] <= life.from[0];
    lives.iter().any(|other| other.what == Process::SingleUser && between(other))
}

/// The only node that was promoted in some time.
struct Promoted<'h> {
    node: &'h str,
    /// It was the primary before, too.
    led_before: bool,
    /// The position that it had replayed before, as far as was seen.
    replayed: u64,
}

fn promoted(history: &History, ready: u64, until: u64) -> Option<Promoted<'_>> {
    let primary = |event: &Event| match event.kind {
        Kind::Server { state: ServerState::Primary, timeline, .. } => timeline,
        _ => None,
    };
    let primaries = || history.events.iter().filter(|event| primary(event).is_some() && event.at[0] <= until);
    let leader = primaries().filter(|event| event.at[0] <= ready).max_by_key(|event| event.at)?;
    let old = primary(leader)?;
    let newer: Vec<&Event> = primaries().filter(|event| primary(event) > Some(old)).collect();
    let first = newer.iter().min_by_key(|event| event.at)?;
    let node = first.node.as_deref()?;
    if newer.iter().any(|event| primary(event) != Some(old + 1) || event.node.as_deref() != Some(node)) {
        return None;
    }
    let before = of(history, node).into_iter().filter(|event| event.at[1] > ready && event.at[1] <= first.at[1]);
    let positions = before.filter_map(|event| match event.kind {
        Kind::Server { state: ServerState::Standby, lsn, .. } => lsn,
        _ => None,
    });
    Some(Promoted { node, led_before: leader.node.as_deref() == Some(node), replayed: positions.max().unwrap_or(0) })
}
