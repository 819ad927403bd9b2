//! Parts: a history that is cut into parts is judged as in one part, check by check, and no more of it is held the
//! longer it is.

use std::path::Path;

use pghaspec::history::History;
use pghaspec::history::parts::Recording;
use pghaspec::judge::{Check, Judged, Judgement, Verdict, judge, judge_recording};
use pghaspec::scenario::Scenario;
use pghaspec_model::rules::edition::Edition;
use serde_json::{Value, json};

use crate::recorded::*;
use crate::traces::histories;

/// Events of a part, at least: a few rounds.
const PART: usize = 400;

/// More events than any golden trace has.
const PARTS_OF_NO_TRACE: usize = 1 << 20;

/// A recorded history, repeated to so many events.
fn repeated_to(scenario: &str, count: usize) -> Vec<u8> {
    let recorded = History::parse(&trace("patroni-4.1.5", scenario)).unwrap();
    let events = crate::repeated::repeated(&recorded, count);
    assert!(events.len() >= count);
    let text: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
    text.into_bytes()
}

fn by_parts(text: &[u8], scenario: Option<&Scenario>) -> Judged {
    let recording = Recording::parse(text.to_vec(), PART).expect("this history can be read");
    assert!(recording.count > 2 * PART as u64);
    let expect = scenario.map(|scenario| &scenario.expect);
    judge_recording(&recording, Edition::V4_1, expect).expect("it can be read again")
}

fn verdicts(checks: &[Check]) -> Vec<(&str, Verdict)> {
    checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect()
}

/// Judged part by part as at once; what is not passed.
fn assert_same(text: &[u8], scenario: &str) -> Vec<String> {
    let history = History::parse(text).unwrap();
    let scenario = Scenario::load(scenario).unwrap();
    let whole = judge(&history, Edition::V4_1, Some(&scenario.expect));
    let long = by_parts(text, Some(&scenario)).judgement;
    assert_eq!(verdicts(&long.checks), verdicts(&whole.checks), "{long:#?}\nat once:\n{whole:#?}");
    assert_eq!((&long.branches, long.unlisted), (&whole.branches, 0));
    for (one, other) in long.checks.iter().zip(&whole.checks).filter(|(one, _)| one.verdict == Verdict::Fail) {
        assert_eq!(one.event, other.event, "{one:#?}\nat once:\n{other:#?}");
    }
    whole.checks.into_iter().filter(|check| check.verdict != Verdict::Pass).map(|check| check.id).collect()
}

#[test]
fn a_repeated_history_is_judged_as_the_recorded_one() {
    for scenario in [RESTART, FAILOVER] {
        let text = repeated_to(scenario, 20_000);
        let long = by_parts(&text, None);
        for check in &long.judgement.checks {
            let expected = if check.id == "scenario-demands" { Verdict::Skipped } else { Verdict::Pass };
            assert_eq!(check.verdict, expected, "{scenario}: {check:#?}");
        }
        assert!(long.explained_by(&Edition::ALL).is_some_and(|editions| editions.contains(&Edition::V4_1)));
    }
}

#[test]
fn part_by_part_is_as_at_once() {
    for scenario in [RESTART, FAILOVER] {
        let text = repeated_to(scenario, 4_000);
        assert_same(&text, scenario);
        let all = events(&text);
        // In the middle of the history, and at a place that the parts do not know.
        let middle = |like: &dyn Fn(&Value) -> bool| {
            let place = (all.len() / 2..all.len()).find(|place| like(&all[*place])).expect("there is such an event");
            all[place].clone()
        };
        let with_one = |seq: &Value, change: &dyn Fn(&mut Value) -> bool| {
            changed(&text, |event| event["seq"] != *seq || change(event))
        };
        // An acknowledged write that is gone.
        let write = middle(&|event| event["kind"] == "write" && event["result"] == "ok");
        let lost = without_rows(&text, |row| json!(row) == write["id"]);
        // An asynchronous failover may lose it.
        let failed = assert_same(&lost, scenario);
        assert_eq!(failed.contains(&"acknowledged-writes".to_owned()), scenario == RESTART, "{failed:?}");
        // A decision that nobody can explain.
        let decided = middle(&|event| event["kind"] == "recover");
        let other = with_one(&decided["seq"], &|event| {
            event["branch"] = json!("crash-recovery");
            true
        });
        let failed = assert_same(&other, scenario);
        assert!(failed.contains(&"allowed-by-the-model".to_owned()), "{failed:?}");
        // A standby that is found to be writable beside the leader.
        let standby = middle(&|event| event["state"] == "standby" && event["streaming"] == true);
        let two = with_one(&standby["seq"], &|event| {
            event["state"] = json!("primary");
            event["streaming"] = Value::Null;
            true
        });
        let failed = assert_same(&two, scenario);
        assert!(failed.contains(&"writable-needs-lock".to_owned()), "{failed:?}");
        // Something was not observed.
        let gap = json!({"v": 1, "seq": 0, "at": write["at"], "source": "harness", "kind": "gap", "of": "process",
            "why": "late"});
        let failed = assert_same(&with(&text, [gap]), scenario);
        assert!(failed.contains(&"crash-recovery-once".to_owned()), "{failed:?}");
        // A second server beside the first.
        let (at, node) = (write["at"][0].as_u64().unwrap(), write["node"].as_str().unwrap());
        let second = [
            crate::recorded::started(at, node, "postmaster", 4_000_000, &["postgres"]),
            exited(at + 1_000_000, node, "postmaster", 4_000_000, Some(0), None),
        ];
        assert!(assert_same(&with(&text, second), scenario).contains(&"one-postmaster".to_owned()));
    }
}

