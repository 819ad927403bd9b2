//! The lives of processes on a node: from the event of a start to that of its end.

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Kind, Process};

use crate::history::{History, seconds};

/// One process.
#[derive(Clone, Debug)]
pub struct Life<'h> {
    /// Its node.
    pub node: &'h str,
    /// What it is.
    pub what: Process,
    /// Its process id.
    pub pid: u32,
    /// Its command line.
    pub argv: &'h [String],
    /// When it started.
    pub from: [u64; 2],
    /// When it ended; `None` when that was not seen.
    pub to: Option<[u64; 2]>,
    /// Exit code, when it exited by itself.
    pub code: Option<i32>,
    /// Signal, when one ended it.
    pub signal: Option<i32>,
    /// What the control file of its data directory said just after its end.
    pub control: Option<ControlFile>,
    /// `seq` of its start.
    pub seq: u64,
    /// `seq` of its end.
    pub end: Option<u64>,
}

impl Life<'_> {
    /// When it was alive for certain; the end may lie before the beginning.
    pub fn certain(&self) -> [u64; 2] {
        [self.from[1], self.to.map_or(u64::MAX, |to| to[0])]
    }

    /// When it may have been alive.
    pub fn possible(&self) -> [u64; 2] {
        [self.from[0], self.to.map_or(u64::MAX, |to| to[1])]
    }

    /// Whether both were alive at some moment for certain.
    pub fn certainly_overlaps(&self, other: &Life) -> bool {
        let ([from, to], [other_from, other_to]) = (self.certain(), other.certain());
        from <= to && other_from <= other_to && from.max(other_from) < to.min(other_to)
    }

    /// When it ended, in words.
    pub fn end_text(&self) -> String {
        self.to.map_or_else(|| "the end of the run".to_owned(), |to| seconds(to[0]))
    }

    /// How it ended, in words that go on from its name.
    pub fn how_it_ended(&self) -> String {
        match (self.to, self.signal, self.code) {
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
    lives
}
