//! Every fault, made and ended once on real containers: each must show its effect and its end.
//!
//! Needs Docker and the images of `ci/setup`:
//!
//! PGHASPEC_DOCKER=1 cargo test --release -p pghaspec --test faults -- --ignored --nocapture

mod opt_in;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use pghaspec::scenario::{Action, Scenario, catalogue};
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Event, Kind};
use pghaspec_model::vocabulary::fault::Fault;

/// Scenarios that inject everything there is. Their outcome is the judge's business, not this test's.
const SCENARIOS: [&str; 20] = [
    "dcs-compacted",
    "dcs-down-quorum-loss",
    "dcs-leader-moves",
    "leader-agent-frozen",
    "leader-checkpointer-killed",
    "leader-clock-skewed",
    "leader-cut-from-dcs",
    "leader-disk-full",
    "leader-hears-nothing-from-dcs",
    "leader-lease-lost",
    "leader-link-slow",
    "leader-node-killed",
    "leader-start-fails",
    "leader-start-hangs",
    "orphan-stopped",
    "orphan-writer-start-timeout-0",
    "rewind-fails",
    "single-user-fails",
    "single-user-hangs",
    "standby-leader-diverged-kept",
];

/// Names of all faults and benign faults that a scenario can name.
fn can_be_made() -> BTreeSet<&'static str> {
    let faults = Fault::ALL.into_iter().filter(|fault| catalogue::of_fault(*fault).is_ok()).map(Fault::id);
    faults.chain(Disturbance::ALL.map(Disturbance::id)).collect()
}

#[test]
fn every_fault_is_a_step_of_one_of_the_scenarios() {
    let named =
        SCENARIOS.into_iter().flat_map(|id| Scenario::load(id).unwrap().steps).filter_map(|step| match step.action {
            Action::Fault(fault) => Some(fault.id()),
            Action::Disturbance(disturbance) => Some(disturbance.id()),
            Action::Lift(_) | Action::Await => None,
        });
    let missing: Vec<&str> = can_be_made().difference(&named.collect()).copied().collect();
    assert!(missing.is_empty(), "add a scenario for {missing:?}");
}

#[test]
#[ignore = "a quarter of an hour of containers: run it when the lab, Docker or the kernel has changed"]
fn every_fault_shows_its_effect() {
    if !opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup") {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for scenario in SCENARIOS {
        let mut certify = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
        certify.args(["certify", "patroni@4.1.5", "--json", "--scenario", scenario, "--out"]).arg(out.path());
        certify.output().unwrap();
        let history = out.path().join("latest").join(scenario).join("events.jsonl");
        let text = std::fs::read_to_string(&history).unwrap_or_else(|error| panic!("{scenario}: {error}"));
        for event in text.lines().map(|line| serde_json::from_str::<Event>(line).unwrap()) {
            let (id, effect) = match event.kind {
                Kind::Fault { fault, effect } => (fault.id(), effect),
                Kind::Disturbance { disturbance, effect } => (disturbance.id(), effect),
                _ => continue,
            };
            match effect {
                Some(effect) => shown.entry(id).or_default().push(format!("{scenario}: {effect}")),
                None => without.push(format!("{scenario}: {id}")),
            }
        }
    }
    for (id, effects) in &shown {
        println!("{id:<20} {}", effects[0]);
    }
    let missing: Vec<&str> = can_be_made().into_iter().filter(|id| !shown.contains_key(id)).collect();
    assert!(missing.is_empty() && without.is_empty(), "never seen: {missing:?}; without effect: {without:?}");
}
