//! Objections about the end of a scenario for the harness: whether it was to be run at all, and the time that it took.

use pghaspec_model::vocabulary::event::Phase;

use super::{Found, Recorded};
use crate::history::History;
use crate::report::evaluate::RecordedRun;
use crate::run::claims::Claims;
use crate::run::lap::{Lap, Part};
use crate::run::scenario_folder::Outcome;

/// Seconds by which the parts of a run and its history may differ: containers are started and removed outside of it.
const TOLERANCE: f64 = 2.0;

pub(super) fn look(run: &RecordedRun, claims: &Claims, scenarios: &[Recorded<'_>], found: &mut Found) {
    for one in scenarios {
        let (Some(outcome), Ok((scenario, _))) = (&one.outcome, &one.scenario) else { continue };
        let why = claims.unsupported(scenario, &run.plan.spec);
        match (&outcome.unsupported, &why) {
            (said, why) if said == why => {}
            (Some(_), None) => {
                found.add(one.file("outcome.json"), "says unsupported, and the agent claims all it needs")
            }
            (None, Some(why)) => found.add(one.file("outcome.json"), format!("says that it was run, and {why}")),
            _ => found.add(one.file("outcome.json"), "gives another reason for unsupported than there is"),
        }
    }
}

/// Holds the parts of the run to the history.
pub(super) fn time(one: &Recorded<'_>, history: &History, outcome: &Outcome, found: &mut Found) {
    let file = one.file("outcome.json");
    if outcome.time.iter().any(|lap| !(0.0..1e6).contains(&lap.seconds) || *lap != Lap::new(lap.part, lap.seconds)) {
        return found.add(file, "has a part of the run whose time cannot be");
    }
    let parts: Vec<Part> = outcome.time.iter().map(|lap| lap.part).collect();
    // Of a harness that was killed while it removed the containers that time is not known.
    if parts != Part::ALL && parts[..] != Part::ALL[..Part::ALL.len() - 1] {
        return found.add(file, "does not have each part of the run once, in its order");
    }
    let recorded: f64 = outcome.time.iter().filter(|lap| lap.part != Part::Removing).map(|lap| lap.seconds).sum();
    if let Some(end) = history.phase(Phase::End).map(|end| end as f64 / 1e9)
        && (recorded - end).abs() > TOLERANCE
    {
        found.add(file, format!("its parts take {recorded:.1} s, and the history {end:.1} s"));
    }
}
