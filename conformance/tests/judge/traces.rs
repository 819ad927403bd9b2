//! Every recorded history gets the verdict that is written beside it, and every edition its own.
//!
//! A history is `fixtures/traces/<agent>-<release>/<scenario>.jsonl`, its verdict the `.expected.toml` beside it. After
//! adding one, or after a change of the judge, write what the judge says now, and read the difference before committing
//! it:
//!
//! ```text
//! UPDATE_EXPECT=1 cargo test --release -p pghaspec --test judge traces
//! ```

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use pghaspec::history::History;
use pghaspec::judge::explaining_editions;
use pghaspec::judge::{Verdict, judge};
use pghaspec::scenario::Scenario;
use pghaspec_model::rules::edition::Edition;

use crate::recorded::traces;

pub fn histories(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(histories(&path));
        } else if path.extension().is_some_and(|extension| extension == "jsonl") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The verdict in the form in which it is written beside the history: only what is worse than a pass is named.
fn verdict(file: &Path) -> String {
    let history = History::read(file).unwrap_or_else(|error| panic!("{error}"));
    let edition = history.edition(file).unwrap_or_else(|error| panic!("{error}"));
    let scenario = Scenario::exists(&history.run.scenario).then(|| Scenario::load(&history.run.scenario).unwrap());
    let judgement = judge(&history, edition, scenario.as_ref().map(|scenario| &scenario.expect));
    let mut text = format!("edition = \"{}\"\nverdict = \"{}\"\n", edition.id(), judgement.verdict.text());
    let list =
        |items: &mut dyn Iterator<Item = &str>| items.map(|item| format!("\"{item}\"")).collect::<Vec<_>>().join(", ");
    let mut worse: BTreeMap<Verdict, Vec<&str>> = BTreeMap::new();
    for check in judgement.checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        worse.entry(check.verdict).or_default().push(&check.id);
    }
    for (verdict, checks) in worse.iter().rev() {
        let _ = writeln!(text, "{} = [{}]", verdict.text(), list(&mut checks.iter().copied()));
    }
    match explaining_editions(&history) {
        Some(editions) => {
            let _ = writeln!(text, "explained_by = [{}]", list(&mut editions.into_iter().map(Edition::id)));
        }
        None => text += "# The model cannot be asked.\n",
    }
    text
}

#[test]
fn every_recorded_history_gets_its_verdict() {
    let histories = histories(&traces());
    assert!(histories.len() >= 6, "{histories:?}");
    let mut wrong = String::new();
    for file in histories {
        let beside = file.with_extension("expected.toml");
        let found = verdict(&file);
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&beside, &found).unwrap();
            continue;
        }
        let expected = std::fs::read_to_string(&beside).unwrap_or_else(|error| format!("{error}\n"));
        if expected != found {
            let _ = writeln!(wrong, "{}:\nexpected:\n{expected}found:\n{found}", file.display());
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
