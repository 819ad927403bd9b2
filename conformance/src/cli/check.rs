//! `pghaspec check`

use std::num::NonZeroUsize;
use std::path::{Path as FsPath, PathBuf};
use std::time::{Duration, Instant};

use pghaspec_model::check::{Report, check};
use pghaspec_model::cluster::{Action, Cluster, Names, Settings, State, difference};
use pghaspec_model::edition::Edition;
use pghaspec_model::engine::diagram;
use pghaspec_model::engine::{Limit, Options, Path, Progress};
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;
use pghaspec_model::property::Property;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use super::{Failure, known, print};

#[derive(clap::Args)]
pub struct Args {
    /// Number of nodes: 2 or 3.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// Edition of the rules (`pghaspec list editions`).
    #[arg(long, default_value = "4.1")]
    edition: String,
    /// Only these faults, separated by commas (`pghaspec list faults`).
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// Only these properties, separated by commas (`pghaspec list properties`).
    #[arg(long, value_delimiter = ',')]
    properties: Option<Vec<String>>,
    /// Break one rule on purpose (`pghaspec list mutants`).
    #[arg(long)]
    mutant: Option<String>,
    /// Check clusters without a watchdog.
    #[arg(long)]
    no_watchdog: bool,
    /// Explore one state for all that differ only by the nodes' numbers.
    #[arg(long)]
    symmetry: bool,
    /// Threads; all cores if not given. Results do not depend on it.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Stop when the search holds this many MiB.
    #[arg(long, value_name = "MIB")]
    memory: Option<usize>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Stop after this many steps from the beginning.
    #[arg(long, value_name = "STEPS")]
    depth: Option<usize>,
    /// Leave the second opinion out: stateright's search needs several times the memory. It is also left out under symmetry, and
    /// with --time or --memory, which it does not obey.
    #[arg(long)]
    no_second_engine: bool,
    /// Write each counterexample as a sequence diagram, PROPERTY.svg, into this folder.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Document {
    edition: &'static str,
    mutant: Option<&'static str>,
    nodes: u8,
    watchdog: bool,
    faults: Vec<&'static str>,
    states: usize,
    transitions: usize,
    depth: usize,
    deadlocks: usize,
    complete: bool,
    /// What ended an incomplete search: `depth`, `time` or `memory`.
    limit: Option<&'static str>,
    unexpanded: usize,
    seconds: f64,
    cpu_seconds: f64,
    bytes_per_state: usize,
    symmetry: bool,
    threads: usize,
    /// `null` when it was left out, or cannot answer: under symmetry, or when a limit was reached.
    second_engine: Option<SecondEngine>,
    properties: Vec<PropertyResult>,
    branches: Vec<BranchResult>,
    actions: Vec<ActionResult>,
}

#[derive(Serialize)]
struct SecondEngine {
    name: &'static str,
    states: usize,
    agrees: bool,
}

#[derive(Serialize)]
struct PropertyResult {
    id: &'static str,
    kind: &'static str,
    result: &'static str,
    counterexample: Option<Vec<Step>>,
}

/// One step of a counterexample.
#[derive(Serialize)]
struct Step {
    step: usize,
    action: String,
    changes: Vec<String>,
}

#[derive(Serialize)]
struct BranchResult {
    id: &'static str,
    row: &'static str,
    message: String,
    witnessed: bool,
}

