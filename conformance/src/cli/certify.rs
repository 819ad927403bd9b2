//! `pghaspec certify`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use futures_util::{StreamExt, stream};
use pghaspec_model::edition::Edition;

use super::{Failure, known, print};
use crate::judge::{Check, History, Judgement, Verdict, judge, picture};
use crate::lab::{self, LabError, Options, Trouble};
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report::{self, Agent, Evidence, Results, ScenarioResult, Spec};
use crate::rundir::{DEFAULT_OUT, RunDir, RunDirError};
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    /// The agent: a name (`pghaspec list agents`), with a release if wanted (`patroni@4.1.5`), or the path of a manifest.
    agent: String,
    /// Hold it to this edition of the specification instead of the one that its release follows.
    #[arg(long)]
    edition: Option<String>,
    /// Run all scenarios of this profile.
    #[arg(long, default_value = "core", conflicts_with = "scenario")]
    profile: String,
    /// Run this scenario; may be given several times (`pghaspec list scenarios`).
    #[arg(long)]
    scenario: Vec<String>,
    /// Run up to this many scenarios at the same time; one for every two cores if not given.
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Folder for the evidence.
    #[arg(long, default_value = DEFAULT_OUT)]
    out: PathBuf,
    /// Leave containers and networks behind, for a look inside; the next run removes them.
    #[arg(long)]
    keep: bool,
    /// Let the agents bootstrap each cluster, instead of beginning with one that was prepared once.
    #[arg(long)]
    fresh: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut manifest = Manifest::load(&args.agent)?;
    if let Some(edition) = &args.edition {
        manifest.edition = edition.clone();
        manifest.rules.clear();
    }
    let all: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
    let edition = known("edition", &manifest.edition, Edition::from_id, &all)?;
    let scenarios = chosen(args)?;
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::environment(format!("no async runtime: {error}")))?;
    runtime.block_on(certify(args, &manifest, edition, scenarios))
}

fn chosen(args: &Args) -> Result<Vec<Scenario>, Failure> {
    if !args.scenario.is_empty() {
        let mut ids = args.scenario.clone();
        ids.sort();
        ids.dedup();
        return Ok(ids.iter().map(|id| Scenario::load(id)).collect::<Result<_, _>>()?);
    }
    let all = Scenario::all()?;
    let mut profiles: Vec<_> = all.iter().flat_map(|scenario| scenario.profiles.clone()).collect();
    profiles.sort();
    profiles.dedup();
    let scenarios: Vec<_> = all.into_iter().filter(|scenario| scenario.profiles.contains(&args.profile)).collect();
    if scenarios.is_empty() {
        return Err(Failure::usage(format!(
            "there is no profile `{}`; use one of: {}",
            args.profile,
            profiles.join(", ")
        )));
    }
    Ok(scenarios)
}

async fn certify(args: &Args, manifest: &Manifest, edition: Edition, scenarios: Vec<Scenario>) -> Result<u8, Failure> {
    let progress = Progress::stderr();
    let (swept, stuck) = lab::sweep().await?;
    for error in stuck {
        progress.say(&format!("left behind by a run that was killed: {error}"));
    }
    if swept > 0 {
        progress.say(&format!("removed {swept} containers and networks of runs that were killed"));
    }
    lab::provide(manifest, &progress).await?;
    let dir = RunDir::create(&args.out, &manifest.name)?;
    progress.say(&format!("evidence: {}", dir.path().display()));
    let mut results = Results {
        agent: Agent { name: manifest.name.clone(), version: manifest.version.clone(), image_digest: None },
        profile: args.scenario.is_empty().then(|| args.profile.clone()),
        spec: Spec {
            edition: edition.id().to_owned(),
            rules: manifest.rules.clone(),
            sha256: report::SPEC_SHA256.to_owned(),
        },
        verdict: Verdict::Inconclusive,
        scenarios: Vec::new(),
        evidence: Evidence::default(),
    };
    let jobs = args.jobs.map_or_else(default_jobs, NonZeroUsize::get);
    let total = scenarios.len();
    let mut running = stream::iter(scenarios)
        .map(|scenario| {
            let (dir, progress) = (&dir, &progress);
            async move { one(args, manifest, edition, scenario, dir, progress).await }
        })
        .buffer_unordered(jobs);
    let mut lacks = None;
    while let Some(ended) = running.next().await {
        progress.say(&format!(
            "{} of {total} done: {} {}",
            results.scenarios.len() + 1,
            ended.result.id,
            ended.result.verdict.text()
        ));
        results.agent.image_digest = results.agent.image_digest.or(ended.image_digest);
        results.evidence.add(&dir, &ended.result.id)?;
        results.scenarios.push(ended.result);
        results.scenarios.sort_by(|one, other| one.id.cmp(&other.id));
        results.verdict = Verdict::worst(results.scenarios.iter().map(|scenario| scenario.verdict));
        // After each scenario, so that a killed run leaves the verdicts that it reached.
        results.write(dir.path())?;
        if let Some(error) = ended.stops {
            lacks.get_or_insert(error);
            break;
        }
    }
    drop(running);
    print(args.json, &results, || report::text::results(&results, dir.path()))?;
    match lacks {
        Some(error) => Err(error.into()),
        None => Ok(results.verdict.exit_code()),
    }
}

