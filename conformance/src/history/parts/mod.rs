//! A history that is read part by part, however long it is: it is cut where the cluster is at rest, and of what was before a cut only what is
//! still open is held.

mod carry;
mod quiescence;

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Run};

use super::reader::{Problem, Reading, read_all};
use super::{Before, History, HistoryError, edition_of};
use carry::carried;
use quiescence::Rest;

/// Bytes of a file that are read at once.
const CHUNK: usize = 1 << 16;

/// Events of one part at least, but for the last one. What is no longer than two is judged at once.
pub const PART: usize = 16_384;

/// Only between so many events is a cut looked for.
const BLOCK: usize = 32;

/// Where a history is.
enum Place {
    File(PathBuf),
    Text(Vec<u8>),
}

/// A recorded history, of which not all is held.
pub struct Recording {
    place: Place,
    /// What was run.
    pub run: Run,
    /// How many events there are.
    pub count: u64,
    cut_off: bool,
    /// The beginnings of all phases.
    phases: Vec<Event>,
    /// All of it, if it is short.
    short: Option<Vec<Event>>,
    /// For each block of events, when it and all later ones begin.
    later: Vec<Begin>,
    /// Events of one part, at least.
    part: usize,
}

/// When events begin, at the earliest.
#[derive(Clone, Copy)]
struct Begin {
    writes: u64,
    others: u64,
}

impl Begin {
    const NEVER: Begin = Begin { writes: u64::MAX, others: u64::MAX };

    fn take(&mut self, event: &Event) {
        let which = match event.kind {
            Kind::Write { .. } | Kind::Batch { .. } => &mut self.writes,
            _ => &mut self.others,
        };
        *which = (*which).min(event.at[0]);
    }

    fn or(self, other: Begin) -> Begin {
        Begin { writes: self.writes.min(other.writes), others: self.others.min(other.others) }
    }
}

impl Recording {
    /// Reads a file once, and refuses what is damaged.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is of another version, or is damaged before its last line.
    pub fn open(file: &Path) -> Result<Recording, HistoryError> {
        Recording::of(Place::File(file.to_path_buf()), PART).map_err(|(line, problem)| HistoryError {
            file: file.to_path_buf(),
            line,
            problem,
        })
    }

    /// The same with a text, and parts of at least so many events.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(text: Vec<u8>, part: usize) -> Result<Recording, Problem> {
        Recording::of(Place::Text(text), part)
    }

    fn of(place: Place, part: usize) -> Result<Recording, Problem> {
        let mut short = Some(Vec::new());
        let mut phases = Vec::new();
        let mut later = Vec::new();
        let mut count = 0;
        let (run, cut_off) = read_all(text(&place)?, |event| {
            if count % BLOCK as u64 == 0 {
                later.push(Begin::NEVER);
            }
            count += 1;
            later.last_mut().expect("a block was begun").take(&event);
            if matches!(event.kind, Kind::Phase { .. }) {
                phases.push(event.clone());
            }
            if let Some(held) = short.as_mut().filter(|held| held.len() < 2 * part) {
                held.push(event);
            } else {
                short = None;
            }
        })?;
        for block in (1..later.len()).rev() {
            later[block - 1] = later[block - 1].or(later[block]);
        }
        Ok(Recording { place, run, count, cut_off, phases, short, later, part })
    }

    /// All of it, if it is short; else itself.
    ///
    /// # Errors
    /// It is long.
    pub fn into_short(self) -> Result<History, Box<Recording>> {
        match self.short {
            Some(events) => Ok(History { run: self.run, events, cut_off: self.cut_off, before: Before::default() }),
            None => Err(Box::new(self)),
        }
    }

    /// Reads the edition of the specification that the agent claims.
    ///
    /// # Errors
    /// There is no such edition.
    pub fn edition(&self, file: &Path) -> Result<Edition, HistoryError> {
        edition_of(&self.run, file)
    }

    /// All parts, in their order.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn parts(&self) -> Result<Parts<'_>, Problem> {
        Ok(Parts {
            recording: self,
            reading: Reading::new(text(&self.place)?),
            rest: Rest::new(&self.run),
            carried: Vec::new(),
            fault_begun: false,
            over: false,
        })
    }

    /// All events, in their order.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn each(&self, mut take: impl FnMut(&Event)) -> Result<(), Problem> {
        let mut reading = Reading::new(text(&self.place)?);
        while let Some(event) = reading.next_event()? {
            take(&event);
        }
        Ok(())
    }

    /// The part in which an event was recorded.
    ///
    /// # Errors
    /// It cannot be read again, or there is no such event.
    pub fn part_with(&self, seq: u64) -> Result<History, Problem> {
        let mut parts = self.parts()?;
        while let Some(part) = parts.next_part()? {
            if part.fresh().last().is_some_and(|event| event.seq >= seq) {
                return Ok(part);
            }
        }
        Err((None, format!("there is no event {seq}")))
    }
}

fn text(place: &Place) -> Result<Box<dyn BufRead + '_>, Problem> {
    Ok(match place {
        Place::File(file) => {
            let file = File::open(file).map_err(|error| (None, format!("cannot be read: {error}")))?;
            Box::new(BufReader::with_capacity(CHUNK, file))
        }
        Place::Text(text) => Box::new(Cursor::new(text)),
    })
}

/// The parts of a history, one at a time.
pub struct Parts<'r> {
    recording: &'r Recording,
    reading: Reading<Box<dyn BufRead + 'r>>,
    rest: Rest,
    /// What is carried on from the parts before.
    carried: Vec<Event>,
    fault_begun: bool,
    over: bool,
}

impl Parts<'_> {
    /// The next part, with what is still open of those before it.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn next_part(&mut self) -> Result<Option<History>, Problem> {
        if self.over {
            return Ok(None);
        }
        let mut events = std::mem::take(&mut self.carried);
        let before = Before { held: events.len(), events: self.reading.count, to_come: 0, missed: Vec::new() };
        let mut cut_off = false;
        loop {
            let Some(event) = self.reading.next_event()? else {
                if self.reading.count != self.recording.count {
                    return Err((None, "has changed while it was read".into()));
                }
                self.over = true;
                cut_off = self.recording.cut_off;
                break;
            };
            self.rest.take(&event);
            match event.kind {
                Kind::Phase { phase: Phase::Fault } => self.fault_begun = true,
                // From then on everything is about the end.
                Kind::Phase { phase: Phase::Settled } => self.fault_begun = false,
                _ => {}
            }
            events.push(event);
            if events.len() - before.held >= self.recording.part && self.may_cut() {
                break;
            }
        }
        let mut history = History { run: self.recording.run.clone(), events, cut_off, before };
        if !self.over {
            self.carried = carried(&history);
        }
        // Phases that are still to come are known, as they are when all is read at once.
        let begun = self.reading.count;
        let to_come = self.recording.phases.iter().filter(|phase| phase.seq >= begun);
        let events = history.events.len();
        history.events.extend(to_come.cloned());
        history.before.to_come = history.events.len() - events;
        Ok(Some(history))
    }

    /// The last part was given.
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn may_cut(&self) -> bool {
        let count = self.reading.count as usize;
        let later = count.is_multiple_of(BLOCK).then(|| self.recording.later.get(count / BLOCK)).flatten();
        self.fault_begun && later.is_some_and(|later| self.rest.here(later.others, later.writes).is_some())
    }
}
