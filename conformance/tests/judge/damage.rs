//! Damaged histories are refused or reported, never passed.

use std::collections::BTreeSet;

use pghaspec::history::History;
use pghaspec::judge::{Verdict, judge};
use pghaspec_model::rules::edition::Edition;
use serde_json::{Value, json};

use crate::recorded::*;

#[test]
fn a_killed_run_is_readable_and_inconclusive() {
    let text = trace("patroni-4.1.5", RESTART);
    let judgement = judged(&text[..text.len() * 2 / 3], RESTART);
    assert_eq!(check(&judgement, "evidence-complete").verdict, Verdict::Inconclusive);
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "the agent is not to blame: {judgement:#?}");
    // Also when only the very last line is cut off.
    let mut tail = text.clone();
    tail.extend_from_slice(br#"{"v":1,"se"#);
    assert_eq!(judged(&tail, RESTART).verdict, Verdict::Inconclusive);
    // Wherever it is cut, it is refused or inconclusive: the agent is never to blame, and nothing panics.
    for cut in (1..text.len()).step_by(97) {
        if let Ok(history) = History::parse(&text[..cut]) {
            assert_eq!(judge(&history, Edition::V4_1, None).verdict, Verdict::Inconclusive, "cut at {cut}");
        }
    }
}

#[test]
fn damaged_histories_are_refused() {
    let text = trace("patroni-4.1.5", RESTART);
    let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
    let refused = |text: &[u8], problem: &str| {
        let (_, words) = History::parse(text).expect_err(problem);
        assert!(words.contains(problem), "{words}");
    };
    let set = |key: &str, value: Value| {
        changed(&text, |event| {
            event[key] = value.clone();
            true
        })
    };
    refused(b"", "is empty");
    refused(b"not json\n", "not a JSON object");
    refused(b"{\"hello\":1}\n", "no format version");
    refused(&lines[1..].concat(), "event 1 where event 0 belongs");
    let mut swapped = lines.clone();
    swapped.swap(10, 11);
    refused(&swapped.concat(), "out of order");
    let mut doubled = lines.clone();
    doubled.insert(10, lines[10]);
    refused(&doubled.concat(), "doubled");
    refused(&set("v", json!(99)), "newer one");
    refused(&set("at", json!([2, 1])), "ends before it begins");
    refused(&set("node", json!("n9")), "names n9");
    refused(&changed(&text, |event| event["kind"] != "run"), "does not say what was run");
    refused(&set("kind", json!("meteor")), "meteor");
    refused(&set("hearsay", json!(1)), "hearsay: such an event has no such field");
    // Taken from another run: its process ids and its revisions are others.
    let foreign = trace("patroni-4.1.5", FAILOVER);
    let half = events(&text).len() / 2;
    let mixed = written(events(&text).into_iter().take(half).chain(events(&foreign).into_iter().skip(half)));
    assert!(History::parse(&mixed).is_err(), "half of one run and half of another");
}

