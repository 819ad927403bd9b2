//! The path from the evidence in a run's folder to its results.
//!
//! Every command that tells results takes this path and no other: `certify` and `defects` as each scenario ends,
//! `report` and `verify` later. What is not in the folder has no influence, but for the specification, the derived
//! items, and a scenario's file where the run has not got as far as to copy it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::Phase;

use super::{Agent, Evidence, Results, ScenarioResult};
use crate::coverage;
use crate::coverage::{Item, Measured};
use crate::history::{History, HistoryError};
use crate::input::InputError;
use crate::judge::{Check, Judgement, Verdict, judge};
use crate::known::deviations;
use crate::known::deviations::{Deviations, ScenarioChecks};
use crate::picture::picture;
use crate::run::claims::Claims;
use crate::run::contents::Contents;
use crate::run::error::RunDirError;
use crate::run::plan::Plan;
use crate::run::scenario_folder::{Outcome, ScenarioDir, scenario_dir};
use crate::scenario::Scenario;

/// Evaluates the evidence of scenarios by the rules of an edition. Clones share what they hold.
#[derive(Clone)]
pub struct Evaluator {
    edition: Edition,
    /// All derived items: what scenarios can lead to.
    items: Arc<[Item]>,
}

/// A recorded run: its folder, and what it set out to do.
pub struct RecordedRun {
    /// The folder.
    pub folder: PathBuf,
    /// `plan.json` in it.
    pub plan: Plan,
    /// `agent.json` in it; `None` if an older pghaspec made the run.
    pub claims: Option<Claims>,
    /// `deviations.toml` in it.
    pub deviations: Deviations,
    /// By the edition that the run was held to.
    pub evaluator: Evaluator,
}

impl RecordedRun {
    /// The run in a folder.
    ///
    /// # Errors
    /// The folder is no run's, holds what no run leaves, one of its files is damaged, or the derived items cannot be
    /// read.
    pub fn read(folder: &Path) -> Result<RecordedRun, InputError> {
        Plan::is_in(folder)?;
        Contents::of(folder)?;
        let plan = Plan::read(folder)?;
        let claims = Claims::read(folder)?;
        let edition = plan
            .spec
            .edition()
            .map_err(|problem| InputError::of_file(folder, problem, "use the pghaspec that made the run"))?;
        let deviations = Deviations::recorded(&folder.join(deviations::FILE))?;
        let evaluator = Evaluator::new(edition)?;
        Ok(RecordedRun { folder: folder.to_path_buf(), plan, claims, deviations, evaluator })
    }

    /// The folder of a scenario in it.
    pub fn dir(&self, id: &str) -> ScenarioDir {
        scenario_dir(&self.folder, id)
    }

    /// Evaluates one scenario.
    pub fn evaluate(&self, id: &str) -> ScenarioResult {
        self.evaluator.evaluate(&self.dir(id), id)
    }

    /// Puts the results of its scenarios together.
    ///
    /// # Errors
    /// Evidence cannot be read.
    pub fn results(&self, scenarios: Vec<ScenarioResult>) -> Result<Results, RunDirError> {
        merge(&[self], scenarios)
    }
}

/// Puts the results of scenarios of several runs together, which have to be about the same agent.
///
/// # Errors
/// Evidence cannot be read.
///
/// # Panics
/// If there is no run.
pub fn merge(runs: &[&RecordedRun], mut scenarios: Vec<ScenarioResult>) -> Result<Results, RunDirError> {
    let first = runs[0];
    scenarios.sort_by(|one, other| one.id.cmp(&other.id));
    let mut evidence = Evidence::default();
    let mut image_digest = None;
    for run in runs {
        let name = run.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let prefix = if runs.len() > 1 { format!("{name}/") } else { String::new() };
        for planned in &run.plan.scenarios {
            let dir = run.dir(&planned.id);
            evidence.add(&dir, &prefix)?;
            image_digest = image_digest.or_else(|| dir.outcome().and_then(|outcome| outcome.image_digest));
        }
    }
    let checks =
        scenarios.iter().map(|one| ScenarioChecks { scenario: &one.id, verdict: one.verdict, checks: &one.checks });
    let deviations = first.deviations.compare(&first.plan.version, checks);
    let mut results = Results {
        pghaspec: first.plan.pghaspec.clone(),
        agent: Agent { name: first.plan.agent.clone(), version: first.plan.version.clone(), image_digest },
        profile: first.plan.profile.clone(),
        spec: first.plan.spec.clone(),
        verdict: Verdict::worst(scenarios.iter().map(|scenario| scenario.verdict)),
        as_expected: false,
        deviations,
        scenarios,
        evidence,
    };
    results.as_expected = results.exit_code() == 0;
    Ok(results)
}

