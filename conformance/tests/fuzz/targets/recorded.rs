//! Recorded histories: their lines, the judge on whole ones and on ones in parts, and their pictures.

use std::path::Path;

use pghaspec::history::parts::Recording;
use pghaspec::history::{History, describe, line};
use pghaspec::judge::{judge, judge_recording};
use pghaspec::picture::picture;
use pghaspec::scenario::Scenario;
use pghaspec_model::rules::edition::Edition;

use super::{Target, files};

/// Most events that are judged: the model takes its time for long histories.
const MOST_EVENTS: usize = 400;

const WORDS: &[&str] = &[
    "\"v\":6",
    "\"seq\":",
    "\"at\":[",
    "\"node\":\"n1\"",
    "\"source\":\"harness\"",
    "\"kind\":\"gap\"",
    "\"of\":\"etcd\"",
    "\"kind\":\"phase\",\"phase\":\"fault\"",
    "\"kind\":\"leader-key\"",
    "\"holder\":null",
    "\"kind\":\"write\"",
    "\"result\":\"ok\"",
    "\"kind\":\"batch\"",
    "\"rows\":[[0,18446744073709551615]]",
    "\"kind\":\"server\"",
    "\"state\":\"primary\"",
    "\"kind\":\"starved\"",
    "\"kind\":\"disk-stalled\"",
    "null",
    "{",
    "}",
    "[",
    "]",
    ",",
    "\"",
    "\"kind\":\"watchdog\",\"change\":\"fired\"",
    "\"kind\":\"recover\",\"branch\":\"start-primary\"",
];

/// Histories of the fixtures that are short enough to be tried often, those of this format that the certificates' tests
/// have, and the one of the documentation, which has every kind of event.
fn histories() -> Vec<Vec<u8>> {
    let traces = pghaspec::fixtures::root().join("traces");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let recorded = files(&sources.join("tests/certificate/recorded"), ".jsonl", 60_000);
    let page = std::fs::read_to_string(sources.join("docs/events.md")).unwrap();
    let example = page.split("```jsonl\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let example = example.replace("\\u2026", "").into_bytes();
    for history in recorded.iter().chain([&example]) {
        assert!(History::parse(history).is_ok(), "a seed is a history");
    }
    files(&traces, ".jsonl", 40_000).into_iter().step_by(3).chain(recorded).chain([example]).collect()
}

/// One line.
pub const LINE: Target = Target {
    name: "history-line",
    run: |input| match line::read(input) {
        Ok(event) => describe::line(&event).split(' ').filter(|word| word.is_ascii()).take(4).collect(),
        Err(problem) => problem,
    },
    seeds: || {
        let histories = histories();
        let lines = histories.iter().flat_map(|text| text.split(|byte| *byte == b'\n'));
        lines.filter(|line| !line.is_empty()).step_by(37).map(<[u8]>::to_vec).collect()
    },
    words: WORDS,
    repair: None,
};

/// A whole history.
pub const HISTORY: Target =
    Target { name: "history", run: whole, seeds: histories, words: WORDS, repair: Some(renumbered) };

fn whole(input: &[u8]) -> String {
    let history = match History::parse(input) {
        Ok(history) => history,
        Err((_, problem)) => return problem,
    };
    if history.events.len() > MOST_EVENTS {
        return "too long to be judged here".to_owned();
    }
    let edition = history.edition(Path::new("x.jsonl")).unwrap_or(Edition::V4_1);
    let scenario = Scenario::exists(&history.run.scenario).then(|| Scenario::load(&history.run.scenario).unwrap());
    let judgement = judge(&history, edition, scenario.as_ref().map(|scenario| &scenario.expect));
    let drawn = picture(&history, &judgement);
    assert!(drawn.contains("</svg>"), "the picture ends");
    let failed = judgement.checks.iter().map(|check| format!("{}:{} ", check.id, check.verdict.text()));
    failed.collect()
}

/// A history in parts of a few events.
pub const PARTS: Target =
    Target { name: "history-parts", run: parts, seeds: histories, words: WORDS, repair: Some(renumbered) };

fn parts(input: &[u8]) -> String {
    let recording = match Recording::parse(input.to_vec(), 8) {
        Ok(recording) => recording,
        Err((_, problem)) => return problem,
    };
    if recording.count > MOST_EVENTS as u64 {
        return "too long to be judged here".to_owned();
    }
    let edition = recording.edition(Path::new("x.jsonl")).unwrap_or(Edition::V4_1);
    match judge_recording(&recording, edition, None) {
        Ok(judged) => {
            let checks = judged.judgement.checks.iter().map(|check| format!("{}:{} ", check.id, check.verdict.text()));
            checks.collect()
        }
        Err((_, problem)) => problem,
    }
}

/// The lines with the numbers of their places, and with intervals that do not end before they begin.
fn renumbered(input: &[u8]) -> Vec<u8> {
    let mut lines = Vec::new();
    for line in input.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(mut event) = serde_json::from_slice::<serde_json::Value>(line) else { continue };
        let Some(table) = event.as_object_mut() else { continue };
        table.insert("seq".to_owned(), lines.len().into());
        if let Some([from, to]) = table.get("at").and_then(|at| at.as_array()).map(Vec::as_slice)
            && let (Some(from), Some(to)) = (from.as_u64(), to.as_u64())
        {
            table.insert("at".to_owned(), vec![from.min(to), from.max(to)].into());
        }
        lines.push(event.to_string());
    }
    (lines.join("\n") + "\n").into_bytes()
}
