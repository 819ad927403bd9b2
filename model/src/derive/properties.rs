//! Schedules that break properties: with one rule broken on purpose, and by the rules of released editions.

use std::collections::BTreeMap;

use crate::cluster::{Action, Cluster, Settings, State};
use crate::engine::Options;
use crate::mutants::Mutant;
use crate::rules::edition::Edition;
use crate::timed::{Timed, TimedAction, Timing, check_failover, crash};
use crate::verify::assumption::Assumption;
use crate::verify::check::check;
use crate::verify::liveness::check_promises;
use crate::vocabulary::property::Property;

use super::goal::Goal;
use super::schedule::Schedule;

/// The most bytes that the graph for liveness may take.
const GRAPH: usize = 4 << 30;

/// For each property, a schedule that makes an agent with one broken rule violate it. The first mutant that the
/// property kills is used.
pub fn kills() -> Vec<(Goal, Schedule)> {
    let of_property = |property: Property| {
        let shown = |mutant: &Mutant| mutant.shown().filter(|(_, shown)| *shown == property);
        if let Some(mutant) = Mutant::ALL.into_iter().find(|mutant| shown(mutant).is_some()) {
            let (assumption, _) = shown(&mutant)?;
            let settings = Settings { mutant: Some(mutant), ..assumption.settings(Edition::Ideal) };
            let schedule = broken(settings, &[property]).remove(&property)?;
            return Some((Goal::Kill(property, mutant), schedule));
        }
        let by_clocks = Mutant::ALL.into_iter().find(|mutant| mutant.shown_by_clocks().is_some());
        let mutant = by_clocks.filter(|_| property.is_timed())?;
        Some((Goal::Kill(property, mutant), late(mutant)?))
    };
    Property::ALL.into_iter().filter_map(of_property).collect()
}

/// The safety properties that the rules of an edition break. Each has the schedule with the fewest faults, and then the
/// fewest steps, over all assumptions that a suite can bring about. Liveness is left to [`kills`]: finding the shortest
/// lassos under every assumption takes minutes.
pub fn violations(edition: Edition) -> Vec<(Goal, Schedule)> {
    let mut found: BTreeMap<Property, Schedule> = BTreeMap::new();
    for assumption in Assumption::ALL.into_iter().filter(|assumption| *assumption != Assumption::StaleReads) {
        let safety: Vec<_> = Property::ALL.into_iter().filter(|property| !property.is_liveness()).collect();
        for (property, schedule) in broken(assumption.settings(edition), &safety) {
            let cost = |schedule: &Schedule| (!schedule.is_controllable(), schedule.faults(), schedule.length);
            if found.get(&property).is_none_or(|known| cost(&schedule) < cost(known)) {
                found.insert(property, schedule);
            }
        }
    }
    found.into_iter().map(|(property, schedule)| (Goal::Violation(property, edition), schedule)).collect()
}

/// Those of `properties` that these settings break, each with a schedule.
fn broken(settings: Settings, properties: &[Property]) -> BTreeMap<Property, Schedule> {
    let cluster = Cluster::new(settings.clone());
    let report = check(settings, properties, Options::default(), &|_| (), None);
    let schedule = |init: &State, steps: &[(Action, State)]| Schedule::of(&cluster, init, steps);
    let safety = report.properties.into_iter().filter_map(|(property, path)| Some((property, path?)));
    let mut found: BTreeMap<_, _> =
        safety.map(|(property, path)| (property, schedule(&path.init, &path.steps))).collect();
    for kept in check_promises(&cluster, properties, GRAPH).expect("assumptions are small") {
        if let Some(lasso) = kept.broken {
            let steps: Vec<_> = lasso.prefix.steps.iter().chain(&lasso.cycle).copied().collect();
            found.insert(kept.property, schedule(&lasso.prefix.init, &steps));
        }
    }
    found
}

/// A schedule with a failover that takes too long.
fn late(mutant: Mutant) -> Option<Schedule> {
    let settings = Settings { mutant: Some(mutant), ..crash(Edition::Ideal) };
    let start_timeout = mutant.shown_by_clocks()?;
    let timing = Timing { loop_wait: 2, ttl: 4, start_timeout, slow_dcs: false, ..Timing::default() };
    let timed = Timed::new(settings, timing);
    let path = check_failover(&timed, GRAPH)?.broken?;
    let steps: Vec<_> = path
        .steps
        .iter()
        .filter_map(|(action, moment)| match action {
            TimedAction::Step(action) => Some((*action, moment.state)),
            TimedAction::Tick(_) | TimedAction::Begin(_) => None,
        })
        .collect();
    Some(Schedule::of(&timed.cluster, &path.init.state, &steps))
}