impl Evaluator {
    /// By the rules of this edition.
    ///
    /// # Errors
    /// The derived items cannot be read.
    pub fn new(edition: Edition) -> Result<Evaluator, InputError> {
        Ok(Evaluator { edition, items: coverage::committed()?.into() })
    }

    /// Evaluates one scenario by the evidence in its folder: judges the history, and says what the scenario should lead
    /// to and did. Without a history that can be judged, the one check says why.
    pub fn evaluate(&self, dir: &ScenarioDir, id: &str) -> ScenarioResult {
        let loaded = if dir.scenario.is_file() { Scenario::read(&dir.scenario) } else { Scenario::load(id) };
        let title = loaded.as_ref().map_or(String::new(), |scenario| scenario.title.clone());
        let history = History::read(&dir.events);
        let seconds = history.as_ref().map_or(0.0, |history| {
            let end = history.phase(Phase::End).or_else(|| history.events.last().map(|event| event.at[1]));
            end.unwrap_or(0) as f64 / 1e9
        });
        let judgement = match (dir.outcome(), &loaded, &history) {
            (Some(Outcome { unsupported: Some(why), .. }), ..) => only("supported", Verdict::Unsupported, why),
            (None, ..) => {
                let why = "was not run to its end; go on with `certify --resume`";
                self.shown_all_the_same(&loaded, &history, only("harness", Verdict::Inconclusive, why.into()))
            }
            (Some(Outcome { error: Some(error), .. }), ..) => {
                self.shown_all_the_same(&loaded, &history, only("harness", Verdict::Error, error))
            }
            (_, Err(wrong), _) => only("harness", Verdict::Error, wrong.to_string()),
            (_, _, Err(unreadable)) => only("harness", Verdict::Error, unreadable.to_string()),
            (_, Ok(scenario), Ok(history)) => judge(history, self.edition, Some(&scenario.expect)),
        };
        let covered = match &history {
            Ok(history) if judgement.checks.len() > 1 => coverage::measured(history, self.edition, &judgement),
            _ => Measured::default(),
        };
        let planned = match &loaded {
            Ok(scenario) if judgement.verdict != Verdict::Unsupported => {
                coverage::planned(&self.items, scenario, self.edition)
            }
            _ => BTreeSet::new(),
        };
        ScenarioResult {
            id: id.to_owned(),
            title,
            verdict: judgement.verdict,
            seconds,
            time: dir.outcome().map_or(Vec::new(), |outcome| outcome.time),
            branches: judgement.branches,
            checks: judgement.checks,
            measured: judgement.measured,
            planned,
            covered,
        }
    }
}

impl Evaluator {
    /// The judgement where the harness did not come to its end. Such a recording proves nothing in favour of the agent;
    /// but if it is whole, the harness failed only afterwards, and what it holds against the agent holds.
    fn shown_all_the_same(
        &self,
        scenario: &Result<Scenario, InputError>,
        history: &Result<History, HistoryError>,
        harness: Judgement,
    ) -> Judgement {
        match (scenario, history) {
            (Ok(scenario), Ok(history)) if history.is_complete() => {
                let mut shown = judge(history, self.edition, Some(&scenario.expect));
                if shown.verdict != Verdict::Fail {
                    return harness;
                }
                shown.checks.extend(harness.checks);
                shown
            }
            _ => harness,
        }
    }
}

/// The judgement on a scenario without a history that can be judged: one check.
fn only(id: &str, verdict: Verdict, why: String) -> Judgement {
    let checks = vec![Check::new(id, verdict, why)];
    Judgement { verdict, branches: Vec::new(), checks, measured: Vec::new(), unlisted: 0 }
}

/// Draws a scenario that was judged, `history.svg` beside its history. Without a history that can be read there is no
/// picture, and one that is there is removed: nobody knows of what it is one.
///
/// # Errors
/// The picture cannot be written, or removed.
pub fn draw(dir: &ScenarioDir, result: &ScenarioResult) -> Result<(), RunDirError> {
    match drawn(dir, result) {
        Some(svg) => dir.draw(&svg),
        None => dir.erase(),
    }
}

/// The picture of a scenario that was judged; `None` without a history that can be read.
pub fn drawn(dir: &ScenarioDir, result: &ScenarioResult) -> Option<String> {
    let history = History::read(&dir.events).ok()?;
    Some(picture(&history, &result.judgement()))
}
