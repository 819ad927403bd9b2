//! `pghaspec certify`: runs scenarios against an agent on containers, and tells the results.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};
use pghaspec_model::rules::edition::Edition;

use super::scenario_run::{Chosen, Run, default_jobs, of_fixture, run_one, sweep};
use super::verify::verify;
use super::{Failure, bounds, edition_of, known, print};
use crate::certificate;
use crate::input;
use crate::interrupt;
use crate::judge::Verdict;
use crate::known::deviations;
use crate::known::deviations::Deviations;
use crate::lab;
use crate::lab::{Build, LabError, Options};
use crate::manifest;
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report;
use crate::report::evaluate::{Evaluator, RecordedRun};
use crate::report::{Results, ScenarioResult};
use crate::run::claims::Claims;
use crate::run::folder::{DEFAULT_OUT, RunDir};
use crate::run::plan::{Plan, Planned, Shard};
use crate::run::scenario_folder::Outcome;
use crate::scenario::Scenario;
use crate::scenario::profile;
use crate::scenario::profile::PROFILES;
use crate::scenario::stress;
use crate::scenario::stress::Drawn;

/// Most objections that are told at the end of a run.
const MOST_OBJECTIONS: usize = 5;

#[derive(clap::Args)]
pub struct Args {
    /// The agent: a name (`pghaspec list agents`), with a release if wanted (`patroni@4.1.5`), or the path of a
    /// manifest.
    agent: String,
    /// Hold it to this edition of the specification instead of the one that its release follows.
    #[arg(long)]
    edition: Option<String>,
    /// Run all scenarios of this profile (`pghaspec list profiles`).
    #[arg(long, default_value = profile::DEFAULT, conflicts_with = "scenario")]
    profile: String,
    /// Run this scenario; may be given several times (`pghaspec list scenarios`).
    #[arg(long)]
    scenario: Vec<String>,
    /// Run up to this many scenarios at the same time; one for every two cores if not given.
    #[arg(long, value_parser = bounds::jobs)]
    jobs: Option<NonZeroUsize>,
    /// With --profile stress: seed of the random walks; 1 if not given.
    #[arg(long)]
    seed: Option<u64>,
    /// With --profile stress: how many walks; 5 if not given.
    #[arg(long, value_parser = bounds::drawn)]
    walks: Option<usize>,
    /// Run only this part of the scenarios, for instance `2/3`, the second of three. `pghaspec report` puts the parts
    /// together.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Go on with the run in this folder: what is recorded to its end is not run again.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "scenario", "shard", "seed", "walks", "out"])]
    resume: Option<PathBuf>,
    /// Folder for the evidence.
    #[arg(long, default_value = DEFAULT_OUT)]
    out: PathBuf,
    /// Leave containers and networks behind, for a look inside; the next run removes them.
    #[arg(long)]
    keep: bool,
    /// Let the agents bootstrap each cluster, instead of beginning with one that was prepared once.
    #[arg(long)]
    fresh: bool,
    /// Where the agent's image is missing, run the command of its manifest that builds it, also if the manifest is not
    /// one of the project's own: that command may do on this machine whatever you may.
    #[arg(long)]
    allow_build: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// The command that goes on with the run in this folder.
    fn go_on(&self, folder: &Path) -> String {
        let edition = self.edition.as_ref().map(|edition| format!(" --edition {edition}")).unwrap_or_default();
        let allow_build = if self.allow_build { " --allow-build" } else { "" };
        let fresh = if self.fresh { " --fresh" } else { "" };
        format!("pghaspec certify {}{edition}{allow_build}{fresh} --resume {}", self.agent, folder.display())
    }

    fn run<'run>(&self, dir: &'run RunDir, progress: &'run Progress) -> Run<'run> {
        Run { options: Options { keep: self.keep, fresh: self.fresh }, dir, progress }
    }
}

/// The seed of the random walks unless one is given.
const SEED: u64 = 1;

/// The number of walks unless one is given.
const WALKS: usize = 5;

/// The greatest number of runs to make a failing scenario smaller.
const MOST_SHRINKING: usize = 6;

