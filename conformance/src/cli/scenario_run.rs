//! One scenario of a run, from its file to its result: what `certify` and `defects` have in common.

use super::Failure;
use crate::lab;
use crate::lab::{LabError, Options};
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report::ScenarioResult;
use crate::report::evaluate::{Evaluator, draw};
use crate::run::folder::RunDir;
use crate::run::scenario_folder::Outcome;
use crate::scenario;
use crate::scenario::Scenario;

/// A scenario and its file's text.
pub struct Chosen {
    /// The scenario.
    pub scenario: Scenario,
    /// The text.
    pub text: String,
}

/// The run that scenarios are part of.
#[derive(Clone, Copy)]
pub struct Run<'run> {
    /// The options of the lab.
    pub options: Options,
    /// The folder of the run.
    pub dir: &'run RunDir,
    /// The reporter of the progress.
    pub progress: &'run Progress,
}

/// A committed scenario.
///
/// # Errors
/// Its file cannot be read.
pub fn of_fixture(scenario: Scenario) -> Result<Chosen, Failure> {
    Ok(Chosen { text: scenario::text(&scenario.id)?, scenario })
}

/// The number of scenarios that run at the same time by default: one lane keeps about two cores busy while its cluster
/// comes up.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Removes what dead runs have left, and what these have left when they were interrupted; tells of both.
///
/// # Errors
/// Docker does not answer.
pub async fn sweep(runs: &[&RunDir], progress: &Progress) -> Result<(), LabError> {
    let swept = lab::sweep(runs).await?;
    for left in swept.left {
        progress.say(&left);
    }
    if swept.removed > 0 {
        progress.say(&format!("removed {} containers, networks and images of runs that were killed", swept.removed));
    }
    Ok(())
}

/// Runs a scenario, evaluates its evidence and draws it. Beside the result: an error after which no other scenario
/// needs to be tried.
///
/// # Errors
/// The evidence cannot be written.
pub async fn run_one(
    Run { options, dir, progress }: Run<'_>,
    manifest: &Manifest,
    evaluator: &Evaluator,
    scenario: Scenario,
) -> Result<(ScenarioResult, Option<LabError>), Failure> {
    let ran = lab::run(&scenario, manifest, dir, options, progress).await;
    let paths = dir.scenario_paths(&scenario.id);
    let done = ran.as_ref().ok();
    let (image_digest, time) = (done.map(|it| it.image_digest.clone()), done.map_or(Vec::new(), |it| it.laps.clone()));
    let error = ran.err();
    match &error {
        // It may go on from here: the scenario has no outcome yet.
        Some(error) if error.ends_the_run() => {}
        _ => {
            let error = error.as_ref().map(LabError::to_string);
            paths.end(&Outcome { image_digest, time, error, unsupported: None })?;
        }
    }
    let id = scenario.id.clone();
    // The model's opinion takes a moment of computing: not on a thread that observes another lane.
    let evaluator = evaluator.clone();
    let judged = tokio::task::spawn_blocking(move || {
        let result = evaluator.evaluate(&paths, &id);
        draw(&paths, &result).map(|()| result)
    });
    let result = judged.await.map_err(|error| Failure::harness(format!("the judge broke: {error}")))??;
    Ok((result, error.filter(LabError::ends_the_run)))
}
