//! Recorded histories: reading them, and refusing what is damaged.

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use pghaspec_model::edition::{Edition, Rules};
use pghaspec_model::event::{Event, Kind, Phase, Run, Source};
use pghaspec_model::switch::Switch;

use super::{gaps, lines, sound, words};

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
    let mut rules = edition.rules();
    for rule in differs {
        Switch::apply(&mut rules, rule).expect("a history with other rules is refused when it is read");
    }
    rules
}

impl History {
    /// The rules of an edition, or of the agent's release, if that is the one that it claims.
    pub fn rules(&self, edition: Edition) -> Rules {
        if self.run.edition == edition.id() { rules(edition, &self.run.rules) } else { edition.rules() }
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
    pub fn parse(text: &[u8]) -> Result<History, (Option<usize>, String)> {
        History::of_lines(text)
    }

    /// Reads line by line, so that no more than a line of the text is held.
    fn of_lines(mut text: impl BufRead) -> Result<History, (Option<usize>, String)> {
        let mut events: Vec<Event> = Vec::new();
        let mut line = Vec::new();
        let cut_off = loop {
            line.clear();
            let length =
                text.read_until(b'\n', &mut line).map_err(|error| (None, format!("cannot be read: {error}")))?;
            // The writer ends each event with a newline, so what follows the last one was cut off.
            if line.pop_if(|byte| *byte == b'\n').is_none() {
                break length > 0;
            }
            let refuse = |problem: String| (Some(events.len() + 1), problem);
            let event = lines::read(&line).map_err(refuse)?;
            if event.seq != events.len() as u64 {
                return Err(refuse(format!(
                    "is event {} where event {} belongs: lines are missing, doubled or out of order",
                    event.seq,
                    events.len()
                )));
            }
            if events.first().is_some_and(|first| first.v != event.v) {
                return Err(refuse(format!("v: is of format {}, and the history of another", event.v)));
            }
            if event.at[0] > event.at[1] {
                return Err(refuse(format!("at: ends before it begins, {} after {}", event.at[1], event.at[0])));
            }
            events.push(event);
        };
        let Some(first) = events.first() else { return Err((None, "is empty: nothing was recorded".into())) };
        let Kind::Run(run) = &first.kind else {
            return Err((Some(1), "does not say what was run: the first event of a history is `run`".into()));
        };
        let run = Run::clone(run);
        let mut rules = Edition::V4_1.rules();
        for rule in &run.rules {
            Switch::apply(&mut rules, rule)
                .map_err(|error| (Some(1), format!("rules: names a rule that is none: {error}")))?;
        }
        sound::check(&run, &events).map_err(|(index, problem)| (Some(index + 1), problem))?;
        Ok(History { run, events, cut_off })
    }

    /// Reads the edition of the specification that the agent claims.
    ///
    /// # Errors
    /// There is no such edition.
    pub fn edition(&self, file: &Path) -> Result<Edition, HistoryError> {
        Edition::from_id(&self.run.edition).ok_or_else(|| HistoryError {
            file: file.to_path_buf(),
            line: Some(1),
            problem: format!(
                "edition: there is no edition `{}`; choose one of {} with --edition",
                self.run.edition,
                Edition::ALL.map(Edition::id).join(", ")
            ),
        })
    }

    /// Whether this source really observed the run.
    pub fn observed(&self, source: Source) -> bool {
        self.run.observed.contains(&source)
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

    /// The first gap of these sources since the cluster was ready, in words; whatever needs them cannot pass over it.
    pub fn gap_of(&self, sources: &[Source]) -> Option<String> {
        let ready = self.phase(Phase::Ready).unwrap_or(0);
        self.events.iter().filter(|event| event.at[1] >= ready).find_map(|event| match &event.kind {
            Kind::Gap { of, why } if sources.contains(of) && !gaps::tells_all(self, event) => Some(format!(
                "not all was observed by {} from {} to {}: {why}",
                words::source(*of),
                seconds(event.at[0]),
                seconds(event.at[1])
            )),
            _ => None,
        })
    }

    /// Why these sources do not tell everything: one did not observe at all, or has a gap.
    pub fn blind(&self, sources: &[Source]) -> Option<String> {
        match sources.iter().find(|source| !self.observed(**source)) {
            Some(missing) => Some(format!("needs the observer `{}`, and this run had none", words::source(*missing))),
            None => self.gap_of(sources),
        }
    }

    /// Processes were looked for now and then instead of being reported: a short-lived one may have been missed.
    pub fn polls_processes(&self) -> bool {
        self.run.process_observation != "proc-connector"
    }
}

/// `12.345 s`, from nanoseconds.
pub fn seconds(at: u64) -> String {
    format!("{:.3} s", at as f64 / 1e9)
}
