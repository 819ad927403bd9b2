//! The objections to a certificate: what keeps the folder that it is made from from being one that a run leaves.
//!
//! A certificate says no more than its evidence. So the evidence is held to the suite (its scenarios, its agents), to
//! the plan, and each part of it to the others. Whoever forges a pass has to forge all of it at once, and then a
//! signature is all that tells.
//!
//! | file | objections about |
//! | --- | --- |
//! | `files.rs` | files that are strange, missing, or put aside |
//! | `plan.rs` | the plan, held to the suite |
//! | `agent.rs` | the agent, its image and its known deviations |
//! | `histories.rs` | each history, held to the plan, its scenario and the logs |
//! | `logs.rs` | the logs of a scenario, each read once |
//! | `processes.rs` | the processes in a history, recorded anew from the observer's log |
//! | `words.rs` | the agents' words in a history, recorded anew from the logs of the nodes |
//! | `outcomes.rs` | the end of each scenario for the harness |

mod agent;
mod files;
mod histories;
mod logs;
mod outcomes;
mod plan;
mod processes;
mod words;

use std::fmt;

use pghaspec_model::rules::edition::Edition;

use crate::input::InputError;
use crate::report::evaluate::RecordedRun;
use crate::run::claims::Claims;
use crate::run::contents::Contents;
use crate::run::scenario_folder::{Outcome, ScenarioDir};
use crate::scenario::{Scenario, stress};

/// An objection.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Objection {
    /// The file, below the run's folder, that it is about.
    pub file: String,
    /// The reason.
    pub why: String,
}

impl fmt::Display for Objection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.file, self.why)
    }
}

/// The objections that were found so far.
#[derive(Default)]
struct Found(Vec<Objection>);

impl Found {
    fn add(&mut self, file: impl Into<String>, why: impl Into<String>) {
        self.0.push(Objection { file: file.into(), why: why.into() });
    }
}

/// One scenario of a run, as it is planned, and as it was recorded.
struct Recorded<'run> {
    id: &'run str,
    /// SHA-256 of its file by the plan.
    sha256: &'run str,
    dir: ScenarioDir,
    /// As the suite has it, with its text; an error if it has none of that name.
    scenario: Result<(Scenario, String), InputError>,
    /// The end for the harness; `None` if it has not come to the end.
    outcome: Option<Outcome>,
}

impl Recorded<'_> {
    /// The harness has come to the end with it, and it was run.
    fn is_whole(&self) -> bool {
        self.outcome.as_ref().is_some_and(|outcome| outcome.error.is_none() && outcome.unsupported.is_none())
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.id)
    }
}

/// All objections to a run's folder, sorted by file.
///
/// # Errors
/// The suite cannot be read.
pub fn objections(recorded: &RecordedRun, claims: &Claims, contents: &Contents) -> Result<Vec<Objection>, InputError> {
    let edition = recorded.plan.spec.edition().ok();
    let scenarios: Vec<Recorded> = recorded
        .plan
        .scenarios
        .iter()
        .map(|planned| {
            let dir = recorded.dir(&planned.id);
            Recorded {
                id: &planned.id,
                sha256: &planned.sha256,
                scenario: of_suite(&planned.id, edition),
                outcome: dir.outcome(),
                dir,
            }
        })
        .collect();
    let mut found = Found::default();
    plan::look(recorded, &scenarios, &mut found)?;
    agent::look(recorded, claims, &scenarios, &mut found)?;
    files::look(recorded, &claims.authority, contents, &scenarios, &mut found);
    outcomes::look(recorded, claims, &scenarios, &mut found);
    histories::look(recorded, claims, contents, &scenarios, &mut found);
    found.0.sort();
    found.0.dedup();
    Ok(found.0)
}

/// A scenario of the suite, or one that is drawn, and the text of its file.
fn of_suite(id: &str, edition: Option<Edition>) -> Result<(Scenario, String), InputError> {
    if let Some(drawn) = edition.and_then(|edition| stress::draw_again(edition, id)) {
        let scenario = Scenario::parse(std::path::Path::new(&format!("{id}.toml")), &drawn.text)?;
        return Ok((scenario, drawn.text));
    }
    Ok((Scenario::load(id)?, crate::scenario::text(id)?))
}
