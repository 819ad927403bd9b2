//! Blame: the rule whose breach explains an event that the specification forbids.
//!
//! Each known breach is tried, alone; one that explains the whole history is named before one that only gets further.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use pghaspec_model::belief::{Divergence, Limits, Refusal};
use pghaspec_model::cluster::Settings;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::rules::switch::Switch;

use super::query::Query;

/// Rules that are named at most, where the breach of each explains as much.
const NAMED: usize = 6;

/// Models that are asked at a time, at most: each of them takes memory.
const AT_ONCE: usize = 3;

/// The work for each of them, at most: there are many, and none decides over a verdict.
const WORK: u64 = 10_000_000;

/// The bytes for each of them.
const BYTES: usize = 48 << 20;

/// One way to break the rules.
#[derive(Clone, Copy)]
enum Breach {
    Mutant(Mutant),
    /// A rule of another release.
    Switched(Switch, usize),
}

impl Breach {
    /// All that can make a difference.
    fn all(query: &Query, edition: Edition) -> Vec<Breach> {
        let rules = query.rules(edition);
        let mut known = vec![rules];
        let mut breaches = Vec::new();
        // Those by which safety is broken come first, then the others in their order.
        for mutant in Mutant::ALL {
            let mut changed = rules;
            mutant.change(&mut changed);
            let is_rule = changed != rules;
            if !is_rule && is_former_rule(mutant) || is_rule && known.contains(&changed) {
                continue;
            }
            if is_rule {
                known.push(changed);
            }
            breaches.push(Breach::Mutant(mutant));
        }
        for switch in Switch::all() {
            for position in 0..switch.positions.len() {
                let mut changed = rules;
                (switch.set)(&mut changed, position);
                if !known.contains(&changed) {
                    known.push(changed);
                    breaches.push(Breach::Switched(switch, position));
                }
            }
        }
        breaches
    }

    fn model(self, query: &Query, edition: Edition) -> Settings {
        match self {
            Breach::Mutant(mutant) => query.settings(edition, Some(mutant)),
            Breach::Switched(switch, position) => {
                let mut settings = query.settings(edition, None);
                (switch.set)(&mut settings.rules, position);
                settings
            }
        }
    }

    /// The rule, with its place in the released code, and the name of its breach.
    fn text(self, query: &Query, edition: Edition) -> String {
        match self {
            Breach::Mutant(mutant) => format!("{} [{}]", mutant.rule(), mutant.id()),
            Breach::Switched(switch, position) => format!(
                "`{}` is `{}` (changed in patroni {}), and this would be `{}` [{}]",
                switch.id,
                switch.words(&query.rules(edition)),
                switch.since,
                switch.positions[position],
                switch.id
            ),
        }
    }
}

/// The mutant is a rule of earlier releases. In an edition that has it anyway, it breaks nothing.
fn is_former_rule(mutant: Mutant) -> bool {
    let newest = Edition::Ideal.rules();
    let mut changed = newest;
    mutant.change(&mut changed);
    changed != newest
}

/// The rule whose breach explains the event: best of all one that explains the whole history, else one that gets
/// furthest.
pub fn broken_rule(query: &Query, edition: Edition, divergence: &Divergence) -> Vec<String> {
    let whole = query.observations.len() + 1;
    let limits = Limits { work: WORK, bytes: BYTES, ..Limits::default() };
    let reach = |settings| match query.ask_within(settings, limits) {
        Ok(_) => whole,
        Err(Refusal::Diverged(further)) => further.explained,
        Err(Refusal::Limit { explained, .. }) => explained,
    };
    let breaches = Breach::all(query, edition);
    let reached = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get()).min(AT_ONCE);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(breach) = breaches.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let reached_to = reach(breach.model(query, edition));
                    if reached_to > divergence.explained {
                        let place = breaches.iter().position(|other| std::ptr::eq(other, breach)).unwrap_or(0);
                        reached.lock().unwrap_or_else(PoisonError::into_inner).push((reached_to, place));
                    }
                }
            });
        }
    });
    let mut reached = reached.into_inner().unwrap_or_else(PoisonError::into_inner);
    reached.sort_unstable_by_key(|(reached, place)| (std::cmp::Reverse(*reached), *place));
    let best = reached.first().map_or(0, |(reached, _)| *reached);
    let as_good: Vec<usize> = reached.iter().filter(|(reached, _)| *reached == best).map(|(_, place)| *place).collect();
    let mut lines = Vec::new();
    for place in as_good.iter().take(NAMED) {
        lines.push(format!("the rule that was broken: {}", breaches[*place].text(query, edition)));
    }
    if as_good.len() > 1 {
        let more = as_good.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(", and so do {more} others") } else { String::new() };
        lines.push(format!("  the breach of each of these alone explains as much{more}"));
    }
    if best > divergence.explained && best < whole {
        let after = best - divergence.explained - 1;
        lines.push(format!("  its breach explains this event and the {after} after it, and not what came then"));
    }
    for other in Edition::ALL.into_iter().filter(|other| *other != edition && query.ask_edition(*other).is_ok()) {
        lines.push(format!("the rules of edition {} explain the whole history", other.id()));
    }
    if lines.is_empty() {
        lines.push("no single broken rule that is known explains this event".to_owned());
    }
    lines
}