/// Facts of earlier parts that a check asks for at the end: a fault of the DCS without an effect, which excuses what
/// the scenario demands, and a gap in the observation of processes, which leaves a later gap of the probes open.
#[test]
fn what_happened_in_an_earlier_part_is_known_at_the_end() {
    let text = repeated_to(RESTART, 4_000);
    let early = moment(&text, |event| event["kind"] == "fault") + 1;
    let undone = json!({"v": 1, "seq": 0, "at": [early, early], "source": "harness", "kind": "fault",
        "fault": "dcs-down", "effect": null});
    // Judged by another scenario, so that its demands are not met.
    let excused = with(&text, [undone]);
    assert!(assert_same(&excused, FAILOVER).contains(&"takes-branch".to_owned()));
    let by_parts = by_parts(&excused, Some(&Scenario::load(FAILOVER).unwrap())).judgement;
    assert_eq!(check(&by_parts, "takes-branch").verdict, Verdict::Inconclusive, "{by_parts:#?}");
    let late = events(&text).into_iter().rev().find(|event| event["kind"] == "write").expect("somebody wrote");
    let gap = |at: &Value, of: &str, node: Option<&str>| {
        json!({"v": 1, "seq": 0, "at": at, "source": "harness", "kind": "gap", "of": of, "why": "late",
            "node": node})
    };
    let gaps = [gap(&json!([early, early]), "process", None), gap(&late["at"], "postgres", Some("n1"))];
    assert_same(&with(&text, gaps), RESTART);
}

/// The number of events that are held at once depends on the open ones, and not on the length of the history.
#[test]
fn no_more_is_held_of_a_longer_history() {
    for scenario in [RESTART, FAILOVER] {
        let [short, long] = [20_000, 60_000].map(|count| {
            let Judged { held, ranges, .. } = by_parts(&repeated_to(scenario, count), None);
            // Of rows as many ranges as clients were interrupted, some ten times in each round of a hundred events.
            assert!(ranges < count / 4, "{scenario}: {ranges} ranges of {count} events");
            held
        });
        assert!(short < 4 * PART && long < 4 * PART, "{scenario}: {short} and {long} of parts of {PART}");
        assert!(long <= short + PART / 4, "{scenario}: {short} and then {long}");
    }
}

/// The judgement on a recorded history that is cut into parts of so many events at least, and the number of parts.
fn cut(text: &[u8], file: &Path, part: usize) -> (Judgement, usize) {
    let recording =
        Recording::parse(text.to_vec(), part).unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
    let edition = recording.edition(file).unwrap_or_else(|error| panic!("{error}"));
    let scenario = &recording.run.scenario;
    let scenario = Scenario::exists(scenario).then(|| Scenario::load(scenario).expect("it is in the fixtures"));
    let expect = scenario.as_ref().map(|scenario| &scenario.expect);
    let mut parts = recording.parts(&[]).expect("it can be read again");
    let mut count = 0;
    while parts.next_part().expect("it can be read again").is_some() {
        count += 1;
    }
    (judge_recording(&recording, edition, expect).expect("it can be read again").judgement, count)
}

/// Each golden trace in parts of 64 events, and in parts that are cut at every quiescent point, against the same in one
/// part.
#[test]
fn every_recorded_history_is_judged_in_parts_as_in_one() {
    let mut most = 0;
    for file in histories(&traces()) {
        let text = std::fs::read(&file).expect("it was listed");
        let (whole, one) = cut(&text, &file, PARTS_OF_NO_TRACE);
        assert_eq!(one, 1, "{}", file.display());
        for part in [64, 1] {
            let (judgement, parts) = cut(&text, &file, part);
            most = most.max(parts);
            let words = |judgement: &Judgement| -> Vec<String> {
                let line = |check: &Check| format!("{} {} {:?}", check.id, check.verdict.text(), check.event);
                judgement.checks.iter().map(line).collect()
            };
            let (found, expected) = (words(&judgement), words(&whole));
            assert_eq!(found, expected, "{} in {parts} parts: {judgement:#?}", file.display());
            assert_eq!(
                (judgement.verdict, &judgement.branches),
                (whole.verdict, &whole.branches),
                "{}",
                file.display()
            );
        }
    }
    assert!(most > 5, "no history was cut into more than {most} parts");
}
