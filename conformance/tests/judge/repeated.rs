//! A recorded history that goes on: its events happen again and again.
//!
//! A recorded history ends with a healthy cluster, so it can go on: with the nodes renamed as the next leader demands,
//! and with the timelines, processes, revisions and rows that there are by then.

use std::collections::BTreeMap;

use pghaspec::history::History;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState};

/// So far apart are the numbers of rows that one round writes from those of the next.
const ROWS: u64 = 1_000_000_000;

/// The lock holder, and the highest timeline of a primary, at the end of these events.
fn leads(events: &[Event]) -> (Option<String>, u32) {
    let (mut holder, mut timeline) = (None, 0);
    for event in events {
        match &event.kind {
            Kind::LeaderKey { holder: now, .. } => holder = now.clone(),
            Kind::Server { state: ServerState::Primary, timeline: Some(now), .. } => timeline = timeline.max(*now),
            _ => {}
        }
    }
    (holder, timeline)
}

fn last_revision(events: &[Event]) -> i64 {
    let revision = |event: &Event| match event.kind {
        Kind::LeaderKey { revision, .. } => Some(revision),
        _ => None,
    };
    events.iter().filter_map(revision).max().unwrap_or(0)
}

/// The history again and again, until it has so many events.
pub fn repeated(recorded: &History, events: usize) -> Vec<Event> {
    let is = |event: &Event, wanted: Phase| matches!(event.kind, Kind::Phase { phase } if phase == wanted);
    let place = |phase| recorded.events.iter().position(|event| is(event, phase)).expect("it was finished");
    let (ready, over) = (place(Phase::Ready), place(Phase::ReadBack));
    let (before, rest) = recorded.events.split_at(ready + 1);
    let (period, after) = rest.split_at(over - ready - 1);
    let (first, timeline) = leads(before);
    let (last, later) = leads(&recorded.events[..over]);
    let (first, last) = (first.expect("somebody led"), last.expect("somebody led"));
    let raised = later - timeline;
    let revised = last_revision(&recorded.events[..over]) - last_revision(before);
    let begin = recorded.events[ready].at[1];
    let length = recorded.events[over].at[0] - begin;
    let phases = |event: &&Event| matches!(event.kind, Kind::Phase { .. });
    let inner: Vec<&Event> = period.iter().filter(|event| !phases(event) && event.at[0] >= begin).collect();
    // Phases are once in a run: the first ones come with the first round, the last ones with the last.
    let early = |event: &&Event| is(event, Phase::Fault) || is(event, Phase::Heal);
    let written: Vec<u64> = inner
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Write { id, .. } => Some(id),
            _ => None,
        })
        .collect();
    let mut now = Now { swapped: [first, last], running: BTreeMap::new(), last_pid: 0, lease: 0 };
    let mut all: Vec<Event> = Vec::new();
    all.extend(before.iter().map(|event| now.shifted(event, 0, [0; 3])));
    all.extend(period.iter().filter(phases).filter(early).cloned());
    let mut rounds = 0;
    while rounds == 0 || all.len() + after.len() < events {
        let by = [rounds * length, rounds * u64::from(raised), rounds * revised as u64];
        all.extend(inner.iter().map(|event| now.shifted(event, rounds, by)));
        rounds += 1;
    }
    let by = [(rounds - 1) * length, (rounds - 1) * u64::from(raised), 0];
    let late = period.iter().filter(phases).filter(|event| !early(event)).chain(after);
    for event in late {
        let mut event = now.shifted(event, rounds - 1, by);
        if let Kind::ReadBack { rows } = &mut event.kind {
            let held = |id: u64| rows.iter().any(|[from, to]| (*from..=*to).contains(&id));
            let again: Vec<u64> = written.iter().copied().filter(|id| held(*id)).collect();
            let mut more: Vec<u64> =
                (1..rounds).flat_map(|round| again.iter().map(move |id| id + round * ROWS)).collect();
            more.sort_unstable();
            for id in more {
                match rows.last_mut() {
                    Some(last) if last[1] + 1 == id => last[1] = id,
                    _ => rows.push([id, id]),
                }
            }
        }
        all.push(event);
    }
    for (seq, event) in all.iter_mut().enumerate() {
        event.seq = seq as u64;
    }
    all
}

/// The state that the repeated history has reached.
struct Now {
    /// Two nodes that change places in every second round.
    swapped: [String; 2],
    running: BTreeMap<(String, Process), u32>,
    last_pid: u32,
    lease: i64,
}

impl Now {
    fn name(&self, name: &mut String, round: u64) {
        let [one, other] = &self.swapped;
        if round % 2 == 1 {
            if name == one {
                name.clone_from(other);
            } else if name == other {
                name.clone_from(one);
            }
        }
    }

    /// The event of a later round, so many nanoseconds, timelines and revisions on.
    fn shifted(&mut self, event: &Event, round: u64, [later, timelines, revisions]: [u64; 3]) -> Event {
        let mut event = event.clone();
        event.at = event.at.map(|at| at + later);
        if let Some(node) = &mut event.node {
            self.name(node, round);
        }
        match &mut event.kind {
            Kind::LeaderKey { holder, revision, lease, .. } => {
                match holder {
                    Some(holder) => {
                        self.name(holder, round);
                        *lease += round as i64;
                    }
                    // What is gone has the lease that it had.
                    None => *lease = self.lease,
                }
                self.lease = *lease;
                *revision += revisions as i64;
            }
            Kind::Server { timeline: Some(timeline), .. } => *timeline += timelines as u32,
            Kind::Write { id, .. } => *id += round * ROWS,
            Kind::ProcessStarted { what, pid, .. } => {
                self.last_pid += 1;
                *pid = self.last_pid;
                self.running.insert((event.node.clone().unwrap_or_default(), *what), *pid);
            }
            Kind::ProcessExited { what, pid, .. } => {
                if let Some(running) = self.running.remove(&(event.node.clone().unwrap_or_default(), *what)) {
                    *pid = running;
                }
            }
            _ => {}
        }
        event
    }
}
