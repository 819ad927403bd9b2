//! Starvation: a machine that had no CPU or no disk for the nodes, and so excuses failures that came after.
//!
//! An agent works against a clock: it extends its lease before the lease ends, and gives its retries and its Postgres a
//! limited time. From outside, an agent that is late for want of a CPU looks like any agent that is late. So a check
//! that fails in such a run is inconclusive, keeps its reason, and says who waited for how long. A run in which nothing
//! fails stays as it is: to have done right on a slow machine is to have done right.
//!
//! The disk counts as well: etcd and Postgres answer when they have written durably. The disk is the machine's, so it
//! does not matter whose write was late; a write of the observer's own waited for it.
//!
//! # The limit
//!
//! The waits of one process (or all waits for the disk) within the time that a lease lives are added up. The limit of
//! this sum is the lesser of two times, but never less than one cycle (`loop_wait`):
//!
//! * `retry_timeout`, after which an honest agent gives up an operation;
//! * `ttl - (loop_wait + 2 * retry_timeout)`, which a lease has left after a cycle and two operations that were retried
//!   for as long as they may.
//!
//! An agent must bear less than that: these are the margins that its settings give it. Waits of two processes are not
//! added, since two that wait at the same time are not late for twice as long. A failure that came before anybody
//! waited has another cause, and stays.
//!
//! # No exception
//!
//! Two leaders at a time, and lost writes, are excused as well. An agent without a CPU is a frozen agent, which is a
//! fault that the scenario did not declare: without a watchdog, a leader that is frozen for longer than its lease, and
//! goes on, is writable beside its successor by the rules. Nobody can tell whether an honest agent would have done the
//! same, so the run has to be repeated on a machine that has time.
//!
//! Waits count from the phase `ready` to `settled`, or to the end if the cluster did not settle: the load of reading
//! rows back is our own, and the agent's work is done by then.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, Run};

use crate::history::{History, SECOND, describe, seconds};
use crate::judge::verdict::{Check, excuse};

/// All waits, as far as the history was read.
#[derive(Default)]
pub struct Starved {
    waits: BTreeMap<Who, Waits>,
}

/// The waiting party, and the thing that it waits for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    /// Everybody, for the machine's disk.
    Disk,
    /// A process, for a CPU.
    Process { node: String, pid: u32, what: Process },
}

/// The waits of one.
#[derive(Default)]
struct Waits {
    /// Those within the time of a lease before the last one ended: when, and how long.
    recent: Vec<([u64; 2], u64)>,
    /// The most within such a time: from when to when, and how long in all.
    most: ([u64; 2], u64),
}

impl Starved {
    /// Takes a part of a history in.
    pub fn take(&mut self, part: &History) {
        let ready = part.phase(Phase::Ready).unwrap_or(0);
        let settled = part.phase(Phase::Settled).unwrap_or(u64::MAX);
        let lease = u64::from(part.run.ttl_s) * SECOND;
        for event in part.fresh().iter().filter(|event| event.at[0] >= ready && event.at[0] <= settled) {
            if let Some((who, waited)) = wait(event) {
                self.waits.entry(who).or_default().take(event.at, waited, lease);
            }
        }
    }

    /// Makes every failure inconclusive if processes waited too long before it. What the harness did wrong stays so.
    /// `moment` says when the event with a number was over.
    pub fn excuse(&self, checks: &mut [Check], run: &Run, moment: impl Fn(u64) -> Option<u64>) {
        let limit = limit(run);
        let mut late: Vec<_> = self.waits.iter().filter(|(_, waits)| waits.most.1 >= limit).collect();
        late.sort_by_key(|(_, waits)| std::cmp::Reverse(waits.most.1));
        let Some((who, Waits { most: ([from, to], waited), .. })) = late.first() else { return };
        let others = match late.len() - 1 {
            0 => String::new(),
            1 => ", and one more waited too long".to_owned(),
            more => format!(", and {more} more waited too long"),
        };
        let whose = match who {
            Who::Disk => format!("its disk did not answer for {}", seconds(*waited)),
            Who::Process { node, pid, what } => {
                format!("{} of {node} (process {pid}) waited {} for a CPU", describe::process(*what), seconds(*waited))
            }
        };
        let why = format!(
            "the machine was too slow to tell: {whose} between {} and {}{others}\n\
             run it again with fewer --jobs, or on a machine that has nothing else to do",
            seconds(*from),
            seconds(*to),
        );
        let first = late.iter().map(|(_, waits)| waits.most.0[0]).min().unwrap_or(0);
        excuse(checks, first, moment, &why);
    }
}

