//! Processes of a node, each from the event of its start to that of its end.
//!
//! Safety of crash recovery and of data directories is about which of them lived at the same time, and how each ended.

use std::collections::BTreeSet;

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Event, Kind, Process, Source};

use crate::history::parts::Carry;
use crate::history::{History, seconds};

/// Ended servers of a node that are carried on: where several starts in a row fail, the last ones that used its data
/// directory.
const ENDED: usize = 8;

/// The processes of a node that still matter.
pub static OPEN: Carry = Carry {
    says: "the start of each process that runs, and the first gap in which it may have ended; start and end of the \
           last 8 servers and the last agent of each node that ended",
    select: |history| {
        let kept: BTreeSet<u64> = history.run.nodes.iter().flat_map(|node| open(history, node)).collect();
        let is_kept = |(_, event): &(usize, &Event)| kept.contains(&event.seq);
        history.events.iter().enumerate().filter(is_kept).map(|(place, _)| place).collect()
    },
};

/// The `seq` of starts and ends of the processes of a node that still matter.
fn open(history: &History, node: &str) -> Vec<u64> {
    let mut numbers = Vec::new();
    let (mut servers, mut agents) = (0, 0);
    let gaps = gaps(history, node);
    for life in lives(history, node).iter().rev() {
        let keep = match (life.end, life.what) {
            (None, _) => true,
            (_, Process::Postmaster | Process::SingleUser) => {
                servers += 1;
                servers <= ENDED
            }
            (_, Process::Agent) => {
                agents += 1;
                agents == 1
            }
            (_, Process::PgRewind | Process::PgBasebackup) => false,
        };
        if keep {
            let lost = after(&gaps, life.from[0]).filter(|_| life.end.is_none()).map(|gap| gap.seq);
            numbers.extend([Some(life.seq), life.end, lost].into_iter().flatten());
        }
    }
    numbers
}

/// One process.
#[derive(Clone, Debug)]
pub struct Life<'h> {
    /// Its node.
    pub node: &'h str,
    /// Its kind.
    pub what: Process,
    /// Its process id.
    pub pid: u32,
    /// Its command line.
    pub argv: &'h [String],
    /// The moment of its start.
    pub from: [u64; 2],
    /// The moment of its end; `None` when that was not seen.
    pub to: Option<[u64; 2]>,
    /// Exit code, when it exited by itself.
    pub code: Option<i32>,
    /// Signal, when one ended it.
    pub signal: Option<i32>,
    /// The control file of its data directory just after its end.
    pub control: Option<ControlFile>,
    /// `seq` of its start.
    pub seq: u64,
    /// `seq` of its end.
    pub end: Option<u64>,
    /// Since when its end may have been missed, where none was seen: the beginning of the first gap in which it may
    /// lie.
    pub lost: Option<u64>,
}

impl Life<'_> {
    /// The time in which it was alive for certain; the end may lie before the beginning.
    pub fn certain(&self) -> [u64; 2] {
        [self.from[1], self.to.map_or(self.lost.unwrap_or(u64::MAX), |to| to[0])]
    }

    /// The time in which it may have been alive.
    pub fn possible(&self) -> [u64; 2] {
        [self.from[0], self.to.map_or(u64::MAX, |to| to[1])]
    }

    /// Both were alive at some moment for certain.
    pub fn certainly_overlaps(&self, other: &Life) -> bool {
        let ([from, to], [other_from, other_to]) = (self.certain(), other.certain());
        from <= to && other_from <= other_to && from.max(other_from) < to.min(other_to)
    }

    /// The moment of its end, in words.
    pub fn end_text(&self) -> String {
        match (self.to, self.lost) {
            (Some(to), _) => seconds(to[0]),
            (None, Some(lost)) => format!("{} at least", seconds(lost)),
            (None, None) => "the end of the run".to_owned(),
        }
    }

    /// The manner of its end, in words that go on from its name.
    pub fn how_it_ended(&self) -> String {
        match (self.to, self.signal, self.code) {
            (None, ..) if self.lost.is_some() => "ended in a gap, or still runs".to_owned(),
            (None, ..) => "was still running".to_owned(),
            (Some(to), Some(signal), _) => format!("ended by signal {signal} at {}", seconds(to[1])),
            (Some(to), None, Some(code)) => format!("ended with code {code} at {}", seconds(to[1])),
            (Some(to), None, None) => format!("ended at {} in a way that was not seen", seconds(to[1])),
        }
    }
}

/// All processes of a node, in the order of their starts.
pub fn lives<'h>(history: &'h History, node: &str) -> Vec<Life<'h>> {
    let mut lives: Vec<Life> = Vec::new();
    for event in history.events.iter().filter(|event| event.node.as_deref() == Some(node)) {
        match &event.kind {
            Kind::ProcessStarted { what, pid, argv } => lives.push(Life {
                node: event.node.as_deref().unwrap_or_default(),
                what: *what,
                pid: *pid,
                argv,
                from: event.at,
                to: None,
                code: None,
                signal: None,
                control: None,
                seq: event.seq,
                end: None,
                lost: None,
            }),
            Kind::ProcessExited { pid, code, signal, control, .. } => {
                if let Some(life) = lives.iter_mut().rev().find(|life| life.pid == *pid && life.to.is_none()) {
                    (life.to, life.code, life.signal, life.control) = (Some(event.at), *code, *signal, *control);
                    life.end = Some(event.seq);
                }
            }
            _ => {}
        }
    }
    lives.sort_by_key(|life| life.from);
    let gaps = gaps(history, node);
    for life in lives.iter_mut().filter(|life| life.to.is_none()) {
        life.lost = after(&gaps, life.from[0]).map(|gap| gap.at[0].max(life.from[1]));
    }
    lives
}

/// The times in which processes of a node were not seen, in their order.
fn gaps<'h>(history: &'h History, node: &str) -> Vec<&'h Event> {
    let of_node = |event: &&Event| {
        let of_processes = matches!(event.kind, Kind::Gap { of: Source::Process, .. });
        of_processes && event.node.as_deref().is_none_or(|of| of == node)
    };
    let mut gaps: Vec<&Event> = history.events.iter().filter(of_node).collect();
    gaps.sort_by_key(|gap| gap.at);
    gaps
}

/// Processes of a node were not all seen at some moment of that time.
pub fn unseen(history: &History, node: &str, from: u64, to: u64) -> bool {
    gaps(history, node).iter().any(|gap| gap.at[1] >= from && gap.at[0] <= to)
}

/// The first of these gaps that goes on after a moment.
fn after<'h>(gaps: &[&'h Event], at: u64) -> Option<&'h Event> {
    gaps.iter().find(|gap| gap.at[1] >= at).copied()
}

/// pg_rewind (since PostgreSQL 13) runs `postgres --single -F` where the data directory was not shut down cleanly.
pub fn of_pg_rewind(single: &Life) -> bool {
    is_of_pg_rewind(single.argv)
}

/// The same of a command line.
pub fn is_of_pg_rewind(argv: &[String]) -> bool {
    argv.iter().any(|word| word == "-F")
}