#[derive(Serialize)]
struct ActionResult {
    id: &'static str,
    witnessed: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let settings = settings(args)?;
    let properties = match &args.properties {
        None => Property::ALL.to_vec(),
        Some(ids) => {
            let all: Vec<_> = Property::ALL.iter().map(|property| property.id()).collect();
            let mut chosen = Vec::new();
            for id in ids {
                chosen.push(known("property", id, Property::from_id, &all)?);
            }
            chosen.dedup();
            chosen
        }
    };
    let options = Options {
        threads: args.threads.map_or_else(all_cores, NonZeroUsize::get),
        symmetry: args.symmetry,
        depth: args.depth,
        time: args.time.map(Duration::from_secs),
        memory: args.memory.map(|mib| mib << 20),
    };
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let report = check(settings, &properties, options, &show_progress);
    let (seconds, cpu_seconds) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let limited = args.time.is_some() || args.memory.is_some();
    let comparable = !args.no_second_engine && !args.symmetry && !limited && report.incomplete.is_none();
    let second_engine = comparable.then(|| report.second_opinion()).map(|second| SecondEngine {
        name: "stateright 0.31.0 breadth-first",
        states: second.states,
        agrees: report.agrees_with(&second),
    });
    let agrees = second_engine.as_ref().is_none_or(|second| second.agrees);
    let document = Document { seconds, cpu_seconds, second_engine, ..document(&report) };
    if let Some(folder) = &args.svg {
        write_diagrams(folder, &report)?;
    }
    print(args.json, &document, || text(&document))?;
    if !agrees {
        return Err(Failure::harness(
            "the second engine does not agree: neither result can be trusted; please report this with the command line",
        ));
    }
    Ok(match (report.holds(), report.incomplete) {
        (false, _) => 1,
        (true, None) => 0,
        // Nothing was found in what was covered, which is not the same as holding.
        (true, Some(_)) => 4,
    })
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A line now and then on a long run.
fn show_progress(progress: &Progress) {
    eprintln!(
        "{:>6.0} s  {} states, {} in the queue, depth {}, {:.0} thousand states/s, {} MiB",
        progress.elapsed.as_secs_f64(),
        progress.states,
        progress.queue,
        progress.depth,
        progress.states as f64 / progress.elapsed.as_secs_f64() / 1e3,
        progress.bytes >> 20
    );
}

fn write_diagrams(folder: &FsPath, report: &Report) -> Result<(), Failure> {
    let failed = |path: &FsPath, error| Failure::environment(format!("writing {}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    for (property, counterexample) in &report.properties {
        if let Some(path) = counterexample {
            let file = folder.join(format!("{}.svg", property.id()));
            let svg = diagram::svg(&report.cluster.chart(&Names::numbered(), path));
            std::fs::write(&file, svg).map_err(|error| failed(&file, error))?;
        }
    }
    Ok(())
}

fn settings(args: &Args) -> Result<Settings, Failure> {
    let all: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
    let mut settings = Settings::new(known("edition", &args.edition, Edition::from_id, &all)?, args.nodes);
    settings.watchdog = !args.no_watchdog;
    if let Some(ids) = &args.faults {
        let all: Vec<_> = Fault::ALL.iter().map(|fault| fault.id()).collect();
        let find = |id: &str| Fault::ALL.into_iter().find(|fault| fault.id() == id);
        let mut faults = Vec::new();
        for id in ids {
            faults.push(known("fault", id, find, &all)?);
        }
        settings = settings.with_faults(&faults);
    }
    if let Some(id) = &args.mutant {
        let all: Vec<_> = Mutant::UNSAFE.iter().map(|mutant| mutant.id()).collect();
        settings.mutant =
            Some(known("mutant", id, |id| Mutant::from_id(id).filter(|m| Mutant::UNSAFE.contains(m)), &all)?);
    }
    Ok(settings)
}

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn document(report: &Report) -> Document {
    let settings = &report.cluster.settings;
    let rules = report.cluster.rules();
    Document {
        edition: settings.edition.id(),
        mutant: settings.mutant.map(Mutant::id),
        nodes: settings.nodes,
        watchdog: settings.watchdog,
        faults: Fault::ALL.into_iter().filter(|fault| may_happen(settings, *fault)).map(Fault::id).collect(),
        states: report.states,
        transitions: report.transitions,
        depth: report.depth,
        deadlocks: report.deadlocks,
        complete: report.incomplete.is_none(),
        limit: report.incomplete.map(|limit| match limit {
            Limit::Depth => "depth",
            Limit::Time => "time",
            Limit::Memory => "memory",
        }),
        unexpanded: report.unexpanded,
        seconds: 0.0,
        cpu_seconds: 0.0,
        bytes_per_state: report.bytes_per_state,
        symmetry: report.options.symmetry,
        threads: report.options.threads,
        second_engine: None,
        properties: report
            .properties
            .iter()
            .map(|(property, counterexample)| PropertyResult {
                id: property.id(),
                kind: "safety",
                result: match (counterexample, report.incomplete) {
                    (Some(_), _) => "violated",
                    (None, None) => "holds",
                    (None, Some(_)) => "not-violated-so-far",
                },
                counterexample: counterexample.as_ref().map(|path| steps(&report.cluster, path)),
            })
            .collect(),
        branches: report
            .branches
            .iter()
            .map(|(branch, witness)| BranchResult {
                id: branch.id(),
                row: branch.row(),
                message: branch.message(rules.words),
                witnessed: witness.is_some(),
            })
            .collect(),
        actions: report.actions.iter().map(|&(id, witnessed)| ActionResult { id, witnessed }).collect(),
    }
}

fn may_happen(settings: &Settings, fault: Fault) -> bool {
    match fault {
        Fault::PostmasterKilled => settings.budget.postmaster_kills > 0,
        Fault::AgentKilled => settings.budget.agent_kills > 0,
        Fault::SingleUserFails => settings.budget.single_user_failures > 0,
        Fault::AgentRestarted => settings.restarts,
        Fault::LeaseExpires => settings.leases_expire,
    }
}

fn steps(cluster: &Cluster, path: &Path<State, Action>) -> Vec<Step> {
    let names = Names::numbered();
    let mut before = &path.init;
    let timeout = if before.start_timeout_is_zero { "zero" } else { "positive" };
    let mut steps = vec![Step {
        step: 0,
        action: format!("n1 leads, the others follow; primary_start_timeout is {timeout}"),
        changes: Vec::new(),
    }];
    for (index, (action, after)) in path.steps.iter().enumerate() {
        steps.push(Step {
            step: index + 1,
            action: cluster.step_text(&names, before, *action),
            changes: difference(&names, before, after),
        });
        before = after;
    }
    steps
}

fn text(document: &Document) -> String {
    let mut text =
        format!("edition {}, {} nodes, faults: {}", document.edition, document.nodes, document.faults.join(", "));
    if let Some(mutant) = document.mutant {
        text += &format!("\nmutant {mutant}");
    }
    let (kind, spread) =
        if document.symmetry { ("orbits of states", " under renumbering of the nodes") } else { ("states", "") };
    text += &format!(
        "\n{} {kind}, {} transitions, depth {}, {} deadlocks; states stored whole, {} bytes each\n{:.2} s, {:.2} s of CPU, {} threads\n",
        document.states,
        document.transitions,
        document.depth,
        document.deadlocks,
        document.bytes_per_state,
        document.seconds,
        document.cpu_seconds,
        document.threads,
    );
    text += &match document.limit {
        None => format!("every behaviour was explored{spread}\n"),
        Some(limit) => format!(
            "INCOMPLETE: the limit of {limit} was reached with {} states unexpanded; all behaviours of {} steps were covered\n",
            document.unexpanded,
            document.depth.saturating_sub(usize::from(limit != "depth"))
        ),
    };
    text += &match &document.second_engine {
        Some(second) => {
            let verdict = if second.agrees { "agrees" } else { "DOES NOT AGREE" };
            format!("{} counts {} states and {verdict}\n\n", second.name, second.states)
        }
        None => "no second opinion\n\n".to_owned(),
    };
    for property in &document.properties {
        text += &format!("{:<9} {}\n", property.result, property.id);
    }
    let unwitnessed: Vec<_> = document.branches.iter().filter(|b| !b.witnessed).map(|b| b.id).collect();
    text += &format!(
        "\n{} of {} branches of recover() are reached{}\n",
        document.branches.len() - unwitnessed.len(),
        document.branches.len(),
        if unwitnessed.is_empty() { String::new() } else { format!("; not: {}", unwitnessed.join(", ")) }
    );
    for property in &document.properties {
        let Some(steps) = &property.counterexample else { continue };
        text += &format!("\nshortest counterexample to {} ({} steps):\n", property.id, steps.len() - 1);
        for step in steps {
            text += &format!("{:>4}  {}\n", step.step, step.action);
            for change in &step.changes {
                text += &format!("        {change}\n");
            }
        }
    }
    text
}