/// The sum of waits from which on a failure is excused, in nanoseconds: see the head of this file.
fn limit(run: &Run) -> u64 {
    lesser_margin(u64::from(run.loop_wait_s), u64::from(run.retry_timeout_s), u64::from(run.ttl_s)) * SECOND
}

/// The lesser of the two margins that these settings give an agent, but no less than a cycle. All in seconds.
fn lesser_margin(loop_wait: u64, retry_timeout: u64, ttl: u64) -> u64 {
    let left = ttl.saturating_sub(loop_wait + 2 * retry_timeout);
    retry_timeout.min(left).max(loop_wait)
}

/// The waiting party of an event, and how long, in nanoseconds.
fn wait(event: &Event) -> Option<(Who, u64)> {
    match (&event.kind, &event.node) {
        (Kind::DiskStalled, _) => Some((Who::Disk, event.at[1] - event.at[0])),
        (Kind::Starved { what, pid, waited_ns }, Some(node)) => {
            Some((Who::Process { node: node.clone(), pid: *pid, what: *what }, *waited_ns))
        }
        _ => None,
    }
}

impl Waits {
    /// The next one. One that is longer than a lease lives counts by itself.
    fn take(&mut self, at: [u64; 2], waited: u64, lease: u64) {
        self.recent.retain(|(other, _)| other[0] >= at[1].saturating_sub(lease));
        self.recent.push((at, waited));
        let sum = self.recent.iter().map(|(_, waited)| waited).sum();
        if sum > self.most.1 {
            self.most = ([self.recent[0].0[0].min(at[0]), at[1]], sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// The most that was waited within 20 seconds.
    fn most(waits: &[([u64; 2], u64)]) -> ([u64; 2], u64) {
        let mut all = Waits::default();
        for (at, waited) in waits {
            all.take(at.map(|edge| edge * MS), waited * MS, 20 * SECOND);
        }
        let ([from, to], waited) = all.most;
        ([from / MS, to / MS], waited / MS)
    }

    #[test]
    fn the_limit_is_the_lesser_margin_and_never_less_than_a_cycle() {
        // loop_wait, retry_timeout, ttl: what an agent must bear.
        for ([loop_wait, retry_timeout, ttl], limit) in [
            ([1, 3, 20], 3),    // retry_timeout is less than the 13 s that the lease has left
            ([1, 9, 21], 2),    // the lease has 2 s left
            ([2, 3, 9], 2),     // it has 1 s left, and a cycle is longer
            ([10, 10, 30], 10), // Patroni's defaults: it has none left
            ([2, 1, 60], 2),    // retry_timeout is shorter than a cycle
        ] {
            assert_eq!(lesser_margin(loop_wait, retry_timeout, ttl), limit, "{loop_wait} {retry_timeout} {ttl}");
        }
    }

    #[test]
    fn waits_add_up_within_the_time_of_a_lease() {
        assert_eq!(most(&[([1_000, 2_000], 500)]), ([1_000, 2_000], 500));
        assert_eq!(most(&[([1_000, 2_000], 500), ([2_000, 3_000], 700)]), ([1_000, 3_000], 1_200));
        // The first one begins a moment too early.
        assert_eq!(most(&[([1_000, 2_000], 500), ([20_000, 21_000], 500)]).1, 1_000);
        assert_eq!(most(&[([999, 2_000], 500), ([20_000, 21_000], 500)]).1, 500);
        // At once, and for longer than a lease lives.
        assert_eq!(most(&[([1_000, 41_000], 40_000), ([50_000, 51_000], 600)]), ([1_000, 41_000], 40_000));
    }
}
