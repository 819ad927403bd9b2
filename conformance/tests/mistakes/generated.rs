//! Mistakes that can be made with any key of a file: each key of each sample is misspelt, doubled, given a value of
//! another type, left without its quote or its `=`, or moved to another table.

use super::samples::{self, AGENT, DEVIATIONS, FAILED_BY, SCENARIO};
use super::{Mistake, made};

/// A line of a sample, with a key.
struct Line<'t> {
    number: usize,
    key: &'t str,
    value: &'t str,
    /// The header above it.
    table: &'t str,
}

fn lines(text: &str) -> Vec<Line<'_>> {
    let mut table = "";
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            table = line;
        } else if let Some((key, value)) = line.split_once(" = ") {
            found.push(Line { number, key, value, table });
        }
    }
    found
}

/// Tables whose keys anybody may choose.
const FREE: [&str; 3] = ["[env]", "[variables]", "[releases]"];

/// The lines that are written instead of one, each a mistake.
fn instead(line: &Line<'_>) -> Vec<(&'static str, String)> {
    let Line { key, value, .. } = line;
    let mut all = vec![
        ("is doubled", format!("{key} = {value}\n{key} = {value}")),
        ("has no `=`", format!("{key} {value}")),
        ("has a colon for `=`", format!("{key}: {value}")),
        ("has no value", format!("{key} =")),
        ("is a date", format!("{key} = 2026-11-30")),
    ];
    if !FREE.contains(&line.table) {
        let odd = format!("{}_{}", &key[..1], &key[1..]);
        all.push(("is misspelt", format!("{odd} = {value}")));
        all.push(("has an ending too many", format!("{key}s_ = {value}")));
    }
    match value.chars().next() {
        Some('"' | '\'') => {
            let open = value.trim_end_matches(['"', '\'']);
            let bare = open.trim_start_matches(['"', '\'']);
            all.push(("is not closed", format!("{key} = {open}")));
            all.push(("has no quotes", format!("{key} = {bare}")));
            all.push(("has typographic quotes", format!("{key} = “{bare}”")));
            all.push(("is a number", format!("{key} = 7")));
            all.push(("is a truth", format!("{key} = true")));
            all.push(("is a list", format!("{key} = [{value}]")));
            if !FREE.contains(&line.table) {
                all.push(("is empty", format!("{key} = \"\"")));
            }
        }
        Some('0'..='9') => {
            all.push(("is a string", format!("{key} = \"{value}\"")));
            all.push(("has a unit", format!("{key} = \"{value}s\"")));
            all.push(("is a fraction", format!("{key} = {value}.5")));
            all.push(("is negative", format!("{key} = -1")));
            all.push(("is greater than all numbers", format!("{key} = 18446744073709551616")));
            all.push(("is a list", format!("{key} = [{value}]")));
            all.push(("begins with a zero", format!("{key} = 0{value}")));
        }
        Some('t' | 'f') => {
            all.push(("is a string", format!("{key} = \"{value}\"")));
            all.push(("is a number", format!("{key} = 1")));
            all.push(("is yes", format!("{key} = yes")));
            all.push(("has a capital", format!("{key} = True")));
        }
        Some('[') => {
            all.push(("is not closed", format!("{key} = {}", value.trim_end_matches(']'))));
            all.push(("is a string", format!("{key} = {}", value.trim_matches(['[', ']']))));
            all.push(("is a list of numbers", format!("{key} = [1, 2]")));
            all.push(("is a list of lists", format!("{key} = [{value}]")));
        }
        _ => {
            all.push(("is a number", format!("{key} = 7")));
            all.push(("is not closed", format!("{key} = {}", value.trim_end_matches('}'))));
        }
    }
    all
}

/// Every such mistake in a sample, as its words and the text with it.
pub fn mistakes(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in lines(text) {
        for (what, instead) in instead(&line) {
            let with: Vec<&str> = text
                .lines()
                .enumerate()
                .map(|(number, written)| if number == line.number { instead.as_str() } else { written })
                .collect();
            all.push((format!("{} {} {what}", line.table, line.key), with.join("\n") + "\n"));
        }
    }
    all
}

/// All of them.
pub fn all() -> Vec<Mistake> {
    let folder = samples::folder();
    let mut all = Vec::new();
    for (what, text) in mistakes(AGENT) {
        all.push(made(format!("agent: {what}"), || samples::agent(folder.path(), text.as_bytes())));
    }
    for (what, text) in mistakes(SCENARIO) {
        all.push(made(format!("scenario: {what}"), || samples::scenario(&text)));
    }
    for (what, text) in mistakes(DEVIATIONS) {
        all.push(made(format!("deviations: {what}"), || samples::deviations(&text)));
    }
    for (what, text) in mistakes(FAILED_BY) {
        all.push(made(format!("failed_by: {what}"), || samples::failed_by(&text)));
    }
    all
}
