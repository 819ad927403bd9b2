//! One pass over the parts of a recording: the only way from a history to its judgement.
//!
//! Each part is judged by itself, with the events that the checks carry on from those before it, and the end by all
//! that was carried until then. No more than a part is held, however long the history is.

use std::collections::BTreeMap;
use std::io;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Source};

use super::checks::{self, Applies, Asked, End, demands};
use super::durations::{self, Measure};
use super::excuses::claimed;
use super::excuses::starved::Starved;
use super::excuses::strangers::Strangers;
use super::facts::ledger::{Ledger, Writes};
use super::model::observations::Observer;
use super::model::query::Query;
use super::model::spool::Spool;
use super::verdict::{Check, Verdict};
use super::{Judged, Judgement};
use crate::history::History;
use crate::history::parts::Recording;
use crate::history::reader::Problem;
use crate::scenario::Expect;

/// Branches and times that are listed, at most; of more the judgement says how many there are.
const LISTED: usize = 10_000;

/// Everything that is known by the parts that were read.
#[derive(Default)]
struct Pass {
    parts: usize,
    /// The outcome of each check that was asked of parts, by its place in the registry.
    outcomes: BTreeMap<usize, Check>,
    /// The first gap of each source, in words.
    missed: BTreeMap<Source, String>,
    writes: Writes,
    branches: Vec<(u64, Branch)>,
    measured: Vec<Measure>,
    unlisted: usize,
    starved: Starved,
    strangers: Strangers,
    observed: Option<Result<(Observer, Spool), String>>,
    /// Most events that were held at once.
    held: usize,
}

/// Judges a recording against an edition, and against the demands of its scenario if that is known.
///
/// # Errors
/// It cannot be read again, or what the model is asked cannot be kept in a file.
pub fn judge(recording: &Recording, edition: Edition, expect: Option<&Expect>) -> Result<Judged, Problem> {
    let mut pass = Pass::default();
    let carried = checks::carried();
    let mut parts = recording.parts(&carried)?;
    let mut last = None;
    while let Some(part) = parts.next_part()? {
        let is_last = parts.is_over();
        pass.take(&part, is_last).map_err(no_room)?;
        last = is_last.then_some(part);
    }
    let Some(mut last) = last else { return Err((None, "is empty: nothing was recorded".into())) };
    if pass.parts > 1 {
        last.to_mut().before.missed = std::mem::take(&mut pass.missed).into_iter().collect();
    }
    let expect = expect.map(|expect| expect.of(&last.rules(edition)));
    let ranges = pass.writes.held();
    let ledger = Ledger::new(&last, std::mem::take(&mut pass.writes), recording);
    let observed = pass.observed.take().unwrap_or_else(|| Err("nothing was recorded".into()));
    let query = observed.and_then(|(observer, spool)| Query::new(&last.run, observer, spool));
    let strangers = std::mem::take(&mut pass.strangers);
    let deaths = strangers.deaths();
    let end = End { last: &last, edition, expect: expect.as_ref(), ledger: &ledger, query: &query, recording, deaths };
    let checks = pass.outcomes_at(&end, &strangers);
    if let Some(trouble) = ledger.as_ref().ok().and_then(Ledger::trouble) {
        return Err(trouble);
    }
    drop(ledger);
    pass.branches.sort_unstable();
    let judgement = Judgement {
        verdict: Verdict::of_checks(checks.iter().map(|check| check.verdict)),
        branches: pass.branches.into_iter().map(|(_, branch)| branch.id().to_owned()).collect(),
        checks,
        measured: pass.measured,
        unlisted: pass.unlisted as u64,
    };
    Ok(Judged { judgement, query, held: pass.held, ranges })
}

fn no_room(error: io::Error) -> Problem {
    (None, format!("observations cannot be kept in a file: {error}"))
}

