//! The comparison of one release, from its installation to its explanation.

use std::collections::BTreeMap;

use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Rules;

use super::compare::{answered, asks, compare, ended, ends, replay, step};
use super::environment::Environment;
use super::explain::{Flip, explain, nearest, undecided, unexplained};
use super::oracle::{Region, Vectors, again, coverage, drive};
use super::record::{Function, Run};
use super::vector::{Ours, Vector};
use super::world::WorldRun;
use super::{DiffError, ErrorKind};
use crate::manifest::Row;

/// A release that was compared, with the rules that explain it.
pub struct ReleaseComparison {
    /// Its row in the table of releases.
    pub row: Row,
    /// The rules that explain it best.
    pub rules: Rules,
    /// The simplest run that these rules do not explain, in lines.
    pub example: Option<Vec<String>>,
    /// All vectors.
    pub vectors: Vectors,
    /// The jumps of the released functions that were taken; nothing unless asked for.
    pub coverage: Vec<Region>,
}

/// The extent of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Extent<'a> {
    /// The functions that are compared.
    pub functions: &'a [Function],
    /// A rule of ours to break on purpose, once the honest rules are found.
    pub mutant: Option<Mutant>,
    /// Measures which jumps of the released functions are taken.
    pub coverage: bool,
}

/// Drives a release and finds its rules.
///
/// # Errors
/// The release cannot be installed or driven.
pub fn compare_release(
    environment: &Environment,
    release: &str,
    wanted: Extent<'_>,
) -> Result<ReleaseComparison, DiffError> {
    let folder = environment.release(release)?;
    let found = drive(environment, release, &folder, wanted.functions)?;
    let mut vectors = BTreeMap::new();
    for vector in &found.vectors {
        *vectors.entry(vector.function().id().to_owned()).or_default() += 1;
    }
    let explanation = explain(&found.vectors).unwrap_or_else(|| nearest(&found.vectors));
    let mut broken = explanation.rules;
    if let Some(mutant) = wanted.mutant {
        mutant.change(&mut broken);
    }
    let (mismatches, example) = unexplained(&found.vectors, &Ours::new(broken, wanted.mutant));
    let row = Row {
        release: release.to_owned(),
        editions: explanation.editions.iter().map(|edition| edition.id().to_owned()).collect(),
        rules: explanation.flips.iter().map(Flip::text).collect(),
        undecided: undecided(&found.vectors, &explanation.rules).into_iter().map(str::to_owned).collect(),
        vectors,
        outside: found.outside.iter().map(|(why, count)| ((*why).to_owned(), *count)).collect(),
        records: found.digests.iter().map(|(function, digest)| (function.id().to_owned(), digest.clone())).collect(),
        mismatches,
    };
    let example = match example {
        None => None,
        Some(vector) => {
            let repeat = |function: Function| again(environment, release, &folder, function, vector.choices());
            let harness = |why| DiffError::new(ErrorKind::Harness, format!("patroni {release}: {why}"));
            let place = found.places.get(&vector.function()).map_or("", String::as_str);
            let ours = Ours::new(broken, wanted.mutant);
            Some(match vector {
                Vector::Dialogue(run) => {
                    let run = Run::parse(run.function, &repeat(run.function)?).map_err(harness)?;
                    side_by_side(&run, place, &broken, wanted.mutant)
                }
                Vector::World(run) => {
                    let run = WorldRun::parse(run.function, &repeat(run.function)?).map_err(harness)?;
                    in_short(&Vector::World(run), place, &ours)
                }
                Vector::Rewind(_) => in_short(vector, place, &ours),
            })
        }
    };
    let coverage =
        if wanted.coverage { coverage(environment, release, &folder, wanted.functions)? } else { Vec::new() };
    Ok(ReleaseComparison { row, rules: explanation.rules, example, vectors: found, coverage })
}

/// The lines about a vector that is not a dialogue: its inputs, and both outcomes.
fn in_short(vector: &Vector, place: &str, ours: &Ours) -> Vec<String> {
    let mut lines = vec![headline(vector.function(), place)];
    match vector {
        Vector::World(run) => lines.extend(run.asked.iter().map(|told| {
            let place = if told.place.is_empty() { "(given)" } else { &told.place };
            format!("  {place:<22} {:<42} → {}", told.question, told.answer)
        })),
        Vector::Rewind(run) => lines.extend(run.words().into_iter().map(|line| format!("  {line}"))),
        Vector::Dialogue(_) => {}
    }
    if let Some(difference) = vector.compare(ours) {
        lines.push(format!("  released: {}", difference.released));
        lines.push(format!("  ours:     {}", difference.ours));
    }
    lines
}

fn headline(function: Function, place: &str) -> String {
    format!("{}, {place}:", function.id())
}

/// The lines about a run of the released code beside ours, question by question, up to the first difference.
pub fn side_by_side(run: &Run, place: &str, rules: &Rules, mutant: Option<Mutant>) -> Vec<String> {
    let Some(difference) = compare(run, rules, mutant) else { return Vec::new() };
    let ours = replay(run, rules, mutant);
    let mut lines = vec![headline(run.function, place)];
    for (at, asked) in run.asked.iter().enumerate().take(difference.at + 1) {
        let place = run.places.get(at).map_or("", String::as_str);
        let same = at < difference.at || ours.asked.get(at).map(|question| asks(*question)) == Some(step(asked));
        let beside = match ours.asked.get(at) {
            _ if same => "the same".to_owned(),
            Some(question) => asks(*question),
            None => ends(&ours.outcome, rules),
        };
        lines.push(format!("  {place:<22} {:<42} → {:<24} | {beside}", step(asked), answered(asked)));
    }
    if difference.at >= run.asked.len() {
        lines.push(format!("  {:<22} {:<69} | {}", "", ended(&run.ended), difference.ours));
    } else {
        lines.push(format!("  released: {}", difference.released));
        lines.push(format!("  ours:     {}", difference.ours));
    }
    lines
}

/// The mutants of `recover()` that the runs do not tell from the honest one.
pub fn survivors(compared: &ReleaseComparison, mutants: &[Mutant]) -> Vec<Mutant> {
    let caught = |mutant: &Mutant| {
        let mut rules = compared.rules;
        mutant.change(&mut rules);
        let ours = Ours::new(rules, Some(*mutant));
        compared.vectors.vectors.iter().any(|vector| vector.compare(&ours).is_some())
    };
    mutants.iter().copied().filter(|mutant| !caught(mutant)).collect()
}
