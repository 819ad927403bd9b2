//! Recorded histories: reading them, and refusing what is damaged.

mod consistency;
pub mod describe;
pub mod intervals;
pub mod line;
pub mod older_formats;
pub mod parts;
pub mod processes;
pub mod reader;
pub mod row_ids;
mod validate;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::vocabulary::event::{Event, Kind, Mechanism, Phase, Run, Source};

use crate::rules;
use reader::{Problem, read_all};

/// Bytes of a file that are read at once.
const CHUNK: usize = 1 << 16;

/// A history that can be judged.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// What was run.
    pub run: Run,
    /// All events, in the order of their recording.
    pub events: Vec<Event>,
    /// The last line was cut off, as by a harness that was killed.
    pub cut_off: bool,
    /// What was before it, if it is a part of a longer one.
    pub before: Before,
}

/// What was before a part of a history, and what of its end is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// How many of the part's events are of before: what was still open then.
    pub held: usize,
    /// How many events there were before.
    pub events: u64,
    /// How many of the part's events, its last ones, are phases that are still to come.
    pub to_come: usize,
    /// What was missed before, by each source; nothing, if only this part is asked about.
    pub missed: Vec<(Source, String)>,
}

/// Why a file is not a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryError {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1.
    pub line: Option<usize>,
    /// What is wrong.
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

/// The edition that the agent of a run claims.
///
/// # Errors
/// There is no such edition.
pub fn edition_of(run: &Run, file: &Path) -> Result<Edition, HistoryError> {
    Edition::from_id(&run.edition).ok_or_else(|| HistoryError {
        file: file.to_path_buf(),
        line: Some(1),
        problem: format!(
            "edition: there is no edition `{}`; choose one of {} with --edition",
            run.edition,
            Edition::ALL.map(Edition::id).join(", ")
        ),
    })
}

impl History {
    /// The rules of an edition, or of the agent's release, if that is the one that it claims.
    pub fn rules(&self, edition: Edition) -> Rules {
        if self.run.edition == edition.id() { rules(edition, &self.run.rules) } else { edition.rules() }
    }

    /// When the event with that number was over.
    pub fn over(&self, seq: u64) -> Option<u64> {
        self.events.iter().find(|event| event.seq == seq).map(|event| event.at[1])
    }

    /// Reads `events.jsonl`.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is of another version, or is damaged before its last line.
    pub fn read(file: &Path) -> Result<History, HistoryError> {
        let refused = |(line, problem)| HistoryError { file: file.to_path_buf(), line, problem };
        let text = File::open(file).map_err(|error| refused((None, format!("cannot be read: {error}"))))?;
        History::of_lines(BufReader::with_capacity(CHUNK, text)).map_err(refused)
    }

    /// Parses the content of `events.jsonl`; the error is a line, from 1, and a problem.
    pub fn parse(text: &[u8]) -> Result<History, Problem> {
        History::of_lines(text)
    }

    /// Reads line by line.
    fn of_lines(text: impl BufRead) -> Result<History, Problem> {
        let mut events: Vec<Event> = Vec::new();
        let (run, cut_off) = read_all(text, |event| events.push(event))?;
        Ok(History { run, events, cut_off, before: Before::default() })
    }

    /// Reads the edition of the specification that the agent claims.
    ///
    /// # Errors
    /// There is no such edition.
    pub fn edition(&self, file: &Path) -> Result<Edition, HistoryError> {
        edition_of(&self.run, file)
    }

    /// Whether this source really observed the run.
    pub fn observed(&self, source: Source) -> bool {
        self.run.observed.contains(&source)
    }

    /// Events that are neither of before nor still to come.
    pub fn fresh(&self) -> &[Event] {
        &self.events[self.before.held..self.events.len() - self.before.to_come]
    }

    /// The event is not of before.
    pub fn is_fresh(&self, event: &Event) -> bool {
        event.seq >= self.before.events
    }

    /// How many events there were up to its end.
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

/// `12.345 s`, from nanoseconds.
pub fn seconds(at: u64) -> String {
    format!("{:.3} s", at as f64 / 1e9)
}
