//! Scenarios: which cluster, which faults at whom, and what the specification's decision table says must come of it.

use std::path::Path;

use pghaspec_model::branch::Branch;
use pghaspec_model::fault::Fault;
use serde::Deserialize;

use crate::fixtures;
use crate::input::{self, InputError};

/// Seconds that [`Settings::settle_s`] is when a scenario does not say.
const SETTLE_S: u32 = 120;

/// One scenario, `fixtures/scenarios/<id>.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name: that of its file.
    pub id: String,
    /// One line for lists and reports.
    pub title: String,
    /// Why it is worth running.
    pub why: String,
    /// Profiles that it belongs to, for instance `smoke`.
    pub profiles: Vec<String>,
    /// Number of nodes; they are named `n1`, `n2`, …
    pub nodes: u32,
    /// Settings of the agent.
    pub settings: Settings,
    /// The faults, in their order.
    pub faults: Vec<FaultStep>,
    /// What must come of it. The lab never reads this.
    pub expect: Expect,
}

/// Settings of the agent, in seconds, in the words of Patroni.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Between two cycles of the agent.
    pub loop_wait_s: u32,
    /// Life of a lease without a keepalive.
    pub ttl_s: u32,
    /// How long the agent retries an operation.
    pub retry_timeout_s: u32,
    /// How long a crashed primary may take to start before the lock is given up.
    pub primary_start_timeout_s: u32,
    /// How long the lab waits for the cluster to settle after the faults, before it gives up and reads back what there is.
    #[serde(default = "default_settle")]
    pub settle_s: u32,
}

/// One fault of a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultStep {
    /// Which one.
    pub fault: Fault,
    /// At whom.
    pub target: Target,
}

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The node that holds the leader key when the fault is injected.
    Leader,
}

/// What must come of a scenario; the judge reads it, a key that is absent says nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Branches of `recover` that the faulted node takes first, in their order.
    pub branches: Vec<Branch>,
    /// Who leads in the end.
    pub leader: LeaderAfter,
    /// Whether a promotion happened.
    pub timeline: TimelineAfter,
    /// Whether crash recovery in single-user mode runs; `None` leaves it open.
    #[serde(default)]
    pub single_user: Option<bool>,
    /// What the faulted node is in the end.
    pub rejoins: Rejoins,
}

/// Who leads in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderAfter {
    /// The leader from before the fault.
    Same,
    /// Another node.
    Other,
}

/// What becomes of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimelineAfter {
    /// It stays.
    Unchanged,
    /// It is higher than before.
    Bumped,
}

/// What the faulted node is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejoins {
    /// The primary.
    Primary,
    /// A standby that streams.
    Standby,
}

/// The file as it is written; the id is the file's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    why: String,
    profiles: Vec<String>,
    nodes: toml::Spanned<u32>,
    settings: toml::Spanned<Settings>,
    fault: toml::Spanned<Vec<FaultStep>>,
    expect: Expect,
}

fn default_settle() -> u32 {
    SETTLE_S
}

impl Scenario {
    /// The scenario of that name in the fixtures.
    ///
    /// # Errors
    /// No such scenario, or its file is wrong.
    pub fn load(id: &str) -> Result<Scenario, InputError> {
        let file = fixtures::scenarios().join(format!("{id}.toml"));
        if !file.is_file() {
            let known: Vec<String> = ids()?;
            return Err(InputError::of_file(
                &file,
                format!("there is no scenario `{id}`"),
                format!("use one of: {}", known.join(", ")),
            ));
        }
        Scenario::read(&file)
    }

    /// Whether the fixtures have a scenario of that name.
    pub fn exists(id: &str) -> bool {
        fixtures::scenarios().join(format!("{id}.toml")).is_file()
    }

    /// All scenarios of the fixtures, by name.
    ///
    /// # Errors
    /// The folder is missing, or a file of it is wrong.
    pub fn all() -> Result<Vec<Scenario>, InputError> {
        ids()?.iter().map(|id| Scenario::load(id)).collect()
    }

    /// The scenario in a file.
    ///
    /// # Errors
    /// The file cannot be read, or a key of it is unknown, missing or out of its range.
    pub fn read(file: &Path) -> Result<Scenario, InputError> {
        Scenario::parse(file, &input::read(file)?)
    }

    fn parse(file: &Path, text: &str) -> Result<Scenario, InputError> {
        let written: Written = input::parse(file, text)?;
        let wrong = |key: &str, span, problem: String, mend: &str| {
            Err(InputError::of_file(file, problem, mend).at_key(key).at_span(text, span))
        };
        let nodes = *written.nodes.get_ref();
        if !(2..=9).contains(&nodes) {
            let problem = format!("{nodes} nodes are not possible");
            return wrong("nodes", written.nodes.span(), problem, "say a number from 2 to 9");
        }
        let settings = written.settings.get_ref();
        if settings.loop_wait_s < 1 || settings.loop_wait_s + 2 * settings.retry_timeout_s > settings.ttl_s {
            let problem = format!(
                "loop_wait_s {} + 2 * retry_timeout_s {} is more than ttl_s {}, or a loop takes no time",
                settings.loop_wait_s, settings.retry_timeout_s, settings.ttl_s
            );
            return wrong("settings", written.settings.span(), problem, "keep loop_wait + 2 * retry_timeout <= ttl");
        }
        if written.fault.get_ref().is_empty() {
            return wrong("fault", written.fault.span(), "there is no fault".to_owned(), "write a [[fault]]");
        }
        let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Scenario {
            id,
            title: written.title,
            why: written.why,
            profiles: written.profiles,
            nodes,
            settings: written.settings.into_inner(),
            faults: written.fault.into_inner(),
            expect: written.expect,
        })
    }

    /// Names of the nodes.
    pub fn node_names(&self) -> Vec<String> {
        (1..=self.nodes).map(|number| format!("n{number}")).collect()
    }
}

/// Names of all scenarios in the fixtures, sorted.
fn ids() -> Result<Vec<String>, InputError> {
    let folder = fixtures::scenarios();
    let unreadable = |error: std::io::Error| {
        InputError::of_file(
            &folder,
            format!("cannot be listed: {error}"),
            format!("set {} to the fixtures folder", fixtures::FIXTURES_VARIABLE),
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            found.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_of_the_fixtures_loads() {
        let all = Scenario::all().unwrap();
        assert!(all.iter().any(|scenario| scenario.id == "leader-postmaster-killed"));
        for scenario in all {
            assert!(!scenario.profiles.is_empty(), "{} is in no profile", scenario.id);
        }
    }

    #[test]
    fn the_rule_of_the_lease_is_kept() {
        let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
        let text = input::read(&file).unwrap().replace("retry_timeout_s = 3", "retry_timeout_s = 10");
        let error = Scenario::parse(&file, &text).unwrap_err();
        assert_eq!(error.key.as_deref(), Some("settings"));
        assert!(error.line.is_some());
    }

    #[test]
    fn an_unknown_fault_names_the_known_ones() {
        let file = fixtures::scenarios().join("leader-postmaster-killed.toml");
        let text = input::read(&file).unwrap().replace("\"postmaster-killed\"", "\"meteor\"");
        let error = Scenario::parse(&file, &text).unwrap_err();
        assert!(error.problem.contains("postmaster-killed"), "{error}");
    }

    #[test]
    fn an_unknown_scenario_names_the_known_ones() {
        let error = Scenario::load("no-such-thing").unwrap_err();
        assert!(error.mend.contains("leader-postmaster-killed"), "{error}");
    }
}
