//! The jumps of the agent's own `recover()` that were taken in the containers, as an agent tells that is traced
//! (`patroni-traced`). A report says of each function how many of them no run took.
//!
//! The lines are described where they are made, in `fixtures/agents/patroni-traced/sitecustomize.py`. They are read
//! from the containers' logs, which are evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use crate::fixtures;
use crate::input;
use crate::input::InputError;

/// Before the JSON that tells all jumps of a function.
const ALL: &str = "pghaspec-branches ";
/// Before the JSON that tells one way that a jump went.
const TAKEN: &str = "pghaspec-branch ";

/// All jumps of a function.
#[derive(Deserialize)]
struct All {
    /// The agent's release.
    #[serde(default)]
    release: String,
    file: String,
    function: String,
    /// Line and place in the bytecode of each.
    branches: Vec<(u32, u32)>,
}

/// One way that a jump went.
#[derive(Deserialize)]
struct Taken {
    file: String,
    function: String,
    at: u32,
    jumps: bool,
}

/// File and name of a function.
type Function = (String, String);

/// All that the logs of some runs tell.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Traced {
    /// The jumps of each function: the place in the bytecode, and the line.
    all: BTreeMap<Function, BTreeMap<u32, u32>>,
    release: String,
    /// The ways that were taken in each function: the place in the bytecode, and true if it was jumped there.
    taken: BTreeMap<Function, BTreeSet<(u32, bool)>>,
}

/// A function whose jumps were traced. Each jump has two ways out: it jumps, or goes on.
#[derive(Debug, PartialEq, Eq)]
pub struct TracedFunction {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Number of all ways out.
    pub ways: usize,
    /// Number of those that were taken.
    pub taken: usize,
    /// Ways that were not taken, and could have been, in the order of the bytecode.
    pub open: Vec<Way>,
    /// Ways that no run can take, each with the reason, in the order of the bytecode.
    pub impossible: Vec<(Way, String)>,
}

/// One way out of a jump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// The line of the jump.
    pub line: u32,
    /// True if it jumps, false if it goes on.
    pub jumps: bool,
}

impl Traced {
    /// The jumps that the logs in the folders of runs tell; nothing if their agents are not traced.
    pub fn of_runs(runs: &[PathBuf]) -> Traced {
        let mut traced = Traced::default();
        for log in runs.iter().flat_map(|run| logs(run)) {
            traced.read(&String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()));
        }
        traced
    }

    /// Nothing was traced.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn read(&mut self, log: &str) {
        for line in log.lines() {
            if let Some((_, json)) = line.split_once(ALL) {
                let Ok(all) = serde_json::from_str::<All>(json) else { continue };
                let jumps = all.branches.into_iter().map(|(line, at)| (at, line));
                self.release = all.release;
                self.all.entry((all.file, all.function)).or_default().extend(jumps);
            } else if let Some((_, json)) = line.split_once(TAKEN) {
                let Ok(taken) = serde_json::from_str::<Taken>(json) else { continue };
                self.taken.entry((taken.file, taken.function)).or_default().insert((taken.at, taken.jumps));
            }
        }
    }

    /// Every traced function, by file and name, with the ways that were not taken.
    pub fn functions(&self, impossible: &[Impossible]) -> Vec<TracedFunction> {
        self.all.iter().map(|(function, jumps)| self.function(function, jumps, impossible)).collect()
    }

    fn function(&self, function: &Function, jumps: &BTreeMap<u32, u32>, impossible: &[Impossible]) -> TracedFunction {
        let none = BTreeSet::new();
        let taken = self.taken.get(function).unwrap_or(&none);
        let (file, name) = function.clone();
        let ways = 2 * jumps.len();
        let mut told = TracedFunction { file, name, ways, taken: ways, open: Vec::new(), impossible: Vec::new() };
        let all = jumps.iter().flat_map(|(at, line)| [false, true].map(|jumps| (*at, Way { line: *line, jumps })));
        for (at, way) in all.filter(|(at, way)| !taken.contains(&(*at, way.jumps))) {
            told.taken -= 1;
            let nth = jumps.range(..=at).filter(|(_, line)| **line == way.line).count();
            let excuse = impossible.iter().find(|one| one.excuses(&self.release, &told.name, way, nth));
            match excuse {
                Some(excuse) => told.impossible.push((way, excuse.reason.trim().to_owned())),
                None => told.open.push(way),
            }
        }
        told
    }
}

