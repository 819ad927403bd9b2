//! What of a long history is still open at a moment of rest, and so is carried on: all other events can be forgotten there.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Session, Watchdog, WriteResult};

use crate::history::History;
use crate::history::processes::lives;

/// Servers of a node that have ended: where several starts in a row fail, the last ones that used its data directory.
const ENDED: usize = 8;

/// Decisions of a node's agent that a scenario may demand, one after the other.
const DEMANDED: usize = 16;

/// Of these only the last one counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Last<'h> {
    Key,
    KeyOf(&'h str),
    Found(&'h str, ServerState),
    /// The last two, or rather the last of every second one: where a standby's replay stands still.
    Replayed(&'h str, bool),
    Wrote(&'h str, Session),
    Committed(&'h str),
    Watchdog(&'h str, Watchdog),
}

/// Of these only the first one counts: what a scenario demands begins with them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum First<'h> {
    Decided(&'h str, usize),
    Took(&'h str, Branch),
}

/// The events that are carried on, in the order of their recording.
pub fn carried(history: &History) -> Vec<Event> {
    let events = &history.events;
    let mut last: BTreeMap<Last, usize> = BTreeMap::new();
    let mut first: BTreeMap<First, usize> = BTreeMap::new();
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    let mut replays: BTreeMap<&str, bool> = BTreeMap::new();
    let mut decided: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, event) in events.iter().enumerate() {
        let node = event.node.as_deref().unwrap_or_default();
        match &event.kind {
            Kind::Run(_) | Kind::Phase { .. } => drop(kept.insert(place)),
            Kind::LeaderKey { holder, .. } => {
                last.insert(Last::Key, place);
                last.extend(holder.as_deref().map(|holder| (Last::KeyOf(holder), place)));
            }
            Kind::Server { state, lsn, .. } => {
                last.insert(Last::Found(node, *state), place);
                if *state == ServerState::Standby && lsn.is_some() {
                    let second = replays.entry(node).or_default();
                    *second = !*second;
                    last.insert(Last::Replayed(node, *second), place);
                }
            }
            Kind::Write { session, result: WriteResult::Ok, .. } => {
                last.insert(Last::Wrote(node, *session), place);
            }
            Kind::Batch { result: WriteResult::Ok, .. } => drop(last.insert(Last::Committed(node), place)),
            Kind::Watchdog { change, .. } => drop(last.insert(Last::Watchdog(node, *change), place)),
            Kind::Recover { branch, .. } => {
                let number = decided.entry(node).or_default();
                if *number < DEMANDED {
                    first.entry(First::Decided(node, *number)).or_insert(place);
                    *number += 1;
                }
                first.entry(First::Took(node, *branch)).or_insert(place);
            }
            _ => {}
        }
    }
    kept.extend(last.into_values().chain(first.into_values()));
    kept.extend(first_faults(events));
    for phase in [Phase::Ready, Phase::Fault] {
        kept.extend(history.phase(phase).into_iter().flat_map(|at| at_phase(events, at)));
    }
    let mut processes: BTreeSet<u64> = BTreeSet::new();
    for node in &history.run.nodes {
        processes.extend(open(history, node));
    }
    kept.extend(events.iter().enumerate().filter(|(_, event)| processes.contains(&event.seq)).map(|(place, _)| place));
    kept.into_iter().map(|place| events[place].clone()).collect()
}

/// The first fault or disturbance, and the first that hit a node.
fn first_faults(events: &[Event]) -> impl Iterator<Item = usize> {
    let breaks = |event: &Event| matches!(event.kind, Kind::Fault { .. } | Kind::Disturbance { .. });
    let first = |wanted: fn(&Event) -> bool| {
        let places = events.iter().enumerate().filter(move |(_, event)| breaks(event) && wanted(event));
        places.min_by_key(|(_, event)| event.at[0]).map(|(place, _)| place)
    };
    first(|_| true).into_iter().chain(first(|event| event.node.is_some()))
}

/// Who led when a phase began, on which timeline each node was, and which was the highest.
fn at_phase(events: &[Event], at: u64) -> impl Iterator<Item = usize> {
    let mut nodes: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut key, mut highest) = (None, None);
    for (place, event) in events.iter().enumerate() {
        match event.kind {
            Kind::LeaderKey { .. } if event.at[1] <= at => key = Some(place),
            Kind::Server { state, timeline: Some(timeline), .. } if event.at[0] <= at => {
                if event.at[1] <= at {
                    nodes.insert(event.node.as_deref().unwrap_or_default(), place);
                }
                if state == ServerState::Primary && highest.is_none_or(|(other, _)| timeline > other) {
                    highest = Some((timeline, place));
                }
            }
            _ => {}
        }
    }
    key.into_iter().chain(highest.map(|(_, place)| place)).chain(nodes.into_values())
}

/// Numbers of the events of a node's processes that still matter: those that run, and the last ones that have ended.
fn open(history: &History, node: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut servers = 0;
    let mut agents = 0;
    let mut single = None;
    for life in lives(history, node).iter().rev() {
        let keep = match (life.end, life.what) {
            (None, _) => true,
            (_, Process::Postmaster) => {
                servers += 1;
                servers <= ENDED
            }
            (_, Process::SingleUser) => {
                servers += 1;
                // The first one may be what the scenario demands, or forbids.
                single = Some([Some(life.seq), life.end]);
                servers <= ENDED
            }
            (_, Process::Agent) => {
                agents += 1;
                agents == 1
            }
            _ => false,
        };
        if keep {
            numbers.extend([Some(life.seq), life.end].into_iter().flatten());
        }
    }
    numbers.extend(single.into_iter().flatten().flatten());
    numbers
}
