//! Objections about histories: each is held to the plan, to its scenario, and to the logs beside it.

use std::collections::{BTreeSet, HashMap};

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{FORMAT, GapReason, Kind, Run, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::{Found, Recorded, logs, outcomes};
use crate::certificate::make::manifest_of_suite;
use crate::history::History;
use crate::report::evaluate::RecordedRun;
use crate::run::claims::Claims;
use crate::run::contents::Contents;
use crate::scenario::{Action, Scenario, is_trap};

/// Faults that end others: the lab records them when it heals, whether or not the scenario names them.
const ENDS: [Fault; 6] =
    [Fault::AgentRestarted, Fault::AgentThawed, Fault::DiskFreed, Fault::DcsReached, Fault::NodesJoined, Fault::DcsUp];

/// Benign faults that end others.
const RESTORES: [Disturbance; 3] =
    [Disturbance::LinkRestored, Disturbance::ClockRestored, Disturbance::OrphansContinued];

pub(super) fn look(
    run: &RecordedRun,
    claims: &Claims,
    contents: &Contents,
    scenarios: &[Recorded<'_>],
    found: &mut Found,
) {
    let mut name: Option<String> = None;
    let suite = manifest_of_suite(claims);
    let mut processes: HashMap<(u32, u64), &str> = HashMap::new();
    // One at a time: they may be large.
    for one in scenarios {
        let events = one.file("events.jsonl");
        let history = match History::read(&one.dir.events) {
            Ok(history) if one.is_whole() || history.is_complete() => history,
            Err(error) if one.is_whole() => {
                let line = error.line.map_or(String::new(), |line| format!("line {line}: "));
                found.add(
                    &events,
                    format!("cannot be judged, though it was recorded to its end: {line}{}", error.problem),
                );
                continue;
            }
            _ => continue,
        };
        let first = name.get_or_insert_with(|| history.run.run.clone());
        if history.run.run != *first {
            found.add(&events, format!("is of the run {}, and others are of {first}", history.run.run));
        }
        if let Some(older) = history.events.iter().find(|event| event.v != FORMAT) {
            found.add(&events, format!("is of format {}, and this pghaspec records format {FORMAT}", older.v));
        }
        if let Ok((scenario, _)) = &one.scenario {
            for why in head(&history.run, run, claims, scenario).into_iter().chain(faults(&history, scenario)) {
                found.add(&events, why);
            }
        }
        if let Some(outcome) = one.outcome.as_ref().filter(|_| one.is_whole()) {
            outcomes::time(one, &history, outcome, found);
        }
        for process in logs::look(one, &history, suite.as_ref(), contents, found) {
            if let Some(other) = processes.insert(process, one.id).filter(|other| *other != one.id) {
                found.add(&events, format!("has a process that {other} has: the two are one recording"));
                break;
            }
        }
    }
}

/// The first line of a history, held to the plan and the scenario.
fn head(said: &Run, run: &RecordedRun, claims: &Claims, scenario: &Scenario) -> Vec<String> {
    let (plan, settings) = (&run.plan, &scenario.settings);
    let told_by = if claims.authority.by_etcd() { Source::Etcd } else { Source::Authority };
    let mut observed: BTreeSet<Source> =
        [Source::Harness, told_by, Source::Process, Source::Postgres, Source::Writer].into();
    if claims.says {
        observed.insert(Source::AgentLog);
    }
    if settings.has_watchdog() {
        observed.insert(Source::Watchdog);
    }
    let promises = plan.spec.edition.is_none().then(|| claims.features.iter().cloned().collect::<Vec<_>>());
    let edition = |of: &Option<String>| of.clone().unwrap_or_else(|| "none".to_owned());
    let pairs: [(&str, String, String); 15] = [
        ("scenario", said.scenario.clone(), scenario.id.clone()),
        ("agent", said.agent.clone(), plan.agent.clone()),
        ("release", said.version.clone(), plan.version.clone()),
        ("edition", edition(&said.edition), edition(&plan.spec.edition)),
        ("leadership", said.leadership.id().to_owned(), claims.authority.semantics.id().to_owned()),
        ("recovers_s", format!("{:?}", said.recovers_s), format!("{:?}", claims.recovers_s)),
        ("claims", format!("{:?}", said.claims), format!("{promises:?}")),
        ("rules", said.rules.join(", "), plan.spec.rules.join(", ")),
        ("nodes", said.nodes.join(", "), scenario.node_names().join(", ")),
        ("loop_wait", said.loop_wait_s.to_string(), settings.loop_wait_s.to_string()),
        ("ttl", said.ttl_s.to_string(), settings.ttl_s.to_string()),
        ("retry_timeout", said.retry_timeout_s.to_string(), settings.retry_timeout_s.to_string()),
        (
            "primary_start_timeout",
            said.primary_start_timeout_s.to_string(),
            settings.primary_start_timeout_s.to_string(),
        ),
        ("configuration", format!("{:?}", said.configuration), format!("{:?}", settings.configuration(scenario.etcd))),
        ("observed", format!("{:?}", said.observed.iter().copied().collect::<BTreeSet<_>>()), format!("{observed:?}")),
    ];
    let differ = pairs.into_iter().filter(|(_, said, wanted)| said != wanted);
    differ.map(|(what, said, wanted)| format!("{what}: says {said}, and the run is about {wanted}")).collect()
}

/// The faults that were made, held to the steps of the scenario and to their order.
fn faults(history: &History, scenario: &Scenario) -> Vec<String> {
    let mut made: Vec<(Action, Option<&str>)> = Vec::new();
    let mut cut_short = false;
    for event in &history.events {
        match &event.kind {
            Kind::Fault { fault, .. } => made.push((Action::Fault(*fault), event.node.as_deref())),
            Kind::Disturbance { disturbance, .. } => {
                made.push((Action::Disturbance(*disturbance), event.node.as_deref()));
            }
            Kind::Gap { reason: Some(GapReason::StepNotTaken), .. } => cut_short = true,
            _ => {}
        }
    }
    let mut why = Vec::new();
    let was_made = |action: Action| made.iter().any(|(one, _)| *one == action);
    // A trap may lie in wait for what never comes.
    let is_trapped = |action: Action| {
        scenario
            .steps
            .iter()
            .any(|step| step.action == action && matches!(action, Action::Fault(fault) if is_trap(fault, &step.how)))
    };
    for step in &scenario.steps {
        let is_seen = matches!(step.action, Action::Fault(_) | Action::Disturbance(_));
        if is_seen && !cut_short && !was_made(step.action) && !is_trapped(step.action) {
            why.push(format!("the step {} of the scenario is not in it", step.name()));
        }
    }
    let planned = |action: Action| scenario.steps.iter().any(|step| step.action == action);
    // The lab ends what still lasts, and what hangs is killed in the end.
    let ends = |action: Action| match action {
        Action::Fault(fault) => {
            let hung = match fault {
                Fault::SingleUserFails => Some(Fault::SingleUserHangs),
                Fault::PostmasterKilled => Some(Fault::StartHangs),
                _ => None,
            };
            ENDS.contains(&fault) || hung.is_some_and(|hung| planned(Action::Fault(hung)))
        }
        Action::Disturbance(disturbance) => RESTORES.contains(&disturbance),
        Action::Lift(_) | Action::Await => true,
    };
    let strange: BTreeSet<&str> =
        made.iter().filter(|(one, _)| !ends(*one) && !planned(*one)).map(|(one, _)| one.name()).collect();
    for one in strange {
        why.push(format!("has {one}, which is no step of the scenario"));
    }
    // What one step does at several nodes is one after the other.
    let counts = |action: &Action| !ends(*action) && !is_trapped(*action);
    let steps = scenario.steps.iter().map(|step| step.action).filter(counts);
    let mut steps: Vec<Action> = steps.collect();
    let mut taken: Vec<Action> = made.iter().map(|(action, _)| *action).filter(counts).collect();
    steps.dedup();
    taken.dedup();
    if why.is_empty() && (taken.len() > steps.len() || taken[..] != steps[..taken.len()]) {
        why.push("its faults are not those of the scenario, one after the other".to_owned());
    }
    why
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn faults_are_those_of_the_scenario() {
        let mut looked = 0;
        let folders = std::fs::read_dir(fixtures::root().join("traces")).unwrap();
        for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let file = entry.unwrap().path();
                if file.extension().is_none_or(|extension| extension != "jsonl") {
                    continue;
                }
                let history = History::read(&file).unwrap();
                let scenario = Scenario::load(&history.run.scenario).unwrap();
                // These scenarios have got two more steps since.
                let older = ["standby-leader-rewound", "standby-leader-rewind-fails"];
                if file.to_string_lossy().contains("patroni-traced") && older.contains(&scenario.id.as_str()) {
                    continue;
                }
                assert_eq!(faults(&history, &scenario), Vec::<String>::new(), "{}", file.display());
                looked += 1;
            }
        }
        assert!(looked > 80, "{looked}");
        let file = fixtures::root().join("traces/patroni-4.1.5/leader-postmaster-killed.jsonl");
        let other = Scenario::load("dcs-down-freeze").unwrap();
        let why = faults(&History::read(&file).unwrap(), &other);
        assert!(why.iter().any(|why| why.contains("postmaster-killed, which is no step")), "{why:?}");
        assert!(why.iter().any(|why| why.contains("dcs-down of the scenario is not in it")), "{why:?}");
    }
}
