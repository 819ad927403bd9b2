//! Control files: the cluster that a data directory belongs to, and the state in which it was left.

use pghaspec::history::History;
use pghaspec::judge::Verdict;
use serde_json::{Value, json};

use crate::recorded::*;

const OURS: &str = "7577123456789012345";
const THEIRS: &str = "7577999999999999999";

fn control(system: &str, state: &str) -> Value {
    json!({"system": system, "state": state})
}

/// A history of the format that has no control files, as if they had been seen.
fn seen(text: &[u8]) -> Vec<u8> {
    changed(text, |event| {
        event["v"] = json!(2);
        let state = match (event["state"].as_str(), event["signal"].is_null()) {
            (Some("primary"), _) => "in-production",
            (Some("standby"), _) => "in-archive-recovery",
            (None, true) if is_exit(event, "postmaster") => "shut-down",
            (None, false) if is_exit(event, "postmaster") => "in-production",
            _ => return true,
        };
        event["control"] = control(OURS, state);
        true
    })
}

/// The last event like this has another control file.
fn with_control(text: &[u8], control: &Value, like: impl Fn(&Value) -> bool) -> Vec<u8> {
    let last = events(text).into_iter().rfind(|event| like(event)).expect("there is such an event");
    changed(text, |event| {
        if event["seq"] == last["seq"] {
            event["control"] = control.clone();
        }
        true
    })
}

#[test]
fn a_data_directory_of_another_cluster_fails_and_is_named() {
    let text = seen(&trace("patroni-4.1.5", FAILOVER));
    let judgement = judged(&text, FAILOVER);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
    let why = &check(&judgement, "one-system-identifier").why;
    assert!(why.contains(OURS) && why.contains("n1, n2, n3"), "{why}");
    for state in ["primary", "standby"] {
        let text = with_control(&text, &control(THEIRS, "in-production"), |event| event["state"] == state);
        let judgement = judged(&text, FAILOVER);
        assert_only_fails(&judgement, &["one-system-identifier"]);
        let why = &check(&judgement, "one-system-identifier").why;
        assert!(why.contains(THEIRS) && why.contains(OURS) && why.contains("neither runs initdb over one"), "{why}");
    }
    // What was left behind tells as well.
    let left = with_control(&text, &control(THEIRS, "shut-down"), |event| is_exit(event, "postmaster"));
    assert_only_fails(&judged(&left, FAILOVER), &["one-system-identifier"]);
}

#[test]
fn what_was_not_seen_of_control_files_is_no_pass() {
    let without = |node: &'static str| {
        changed(&seen(&trace("patroni-4.1.5", FAILOVER)), move |event| {
            if event["node"] == node || node == "*" {
                event.as_object_mut().unwrap().remove("control");
            }
            true
        })
    };
    for node in ["n1", "*"] {
        let judgement = judged(&without(node), FAILOVER);
        assert_eq!(check(&judgement, "one-system-identifier").verdict, Verdict::Inconclusive, "{judgement:#?}");
    }
    // Older histories cannot tell, and are not asked.
    let judgement = judged(&trace("patroni-4.1.5", FAILOVER), FAILOVER);
    assert!(judgement.checks.iter().all(|check| check.id != "one-system-identifier"));
}

#[test]
fn a_history_is_of_one_format_and_has_the_fields_of_it() {
    let recorded = trace("patroni-4.1.5", RESTART);
    let mixed: String = events(&recorded)
        .into_iter()
        .map(|mut event| {
            if event["seq"] == 7 {
                event["v"] = json!(2);
            }
            format!("{event}\n")
        })
        .collect();
    let (line, problem) = History::parse(mixed.as_bytes()).unwrap_err();
    assert_eq!((line, problem.split(':').next()), (Some(8), Some("v")), "{problem}");
    let early = with_control(&recorded, &control(OURS, "in-production"), |event| event["state"] == "primary");
    let (_, problem) = History::parse(&early).unwrap_err();
    assert!(problem.starts_with("control: "), "{problem}");
}

/// An immediate shutdown ends with code 0 and leaves what a crash leaves.
#[test]
fn the_control_file_says_how_a_data_directory_was_left() {
    let text = trace("starts-without-lock", FAILOVER);
    let rewind = find(&text, |event| is_start(event, "pg-rewind"));
    let before = |event: &Value| {
        is_exit(event, "postmaster")
            && event["node"] == rewind["node"]
            && event["at"][1].as_u64() < rewind["at"][0].as_u64()
    };
    let left = |state: &str| {
        let judgement = judged(&with_control(&seen(&text), &control(OURS, state), before), FAILOVER);
        check(&judgement, "clean-before-rewind").clone()
    };
    for state in ["shut-down", "shut-down-in-recovery"] {
        assert_eq!(left(state).verdict, Verdict::Pass, "{state}");
    }
    for state in ["in-production", "shutting-down", "in-crash-recovery", "in-archive-recovery"] {
        let found = left(state);
        assert_eq!(found.verdict, Verdict::Fail, "{state}");
        assert!(found.why.contains(&state.replace('-', " ")), "{}", found.why);
    }
}
