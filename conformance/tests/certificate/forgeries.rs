//! Forgeries: folders that were changed so that they say what they are not.
//!
//! Each is tried as it is, and after `report` has made everything again from it, and is told for the reason that it was
//! made for.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sample::Sample;

/// A forgery: its name, the beginning of the objection that it is denied with, the run that it begins with, and what is
/// done to the folder. An objection that begins with `exit 2: ` is an error instead.
pub type Forgery = (&'static str, &'static str, fn() -> Sample, fn(&Sample));

pub fn events(id: &str) -> String {
    format!("{id}/events.jsonl")
}

/// Changes every line of a history; `None` leaves the line out. What is left is numbered anew.
pub fn rewrite(sample: &Sample, id: &str, mut change: impl FnMut(Value) -> Option<Value>) {
    let mut text = String::new();
    let mut number = 0;
    for line in sample.read(&events(id)).lines() {
        if let Some(mut line) = change(serde_json::from_str(line).unwrap()) {
            line["seq"] = number.into();
            number += 1;
            text += &format!("{line}\n");
        }
    }
    sample.write(&events(id), &text);
}

/// Changes the first line of a history.
pub fn head(sample: &Sample, id: &str, change: impl Fn(&mut Value)) {
    rewrite(sample, id, |mut line| {
        if line["kind"] == "run" {
            change(&mut line);
        }
        Some(line)
    });
}

/// Leaves out a scenario, wherever it is named.
pub fn drop_scenario(sample: &Sample, id: &str) {
    sample.edit("plan.json", |plan| plan["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != id));
    fs::remove_dir_all(sample.folder.join(id)).unwrap();
    for file in ["results.json", "certificate.json"] {
        sample.edit(file, |document| {
            document["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != id);
            document["verdict"] = "pass".into();
        });
    }
}

/// Puts the folder of one scenario in the place of another.
pub fn copy_over(sample: &Sample, from: &str, to: &str) {
    let (from, to) = (sample.folder.join(from), sample.folder.join(to));
    if to.exists() {
        fs::remove_dir_all(&to).unwrap();
    }
    assert!(Command::new("cp").args(["-r", from.to_str().unwrap(), to.to_str().unwrap()]).status().unwrap().success());
}

/// Replaces words in every file that has them.
pub fn everywhere(sample: &Sample, from: &str, to: &str) {
    for file in sample.files() {
        let text = sample.read(&file);
        if text.contains(from) {
            sample.write(&file, &text.replace(from, to));
        }
    }
}

/// Denied, for that reason, and of no use to a pipeline that asks for a pass.
#[track_caller]
pub fn denied(sample: &Sample, told: &str, name: &str) {
    let (code, document) = sample.verify(&["--require", "pass", "--require-profile", "smoke"]);
    if let Some(words) = told.strip_prefix("exit 2: ") {
        let said = document.as_str().unwrap_or_default();
        assert!(code == 2 && said.contains(words), "{name}: {code} {document:#}");
        return;
    }
    assert_eq!((code, &document["standing"]), (1, &"denied".into()), "{name}: {document:#}");
    let objections = document["objections"].as_array().unwrap();
    let is_told = |one: &Value| one.as_str().unwrap().contains(told);
    assert!(objections.iter().any(is_told), "{name}: {told:?} is not among {objections:#?}");
}

/// Tries forgeries of evidence: whoever forges makes the rest again, if that can be made.
pub fn try_all(forgeries: &[Forgery]) {
    for (name, told, begin, forge) in forgeries {
        let sample = begin();
        forge(&sample);
        denied(&sample, told, name);
        if sample.report() {
            denied(&sample, told, &format!("{name}, and all else made again"));
        }
    }
}
