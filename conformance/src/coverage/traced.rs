//! Which branches of the agent's own `recover()` were taken in the containers, as an agent tells that is traced (`patroni-traced`).
//!
//! The lines are described where they are made, in `fixtures/agents/patroni-traced/sitecustomize.py`. They are read from the containers'
//! logs, which are evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::fixtures;

/// All branches of a function.
#[derive(Deserialize)]
struct All {
    /// Of the agent.
    #[serde(default)]
    release: String,
    file: String,
    function: String,
    /// Line and place in the bytecode.
    branches: Vec<(u32, u32)>,
}

/// One way out of a branch that was taken.
#[derive(Deserialize)]
struct Taken {
    file: String,
    function: String,
    at: u32,
    jumps: bool,
}

/// What the logs of some runs tell.
#[derive(Debug, Default, PartialEq, Eq)]
struct Traced {
    /// By file and function: place in the bytecode, and line.
    all: BTreeMap<(String, String), BTreeMap<u32, u32>>,
    release: String,
    taken: BTreeMap<(String, String), BTreeSet<(u32, bool)>>,
}

impl Traced {
    fn read(&mut self, log: &str) {
        for line in log.lines() {
            if let Some((_, json)) = line.split_once("pghaspec-branches ") {
                let Ok(all) = serde_json::from_str::<All>(json) else { continue };
                let branches = all.branches.into_iter().map(|(line, at)| (at, line));
                self.release = all.release;
                self.all.entry((all.file, all.function)).or_default().extend(branches);
            } else if let Some((_, json)) = line.split_once("pghaspec-branch ") {
                let Ok(taken) = serde_json::from_str::<Taken>(json) else { continue };
                self.taken.entry((taken.file, taken.function)).or_default().insert((taken.at, taken.jumps));
            }
        }
    }

    /// A line for each function, and the ways out that were not taken; those that no run can take with the reason.
    fn text(&self, impossible: &[Impossible]) -> String {
        let mut text = String::new();
        for (function, branches) in &self.all {
            let none = BTreeSet::new();
            let taken = self.taken.get(function).unwrap_or(&none);
            let ways = branches.iter().flat_map(|(at, line)| [false, true].map(|jumps| (*at, *line, jumps)));
            let missing: Vec<_> = ways.filter(|(at, _, jumps)| !taken.contains(&(*at, *jumps))).collect();
            let (file, name) = function;
            let all = 2 * branches.len();
            let _ = write!(
                text,
                "{name}() in {file}, in the containers: {} of {all} ways out of branches",
                all - missing.len()
            );
            let nth = |at: u32, line: u32| branches.range(..=at).filter(|(_, other)| **other == line).count();
            let excuse = |(at, line, jumps): (u32, u32, bool)| {
                impossible.iter().find(|way| {
                    way.releases.contains(&self.release)
                        && (way.function.as_str(), way.line, way.jumps) == (name, line, jumps)
                        && way.nth.is_none_or(|wanted| wanted == nth(at, line))
                })
            };
            let words = |line: u32, jumps: bool| format!("line {line} {}", if jumps { "jumping" } else { "going on" });
            let (mut open, mut never) = (Vec::new(), String::new());
            for way in missing {
                let way_words = words(way.1, way.2);
                match excuse(way) {
                    Some(excuse) => _ = write!(never, "\n  no run can take {way_words}: {}", excuse.reason.trim()),
                    None => open.push(way_words),
                }
            }
            if !open.is_empty() {
                let _ = write!(text, "; not taken: {}", open.join(", "));
            }
            text.push_str(&never);
            text.push('\n');
        }
        text
    }
}

/// In words, from the logs in the folders of runs; empty if their agents are not traced.
pub fn text(runs: &[PathBuf]) -> String {
    let mut traced = Traced::default();
    for log in runs.iter().flat_map(|run| logs(run)) {
        traced.read(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()));
    }
    if traced.all.is_empty() {
        return String::new();
    }
    let (impossible, trouble) = match impossible() {
        Ok(impossible) => (impossible, String::new()),
        Err(trouble) => (Vec::new(), format!("{trouble}: no way is excused\n")),
    };
    traced.text(&impossible) + &trouble
}

/// A way out of a branch that no run can take.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Impossible {
    releases: Vec<String>,
    function: String,
    line: u32,
    /// Of several branches in that line, from 1.
    nth: Option<usize>,
    jumps: bool,
    /// Why.
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImpossibleWays {
    way: Vec<Impossible>,
}

/// What `impossible.toml` beside the traced agent says.
///
/// # Errors
/// It cannot be read, or is damaged: which file, and where.
fn impossible() -> Result<Vec<Impossible>, String> {
    let file = fixtures::agents().join("patroni-traced/impossible.toml");
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
    let text = std::fs::read_to_string(&file).map_err(|error| told(&error))?;
    Ok(toml::from_str::<ImpossibleWays>(&text).map_err(|error| told(&error))?.way)
}

/// `<scenario>/logs/*.log`
fn logs(run: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = entries(run.to_owned()).flat_map(|scenario| entries(scenario.join("logs")).collect::<Vec<_>>());
    logs.filter(|file| file.extension().is_some_and(|extension| extension == "log")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = r#"2026-11-22T01:00:00Z pghaspec-branches {"release": "4.1.5", "file": "patroni/ha.py", "function": "recover", "branches": [[633, 40], [635, 82]]}"#;

    fn taken(at: u32, jumps: bool) -> String {
        format!(
            "2026-11-22T01:00:01Z pghaspec-branch {{\"file\": \"patroni/ha.py\", \"function\": \"recover\", \"line\": 1, \"at\": {at}, \"jumps\": {jumps}}}"
        )
    }

    #[test]
    fn what_several_logs_tell_is_put_together() {
        let mut traced = Traced::default();
        traced.read(&[ALL, "INFO: Lock owner: n1", &taken(40, true)].map(str::to_owned).join("\n"));
        traced.read(&[ALL.to_owned(), taken(40, true), taken(40, false), taken(82, false)].join("\n"));
        assert_eq!(
            traced.text(&[]),
            "recover() in patroni/ha.py, in the containers: 3 of 4 ways out of branches; not taken: line 635 jumping\n"
        );
        let way = Impossible {
            releases: vec!["4.1.5".to_owned()],
            function: "recover".to_owned(),
            line: 635,
            nth: Some(1),
            jumps: true,
            reason: "The line before returns.".to_owned(),
        };
        assert_eq!(
            traced.text(std::slice::from_ref(&way)),
            "recover() in patroni/ha.py, in the containers: 3 of 4 ways out of branches\n  \
            no run can take line 635 jumping: The line before returns.\n"
        );
        assert!(traced.text(&[Impossible { nth: Some(2), ..way }]).contains("not taken"));
        traced.read(&taken(82, true));
        assert_eq!(traced.text(&[]), "recover() in patroni/ha.py, in the containers: 4 of 4 ways out of branches\n");
    }

    #[test]
    fn an_agent_that_is_not_traced_says_nothing() {
        let mut traced = Traced::default();
        traced.read("INFO: Lock owner: n1\npghaspec-branches {\"unavailable\": \"no\"}\n");
        assert_eq!(traced.text(&[]), "");
    }

    #[test]
    fn what_no_run_can_take_is_said_with_a_reason() {
        let ways = impossible().unwrap();
        assert!(!ways.is_empty());
        assert!(ways.iter().all(|way| !way.reason.is_empty() && !way.releases.is_empty()));
    }
}