pub fn run(args: &Args) -> Result<u8, Failure> {
    let mut manifest = Manifest::load(&args.agent)?;
    let claims = Claims::of(&manifest)?;
    if let Some(edition) = &args.edition {
        manifest.edition = Some(edition.clone());
        manifest.rules.clear();
    }
    let edition = edition_of(&manifest)?;
    let deviations = manifest::folder(&args.agent)?.join(deviations::FILE);
    Deviations::read(&deviations)?;
    let (dir, chosen) = match &args.resume {
        Some(folder) => resume(folder, &manifest, &claims, edition)?,
        None => begin(args, &manifest, &claims, edition, &deviations)?,
    };
    let recorded = RecordedRun::read(dir.path())?;
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::environment(format!("no async runtime: {error}")))?;
    let ended = runtime.block_on(certify(args, &manifest, &claims, chosen, &dir, &recorded));
    // Nothing that still waits for an answer keeps the process.
    runtime.shutdown_background();
    ended
}

/// Begins a run: its folder, with the plan, and its scenarios.
fn begin(
    args: &Args,
    manifest: &Manifest,
    claims: &Claims,
    edition: Edition,
    deviations: &Path,
) -> Result<(RunDir, Vec<Chosen>), Failure> {
    let mut chosen = chosen(args, edition)?;
    if let Some(shard) = args.shard {
        let total = chosen.len();
        chosen = shard.part(chosen);
        if chosen.is_empty() {
            let problem = format!("--shard {shard} is empty: there are only {total} scenarios; help: use fewer parts");
            return Err(Failure::usage(problem));
        }
    }
    let planned = chosen.iter().map(|one| Planned::new(&one.scenario.id, &one.text)).collect();
    let plan = Plan {
        profile: args.scenario.is_empty().then(|| args.profile.clone()),
        seed: args.seed.unwrap_or(SEED),
        shard: args.shard.map(|shard| shard.to_string()),
        ..Plan::new(manifest, planned)
    };
    let dir = RunDir::create(&args.out, &manifest.name)?;
    if deviations.is_file() {
        // The run says by which list it was compared.
        dir.add(deviations::FILE, &input::read(deviations)?)?;
    }
    claims.write(dir.path())?;
    // The plan comes last: whoever finds one can go on with the run.
    plan.write(dir.path())?;
    Ok((dir, chosen))
}

/// Resumes a run: its folder, and its scenarios as they are now.
fn resume(
    folder: &Path,
    manifest: &Manifest,
    claims: &Claims,
    edition: Edition,
) -> Result<(RunDir, Vec<Chosen>), Failure> {
    let RecordedRun { plan, claims: recorded, .. } = RecordedRun::read(folder)?;
    let refuse = |why: String| {
        let help = "go on with the agent and the pghaspec that began it, or begin a new run";
        Failure::usage(format!("--resume {}: {why}; help: {help}", folder.display()))
    };
    let mut chosen = Vec::new();
    let now = Plan::new(manifest, Vec::new());
    if let Some(mismatch) = plan.mismatch(&now) {
        return Err(refuse(format!("this would be {mismatch}")));
    }
    if recorded.is_some_and(|recorded| recorded != *claims) {
        return Err(refuse("the agent's manifest, or a file that it names, has changed since".to_owned()));
    }
    for planned in &plan.scenarios {
        let one = match stress::draw_again(edition, &planned.id) {
            Some(drawn) => of_drawn(drawn)?,
            None => of_fixture(Scenario::load(&planned.id)?)?,
        };
        if Planned::new(&planned.id, &one.text) != *planned {
            return Err(refuse(format!("the scenario `{}` has changed since", planned.id)));
        }
        chosen.push(one);
    }
    Ok((RunDir::open(folder)?, chosen))
}

fn of_drawn(drawn: Drawn) -> Result<Chosen, Failure> {
    let scenario = Scenario::parse(Path::new(&format!("{}.toml", drawn.id)), &drawn.text)?;
    Ok(Chosen { scenario, text: drawn.text })
}

fn chosen(args: &Args, edition: Edition) -> Result<Vec<Chosen>, Failure> {
    let is_drawn = args.profile == profile::STRESS && args.scenario.is_empty();
    for (option, given) in [("--seed", args.seed.is_some()), ("--walks", args.walks.is_some())] {
        if given && !is_drawn {
            let problem = format!("{option} says nothing about scenarios that are written down");
            return Err(Failure::usage(format!("{problem}; help: leave it out, or say --profile {}", profile::STRESS)));
        }
    }
    if !args.scenario.is_empty() {
        let mut ids = args.scenario.clone();
        ids.sort();
        ids.dedup();
        return ids.iter().map(|id| of_fixture(Scenario::load(id)?)).collect();
    }
    let profiles = PROFILES.map(|profile| profile.id);
    let profile = known("profile", &args.profile, profile::find, &profiles)?;
    if profile.id == profile::STRESS {
        let (seed, walks) = (args.seed.unwrap_or(SEED), args.walks.unwrap_or(WALKS));
        return stress::draw(edition, seed, walks).into_iter().map(of_drawn).collect();
    }
    let wanted =
        |scenario: &Scenario| profile.id == profile::ALL || scenario.profiles.iter().any(|it| it == profile.id);
    let chosen: Vec<_> = Scenario::all()?.into_iter().filter(wanted).map(of_fixture).collect::<Result<_, _>>()?;
    if chosen.is_empty() {
        return Err(Failure::usage(format!("no scenario belongs to the profile `{}`", profile.id)));
    }
    Ok(chosen)
}