impl Pass {
    fn take(&mut self, part: &History, is_last: bool) -> io::Result<()> {
        self.parts += 1;
        for (place, check) in checks::ALL.iter().enumerate() {
            if let Asked::EachPart(judge) | Asked::Both(judge, _) = check.asked
                && check.applies.to(part, None)
            {
                self.came_out(place, judge(part));
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
        // The way in which a cluster comes up is not judged: a prepared one starts with a recovery of its own.
        let ready = part.phase(Phase::Ready).unwrap_or(0);
        let took = |event: &Event| match event.kind {
            Kind::Recover { branch, .. } if event.at[1] >= ready => Some((event.at[1], branch)),
            _ => None,
        };
        self.branches.extend(part.fresh().iter().filter_map(took));
        self.measured.extend(durations::measure(part));
        self.starved.take(part);
        self.strangers.take(part);
        self.unlisted += self.branches.len().saturating_sub(LISTED) + self.measured.len().saturating_sub(LISTED);
        self.branches.truncate(LISTED);
        self.measured.truncate(LISTED);
        self.held = self.held.max(part.events.len());
        self.observe(part, is_last)
    }

    /// The worst part counts. Of several that fail the first one tells, and of passes the last one.
    fn came_out(&mut self, place: usize, check: Check) {
        let known = self.outcomes.get(&place).map(|known| known.verdict);
        if known.is_none_or(|known| check.verdict > known || check.verdict == Verdict::Pass && known == check.verdict) {
            self.outcomes.insert(place, check);
        }
    }

    fn observe(&mut self, part: &History, is_last: bool) -> io::Result<()> {
        let observed = self.observed.get_or_insert_with(|| Ok((Observer::of(part)?, Spool::default())));
        if let Ok((observer, spool)) = observed {
            match observer.take(part, is_last) {
                Ok(shown) => shown.iter().try_for_each(|observation| spool.put(observation))?,
                Err(why) => *observed = Err(why),
            }
        }
        Ok(())
    }

    /// All checks that apply, in the order of the registry.
    fn outcomes_at(&mut self, end: &End, strangers: &Strangers) -> Vec<Check> {
        let moment = |seq| end.recording.part_with(seq).ok()?.over(seq);
        let mut outcomes = Vec::new();
        let mut demanded = Vec::new();
        for (place, check) in checks::ALL.iter().enumerate() {
            if !check.applies.to(end.last, end.expect) {
                continue;
            }
            let of_parts = self.outcomes.remove(&place);
            if let Some(why) = claimed::unsupported(check, end) {
                outcomes.push(check.came_out(Verdict::Unsupported, why));
                continue;
            }
            outcomes.extend(match check.asked {
                Asked::EachPart(_) => of_parts.map(|check| self.of_all_parts(check)),
                Asked::AtTheEnd(judge) => Some(judge(end)),
                Asked::Both(_, judge) => match (of_parts, judge(end)) {
                    (Some(of_parts), Some(at_the_end)) if of_parts.verdict <= at_the_end.verdict => Some(at_the_end),
                    (None, at_the_end) => at_the_end,
                    (of_parts, _) => of_parts.map(|check| self.of_all_parts(check)),
                },
                Asked::OfTheFolder => None,
            });
            if matches!(check.applies, Applies::Demanded { .. }) {
                demanded.push(check.id());
            }
        }
        let of_the_scenario = outcomes.iter_mut().filter(|check| demanded.contains(&check.id.as_str()));
        demands::excuse_undone(end.last, of_the_scenario, moment);
        let read_back = end.last.phase(Phase::ReadBack).unwrap_or(u64::MAX);
        strangers.excuse(&mut outcomes, &end.last.run, read_back, |id| demanded.contains(&id), moment);
        self.starved.excuse(&mut outcomes, &end.last.run, moment);
        outcomes
    }

    fn of_all_parts(&self, check: Check) -> Check {
        match check.verdict {
            Verdict::Pass if self.parts > 1 => {
                let why = format!("in each of {} parts of the history; in the last one: {}", self.parts, check.why);
                Check { why, ..check }
            }
            _ => check,
        }
    }
}
