//! Objections about histories: each is held to the plan, to its scenario, and to the logs beside it.

use std::collections::BTreeSet;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{FORMAT, GapReason, Kind, Run, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::{Found, Recorded, logs};
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
    let mut name: Option<&str> = None;
    for one in scenarios.iter().filter(|one| one.is_whole()) {
        let events = one.file("events.jsonl");
        let Some(history) = &one.history else {
            found.add(&events, "cannot be read, though the scenario was run to its end");
            continue;
        };
        let first = *name.get_or_insert(&history.run.run);
        if history.run.run != first {
            found.add(&events, format!("is of the run {}, and others are of {first}", history.run.run));
        }
        if let Some(older) = history.events.iter().find(|event| event.v != FORMAT) {
            found.add(&events, format!("is of format {}, and this pghaspec records format {FORMAT}", older.v));
        }
        if let Ok((scenario, _)) = &one.scenario {
            for why in head(&history.run, run, claims, scenario).into_iter().chain(faults(history, scenario)) {
                found.add(&events, why);
            }
        }
        for why in logs::quoted(history, one.id, contents).into_iter().chain(logs::processes(history, one.id, contents))
        {
            found.add(&events, why);
        }
        let digits = history.run.run.rsplit('-').next().unwrap_or_default();
        if let Some(why) = logs::of_another_run(digits, one.id, contents) {
            found.add(&events, why);
        }
        let folder = format!("{}/logs/", one.id);
        for log in contents.files.iter().filter_map(|file| file.strip_prefix(&folder)) {
            if !log.starts_with(&format!("pghaspec-{digits}-")) {
                found.add(format!("{folder}{log}"), format!("is no log of the run {}", history.run.run));
            }
        }
    }
}

/// The first line of a history, held to the plan and the scenario.
fn head(said: &Run, run: &RecordedRun, claims: &Claims, scenario: &Scenario) -> Vec<String> {
    let (plan, settings) = (&run.plan, &scenario.settings);
    let mut observed: BTreeSet<Source> =
        [Source::Harness, Source::Etcd, Source::Process, Source::Postgres, Source::Writer].into();
    if claims.says {
        observed.insert(Source::AgentLog);
    }
    if settings.has_watchdog() {
        observed.insert(Source::Watchdog);
    }
    let pairs: [(&str, String, String); 12] = [
        ("scenario", said.scenario.clone(), scenario.id.clone()),
        ("agent", said.agent.clone(), plan.agent.clone()),
        ("release", said.version.clone(), plan.version.clone()),
        ("edition", said.edition.clone(), plan.spec.edition.clone()),
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

/// The faults that were made, held to the steps of the scenario.
fn faults(history: &History, scenario: &Scenario) -> Vec<String> {
    let mut made: BTreeSet<Fault> = BTreeSet::new();
    let mut disturbed: BTreeSet<Disturbance> = BTreeSet::new();
    let mut cut_short = false;
    for event in &history.events {
        match &event.kind {
            Kind::Fault { fault, .. } => {
                made.insert(*fault);
            }
            Kind::Disturbance { disturbance, .. } => {
                disturbed.insert(*disturbance);
            }
            Kind::Gap { reason: Some(GapReason::StepNotTaken), .. } => cut_short = true,
            _ => {}
        }
    }
    let mut why = Vec::new();
    for step in &scenario.steps {
        let missing = match step.action {
            // A trap may lie in wait for what never comes.
            Action::Fault(fault) => !made.contains(&fault) && !is_trap(fault, &step.how),
            Action::Disturbance(disturbance) => !disturbed.contains(&disturbance),
            Action::Lift(_) | Action::Await => false,
        };
        if missing && !cut_short {
            why.push(format!("the step {} of the scenario is not in it", step.name()));
        }
    }
    let planned = |action: Action| scenario.steps.iter().any(|step| step.action == action);
    // What hangs is killed in the end.
    let ends = |fault: Fault| {
        let hung = match fault {
            Fault::SingleUserFails => Some(Fault::SingleUserHangs),
            Fault::PostmasterKilled => Some(Fault::StartHangs),
            _ => None,
        };
        ENDS.contains(&fault) || hung.is_some_and(|hung| planned(Action::Fault(hung)))
    };
    for fault in made.iter().filter(|fault| !ends(**fault) && !planned(Action::Fault(**fault))) {
        why.push(format!("has the fault {}, which is no step of the scenario", fault.id()));
    }
    for one in disturbed.iter().filter(|one| !RESTORES.contains(one) && !planned(Action::Disturbance(**one))) {
        why.push(format!("has the benign fault {}, which is no step of the scenario", one.id()));
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
