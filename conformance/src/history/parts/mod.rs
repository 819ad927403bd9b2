//! A recorded history in parts, cut where the cluster is quiescent.
//!
//! A history may be longer than memory, so a reader goes through it part by part; of what was before a cut it is given
//! the events that it asked for ([`Carry`]) and no others. A short history is a recording of one part.

mod carry;
mod quiescence;

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Cursor};
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Run};

use super::reader::{Problem, Reading, read_all};
use super::{Before, History, HistoryError, edition_of};
use crate::untrusted::file;
use quiescence::Quiescence;

pub use carry::{Carry, first_by, last_by, phases};

/// Bytes of a file that are read at once.
const CHUNK: usize = 1 << 16;

/// Events of one part at least, but for the last one. A history of no more than two such parts is held whole.
pub const PART: usize = 16_384;

/// Bytes of the longest history that is held whole.
const HELD: usize = 64 << 20;

/// Events between two places at which a cut is looked for, at most.
const BLOCK: usize = 32;

/// The place of a history.
enum Place<'h> {
    File(PathBuf),
    Text(Vec<u8>),
    Held(&'h History),
}

/// A recorded history, which is held as a whole if it is short, and else read again for each question.
pub struct Recording<'h> {
    place: Place<'h>,
    /// The run that was recorded.
    pub run: Run,
    /// Number of events.
    pub count: u64,
    cut_off: bool,
    /// The beginnings of all phases.
    phases: Vec<Event>,
    /// All of it, if it is short.
    short: Option<History>,
    /// For each block of events, when it and all later ones begin.
    later: Vec<Begin>,
    /// Events of a part, at least, and of a block.
    part: usize,
    block: usize,
}

/// The earliest beginning of some events, in nanoseconds of the run.
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

impl Recording<'_> {
    /// Reads a file once, and refuses it if it is damaged.
    ///
    /// # Errors
    /// The file cannot be read, is empty, is of a newer format, or is damaged before its last line.
    pub fn open(file: &Path) -> Result<Recording<'static>, HistoryError> {
        Recording::of(Place::File(file.to_path_buf()), PART).map_err(|(line, problem)| HistoryError {
            file: file.to_path_buf(),
            line,
            problem,
        })
    }

    /// Reads a text instead of a file, to be cut into parts of at least so many events.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(text: Vec<u8>, part: usize) -> Result<Recording<'static>, Problem> {
        Recording::of(Place::Text(text), part)
    }

    /// A history that was read already, in one part.
    pub fn held(history: &History) -> Recording<'_> {
        Recording {
            place: Place::Held(history),
            run: history.run.clone(),
            count: history.count(),
            cut_off: history.cut_off,
            phases: Vec::new(),
            short: None,
            later: Vec::new(),
            part: PART,
            block: BLOCK,
        }
    }

    fn of(place: Place<'static>, part: usize) -> Result<Recording<'static>, Problem> {
        let block = BLOCK.min(part).max(1);
        let mut short = Some(Vec::new());
        let mut phases = Vec::new();
        let mut later = Vec::new();
        let mut count = 0;
        let mut bytes = 0;
        let (run, cut_off) = read_all(text(&place)?, |event, length| {
            bytes += length;
            if count % block as u64 == 0 {
                later.push(Begin::NEVER);
            }
            count += 1;
            later.last_mut().expect("a block was begun").take(&event);
            if matches!(event.kind, Kind::Phase { .. }) {
                phases.push(event.clone());
            }
            if let Some(held) = short.as_mut().filter(|held| held.len() < 2 * part && bytes <= HELD) {
                held.push(event);
            } else {
                short = None;
            }
        })?;
        for block in (1..later.len()).rev() {
            later[block - 1] = later[block - 1].or(later[block]);
        }
        let short = short.map(|events| History { run: run.clone(), events, cut_off, before: Before::default() });
        Ok(Recording { place, run, count, cut_off, phases, short, later, part, block })
    }

    /// All of it, if it is held.
    pub fn whole(&self) -> Option<&History> {
        match self.place {
            Place::Held(history) => Some(history),
            _ => self.short.as_ref(),
        }
    }

    /// The edition of the specification that the agent claims; `file` is named in the error.
    ///
    /// # Errors
    /// There is no such edition.
    pub fn edition(&self, file: &Path) -> Result<Edition, HistoryError> {
        edition_of(&self.run, file)
    }

    /// All parts, in their order. Each later one begins with the events of earlier ones that one of `carried` keeps.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn parts<'r>(&'r self, carried: &'r [&'static Carry]) -> Result<Parts<'r>, Problem> {
        let next = match self.whole() {
            Some(whole) => Next::Whole(whole),
            None => Next::Read(Box::new(Cutter::new(self, carried)?)),
        };
        Ok(Parts { next })
    }

    /// Gives each event to `take`, in the order of recording.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn each(&self, mut take: impl FnMut(&Event)) -> Result<(), Problem> {
        if let Some(whole) = self.whole() {
            whole.events.iter().for_each(take);
            return Ok(());
        }
        let mut reading = Reading::new(text(&self.place)?);
        while let Some(event) = reading.next_event()? {
            take(&event);
        }
        Ok(())
    }

    /// The part in which an event was recorded, with nothing of those before it.
    ///
    /// # Errors
    /// It cannot be read again, or there is no such event.
    pub fn part_with(&self, seq: u64) -> Result<Cow<'_, History>, Problem> {
        let mut parts = self.parts(&[])?;
        while let Some(part) = parts.next_part()? {
            if part.fresh().last().is_some_and(|event| event.seq >= seq) {
                return Ok(part);
            }
        }
        Err((None, format!("there is no event {seq}")))
    }
}

