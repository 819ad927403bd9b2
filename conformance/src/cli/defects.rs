//! `pghaspec defects`: runs each scenario against the agent that is said to fail it. A defect that gets through is a
//! scenario that proves nothing.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::scenario_run::{Run, default_jobs, of_fixture, run_one, sweep};
use super::{Failure, as_text, bounds, edition_of, known, print};
use crate::input;
use crate::interrupt;
use crate::known::failed_by::{FailedBy, Standing};
use crate::lab;
use crate::lab::{Build, LabError, Options};
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::report::evaluate::Evaluator;
use crate::run::claims::Claims;
use crate::run::contents::Contents;
use crate::run::folder::{DEFAULT_OUT, RunDir};
use crate::run::plan::{Plan, Planned, Shard};
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    /// Only the pairs of this scenario; may be given several times.
    #[arg(long)]
    scenario: Vec<String>,
    /// Only the pairs of this agent; may be given several times.
    #[arg(long)]
    agent: Vec<String>,
    /// Run up to this many scenarios at the same time; one for every two cores if not given.
    #[arg(long, value_parser = bounds::jobs)]
    jobs: Option<NonZeroUsize>,
    /// Run only this part of the pairs, for instance `2/3`, the second of three.
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Go on with the run in this folder: what is recorded to its end is not run again.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["scenario", "agent", "shard", "out"])]
    resume: Option<PathBuf>,
    /// Folder for the evidence: one run for each agent is put into a folder of this.
    #[arg(long, default_value = DEFAULT_OUT)]
    out: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// The file in the folder of the run that lists the folders of its agents' runs.
const GROUPS: &str = "groups.json";
/// The remedy for a folder that holds no run.
const EVIDENCE: &str = "help: name the folder that `pghaspec defects` told as its evidence, or begin a new run";

/// The run of one agent: all of its pairs.
struct Group {
    manifest: Manifest,
    evaluator: Evaluator,
    dir: RunDir,
}

/// A pair, and the run that it is part of.
struct Pair<'run> {
    expected: FailedBy,
    group: &'run Group,
}

#[derive(Serialize)]
struct Document {
    caught: usize,
    unknown: usize,
    escaped: usize,
    pairs: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    scenario: String,
    agent: String,
    check: String,
    standing: Standing,
    why: String,
    #[serde(serialize_with = "as_text")]
    evidence: PathBuf,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let all = FailedBy::committed()?;
    let (outer, groups) = match &args.resume {
        Some(folder) => resume(folder)?,
        None => begin(args, &all)?,
    };
    let mut pairs = Vec::new();
    for group in &groups {
        for planned in Plan::read(group.dir.path())?.scenarios {
            let expected = all.iter().find(|one| one.scenario == planned.id);
            let expected = expected.ok_or_else(|| {
                Failure::usage(format!(
                    "{}: nobody is said to fail {} any more",
                    group.dir.path().display(),
                    planned.id
                ))
            })?;
            pairs.push(Pair { expected: expected.clone(), group });
        }
    }
    pairs.sort_by(|one, other| one.expected.scenario.cmp(&other.expected.scenario));
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Failure::environment(format!("no async runtime: {error}")))?;
    let ended = runtime.block_on(run_all(args, &pairs, &outer));
    // Nothing that still waits for an answer keeps the process.
    runtime.shutdown_background();
    let rows = ended?;
    let count = |standing| rows.iter().filter(|row| row.standing == standing).count();
    let [caught, unknown, escaped] = [Standing::Caught, Standing::Unknown, Standing::Escaped].map(count);
    let worst = rows.iter().map(|row| row.standing).max().unwrap_or(Standing::Unknown);
    let document = Document { caught, unknown, escaped, pairs: rows };
    print(args.json, &document, || text(&document, outer.path()))?;
    Ok(worst.exit_code())
}

