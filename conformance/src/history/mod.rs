//! A recorded history: its events, its run, its phases.
//!
//! Judge, picture, coverage and reports all read it here, and a damaged one is refused before any of them sees it.
//!
//! | file | content |
//! | --- | --- |
//! | `reader.rs` | a reader of `events.jsonl`, line by line |
//! | `line.rs` | one line, and its two readers |
//! | `older_formats.rs` | facts that older formats tell in a sentence |
//! | `validate.rs` | well-formedness, event by event |
//! | `consistency.rs` | well-formedness of the whole |
//! | `damage.rs` | the form in which damage is reported |
//! | `parts/` | a history in parts, cut at quiescent points |
//! | `describe.rs` | events in words |
//! | `intervals.rs` | sets of intervals |
//! | `row_ids.rs` | sets of rows |

mod consistency;
mod damage;
pub mod describe;
pub mod intervals;
pub mod line;
pub mod older_formats;
pub mod parts;
pub mod reader;
pub mod row_ids;
mod validate;

use std::fmt;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::vocabulary::event::{Event, Kind, Mechanism, Phase, Run, Source};

use crate::rules;
use crate::untrusted::file;
use reader::{Problem, read_all};

/// Bytes of a file that are read at once.
const CHUNK: usize = 1 << 16;

/// A history that can be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The run that was recorded.
    pub run: Run,
    /// All events, in the order of their recording.
    pub events: Vec<Event>,
    /// The last line was cut off, as by a harness that was killed.
    pub cut_off: bool,
    /// The parts before it, if it is a part of a longer one.
    pub before: Before,
}

/// The parts before a part of a history, and the phases after it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// Number of the part's events, its first ones, that were carried on from before.
    pub held: usize,
    /// Number of events in the parts before.
    pub events: u64,
    /// Number of the part's events, its last ones, that are phases still to come.
    pub to_come: usize,
    /// The first gap of each source in the parts before, in words; empty, if only this part is asked about.
    pub missed: Vec<(Source, String)>,
}

/// The reason why a file is no history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryError {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1.
    pub line: Option<usize>,
    /// The problem, in words.
    pub problem: String,
}

impl fmt::Display for HistoryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(out, ", line {line}")?;
        }
        write!(out, ": {}", self.problem)
    }
}

impl std::error::Error for HistoryError {}

/// The rules of an edition, but for some, each with its position.
///
/// # Panics
/// If there are none like these: a history that says so is refused when it is read.
pub fn rules(edition: Edition, differs: &[String]) -> Rules {
    rules::of(edition, differs).expect("a history with other rules is refused when it is read")
}

/// The edition that the agent of a run claims; the newest one if it claims none: scenarios are read by its rules then.
///
/// # Errors
/// There is no such edition.
pub fn edition_of(run: &Run, file: &Path) -> Result<Edition, HistoryError> {
    let Some(claimed) = &run.edition else { return Ok(rules::NEWEST) };
    Edition::from_id(claimed).ok_or_else(|| HistoryError {
        file: file.to_path_buf(),
        line: Some(1),
        problem: format!(
            "edition: there is no edition `{claimed}`; choose one of {} with --edition",
            Edition::ALL.map(Edition::id).join(", ")
        ),
    })
}

impl History {
    /// The rules of an edition, or of the agent's release, if that is the one that it claims.
    pub fn rules(&self, edition: Edition) -> Rules {
        if self.run.edition.as_deref() == Some(edition.id()) {
            rules(edition, &self.run.rules)
        } else {
            edition.rules()
        }
    }

    /// The end of the event with that number, in nanoseconds.
    pub fn over(&self, seq: u64) -> Option<u64> {
        self.events.iter().find(|event| event.seq == seq).map(|event| event.at[1])
    }

    /// Reads `events.jsonl`.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is of another version, or is damaged before its last line.
    pub fn read(path: &Path) -> Result<History, HistoryError> {
        let refused = |(line, problem)| HistoryError { file: path.to_path_buf(), line, problem };
        let text = file::open(path).map_err(|error| refused((None, format!("cannot be read: {error}"))))?;
        History::of_lines(BufReader::with_capacity(CHUNK, text)).map_err(refused)
    }

    /// Parses the content of `events.jsonl`; the error is a line, from 1, and a problem.
    pub fn parse(text: &[u8]) -> Result<History, Problem> {
        History::of_lines(text)
    }

    /// Reads line by line.
    fn of_lines(text: impl BufRead) -> Result<History, Problem> {
        let mut events: Vec<Event> = Vec::new();
        let (run, cut_off) = read_all(text, |event, _| events.push(event))?;
        Ok(History { run, events, cut_off, before: Before::default() })
    }

    /// Reads the edition of the specification that the agent claims.
    ///
    /// # Errors
    /// There is no such edition.
    pub fn edition(&self, file: &Path) -> Result<Edition, HistoryError> {
        edition_of(&self.run, file)
    }

    /// This source really observed the run.
    pub fn observed(&self, source: Source) -> bool {
        self.run.observed.contains(&source)
    }

    /// The source of the events that tell who leads.
    pub fn authority(&self) -> Source {
        match self.observed(Source::Authority) {
            true => Source::Authority,
            false => Source::Etcd,
        }
    }

    /// Events that are neither of before nor still to come.
    pub fn fresh(&self) -> &[Event] {
        &self.events[self.before.held..self.events.len() - self.before.to_come]
    }

    /// The event is not of before.
    pub fn is_fresh(&self, event: &Event) -> bool {
        event.seq >= self.before.events
    }

    /// Number of events up to its end.
    pub fn count(&self) -> u64 {
        self.before.events + self.fresh().len() as u64
    }

    /// The earliest moment of the first event of that phase.
    pub fn phase(&self, phase: Phase) -> Option<u64> {
        let begins = |event: &&Event| matches!(event.kind, Kind::Phase { phase: begun } if begun == phase);
        self.events.iter().find(begins).map(|event| event.at[0])
    }

    /// The run was recorded to its end.
    pub fn is_complete(&self) -> bool {
        !self.cut_off && self.phase(Phase::End).is_some()
    }

    /// Processes were looked for now and then instead of being reported: a short-lived one may have been missed.
    pub fn polls_processes(&self) -> bool {
        self.run.process_observation == Mechanism::Polling
    }
}

/// Nanoseconds of a second.
pub const SECOND: u64 = 1_000_000_000;

/// `12.345 s`, from nanoseconds.
pub fn seconds(at: u64) -> String {
    format!("{:.3} s", at as f64 / 1e9)
}
