//! Objections about the plan: a profile is all of its scenarios, and a scenario is what the suite has by that name.

use pghaspec_model::rules::edition::Edition;

use super::{Found, Recorded};
use crate::digest::sha256;
use crate::input::InputError;
use crate::report::evaluate::RecordedRun;
use crate::run::plan::{Plan, Shard};
use crate::scenario::{Scenario, profile, stress};

const FILE: &str = "plan.json";

pub(super) fn look(
    run: &RecordedRun,
    scenarios: &[Recorded<'_>],
    edition: Option<Edition>,
    found: &mut Found,
) -> Result<(), InputError> {
    let plan = &run.plan;
    if plan.scenarios.is_empty() {
        found.add(FILE, "plans no scenario");
    }
    // Nobody can choose a seed where nothing is drawn.
    if plan.profile.as_deref() != Some(profile::STRESS) && plan.seed > 1 {
        found.add(FILE, format!("has the seed {}, and draws nothing", plan.seed));
    }
    if let Some(profile) = &plan.profile {
        profile_is_whole(plan, profile, edition, found)?;
    } else {
        let ids: Vec<&str> = plan.scenarios.iter().map(|one| one.id.as_str()).collect();
        if !ids.is_sorted() {
            found.add(FILE, "its scenarios are not in the order of their names");
        }
        if plan.shard.is_some() && plan.scenarios.is_empty() {
            found.add(FILE, "is a part of nothing");
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
        if let Ok(text) = crate::untrusted::file::read(&one.dir.scenario, crate::untrusted::file::WRITTEN)
            && sha256(&text) != one.sha256
        {
            found.add(one.file("scenario.toml"), "is not the scenario of the plan");
        }
    }
    Ok(())
}

/// Holds the plan to the profile, or to the part of it that it says it is.
fn profile_is_whole(plan: &Plan, profile: &str, edition: Option<Edition>, found: &mut Found) -> Result<(), InputError> {
    let Some(profile) = profile::find(profile) else {
        found.add(FILE, format!("there is no profile `{profile}`"));
        return Ok(());
    };
    let planned: Vec<String> = plan.scenarios.iter().map(|one| one.id.clone()).collect();
    let shard: Option<Shard> = match plan.shard.as_deref().map(str::parse) {
        None => None,
        Some(Ok(shard)) => Some(shard),
        Some(Err(why)) => {
            found.add(FILE, format!("shard: {why}"));
            return Ok(());
        }
    };
    let part = |all: Vec<String>| shard.map_or_else(|| all.clone(), |shard| shard.part(all.clone()));
    if profile.id == profile::STRESS {
        // How many walks there are is the user's choice.
        let walks = |count: usize| match edition {
            Some(edition) => stress::draw(edition, plan.seed, count).into_iter().map(|drawn| drawn.id).collect(),
            None => Vec::new(),
        };
        let of = plan.shard.as_deref().and_then(|shard| shard.rsplit('/').next()?.parse().ok()).unwrap_or(1);
        let whole =
            (planned.len().saturating_sub(1) * of..=planned.len() * of).any(|count| part(walks(count)) == planned);
        if !whole {
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
