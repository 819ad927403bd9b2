//! Recorded histories: reading them, and refusing what is damaged.

use std::fmt;
use std::path::{Path, PathBuf};

use pghaspec_model::edition::Edition;
use pghaspec_model::event::{Event, FORMAT, Kind, Phase, Run, Source};
use pghaspec_model::switch::Switch;
use serde_json::Value;

use super::{sound, words};

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

impl History {
    /// Reads `events.jsonl`.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is of another version, or is damaged before its last line.
    pub fn read(file: &Path) -> Result<History, HistoryError> {
        let text = std::fs::read(file).map_err(|error| HistoryError {
            file: file.to_path_buf(),
            line: None,
            problem: format!("cannot be read: {error}"),
        })?;
        History::parse(&text).map_err(|(line, problem)| HistoryError { file: file.to_path_buf(), line, problem })
    }

    /// Parses the content of `events.jsonl`; the error is a line, from 1, and a problem.
    pub fn parse(text: &[u8]) -> Result<History, (Option<usize>, String)> {
        // The writer ends each event with a newline, so what follows the last one was cut off.
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let cut_off = whole < text.len();
        let mut events: Vec<Event> = Vec::new();
        for (index, line) in text[..whole].split_inclusive(|&byte| byte == b'\n').enumerate() {
            let refuse = |problem: String| (Some(index + 1), problem);
            let line = &line[..line.len() - 1];
            let value: Value =
                serde_json::from_slice(line).map_err(|error| refuse(format!("is not a JSON object: {error}")))?;
            match value.get("v").and_then(Value::as_u64) {
                Some(version) if version == u64::from(FORMAT) => {}
                Some(version) if version > u64::from(FORMAT) => {
                    return Err(refuse(format!(
                        "is of format {version}, and this pghaspec reads up to format {FORMAT}; judge it with a newer one"
                    )));
                }
                _ => return Err(refuse("is not an event: it has no format version `v`".into())),
            }
            let event: Event =
                serde_json::from_value(value.clone()).map_err(|error| refuse(format!("is not an event: {error}")))?;
            if let Some(field) = unknown_field(&value, &event) {
                return Err(refuse(format!("{field}: such an event has no such field")));
            }
            if event.seq != events.len() as u64 {
                return Err(refuse(format!(
                    "is event {} where event {} belongs: lines are missing, doubled or out of order",
                    event.seq,
                    events.len()
                )));
            }
            if event.at[0] > event.at[1] {
                return Err(refuse(format!("at: ends before it begins, {} after {}", event.at[1], event.at[0])));
            }
            events.push(event);
        }
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
        self.events.iter().find(|event| event.kind == Kind::Phase { phase }).map(|event| event.at[0])
    }

    /// The run was recorded to its end.
    pub fn is_complete(&self) -> bool {
        !self.cut_off && self.phase(Phase::End).is_some()
    }

    /// The first gap of these sources since the cluster was ready, in words; whatever needs them cannot pass over it.
    pub fn gap_of(&self, sources: &[Source]) -> Option<String> {
        let ready = self.phase(Phase::Ready).unwrap_or(0);
        self.events.iter().filter(|event| event.at[1] >= ready).find_map(|event| match &event.kind {
            Kind::Gap { of, why } if sources.contains(of) => Some(format!(
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

/// The first key of a line that no field of the event has read.
fn unknown_field(line: &Value, event: &Event) -> Option<String> {
    let read = serde_json::to_value(event).ok()?;
    // A field that is absent may be written as null.
    line.as_object()?
        .iter()
        .find(|(key, value)| !value.is_null() && read.get(key).is_none())
        .map(|(key, _)| key.clone())
}

/// `12.345 s`, from nanoseconds.
pub fn seconds(at: u64) -> String {
    format!("{:.3} s", at as f64 / 1e9)
}
