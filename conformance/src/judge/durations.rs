//! Durations of failovers and outages, as intervals.
//!
//! They are measured for the report, and no verdict comes of them: the documented bound of a failover holds only with a
//! DCS that answers at once.

use std::collections::HashMap;

use pghaspec_model::vocabulary::event::{Event, Kind, Process, WriteResult};
use serde::{Deserialize, Serialize};

use super::facts::lock::{Change, changes};
use crate::history::History;
use crate::history::intervals::FirstFrom;

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
    /// The time that was measured, in words.
    pub what: String,
}

/// All that can be measured after each fault.
pub fn measure(history: &History) -> Vec<Measure> {
    let faults = || {
        history.fresh().iter().filter_map(|event| match &event.kind {
            Kind::Fault { fault, .. } => Some((event, fault.id())),
            _ => None,
        })
    };
    if faults().next().is_none() {
        return Vec::new();
    }
    let course = Course::of(history);
    faults().flat_map(|(event, name)| after(history, &course, event, name)).collect()
}

/// The facts that are asked for again and again.
struct Course<'h> {
    changes: Vec<Change<'h>>,
    /// The beginning of each of them.
    changed: FirstFrom,
    /// Acknowledged writes, in the order in which they end.
    writes: Vec<&'h Event>,
    /// For each node, when postmasters started, in order, and when the last one ended that was seen to.
    postmasters: HashMap<&'h str, (Vec<u64>, Option<u64>)>,
}

impl<'h> Course<'h> {
    fn of(history: &'h History) -> Course<'h> {
        let acknowledged = |event: &&Event| matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. });
        let mut writes: Vec<&Event> = history.events.iter().filter(acknowledged).collect();
        writes.sort_by_key(|event| event.at[1]);
        let mut postmasters: HashMap<&str, (Vec<u64>, Option<u64>)> = HashMap::new();
        for event in &history.events {
            let node = event.node.as_deref().unwrap_or_default();
            match event.kind {
                Kind::ProcessStarted { what: Process::Postmaster, .. } => {
                    postmasters.entry(node).or_default().0.push(event.at[0]);
                }
                Kind::ProcessExited { what: Process::Postmaster, .. } => {
                    let ended = &mut postmasters.entry(node).or_default().1;
                    *ended = (*ended).max(Some(event.at[1]));
                }
                _ => {}
            }
        }
        for (starts, _) in postmasters.values_mut() {
            starts.sort_unstable();
        }
        let changes = changes(history);
        let changed = FirstFrom::new(changes.iter().map(|change| change.event.at[0]));
        Course { changes, changed, writes, postmasters }
    }

    /// A node's Postgres lived on since the fault, or was started again between it and this event.
    fn came_back(&self, fault: &Event, event: &Event) -> bool {
        let Some((starts, ended)) = self.postmasters.get(event.node.as_deref().unwrap_or_default()) else {
            return true;
        };
        let next = starts.partition_point(|start| *start < fault.at[0]);
        ended.is_none_or(|ended| ended < fault.at[0]) || starts.get(next).is_some_and(|start| *start <= event.at[1])
    }
}

fn after(history: &History, course: &Course, fault: &Event, name: &str) -> Vec<Measure> {
    let named = |id: &str, from: [u64; 2], to: [u64; 2], what: String| Measure {
        id: id.to_owned(),
        fault: fault.seq,
        seconds: [to[0].saturating_sub(from[1]), to[1].saturating_sub(from[0])].map(|ns| ns as f64 / SECOND),
        what,
    };
    let node = fault.node.as_deref().unwrap_or("the cluster");
    let mut measured = Vec::new();
    let changes = || course.changes[course.changed.place(fault.at[0])..].iter();
    let changed = changes().find(|change| change.event.at[0] >= fault.at[0] && change.holder != change.before);
    if let Some(change) = changed {
        let what = format!("from {name} at {node} to the change of the leader key");
        measured.push(named("fault-to-key-change", fault.at, change.event.at, what));
    }
    let taken = changes().find(|change| {
        change.event.at[0] >= fault.at[0] && change.holder.is_some_and(|holder| Some(holder) != fault.node.as_deref())
    });
    if let Some(change) = taken.filter(|_| fault.node.is_some()) {
        let holder = change.holder.unwrap_or_default();
        let run = &history.run;
        let documented = match run.primary_start_timeout_s {
            0 => run.loop_wait_s,
            timeout => 2 * run.loop_wait_s + timeout,
        };
        // What Patroni documents says nothing about another agent.
        let documented = match run.edition {
            Some(_) => format!("; documented are {documented} s at most"),
            None => String::new(),
        };
        let what = format!("from {name} at {node} to {holder} holding the lock{documented}");
        measured.push(named("failover", fault.at, change.event.at, what));
    }
    // A write that was under way when the fault struck may have been acknowledged by who was struck, moments later.
    let ended = |at: u64| course.writes.partition_point(|event| event.at[1] < at);
    let mut first = course.writes[ended(fault.at[1])..].iter().filter(|event| event.at[0] >= fault.at[1]);
    if let Some(first) = first.find(|event| event.node != fault.node || course.came_back(fault, event)) {
        let by = first.node.as_deref().unwrap_or("a node");
        let what = format!("from {name} at {node} to the first acknowledged write, by {by}");
        measured.push(named("fault-to-first-write", fault.at, first.at, what));
        if let Some(last) = course.writes[..course.writes.partition_point(|event| event.at[1] <= first.at[0])].last() {
            let what = format!("without a writable leader, as writers saw it, around {name} at {node}");
            measured.push(named("without-writes", last.at, first.at, what));
        }
    }
    measured
}
