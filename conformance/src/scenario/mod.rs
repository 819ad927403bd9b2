//! Scenarios: a cluster, the faults that it suffers and when, and the outcome that the specification demands.
//!
//! A scenario is a file `fixtures/scenarios/<id>.toml`, whose head, in prose, says what happens and why that is worth a
//! run. `docs/scenarios.md` describes every key:
//!
//! | key | meaning |
//! | --- | --- |
//! | `title`, `why`, `profiles` | one line for lists; the reason to run it; the profiles that it belongs to |
//! | `nodes`, `etcd` | numbers of nodes and of members of the DCS |
//! | `needs`, `rules` | features and rules of an agent without which the scenario is `unsupported` |
//! | `[settings]` | [`Settings`] of the agent |
//! | `[[step]]` | [`Step`]: a fault or its end, the `target`, the event `when` it is time, particulars ([`How`]) |
//! | `[expect]` | [`Expect`]: the demands on the outcome |
//!
//! ```toml
//! [[step]]
//! fault = "single-user-fails"
//! target = "leader"
//!
//! [[step]]
//! when = { takes = { at = "first-hit", branch = "start-primary" } }
//! fault = "postmaster-killed"
//! target = "first-hit"
//! ```

pub mod catalogue;
mod expect;
mod how;
pub mod profile;
mod settings;
mod step;
pub mod stress;
mod when;

use std::path::Path;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;
use serde::Deserialize;

use crate::fixtures;
use crate::input;
use crate::input::InputError;
use crate::rules;

pub use catalogue::is_trap;
pub use expect::{Expect, LeaderAfter, Rejoins, TimelineAfter};
pub use how::{Child, Direction, During, How, Outage};
pub use settings::{Settings, WatchdogMode};
pub use step::{Action, Step};
pub use when::{ProcessAt, Target, When};

/// One scenario, `fixtures/scenarios/<id>.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Its name: that of its file.
    pub id: String,
    /// One line for lists and reports.
    pub title: String,
    /// The reason to run it.
    pub why: String,
    /// Profiles that it belongs to, for instance `smoke`.
    pub profiles: Vec<String>,
    /// Number of nodes; they are named `n1`, `n2`, …
    pub nodes: u32,
    /// Number of members of etcd.
    pub etcd: u32,
    /// Features that an agent must claim.
    pub needs: Vec<String>,
    /// Rules that an agent must follow to come into this situation at all.
    pub rules: Vec<String>,
    /// Settings of the agent.
    pub settings: Settings,
    /// The steps, in their order.
    pub steps: Vec<Step>,
    /// The demands on the outcome. The lab never reads them.
    pub expect: Expect,
}

/// The file as it is written; the id is the file's name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    title: String,
    why: String,
    profiles: Vec<String>,
    nodes: toml::Spanned<u32>,
    etcd: Option<toml::Spanned<u32>>,
    #[serde(default)]
    needs: Vec<String>,
    #[serde(default)]
    rules: Vec<toml::Spanned<String>>,
    settings: toml::Spanned<Settings>,
    step: Vec<toml::Spanned<step::Written>>,
    expect: toml::Spanned<Expect>,
}

impl Scenario {
    /// The scenario of that name in the fixtures.
    ///
    /// # Errors
    /// There is no such scenario, or its file is wrong.
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

    /// Says whether the fixtures have a scenario of that name.
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

    /// The scenario that is the text of a file.
    ///
    /// # Errors
    /// A key is unknown, missing or out of its range.
    pub fn parse(file: &Path, text: &str) -> Result<Scenario, InputError> {
        let written: Written = input::parse(file, text)?;
        let wrong = |key: &str, span, problem: String, help: &str| {
            Err(InputError::of_file(file, problem, help).at_key(key).at_span(text, span))
        };
        let nodes = *written.nodes.get_ref();
        if !(1..=9).contains(&nodes) {
            let problem = format!("{nodes} nodes are not possible");
            return wrong("nodes", written.nodes.span(), problem, "say a number from 1 to 9");
        }
        if let Some(members) = written.etcd.as_ref().filter(|members| ![1, 3].contains(members.get_ref())) {
            let problem = format!("etcd with {} members is not made here", members.get_ref());
            return wrong("etcd", members.span(), problem, "say 1 or 3");
        }
        let settings = written.settings.get_ref();
        let standby_cluster = settings.standby_cluster;
        if settings.loop_wait_s < 1 || settings.loop_wait_s + 2 * settings.retry_timeout_s > settings.ttl_s {
            let problem = format!(
                "loop_wait_s {} + 2 * retry_timeout_s {} is more than ttl_s {}, or a loop takes no time",
                settings.loop_wait_s, settings.retry_timeout_s, settings.ttl_s
            );
            return wrong("settings", written.settings.span(), problem, "keep loop_wait + 2 * retry_timeout <= ttl");
        }
        let mut steps = Vec::new();
        for (index, step) in written.step.into_iter().enumerate() {
            let span = step.span();
            match step.into_inner().checked(&steps) {
                Ok(step) => steps.push(step),
                Err((problem, help)) => return wrong(&format!("step[{index}]"), span, problem, help),
            }
        }
        let members = written.etcd.as_ref().map_or(1, |members| *members.get_ref());
        let needs_three = |step: &Step| {
            step.how.outage == Some(Outage::QuorumLoss)
                || step.action == Action::Disturbance(Disturbance::EtcdLeaderMoved)
        };
        if let Some(step) = steps.iter().find(|step| members < 3 && needs_three(step)) {
            let problem = format!("{} is nothing for etcd with one member", step.name());
            return Err(InputError::of_file(file, problem, "say etcd = 3").at_key("etcd"));
        }
        if let Some(step) = steps.iter().find(|step| step.target == Target::Remote).filter(|_| !standby_cluster) {
            let problem = format!("{} is nothing for a cluster that follows nobody", step.name());
            return Err(InputError::of_file(file, problem, "say standby_cluster = true").at_key("settings"));
        }
        if steps.is_empty() {
            return Err(InputError::of_file(file, "nothing is done to the cluster", "write a [[step]]").at_key("step"));
        }
        if let Some((problem, help)) = written.expect.get_ref().trouble() {
            return wrong("expect.if", written.expect.span(), problem, &help);
        }
        for rule in &written.rules {
            if let Some(why) = rules::trouble(rule.get_ref()) {
                return wrong("rules", rule.span(), why, "write it as `starts_crashed_primary: yes`");
            }
        }
        let id = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Scenario {
            id,
            title: written.title,
            why: written.why,
            profiles: written.profiles,
            nodes,
            etcd: written.etcd.map_or(1, toml::Spanned::into_inner),
            needs: written.needs,
            rules: written.rules.into_iter().map(toml::Spanned::into_inner).collect(),
            settings: written.settings.into_inner(),
            steps,
            expect: written.expect.into_inner(),
        })
    }

    /// Says whether a step injects that fault.
    pub fn breaks(&self, fault: Fault) -> bool {
        self.steps.iter().any(|step| step.action == Action::Fault(fault))
    }

    /// Says whether several nodes are dead at a time.
    pub fn kills_several_nodes(&self) -> bool {
        let all = |step: &Step| matches!(step.target, Target::All | Target::Standbys | Target::Others);
        self.steps.iter().any(|step| step.action == Action::Fault(Fault::NodeKilled) && all(step))
    }

    /// Says whether a step injects that benign fault.
    pub fn disturbs(&self, disturbance: Disturbance) -> bool {
        self.steps.iter().any(|step| step.action == Action::Disturbance(disturbance))
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
mod tests;