/// Begins a run: a folder with a run of each agent, and their plans.
fn begin(args: &Args, all: &[FailedBy]) -> Result<(RunDir, Vec<Group>), Failure> {
    let agents: Vec<&str> = all.iter().map(|one| one.agent.as_str()).collect();
    let scenarios: Vec<&str> = all.iter().map(|one| one.scenario.as_str()).collect();
    for agent in &args.agent {
        known("agent that is to fail", agent, |word| agents.contains(&word).then_some(()), &agents)?;
    }
    for scenario in &args.scenario {
        known("scenario that is to be failed", scenario, |word| scenarios.contains(&word).then_some(()), &scenarios)?;
    }
    let of = |list: &[String], word: &String| list.is_empty() || list.contains(word);
    let wanted = |one: &&FailedBy| of(&args.agent, &one.agent) && of(&args.scenario, &one.scenario);
    let mut wanted: Vec<&FailedBy> = all.iter().filter(wanted).collect();
    if let Some(shard) = args.shard {
        wanted = shard.part(wanted);
    }
    if wanted.is_empty() {
        return Err(Failure::usage("no pair of an agent and a scenario is meant by that"));
    }
    let mut by_agent: BTreeMap<&str, Vec<&FailedBy>> = BTreeMap::new();
    for one in wanted {
        by_agent.entry(&one.agent).or_default().push(one);
    }
    // All that can be wrong is found before a folder is made.
    let mut checked = Vec::new();
    for (agent, pairs) in by_agent {
        let manifest = Manifest::load(agent)?;
        let mut planned = Vec::new();
        for pair in pairs {
            let chosen = of_fixture(Scenario::load(&pair.scenario)?)?;
            planned.push(Planned::new(&pair.scenario, &chosen.text));
        }
        checked.push((manifest, planned));
    }
    let outer = RunDir::create(&args.out, "defects")?;
    let mut groups = Vec::new();
    for (manifest, planned) in checked {
        let dir = RunDir::create(outer.path(), &format!("{}@{}", manifest.name, manifest.version))?;
        Claims::of(&manifest)?.write(dir.path())?;
        Plan { shard: args.shard.map(|shard| shard.to_string()), ..Plan::new(&manifest, planned) }.write(dir.path())?;
        groups.push(group(manifest, dir)?);
    }
    // Last, so that a run of which some plans are missing is not taken for a whole one.
    let names: Vec<&str> = groups.iter().map(|group| group.dir.id()).collect();
    let list = serde_json::to_string_pretty(&names).map_err(|error| Failure::harness(error.to_string()))?;
    outer.add(GROUPS, &(list + "\n"))?;
    Ok((outer, groups))
}

/// Resumes a run.
fn resume(folder: &Path) -> Result<(RunDir, Vec<Group>), Failure> {
    let refuse = |why: String| {
        let help = "go on with the agent and the pghaspec that began it, or begin a new run";
        Failure::usage(format!("--resume {}: {why}; help: {help}", folder.display()))
    };
    if !folder.is_dir() {
        return Err(Failure::usage(format!("--resume {}: there is no such folder; {EVIDENCE}", folder.display())));
    }
    Contents::of(folder)?;
    if !folder.join(GROUPS).is_file() {
        let problem = format!("it has no {GROUPS}, so nothing was run in it yet");
        return Err(Failure::usage(format!("--resume {}: {problem}; {EVIDENCE}", folder.display())));
    }
    let outer = RunDir::open(folder)?;
    let names: Vec<String> = serde_json::from_str(&input::read(&folder.join(GROUPS))?)
        .map_err(|error| refuse(format!("{GROUPS} is damaged: {error}")))?;
    if let Some(strange) = names.iter().find(|name| Path::new(name).components().count() != 1 || name.starts_with('.'))
    {
        return Err(refuse(format!("{GROUPS} names `{strange}`, which is no folder in it")));
    }
    let folders = names.iter().map(|name| outer.path().join(name));
    let mut groups = Vec::new();
    for folder in folders {
        let plan = Plan::read(&folder)?;
        let manifest = Manifest::load(&format!("{}@{}", plan.agent, plan.version))?;
        if let Some(mismatch) = plan.mismatch(&Plan::new(&manifest, Vec::new())) {
            return Err(refuse(format!("this would be {mismatch}")));
        }
        for planned in &plan.scenarios {
            let chosen = of_fixture(Scenario::load(&planned.id)?)?;
            if Planned::new(&planned.id, &chosen.text) != *planned {
                return Err(refuse(format!("the scenario `{}` has changed since", planned.id)));
            }
        }
        groups.push(group(manifest, RunDir::open(&folder)?)?);
    }
    Ok((outer, groups))
}

fn group(manifest: Manifest, dir: RunDir) -> Result<Group, Failure> {
    let edition = edition_of(&manifest)?;
    Ok(Group { manifest, evaluator: Evaluator::new(edition)?, dir })
}

