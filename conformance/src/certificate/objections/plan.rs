//! Objections about the plan: a profile is all of its scenarios, and a scenario is what the suite has by that name.

use std::io::ErrorKind;

use super::{Found, Recorded};
use crate::digest::sha256;
use crate::input::InputError;
use crate::report::evaluate::RecordedRun;
use crate::run::plan::{Plan, Shard};
use crate::scenario::{Scenario, profile, stress};
use crate::untrusted::file;

const FILE: &str = "plan.json";

pub(super) fn look(run: &RecordedRun, scenarios: &[Recorded<'_>], found: &mut Found) -> Result<(), InputError> {
    let plan = &run.plan;
    if plan.scenarios.is_empty() {
        found.add(FILE, "plans no scenario");
    }
    // Nobody can choose a seed where nothing is drawn.
    if plan.profile.as_deref() != Some(profile::STRESS) && plan.seed > 1 {
        found.add(FILE, format!("has the seed {}, and draws nothing", plan.seed));
    }
    let shard: Option<Shard> = match plan.shard.as_deref().map(str::parse) {
        None => None,
        Some(Ok(shard)) => Some(shard),
        Some(Err(why)) => {
            found.add(FILE, format!("shard: {why}"));
            return Ok(());
        }
    };
    if let Some(profile) = &plan.profile {
        profile_is_whole(plan, profile, shard, found)?;
    } else {
        let ids: Vec<&str> = plan.scenarios.iter().map(|one| one.id.as_str()).collect();
        if !ids.is_sorted() {
            found.add(FILE, "its scenarios are not in the order of their names");
        }
    }
    for one in scenarios {
        match &one.scenario {
            Err(error) => found.add(FILE, format!("{}: the suite has no such scenario: {}", one.id, error.problem)),
            Ok((_, text)) if sha256(text) != one.sha256 => {
                found.add(FILE, format!("{}: is not the scenario that the suite has by this name", one.id));
            }
            Ok(_) => {}
        }
        let text = file::read(&one.dir.scenario, file::WRITTEN);
        let absent = text.as_ref().is_err_and(|error| error.kind() == ErrorKind::NotFound);
        if !absent && text.map(sha256).ok().as_deref() != Some(one.sha256) {
            found.add(one.file("scenario.toml"), "is not the scenario of the plan");
        }
    }
    Ok(())
}

/// Holds the plan to the profile, or to the part of it that it says it is.
fn profile_is_whole(plan: &Plan, profile: &str, shard: Option<Shard>, found: &mut Found) -> Result<(), InputError> {
    let Some(profile) = profile::find(profile) else {
        found.add(FILE, format!("there is no profile `{profile}`"));
        return Ok(());
    };
    let planned: Vec<String> = plan.scenarios.iter().map(|one| one.id.clone()).collect();
    let part = |all: Vec<String>| shard.map_or_else(|| all.clone(), |shard| shard.part(all.clone()));
    if profile.id == profile::STRESS {
        // How many walks there are is the user's choice.
        let drawn = |place: usize| {
            let place = shard.map_or(place, |shard| shard.place(place));
            format!("{}{}-{place}", stress::PREFIX, plan.seed)
        };
        if planned.iter().enumerate().any(|(place, id)| *id != drawn(place)) {
            found.add(FILE, format!("is not made of the first walks that are drawn from seed {}", plan.seed));
        }
        return Ok(());
    }
    let belongs = |one: &Scenario| profile.id == profile::ALL || one.profiles.iter().any(|it| it == profile.id);
    let all: Vec<String> = Scenario::all()?.into_iter().filter(belongs).map(|one| one.id).collect();
    let wanted = part(all);
    for missing in wanted.iter().filter(|id| !planned.contains(id)) {
        found.add(FILE, format!("lacks {missing}, which belongs to the profile {}", profile.id));
    }
    for strange in planned.iter().filter(|id| !wanted.contains(id)) {
        found.add(FILE, format!("has {strange}, which does not belong to the profile {}", profile.id));
    }
    if planned.len() == wanted.len() && planned != wanted && wanted.iter().all(|id| planned.contains(id)) {
        found.add(FILE, "its scenarios are not in the order of the profile");
    }
    Ok(())
}