/// A way out of a jump that no run can take.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Impossible {
    releases: Vec<String>,
    function: String,
    line: u32,
    /// The number of the jump in that line, from 1; all jumps there if absent.
    nth: Option<usize>,
    jumps: bool,
    /// The reason why no run can take it.
    reason: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ImpossibleWays {
    way: Vec<Impossible>,
}

impl Impossible {
    /// The ways that `impossible.toml` beside the traced agent names.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn committed() -> Result<Vec<Impossible>, InputError> {
        let file = fixtures::agents().join("patroni-traced/impossible.toml");
        Ok(input::parse::<ImpossibleWays>(&file, &input::read(&file)?)?.way)
    }

    fn excuses(&self, release: &str, function: &str, way: Way, nth: usize) -> bool {
        self.releases.iter().any(|one| one == release)
            && (self.function.as_str(), self.line, self.jumps) == (function, way.line, way.jumps)
            && self.nth.is_none_or(|wanted| wanted == nth)
    }
}

/// The logs of a run, `<scenario>/logs/*.log`.
fn logs(run: &Path) -> Vec<PathBuf> {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let logs = entries(run.to_owned()).flat_map(|scenario| entries(scenario.join("logs")).collect::<Vec<_>>());
    logs.filter(|file| file.extension().is_some_and(|extension| extension == "log")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const JUMPS: &str = "2026-11-22T01:00:00Z pghaspec-branches {\"release\": \"4.1.5\", \"file\": \"patroni/ha.py\", \
                         \"function\": \"recover\", \"branches\": [[633, 40], [635, 82]]}";

    fn taken(at: u32, jumps: bool) -> String {
        format!(
            "2026-11-22T01:00:01Z pghaspec-branch {{\"file\": \"patroni/ha.py\", \"function\": \"recover\", \
             \"line\": 1, \"at\": {at}, \"jumps\": {jumps}}}"
        )
    }

    #[test]
    fn what_several_logs_tell_is_put_together() {
        let mut traced = Traced::default();
        traced.read(&[JUMPS, "INFO: Lock owner: n1", &taken(40, true)].map(str::to_owned).join("\n"));
        traced.read(&[JUMPS.to_owned(), taken(40, true), taken(40, false), taken(82, false)].join("\n"));
        let open = Way { line: 635, jumps: true };
        let recover = TracedFunction {
            file: "patroni/ha.py".into(),
            name: "recover".into(),
            ways: 4,
            taken: 3,
            open: vec![open],
            impossible: Vec::new(),
        };
        assert_eq!(traced.functions(&[]), [recover]);
        let impossible = Impossible {
            releases: vec!["4.1.5".to_owned()],
            function: "recover".to_owned(),
            line: 635,
            nth: Some(1),
            jumps: true,
            reason: "The line before returns.\n".to_owned(),
        };
        let found = traced.functions(std::slice::from_ref(&impossible)).remove(0);
        assert_eq!(found.impossible, [(open, "The line before returns.".to_owned())]);
        assert_eq!((found.taken, found.open), (3, Vec::new()));
        assert_eq!(traced.functions(&[Impossible { nth: Some(2), ..impossible }])[0].open, [open]);
        traced.read(&taken(82, true));
        assert_eq!(traced.functions(&[])[0].taken, 4);
    }

    #[test]
    fn an_agent_that_is_not_traced_says_nothing() {
        let mut traced = Traced::default();
        traced.read("INFO: Lock owner: n1\npghaspec-branches {\"unavailable\": \"no\"}\n");
        assert!(traced.is_empty());
    }

    #[test]
    fn what_no_run_can_take_is_said_with_a_reason() {
        let ways = Impossible::committed().unwrap();
        assert!(!ways.is_empty());
        assert!(ways.iter().all(|way| !way.reason.is_empty() && !way.releases.is_empty()));
    }
}