/// One event of a run is changed so that it contradicts the others.
#[test]
fn histories_that_contradict_themselves_are_refused() {
    let text = trace("patroni-4.1.5", FAILOVER);
    let refused = |like: &dyn Fn(&Value) -> bool, change: &dyn Fn(&mut Value), problem: &str| {
        let mut done = false;
        let text = changed(&text, |event| {
            if !done && like(event) {
                done = true;
                change(event);
            }
            true
        });
        let (line, words) = History::parse(&text).expect_err(problem);
        assert!(words.contains(problem) && line.is_some(), "{words}");
    };
    let kind = |kind: &'static str| move |event: &Value| event["kind"] == kind;
    let set = |key: &'static str, value: Value| move |event: &mut Value| event[key] = value.clone();
    refused(&kind("run"), &set("nodes", json!(["n1", "n2", "n3", "n2"])), "a name stands twice");
    refused(&kind("run"), &set("process_observation", json!("guessing")), "expected `proc-connector` or `polling`");
    refused(&kind("run"), &set("observed", json!(["harness"])), "did not observe this run");
    refused(&kind("run"), &set("observed", json!(["etcd"])), "`harness` is missing");
    refused(&|event| event["phase"] == "heal", &set("phase", json!("ready")), "does not come after");
    refused(&|event| event["phase"] == "settled", &set("phase", json!("end")), "after the end");
    refused(&kind("leader-key"), &set("source", json!("postgres")), "does not see such events");
    refused(&kind("leader-key"), &set("node", json!("n1")), "is about the cluster");
    refused(&kind("server"), &set("node", Value::Null), "names none");
    refused(&|event| event["change"] == "deleted", &set("revision", json!(9)), "does not come after");
    refused(&|event| event["change"] == "deleted", &set("lease", json!(9)), "had another lease");
    refused(&|event| event["change"] == "deleted", &set("change", json!("created")), "names nobody");
    refused(&|event| event["holder"] == "n2", &set("change", json!("overwritten")), "was not there before");
    refused(&|event| is_exit(event, "postmaster"), &set("pid", json!(99_999)), "never started");
    refused(&|event| is_exit(event, "postmaster"), &set("what", json!("agent")), "started as postmaster");
    refused(&|event| is_exit(event, "postmaster"), &set("code", json!(0)), "by itself or by a signal");
    refused(&|event| is_exit(event, "postmaster"), &set("node", json!("n2")), "never started");
    refused(&|event| is_exit(event, "pg-basebackup"), &set("at", json!([5, 5])), "ends before it starts");
    refused(&|event| event["state"] == "refused", &set("timeline", json!(1)), "says no more than that");
    refused(&|event| event["state"] == "primary", &set("streaming", json!(true)), "a primary does not");
    refused(&|event| event["state"] == "primary", &set("timeline", json!(0)), "begin with 1");
    refused(&|event| event["result"] == "ok", &set("error", json!("no")), "has none");
    refused(&|event| event["id"] == 1_000_002, &set("id", json!(1_000_001)), "was written before");
    refused(&kind("read-back"), &set("rows", json!([[5, 4]])), "increasing order");
    refused(&kind("read-back"), &set("rows", json!([[7, 9], [1, 2]])), "increasing order");
    refused(&kind("server"), &set("at", json!([5, 9_000_000_000_000_u64])), "later than the end");
}

/// The reason why a wrong value of these fields, where it can be at all, may leave a verdict as it is.
const FREE: &[(&str, &[&str])] = &[
    (
        "names, and words for readers",
        &[
            "fault: effect",
            "recover: message",
            "run: agent",
            "run: run",
            "run: scenario",
            "run: version",
            "write failed fresh: error",
            "write failed held: error",
        ],
    ),
    (
        "nothing is decided by what an agent says but for its branches",
        &["said: message", "said: node", "said: pattern"],
    ),
    (
        "a command line tells which data directory it is, where one is copied or recovered",
        &["process-started agent: argv", "process-started pg-basebackup: argv", "process-started postmaster: argv"],
    ),
    (
        "another edition explains it as well, and other settings make nothing late that was in time",
        &["run: edition", "run: loop_wait_s", "run: primary_start_timeout_s", "run: retry_timeout_s", "run: ttl_s"],
    ),
    (
        "only the order counts, and whether the same key goes that came",
        &["leader-key created: lease", "leader-key created: revision", "leader-key deleted: revision"],
    ),
    (
        "the same for who held it: found there or created, deleted or expired after all writes",
        &["leader-key created: change", "leader-key deleted: change"],
    ),
    ("how a cluster is bootstrapped is not judged", &["process-exited pg-basebackup: code"]),
    (
        "the last of its node: it does not end within the run",
        &["process-started agent: node", "process-started agent: pid", "process-started postmaster: pid"],
    ),
    ("WAL positions only bound a loss, and nothing was lost", &["server primary: lsn", "server standby: lsn"]),
    (
        "another behaviour: a standby is for moments what it was found to be a moment later",
        &[
            "server refused: state",
            "server standby: node",
            "server standby: streaming",
            "server standby: timeline",
            "server starting: node",
            "server starting: state",
        ],
    ),
    (
        "a write that was refused proves nothing, whoever sent it",
        &[
            "write failed fresh: id",
            "write failed fresh: node",
            "write failed fresh: result",
            "write failed fresh: session",
            "write failed held: id",
            "write failed held: node",
            "write failed held: result",
            "write failed held: session",
        ],
    ),
    (
        "a row that is there, whose answer was lost instead, or which another session sent",
        &["write ok fresh: result", "write ok fresh: session", "write ok held: result", "write ok held: session"],
    ),
];

