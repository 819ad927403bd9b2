//! How long things took, as far as it was seen: an interval each, since observations are never instants. No verdict comes of it: what
//! is documented for a failover holds only with a DCS that answers at once.

use pghaspec_model::event::{Event, Kind, WriteResult};
use serde::{Deserialize, Serialize};

use super::history::History;
use super::key::changes;

const SECOND: f64 = 1e9;

/// A time that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measure {
    /// Its stable name.
    pub id: String,
    /// `seq` of the fault that it is counted from.
    pub fault: u64,
    /// Seconds: at least, at most.
    pub seconds: [f64; 2],
    /// What it is, in words.
    pub what: String,
}

/// All that can be measured after each fault.
pub fn measure(history: &History) -> Vec<Measure> {
    let mut measured = Vec::new();
    for event in &history.events {
        if let Kind::Fault { fault, .. } = &event.kind {
            measured.extend(after(history, event, fault.id()));
        }
    }
    measured
}

fn after(history: &History, fault: &Event, name: &str) -> Vec<Measure> {
    let named = |id: &str, from: [u64; 2], to: [u64; 2], what: String| Measure {
        id: id.to_owned(),
        fault: fault.seq,
        seconds: [to[0].saturating_sub(from[1]), to[1].saturating_sub(from[0])].map(|ns| ns as f64 / SECOND),
        what,
    };
    let node = fault.node.as_deref().unwrap_or("the cluster");
    let mut measured = Vec::new();
    let changes = changes(history);
    let changed = changes.iter().find(|change| change.event.at[0] >= fault.at[0] && change.holder != change.before);
    if let Some(change) = changed {
        let what = format!("from {name} at {node} to the change of the leader key");
        measured.push(named("fault-to-key-change", fault.at, change.event.at, what));
    }
    let taken = changes.iter().find(|change| {
        change.event.at[0] >= fault.at[0] && change.holder.is_some_and(|holder| Some(holder) != fault.node.as_deref())
    });
    if let Some(change) = taken.filter(|_| fault.node.is_some()) {
        let holder = change.holder.unwrap_or_default();
        let run = &history.run;
        let documented = match run.primary_start_timeout_s {
            0 => run.loop_wait_s,
            timeout => 2 * run.loop_wait_s + timeout,
        };
        let what = format!("from {name} at {node} to {holder} holding the lock; documented are {documented} s at most");
        measured.push(named("failover", fault.at, change.event.at, what));
    }
    let acknowledged = |event: &&Event| matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. });
    let writes = || history.events.iter().filter(acknowledged);
    // A write that was under way when the fault struck may have been acknowledged by who was struck, moments later.
    let first = writes().filter(|event| event.at[0] >= fault.at[1]);
    let first = first.filter(|event| event.node != fault.node || came_back(history, fault, event));
    if let Some(first) = first.min_by_key(|event| event.at[1]) {
        let by = first.node.as_deref().unwrap_or("a node");
        let what = format!("from {name} at {node} to the first acknowledged write, by {by}");
        measured.push(named("fault-to-first-write", fault.at, first.at, what));
        if let Some(last) = writes().filter(|event| event.at[1] <= first.at[0]).max_by_key(|event| event.at[1]) {
            let what = format!("without a writable leader, as writers saw it, around {name} at {node}");
            measured.push(named("without-writes", last.at, first.at, what));
        }
    }
    measured
}

/// Whether a node's Postgres was started again between the fault and this event.
fn came_back(history: &History, fault: &Event, event: &Event) -> bool {
    let started = |other: &Event| {
        matches!(other.kind, Kind::ProcessStarted { what: pghaspec_model::event::Process::Postmaster, .. })
            && other.node == event.node
            && other.at[0] >= fault.at[0]
            && other.at[0] <= event.at[1]
    };
    let died = |other: &Event| {
        matches!(other.kind, Kind::ProcessExited { what: pghaspec_model::event::Process::Postmaster, .. })
            && other.node == event.node
            && other.at[1] >= fault.at[0]
    };
    !history.events.iter().any(died) || history.events.iter().any(started)
}
