//! Every fault is injected on real containers once, and shows its effect and its end. Needs Docker and the images of
//! `ci/setup`.
//!
//! PGHASPEC_DOCKER=1 cargo test --release --test faults -- --ignored --nocapture

mod opt_in;

use std::collections::BTreeMap;
use std::process::Command;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Event, Kind};
use pghaspec_model::vocabulary::fault::Fault;

/// Scenarios that inflict everything there is. What comes of it is the judge's business, not this test's.
const SCENARIOS: [&str; 16] = [
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
    "orphan-writer-start-timeout-0",
    "rewind-fails",
];
const SINGLE_USER: [&str; 2] = ["single-user-fails", "single-user-hangs"];

#[test]
#[ignore = "a quarter of an hour of containers: run it when the lab, Docker or the kernel is another one"]
fn every_fault_shows_its_effect() {
    if !opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup") {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let mut shown: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut without = Vec::new();
    for scenario in SCENARIOS.into_iter().chain(SINGLE_USER) {
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
    // A lease expires by itself: the leader key says so, no step does. And nobody can stall a watch alone from outside.
    let not_made = [Fault::LeaseExpires, Fault::WatchStalls, Fault::WatchResumes];
    let faults = Fault::ALL.into_iter().filter(|fault| !not_made.contains(fault)).map(Fault::id);
    let missing: Vec<&str> =
        faults.chain(Disturbance::ALL.map(Disturbance::id)).filter(|id| !shown.contains_key(id)).collect();
    assert!(missing.is_empty() && without.is_empty(), "never seen: {missing:?}; without effect: {without:?}");
}
