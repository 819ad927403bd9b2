//! Judging a history that is too long to be held: each part by itself, with what is still open of those before it, and its end by what is carried
//! on until then.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Source};

use super::durations::Measure;
use super::facts::ledger::{Events, Ledger, Writes};
use super::model::observations::Asking;
use super::model::query::{Observations, Question};
use super::model::spool::Spooling;
use super::starved::Starved;
use super::verdict::{Check, Verdict};
use super::{Judgement, durations, model, of_the_end, of_the_way};
use crate::history::History;
use crate::history::parts::Recording;
use crate::history::reader::Problem;
use crate::scenario::Expect;

/// Branches and times that are listed; of more the judgement says how many there are.
const LISTED: usize = 10_000;

/// What is known of a history by the parts that were read.
struct Way {
    parts: usize,
    checks: Vec<Check>,
    missed: BTreeMap<Source, String>,
    writes: Writes,
    branches: Vec<(u64, Branch)>,
    measured: Vec<Measure>,
    unlisted: usize,
    starved: Starved,
    asked: Option<Result<(Asking, Spooling), String>>,
    /// Most events that were held at once.
    held: usize,
}

/// What came of a long history.
pub struct Long {
    /// The judgement on it.
    pub judgement: Judgement,
    /// The editions that explain it; `None` if it cannot be asked.
    pub explained_by: Option<Vec<Edition>>,
    /// Most events that were held at once.
    pub held: usize,
    /// Ranges of rows that were held at the end: clients number their writes in a row, so they are as many as interruptions.
    pub ranges: usize,
}

/// Judges it against an edition, and against what its scenario demands if that is known. `editions` are those that are asked, too.
///
/// # Errors
/// It cannot be read again.
pub fn judge_long(
    recording: &Recording,
    edition: Edition,
    expect: Option<&Expect>,
    editions: &[Edition],
) -> Result<Long, Problem> {
    let mut way = Way {
        parts: 0,
        checks: Vec::new(),
        missed: BTreeMap::new(),
        writes: Writes::default(),
        branches: Vec::new(),
        measured: Vec::new(),
        unlisted: 0,
        starved: Starved::default(),
        asked: None,
        held: 0,
    };
    let mut parts = recording.parts()?;
    let mut last = None;
    while let Some(part) = parts.next_part()? {
        // The last one is needed to the end.
        let is_last = parts.is_over();
        way.take(&part, is_last).map_err(no_room)?;
        last = is_last.then_some(part);
    }
    let Some(mut last) = last else { return Err((None, "is empty: nothing was recorded".into())) };
    last.before.missed = way.missed.into_iter().collect();
    let ranges = way.writes.held();
    let again = Again { recording, trouble: RefCell::default() };
    let ledger = Ledger::new(&last, way.writes, &again);
    let mut question = None;
    if let Some(asked) = way.asked {
        question = Some(asked.and_then(|(asked, spooling)| {
            let spool = spooling.done().map_err(|error| format!("observations cannot be kept in a file: {error}"))?;
            Question::new(&last.run, asked, Observations::Spooled(spool))
        }));
    }
    let question = question.unwrap_or_else(|| Err("nothing was recorded".into()));
    let part_with = |seq| recording.part_with(seq).ok().map(Cow::Owned);
    let model = model::explained(&question, edition, part_with);
    let explained_by = question.ok().and_then(|question| model::which(&question, editions));
    let on_the_way = way.checks.into_iter().map(|check| match check.verdict {
        Verdict::Pass => {
            let why = format!("in each of {} parts of the history; in the last one: {}", way.parts, check.why);
            Check { why, ..check }
        }
        _ => check,
    });
    let mut checks = of_the_end(&last, edition, expect, &ledger, on_the_way.collect(), model);
    way.starved.excuse(&mut checks, &last.run, |seq| recording.part_with(seq).ok()?.over(seq));
    if let Some(trouble) = again.trouble.take() {
        return Err(trouble);
    }
    way.branches.sort_unstable();
    let judgement = Judgement {
        verdict: Verdict::worst(checks.iter().map(|check| check.verdict)),
        branches: way.branches.into_iter().map(|(_, branch)| branch.id().to_owned()).collect(),
        checks,
        measured: way.measured,
        unlisted: way.unlisted as u64,
    };
    Ok(Long { judgement, explained_by, held: way.held, ranges })
}

fn no_room(error: io::Error) -> Problem {
    (None, format!("observations cannot be kept in a file: {error}"))
}

impl Way {
    fn take(&mut self, part: &History, is_last: bool) -> io::Result<()> {
        self.parts += 1;
        for check in of_the_way(part) {
            match self.checks.iter_mut().find(|known| known.id == check.id) {
                // The first failure stays; of passes the last one tells.
                Some(known)
                    if check.verdict > known.verdict
                        || check.verdict == Verdict::Pass && known.verdict == check.verdict =>
                {
                    *known = check;
                }
                Some(_) => {}
                None => self.checks.push(check),
            }
        }
        for event in part.fresh() {
            self.writes.take(event);
            if let Kind::Gap { of, .. } = event.kind
                && !self.missed.contains_key(&of)
                && let Some(why) = part.gap_of(&[of])
            {
                self.missed.insert(of, why);
            }
        }
        // How a cluster comes up is not judged: one that was prepared starts with a recovery of its own.
        let ready = part.phase(Phase::Ready).unwrap_or(0);
        let took = |event: &Event| match event.kind {
            Kind::Recover { branch, .. } if event.at[1] >= ready => Some((event.at[1], branch)),
            _ => None,
        };
        self.branches.extend(part.fresh().iter().filter_map(took));
        self.measured.extend(durations::measure(part));
        self.starved.take(part);
        self.unlisted += self.branches.len().saturating_sub(LISTED) + self.measured.len().saturating_sub(LISTED);
        self.branches.truncate(LISTED);
        self.measured.truncate(LISTED);
        self.held = self.held.max(part.events.len());
        self.ask(part, is_last)
    }

    fn ask(&mut self, part: &History, is_last: bool) -> io::Result<()> {
        if self.asked.is_none() {
            self.asked = Some(match Asking::of(part) {
                Ok(asking) => Ok((asking, Spooling::new()?)),
                Err(why) => Err(why),
            });
        }
        let Some(Ok((asking, spooling))) = &mut self.asked else { return Ok(()) };
        match asking.take(part, is_last) {
            Ok(shown) => shown.iter().try_for_each(|observation| spooling.put(observation)),
            Err(why) => {
                self.asked = Some(Err(why));
                Ok(())
            }
        }
    }
}

/// A recording whose events are asked for once more: only where writes were lost, to name them.
struct Again<'r> {
    recording: &'r Recording,
    trouble: RefCell<Option<Problem>>,
}

impl Events for Again<'_> {
    fn each(&self, take: &mut dyn FnMut(&Event)) {
        if let Err(trouble) = self.recording.each(take) {
            self.trouble.replace(Some(trouble));
        }
    }
}