/// One lane keeps about two cores busy while its cluster comes up.
fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

struct Ended {
    result: ScenarioResult,
    image_digest: Option<String>,
    /// An error after which no other scenario needs to be tried.
    stops: Option<LabError>,
}

async fn one(
    args: &Args,
    manifest: &Manifest,
    edition: Edition,
    scenario: Scenario,
    dir: &RunDir,
    progress: &Progress,
) -> Ended {
    if let Some(why) = lab::unsupported(&scenario, manifest) {
        let judgement = failed(Check::new("supported", Verdict::Unsupported, why));
        return Ended { result: result_of(&scenario, judgement), image_digest: None, stops: None };
    }
    let outcome = lab::run(&scenario, manifest, dir, Options { keep: args.keep, fresh: args.fresh }, progress).await;
    let (seconds, time, image_digest) = outcome
        .as_ref()
        .map_or((0.0, Vec::new(), None), |done| (done.seconds, done.laps.clone(), Some(done.image_digest.clone())));
    let error = outcome.err();
    let judgement = match History::read(&dir.scenario_paths(&scenario.id).events) {
        Ok(history) if error.is_none() => {
            let expect = scenario.expect.clone();
            // The model's opinion takes a moment of computing: not on a thread that observes another lane.
            let drawn = dir.scenario_paths(&scenario.id).path.join("history.svg");
            let judged = tokio::task::spawn_blocking(move || {
                let judgement = judge(&history, edition, Some(&expect));
                let drawn = std::fs::write(&drawn, picture(&history, &judgement))
                    .map_err(|error| RunDirError::new(format!("writing {}", drawn.display()), error).to_string());
                (judgement, drawn)
            });
            match judged.await {
                Ok((judgement, Ok(()))) => judgement,
                Ok((_, Err(error))) => failed(Check::new("harness", Verdict::Error, error)),
                Err(error) => failed(Check::new("judge", Verdict::Error, format!("the judge broke: {error}"))),
            }
        }
        Err(unreadable) if error.is_none() => failed(Check::new("harness", Verdict::Error, unreadable.to_string())),
        // What was recorded stays as evidence, but it proves nothing about the agent.
        _ => failed(Check::new("harness", Verdict::Error, error.as_ref().map_or(String::new(), LabError::to_string))),
    };
    Ended {
        result: ScenarioResult { seconds, time, ..result_of(&scenario, judgement) },
        image_digest,
        stops: error.filter(|error| matches!(error.trouble, Trouble::Environment | Trouble::Interrupted)),
    }
}

fn result_of(scenario: &Scenario, judgement: Judgement) -> ScenarioResult {
    ScenarioResult {
        id: scenario.id.clone(),
        title: scenario.title.clone(),
        verdict: judgement.verdict,
        seconds: 0.0,
        time: Vec::new(),
        branches: judgement.branches,
        checks: judgement.checks,
        measured: judgement.measured,
    }
}

fn failed(check: Check) -> Judgement {
    Judgement { verdict: check.verdict, branches: Vec::new(), checks: vec![check], measured: Vec::new() }
}