async fn run_all(args: &Args, pairs: &[Pair<'_>], outer: &RunDir) -> Result<Vec<Row>, Failure> {
    let progress = Progress::stderr();
    progress.say(&format!("evidence: {}", outer.path().display()));
    let todo: Vec<&Pair> = pairs.iter().filter(|pair| !is_recorded(pair)).collect();
    if !todo.is_empty() || args.resume.is_some() {
        match get_ready(&todo, pairs, outer, &progress).await {
            Ok(()) => {}
            Err(error) if todo.is_empty() => progress.say(&format!("what may be left was not looked for: {error}")),
            Err(error) => return Err(stopped(error.into(), outer, &progress)),
        }
    }
    let total = todo.len();
    let over = AtomicBool::new(false);
    let mut running = stream::iter(todo)
        .map(|pair| {
            let (progress, over) = (&progress, &over);
            async move {
                if over.load(Ordering::Relaxed) || interrupt::caught().is_some() {
                    return Ok(None);
                }
                let (group, id) = (pair.group, &pair.expected.scenario);
                if let Some(kept) = group.dir.set_aside(id)? {
                    progress.say(&format!("{id} is run again; what there is stays in {kept}"));
                }
                let chosen = of_fixture(Scenario::load(id)?)?;
                group.dir.scenario(id)?.begin(&chosen.text)?;
                let run = Run { options: Options::default(), dir: &group.dir, progress };
                let (result, stops) = run_one(run, &group.manifest, &group.evaluator, chosen.scenario).await?;
                let (standing, _) = pair.expected.standing(&result.checks);
                let said = format!("{id}: {} by {}", standing.text(), pair.expected.check);
                Ok::<_, Failure>(Some((said, stops)))
            }
        })
        .buffer_unordered(args.jobs.map_or_else(default_jobs, NonZeroUsize::get));
    let (mut done, mut end) = (0, None);
    // What is under way when the end has come still cleans up and keeps its evidence.
    while let Some(ended) = running.next().await {
        match ended {
            Ok(None) => {}
            Ok(Some((said, stops))) => {
                done += 1;
                progress.say(&format!("{done} of {total} done: {said}"));
                end = end.or(stops.map(Failure::from));
            }
            Err(failure) => end = end.or(Some(failure)),
        }
        over.store(end.is_some(), Ordering::Relaxed);
    }
    let interrupted = interrupt::caught().map(|interrupt| LabError::interrupted(interrupt.words()).into());
    match end.or(interrupted) {
        Some(failure) => Err(stopped(failure, outer, &progress)),
        None => Ok(pairs.iter().map(row).collect()),
    }
}

/// Removes what dead runs have left, makes sure of the images, and points `latest` to the run.
async fn get_ready(todo: &[&Pair<'_>], all: &[Pair<'_>], outer: &RunDir, progress: &Progress) -> Result<(), LabError> {
    let mut runs = vec![outer];
    for pair in all {
        if !runs.iter().any(|run| run.id() == pair.group.dir.id()) {
            runs.push(&pair.group.dir);
        }
    }
    sweep(&runs, progress).await?;
    let mut provided: Vec<&str> = Vec::new();
    for pair in todo {
        if !provided.contains(&pair.group.manifest.image.as_str()) {
            // Only agents of the fixtures are said to fail something.
            lab::ensure_agent_image(&pair.group.manifest, Build::Allowed, progress).await?;
            provided.push(&pair.group.manifest.image);
        }
        lab::record_image(&pair.group.manifest, &pair.group.dir).await?;
    }
    Ok(outer.point_latest()?)
}

/// Tells how to go on after a failure.
fn stopped(failure: Failure, outer: &RunDir, progress: &Progress) -> Failure {
    progress.say(&format!("go on with: pghaspec defects --resume {}", outer.path().display()));
    failure
}

fn is_recorded(pair: &Pair) -> bool {
    pair.group.dir.scenario_paths(&pair.expected.scenario).is_complete()
}

/// The outcome of a pair by its evidence.
fn row(pair: &Pair) -> Row {
    let FailedBy { scenario, agent, check } = pair.expected.clone();
    let paths = pair.group.dir.scenario_paths(&scenario);
    let result = pair.group.evaluator.evaluate(&paths, &scenario);
    let (standing, why) = pair.expected.standing(&result.checks);
    Row { why: why.to_owned(), scenario, agent, check, standing, evidence: paths.path }
}

fn text(document: &Document, folder: &Path) -> String {
    let width = |of: fn(&Row) -> &str| document.pairs.iter().map(|row| of(row).len()).max().unwrap_or(0);
    let (scenario, agent) = (width(|row| &row.scenario), width(|row| &row.agent));
    let mut text = String::new();
    for row in &document.pairs {
        let why = row.why.lines().next().unwrap_or_default();
        let _ = writeln!(
            text,
            "{:8} {:scenario$}  {:agent$}  {}: {why}",
            row.standing.text(),
            row.scenario,
            row.agent,
            row.check
        );
    }
    let _ = write!(
        text,
        "\n{} scenarios are failed as foretold, {} are not, of {} nothing is known\nevidence: {}",
        document.caught,
        document.escaped,
        document.unknown,
        folder.display()
    );
    text
}
