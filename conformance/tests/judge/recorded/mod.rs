//! Recorded histories, and the changes that tests make to them.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::{Path, PathBuf};

use pghaspec::history::History;
use pghaspec::judge::{Check, Judgement, Verdict, judge};
use pghaspec::scenario::Scenario;
use pghaspec_model::rules::edition::Edition;
use serde_json::{Value, json};

pub const RESTART: &str = "leader-postmaster-killed";
pub const FAILOVER: &str = "leader-postmaster-killed-start-timeout-0";

/// The folder of all recorded histories.
pub fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/traces").canonicalize().expect("there are histories")
}

pub fn trace(agent: &str, scenario: &str) -> Vec<u8> {
    let file = traces().join(format!("{agent}/{scenario}.jsonl"));
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

pub fn judged(text: &[u8], scenario: &str) -> Judgement {
    let history = History::parse(text).expect("this history can be read");
    let scenario = Scenario::load(scenario).expect("the scenario is in the fixtures");
    judge(&history, Edition::V4_1, Some(&scenario.expect))
}

pub fn events(text: &[u8]) -> Vec<Value> {
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

pub fn written(events: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut text = String::new();
    let mut format = None;
    for (seq, mut event) in events.into_iter().enumerate() {
        event["seq"] = json!(seq);
        // What is added to a recorded history is of its format.
        event["v"] = format.get_or_insert_with(|| event["v"].clone()).clone();
        text += &format!("{event}\n");
    }
    text.into_bytes()
}

/// Changes a recorded history: `change` sees each event and says whether it stays.
pub fn changed(text: &[u8], mut change: impl FnMut(&mut Value) -> bool) -> Vec<u8> {
    written(events(text).into_iter().filter_map(|mut event| change(&mut event).then_some(event)))
}

/// Adds events, each before the first recorded one that ends later.
pub fn with(text: &[u8], more: impl IntoIterator<Item = Value>) -> Vec<u8> {
    let mut all = events(text);
    for event in more {
        let at = event["at"][1].as_u64().unwrap();
        let place = all.iter().position(|other| other["at"][1].as_u64().unwrap() > at).unwrap_or(all.len());
        all.insert(place, event);
    }
    written(all)
}

/// Makes the event that begins the phase `heal` a gap.
pub fn with_gap(text: &[u8], of: &str, why: &str) -> Vec<u8> {
    changed(text, |event| {
        if event["phase"] == "heal" {
            event.as_object_mut().unwrap().remove("phase");
            event["kind"] = json!("gap");
            event["of"] = json!(of);
            event["why"] = json!(why);
        }
        true
    })
}

/// Sets keys of the cluster's configuration.
pub fn configured(text: &[u8], configuration: Value) -> Vec<u8> {
    changed(text, |event| {
        if event["kind"] == "run" {
            event["configuration"] = configuration.clone();
        }
        true
    })
}

/// Sets a key of the run.
pub fn run_with(text: &[u8], key: &str, value: Value) -> Vec<u8> {
    changed(text, |event| {
        if event["kind"] == "run" {
            event[key] = value.clone();
        }
        true
    })
}

pub fn started(at: u64, node: &str, what: &str, pid: u32, argv: &[&str]) -> Value {
    json!({"v": 1, "seq": 0, "at": [at, at], "node": node, "source": "process", "kind": "process-started", "what": what,
        "pid": pid, "argv": argv})
}

pub fn exited(at: u64, node: &str, what: &str, pid: u32, code: Option<i32>, signal: Option<i32>) -> Value {
    json!({"v": 1, "seq": 0, "at": [at, at], "node": node, "source": "process", "kind": "process-exited", "what": what,
        "pid": pid, "code": code, "signal": signal})
}

pub fn wrote(at: [u64; 2], node: &str, id: u64) -> Value {
    json!({"v": 1, "seq": 0, "at": at, "node": node, "source": "writer", "kind": "write", "id": id, "session": "held",
        "result": "ok"})
}

/// The first event like this.
pub fn find(text: &[u8], like: impl Fn(&Value) -> bool) -> Value {
    events(text).into_iter().find(|event| like(event)).expect("there is such an event")
}

/// The end of the first event like this.
pub fn moment(text: &[u8], like: impl Fn(&Value) -> bool) -> u64 {
    find(text, like)["at"][1].as_u64().unwrap()
}

pub fn is_after(event: &Value, from: u64) -> bool {
    event["at"][0].as_u64().unwrap() >= from
}

pub fn is_start(event: &Value, what: &str) -> bool {
    event["kind"] == "process-started" && event["what"] == what
}

pub fn is_exit(event: &Value, what: &str) -> bool {
    event["kind"] == "process-exited" && event["what"] == what
}

/// Takes rows out of what every node was read back to hold.
pub fn without_rows(text: &[u8], gone: impl Fn(u64) -> bool) -> Vec<u8> {
    changed(text, |event| {
        if event["kind"] == "read-back" {
            let rows = event["rows"].as_array().unwrap().iter().flat_map(|range| {
                let (from, to) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
                (from..=to).filter(|row| !gone(*row)).map(|row| json!([row, row])).collect::<Vec<_>>()
            });
            event["rows"] = Value::Array(rows.collect());
        }
        true
    })
}

pub fn check<'j>(judgement: &'j Judgement, id: &str) -> &'j Check {
    judgement.checks.iter().find(|check| check.id == id).unwrap_or_else(|| panic!("there is no check {id}"))
}

pub fn assert_only_fails(judgement: &Judgement, failing: &[&str]) {
    let failed: Vec<_> =
        judgement.checks.iter().filter(|c| c.verdict == Verdict::Fail).map(|c| c.id.as_str()).collect();
    assert_eq!(failed, failing, "{judgement:#?}");
    assert_eq!(judgement.verdict, Verdict::Fail);
}
