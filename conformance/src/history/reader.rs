//! A reader of `events.jsonl`, line by line, that refuses a damaged history.
//!
//! No more than a line of the text is held, and a line that is longer than any event is refused.

use std::io::{BufRead, Read};

use pghaspec_model::vocabulary::event::{Event, Kind, Run};

use super::line;
use super::validate::Validator;
use crate::rules;

/// A line, from 1, and what is wrong with it.
pub type Problem = (Option<usize>, String);

/// Bytes of the longest line. The longest event is that of a node's rows, of which the ranges are told.
pub const LONGEST_LINE: usize = 16 << 20;

/// The mark with which some programs begin a text.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The events of a history, in the order of their recording. They are known to be well-formed only when all are read.
pub struct Reading<T> {
    text: T,
    line: Vec<u8>,
    /// Events that were read.
    pub count: u64,
    format: Option<u32>,
    /// The last line was cut off.
    pub cut_off: bool,
}

impl<T: BufRead> Reading<T> {
    /// Of this text.
    pub fn new(text: T) -> Reading<T> {
        Reading { text, line: Vec::new(), count: 0, format: None, cut_off: false }
    }

    /// The next event; nothing at the end.
    ///
    /// # Errors
    /// The line is no event, or not the next one.
    pub fn next_event(&mut self) -> Result<Option<Event>, Problem> {
        self.line.clear();
        let number = self.count;
        let refuse = |problem: String| (Some(number as usize + 1), problem);
        let most = LONGEST_LINE as u64 + 1;
        let length = self.text.by_ref().take(most).read_until(b'\n', &mut self.line);
        let length = length.map_err(|error| (None, format!("cannot be read: {error}")))?;
        // The writer ends each event with a newline, so what follows the last one was cut off.
        if self.line.pop_if(|byte| *byte == b'\n').is_none() {
            if length as u64 == most {
                let most = LONGEST_LINE >> 20;
                return Err(refuse(format!("is longer than {most} MiB: no event is, and this is no history")));
            }
            self.cut_off = length > 0;
            return Ok(None);
        }
        if number == 0 && self.line.starts_with(BYTE_ORDER_MARK) {
            self.line.drain(..BYTE_ORDER_MARK.len());
        }
        let event = line::read(&self.line).map_err(refuse)?;
        if event.seq != number {
            let what = "lines are missing, doubled or out of order";
            return Err(refuse(format!("is event {} where event {number} belongs: {what}", event.seq)));
        }
        if *self.format.get_or_insert(event.v) != event.v {
            return Err(refuse(format!("v: is of format {}, and the history of another", event.v)));
        }
        if event.at[0] > event.at[1] {
            return Err(refuse(format!("at: ends before it begins, {} after {}", event.at[1], event.at[0])));
        }
        self.count += 1;
        Ok(Some(event))
    }
}

/// Reads all of a history, and gives each event to `take`, with the bytes of its line. What was run is the answer, and
/// whether the last line was cut off.
///
/// # Errors
/// The first line that is damaged.
pub fn read_all(text: impl BufRead, mut take: impl FnMut(Event, usize)) -> Result<(Run, bool), Problem> {
    let mut reading = Reading::new(text);
    let Some(first) = reading.next_event()? else { return Err((None, "is empty: nothing was recorded".into())) };
    let Kind::Run(run) = &first.kind else {
        return Err((Some(1), "does not say what was run: the first event of a history is `run`".into()));
    };
    let run = Run::clone(run);
    if let Some(trouble) = run.rules.iter().find_map(|rule| rules::trouble(rule)) {
        return Err((Some(1), format!("rules: names a rule that is none: {trouble}")));
    }
    let at = |(index, problem): (usize, String)| (Some(index + 1), problem);
    let mut validator = Validator::of(&run).map_err(at)?;
    validator.take(&first).map_err(at)?;
    take(first, reading.line.len());
    while let Some(event) = reading.next_event()? {
        validator.take(&event).map_err(at)?;
        take(event, reading.line.len());
    }
    validator.end().map_err(at)?;
    Ok((run, reading.cut_off))
}
