//! The page on the event format: its example is a history that the reader takes, with every kind of event and every
//! field that the page tells of.

use std::collections::BTreeMap;

use pghaspec::history::{History, line};
use pghaspec_model::vocabulary::event::{FORMAT, Kind};
use serde_json::Value;

use super::markdown::{fences, rows};
use super::read;

/// Every kind of event, by its name in a history. A new kind does not compile until it is named here.
fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Run(_) => "run",
        Kind::Phase { .. } => "phase",
        Kind::Fault { .. } => "fault",
        Kind::Disturbance { .. } => "disturbance",
        Kind::Watchdog { .. } => "watchdog",
        Kind::LeaderKey { .. } => "leader-key",
        Kind::ProcessStarted { .. } => "process-started",
        Kind::ProcessExited { .. } => "process-exited",
        Kind::ChildKilled { .. } => "child-killed",
        Kind::OutOfMemory { .. } => "out-of-memory",
        Kind::NodeEnded { .. } => "node-ended",
        Kind::NoSpace => "no-space",
        Kind::Starved { .. } => "starved",
        Kind::DiskStalled => "disk-stalled",
        Kind::Server { .. } => "server",
        Kind::Write { .. } => "write",
        Kind::Batch { .. } => "batch",
        Kind::Recover { .. } => "recover",
        Kind::Said { .. } => "said",
        Kind::ReadBack { .. } => "read-back",
        Kind::Gap { .. } => "gap",
    }
}

const KINDS: usize = 21;

#[test]
fn the_example_is_a_history_with_every_kind() {
    let text = read("conformance/docs/events.md");
    let example = fences(&text).into_iter().find(|fence| fence.info == "jsonl").expect("there is an example");
    let history = History::parse(example.text.as_bytes()).unwrap_or_else(|(at, why)| panic!("line {at:?}: {why}"));
    assert!(history.is_complete());
    let tables = rows(&text);
    let mut kinds = BTreeMap::new();
    for text in example.text.lines() {
        let event = line::read(text.as_bytes()).unwrap_or_else(|problem| panic!("{text}: {problem}"));
        assert_eq!(event.v, FORMAT, "{text}");
        let kind = name(&event.kind);
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(value["kind"], kind);
        let row = tables.iter().find(|row| row[0] == format!("`{kind}`") && row.len() == 4);
        let row = row.unwrap_or_else(|| panic!("there is no row of `{kind}`"));
        assert!(row[1].contains(value["source"].as_str().unwrap()), "{kind}: {}", row[1]);
        let common = ["v", "seq", "at", "node", "source", "kind"];
        for field in value.as_object().unwrap().keys().filter(|field| !common.contains(&field.as_str())) {
            assert!(row[3].contains(&format!("`{field}`")), "the row of `{kind}` does not tell of `{field}`");
        }
        *kinds.entry(kind).or_insert(0) += 1;
    }
    assert_eq!(kinds.len(), KINDS, "{kinds:?}");
    assert!(text.contains(&format!("{FORMAT} is the newest")) && text.contains(&format!("| {FORMAT} |")));
}
