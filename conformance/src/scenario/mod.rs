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
mod words;
mod written;

use std::path::{Path, PathBuf};

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;

use crate::fixtures;
use crate::input;
use crate::input::{InputError, unknown};
use crate::untrusted::name;

pub use catalogue::is_trap;
pub use expect::{Expect, LeaderAfter, Rejoins, TimelineAfter};
pub use how::{Child, Direction, During, How, Outage};
pub use settings::{Settings, WatchdogMode};
pub use step::{Action, Step};
pub use when::{ProcessAt, Target, When};
pub use written::Written;

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

impl Scenario {
    /// The scenario of that name in the fixtures.
    ///
    /// # Errors
    /// There is no such scenario, or its file is wrong.
    pub fn load(id: &str) -> Result<Scenario, InputError> {
        if Scenario::exists(id) && stress::is_drawn(id) {
            let problem = format!("no scenario that is written down can be named `{id}`, as those are that are drawn");
            return Err(InputError::of_file(&file_of(id), problem, "choose another name for the file"));
        }
        if Scenario::exists(id) {
            return Scenario::read(&file_of(id));
        }
        let known: Vec<String> = ids()?;
        let problem = unknown("scenario", id, known.iter().map(String::as_str));
        Err(InputError::of_file(&fixtures::scenarios(), problem, format!("use one of: {}", known.join(", "))))
    }

    /// Says whether the fixtures have a scenario of that name.
    pub fn exists(id: &str) -> bool {
        name::is_plain(id) && file_of(id).is_file()
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
        written::read(file, text)
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

/// The text of the file of a scenario of the fixtures.
///
/// # Errors
/// It cannot be read.
pub fn text(id: &str) -> Result<String, InputError> {
    input::read(&file_of(id))
}

fn file_of(id: &str) -> PathBuf {
    fixtures::scenarios().join(format!("{id}.toml"))
}

/// The problem with the name of a scenario of the fixtures, or of one that was drawn, and its remedy; nothing if there
/// is one.
pub fn trouble(id: &str) -> Option<(String, String)> {
    if Scenario::exists(id) || stress::is_drawn(id) {
        return None;
    }
    let known = ids().unwrap_or_default();
    let problem = match id.contains('*') {
        true => format!("`{}`: a `*` stands for nothing here", input::shown(id)),
        false => unknown("scenario", id, known.iter().map(String::as_str)),
    };
    Some((problem, "name each scenario; `pghaspec list scenarios` names them all".to_owned()))
}

/// Names of all scenarios in the fixtures, sorted.
pub fn ids() -> Result<Vec<String>, InputError> {
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