async fn certify(
    args: &Args,
    manifest: &Manifest,
    claims: &Claims,
    chosen: Vec<Chosen>,
    dir: &RunDir,
    recorded: &RecordedRun,
) -> Result<u8, Failure> {
    let progress = Progress::stderr();
    progress.say(&format!("evidence: {}", dir.path().display()));
    if manifest::trouble(&manifest.name).is_none() && manifest::is_foreign(&args.agent).unwrap_or(true) {
        let name = &manifest.name;
        progress.say(&format!(
            "the manifest calls its agent {name}, as one of the suite: the certificate will not verify; give it a \
             `name` of its own"
        ));
    }
    let total = chosen.len();
    let is_drawn = |one: &&Chosen| stress::is_drawn(&one.scenario.id);
    let drawn: Vec<_> = chosen.iter().filter(is_drawn).map(|one| (one.scenario.id.clone(), one.text.clone())).collect();
    let mut done: Vec<ScenarioResult> = Vec::new();
    let mut todo = Vec::new();
    for one in chosen {
        let id = &one.scenario.id;
        let before = recorded.evaluate(id);
        // What a whole recording holds against the agent holds, even if the harness failed afterwards.
        if dir.scenario_paths(id).is_complete() || before.verdict == Verdict::Fail {
            done.push(before);
            progress.say(&format!("{id} is recorded already: {}", done[done.len() - 1].verdict.text()));
            continue;
        }
        if let Some(kept) = dir.set_aside(id)? {
            progress.say(&format!("{id} was not recorded to its end, and is run again; what there is stays in {kept}"));
        }
        dir.scenario(id)?.begin(&one.text)?;
        match claims.unsupported(&one.scenario, &recorded.plan.spec) {
            None => todo.push(one.scenario),
            unsupported => {
                dir.scenario_paths(id).end(&Outcome { unsupported, ..Outcome::default() })?;
                done.push(recorded.evaluate(id));
            }
        }
    }
    // What has not been run is part of the results: nobody knows of it how it would have ended.
    let with_rest = |done: &[ScenarioResult]| {
        let is_done = |id: &str| done.iter().any(|result| result.id == id);
        let rest = recorded.plan.scenarios.iter().map(|one| one.id.as_str()).filter(|id| !is_done(id));
        recorded.results(done.iter().cloned().chain(rest.map(|id| recorded.evaluate(id))).collect())
    };
    let mut results = with_rest(&done)?;
    let mut end = End::default();
    match get_ready(args, manifest, dir, !todo.is_empty(), &progress).await {
        Ok(()) => {}
        Err(error) if todo.is_empty() => progress.say(&format!("what may be left was not looked for: {error}")),
        Err(error) => end.stop(error),
    }
    let over = AtomicBool::new(end.has_come());
    let mut running = stream::iter(todo)
        .map(|scenario| {
            let (run, over) = (args.run(dir, &progress), &over);
            async move {
                match over.load(Ordering::Relaxed) || interrupt::caught().is_some() {
                    true => None,
                    false => Some(run_one(run, manifest, &recorded.evaluator, scenario).await),
                }
            }
        })
        .buffer_unordered(args.jobs.map_or_else(default_jobs, NonZeroUsize::get));
    // What is under way when the end has come still cleans up and keeps its evidence.
    while let Some(ended) = running.next().await {
        match ended {
            None => {}
            Some(Err(failure)) => end.fail(failure),
            Some(Ok((result, stops))) => {
                progress.say(&format!("{} of {total} done: {} {}", done.len() + 1, result.id, result.verdict.text()));
                done.push(result);
                // After each scenario, so that a killed run leaves the verdicts that it reached.
                let written = with_rest(&done).and_then(|so_far| {
                    results = so_far;
                    report::write(&results, dir.path())
                });
                if let Err(error) = written {
                    end.fail(error.into());
                }
                if let Some(error) = stops {
                    end.stop(error);
                }
            }
        }
        over.store(end.has_come(), Ordering::Relaxed);
    }
    drop(running);
    if !end.has_come() {
        let unknown: Vec<_> = results.deviations.unknown.iter().map(|one| one.scenario.clone()).collect();
        for (id, text) in drawn.iter().filter(|(id, _)| unknown.contains(id)) {
            if let Some(error) = shrink(args, manifest, (id, text), dir, &recorded.evaluator, &progress).await? {
                end.stop(error);
                break;
            }
        }
    }
    if let Some(interrupt) = interrupt::caught().filter(|_| !end.has_come()) {
        end.stop(LabError::interrupted(interrupt.words()));
    }
    let written = write(recorded, &results);
    let printed = print(args.json, &results, || report::text::results(&results, dir.path(), &[dir.path().to_owned()]));
    match end {
        End(None) => {
            written?;
            printed?;
            tell_if_denied(recorded, &progress);
            Ok(results.exit_code())
        }
        End(Some(failure)) => {
            progress.say(&format!("go on with: {}", args.go_on(dir.path())));
            Err(failure)
        }
    }
}