fn text<'p>(place: &'p Place) -> Result<Box<dyn BufRead + 'p>, Problem> {
    Ok(match place {
        Place::File(path) => {
            let file = file::open(path).map_err(|error| (None, format!("cannot be read: {error}")))?;
            Box::new(BufReader::with_capacity(CHUNK, file))
        }
        Place::Text(text) => Box::new(Cursor::new(text)),
        Place::Held(_) => Box::new(Cursor::new(&[])),
    })
}

/// The parts of a recording, one at a time.
pub struct Parts<'r> {
    next: Next<'r>,
}

enum Next<'r> {
    Whole(&'r History),
    Read(Box<Cutter<'r>>),
    Over,
}

impl<'r> Parts<'r> {
    /// The next part, with what is carried on from those before it.
    ///
    /// # Errors
    /// It cannot be read again.
    pub fn next_part(&mut self) -> Result<Option<Cow<'r, History>>, Problem> {
        match std::mem::replace(&mut self.next, Next::Over) {
            Next::Whole(history) => Ok(Some(Cow::Borrowed(history))),
            Next::Read(mut cutter) => {
                let part = cutter.next_part()?;
                if !cutter.over {
                    self.next = Next::Read(cutter);
                }
                Ok(Some(Cow::Owned(part)))
            }
            Next::Over => Ok(None),
        }
    }

    /// The last part was given.
    pub fn is_over(&self) -> bool {
        matches!(self.next, Next::Over)
    }
}

/// A long history on its way through a reader.
struct Cutter<'r> {
    recording: &'r Recording<'r>,
    carries: &'r [&'static Carry],
    reading: Reading<Box<dyn BufRead + 'r>>,
    quiescence: Quiescence,
    /// The events that are carried on from the parts before.
    carried: Vec<Event>,
    fault_begun: bool,
    over: bool,
}

impl<'r> Cutter<'r> {
    fn new(recording: &'r Recording<'r>, carries: &'r [&'static Carry]) -> Result<Cutter<'r>, Problem> {
        Ok(Cutter {
            recording,
            carries,
            reading: Reading::new(text(&recording.place)?),
            quiescence: Quiescence::new(&recording.run),
            carried: Vec::new(),
            fault_begun: false,
            over: false,
        })
    }

    fn next_part(&mut self) -> Result<History, Problem> {
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
            self.quiescence.take(&event);
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
            self.carried = carry::carried(&history, self.carries);
        }
        // Phases that are still to come are known, as they are when all is read at once.
        let begun = self.reading.count;
        let to_come = self.recording.phases.iter().filter(|phase| phase.seq >= begun);
        let events = history.events.len();
        history.events.extend(to_come.cloned());
        history.before.to_come = history.events.len() - events;
        Ok(history)
    }

    fn may_cut(&self) -> bool {
        let (count, block) = (self.reading.count as usize, self.recording.block);
        let later = count.is_multiple_of(block).then(|| self.recording.later.get(count / block)).flatten();
        self.fault_begun && later.is_some_and(|later| self.quiescence.here(later.others, later.writes).is_some())
    }
}