/// Values of a field that are wrong, and some of which could be right elsewhere.
fn wrong_values(field: &str, value: &Value) -> Vec<Value> {
    let others: &[&str] = match field {
        "node" | "holder" => &["n1", "n2", "n3", "n9"],
        "source" => &["harness", "etcd", "process", "postgres", "writer", "agent-log"],
        "state" => &["primary", "standby", "starting", "refused", "unknown"],
        "result" => &["ok", "failed", "indeterminate"],
        "session" => &["held", "fresh"],
        "change" => &["present", "created", "overwritten", "deleted", "expired"],
        "what" => &["postmaster", "single-user", "pg-rewind", "pg-basebackup", "agent"],
        "phase" => &["bootstrap", "ready", "fault", "heal", "settled", "read-back", "end"],
        "branch" => &["fail-over", "start-primary", "crash-recovery", "rewind", "start-secondary"],
        "fault" => &["postmaster-killed", "agent-killed", "backend-crashed"],
        "edition" => &["2.1.2", "4.0"],
        _ => &[],
    };
    let mut wrong: Vec<Value> = others.iter().map(|other| json!(other)).filter(|other| other != value).collect();
    wrong.extend(match value {
        Value::Null => vec![json!(1)],
        Value::Bool(set) => vec![json!(!set)],
        Value::Number(number) => {
            let number = number.as_i64().unwrap_or(0);
            vec![
                json!(number.wrapping_add(1)),
                json!(number.saturating_mul(3).wrapping_add(1_000_000_000_000)),
                json!(0),
            ]
        }
        Value::String(words) => vec![json!(format!("{words}x")), json!("")],
        Value::Array(_) => vec![json!([])],
        Value::Object(_) => vec![],
    });
    wrong.push(Value::Null);
    wrong.retain(|other| other != value);
    wrong
}

/// The kind of an event, so fine that its fields matter in the same way.
fn class(event: &Value) -> String {
    let mut class = event["kind"].as_str().unwrap().to_owned();
    for field in ["phase", "state", "what", "change", "result", "session"] {
        class += event[field].as_str().map_or(String::new(), |word| format!(" {word}")).as_str();
    }
    class
}

/// Every field of the last event of each kind is given wrong values: the history is refused, or not passed, or the
/// field is free.
#[test]
fn a_single_wrong_field_is_refused_or_reported_or_free() {
    let mut passed = BTreeSet::new();
    let mut tried = 0;
    for (agent, scenario) in [("patroni-4.1.5", RESTART), ("patroni-4.1.5", FAILOVER)] {
        let recorded = events(&trace(agent, scenario));
        let mut last = std::collections::BTreeMap::new();
        for (index, event) in recorded.iter().enumerate() {
            last.insert(class(event), index);
        }
        for (class, index) in last {
            let event = recorded[index].as_object().unwrap().clone();
            for (field, value) in &event {
                for wrong in wrong_values(field, value) {
                    let mut damaged = recorded.clone();
                    damaged[index][field] = wrong.clone();
                    let text: String = damaged.iter().map(|event| format!("{event}\n")).collect();
                    tried += 1;
                    let Ok(history) = History::parse(text.as_bytes()) else { continue };
                    let Some(edition) = history.run.edition.as_deref().and_then(Edition::from_id) else { continue };
                    let expect = pghaspec::scenario::Scenario::load(scenario).unwrap().expect;
                    if judge(&history, edition, Some(&expect)).verdict == Verdict::Pass {
                        passed.insert(format!("{class}: {field}"));
                    }
                }
            }
        }
    }
    assert!(tried > 1000, "{tried}");
    let free: BTreeSet<String> = FREE.iter().flat_map(|(_, fields)| *fields).map(|field| (*field).to_owned()).collect();
    assert_eq!(passed, free, "{tried} were tried");
}