/// Says so if the certificate does not verify: whoever receives it would be told, and nobody could mend it then.
fn tell_if_denied(recorded: &RecordedRun, progress: &Progress) {
    // A run that an older pghaspec began has no certificate.
    let Ok(document) = verify(&recorded.folder, None) else { return };
    let shown = document.objections.iter().take(MOST_OBJECTIONS);
    for objection in shown {
        progress.say(&format!("the certificate will not verify: {objection}"));
    }
}

/// Writes the results, and the certificate that says what they hang on.
fn write(recorded: &RecordedRun, results: &Results) -> Result<(), Failure> {
    report::write(results, &recorded.folder)?;
    certificate::write(recorded, results)?;
    Ok(())
}

/// The first thing after which no other scenario is tried.
#[derive(Default)]
struct End(Option<Failure>);

impl End {
    fn has_come(&self) -> bool {
        self.0.is_some()
    }

    fn stop(&mut self, error: LabError) {
        self.fail(error.into());
    }

    fn fail(&mut self, failure: Failure) {
        self.0.get_or_insert(failure);
    }
}

/// Removes what dead runs have left, makes sure of the agent's image if a scenario is to be run, and points `latest` to
/// the run: from here on it is one.
async fn get_ready(
    args: &Args,
    manifest: &Manifest,
    dir: &RunDir,
    runs: bool,
    progress: &Progress,
) -> Result<(), LabError> {
    if runs || args.resume.is_some() {
        sweep(&[dir], progress).await?;
    }
    if runs {
        let is_own = manifest::is_foreign(&args.agent).is_ok_and(|foreign| !foreign);
        let build = if is_own || args.allow_build { Build::Allowed } else { Build::Refused };
        lab::ensure_agent_image(manifest, build, progress).await?;
        lab::record_image(manifest, dir).await?;
    }
    Ok(dir.point_latest()?)
}

/// Shrinks a drawn scenario that fails: leaves out step after step, as long as it still fails, and keeps the smallest
/// as `<id>-smallest.toml`. Returns an error after which no other scenario is tried.
async fn shrink(
    args: &Args,
    manifest: &Manifest,
    (id, text): (&str, &str),
    dir: &RunDir,
    evaluator: &Evaluator,
    progress: &Progress,
) -> Result<Option<LabError>, Failure> {
    let mut smallest = text.to_owned();
    let mut candidates = stress::smaller(&smallest).into_iter();
    let mut runs = 0;
    while let Some(text) = candidates.next().filter(|_| runs < MOST_SHRINKING) {
        // A scenario without a step that another one needs is not valid.
        let Ok(one) = of_drawn(Drawn { id: format!("{id}-smaller-{}", runs + 1), text }) else { continue };
        runs += 1;
        let id = one.scenario.id.clone();
        dir.set_aside(&id)?;
        dir.scenario(&id)?.begin(&one.text)?;
        let (result, stops) = run_one(args.run(dir, progress), manifest, evaluator, one.scenario).await?;
        progress.say(&format!("{id}: {}", result.verdict.text()));
        if stops.is_some() {
            return Ok(stops);
        }
        if result.verdict == Verdict::Fail {
            candidates = stress::smaller(&one.text).into_iter();
            smallest = one.text;
        }
    }
    let kept = dir.path().join(format!("{id}-smallest.toml"));
    dir.add(&format!("{id}-smallest.toml"), &smallest)?;
    progress.say(&format!("the smallest that fails: {}", kept.display()));
    Ok(None)
}
