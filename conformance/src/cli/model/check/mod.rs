//! `pghaspec check`: explores every behaviour of the model and holds it to the properties.
//!
//! | file | what |
//! | --- | --- |
//! | `document.rs` | the JSON document |
//! | `text.rs` | the same in words |
//! | `matrix.rs` | `--matrix`: every edition under every set of assumptions |
//! | `mutants.rs` | `--mutants`: the properties that kill each mutant |
//! | `spill.rs` | `--spill`: a file for what a search moves out of memory |

mod document;
mod matrix;
mod mutants;
mod spill;
mod text;

use std::collections::BTreeSet;
use std::path::{Path as FsPath, PathBuf};
use std::time::{Duration, Instant};

use pghaspec_model::cluster::Names;
use pghaspec_model::engine::diagram;
use pghaspec_model::engine::{Options, Progress, Spill};
use pghaspec_model::verify::check::{Report, check};
use pghaspec_model::verify::liveness::{Kept, check_promises};
use pghaspec_model::vocabulary::property::Property;
use rustix::time::{ClockId, clock_gettime};

use super::settings;
use crate::cli::{Failure, bounds, known, print};
use document::{Document, SecondEngine, document};
use spill::SpillFile;
use text::text;

/// The greatest size of the graph for liveness, in MiB.
const GRAPH: u64 = 4 << 10;

/// States that fit into a MiB of stateright's, roughly.
const SECOND_ENGINE: u64 = 1 << 10;

/// Seconds of a search, and steps from the beginning, at most: a week, and far more than any shortest path has.
const MOST_SECONDS: u64 = 7 * 24 * 3600;
const MOST_STEPS: usize = 100_000;

/// Options of a search, which say nothing where many are made.
const OF_ONE_SEARCH: [&str; 10] = [
    "modelled",
    "properties",
    "symmetry",
    "no_symmetry",
    "memory",
    "spill",
    "time",
    "depth",
    "no_second_engine",
    "svg",
];

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: settings::Options,
    /// Only these properties, separated by commas (`pghaspec list properties`).
    #[arg(long, value_delimiter = ',')]
    properties: Option<Vec<String>>,
    /// Explore one state for all that behave alike: states that differ only by the nodes' numbers, or in variables that
    /// no longer matter. With three nodes that is done anyway.
    #[arg(long, conflicts_with = "no_symmetry")]
    symmetry: bool,
    /// Explore every single state of three nodes.
    #[arg(long)]
    no_symmetry: bool,
    /// Threads, 1 to 64; all cores if not given. Results do not depend on it.
    #[arg(long, value_parser = bounds::threads)]
    threads: Option<usize>,
    /// Stop when the search holds this many MiB; three quarters of what is available if not given.
    #[arg(long, value_name = "MIB", value_parser = bounds::mebibytes)]
    memory: Option<u64>,
    /// When half of --memory is taken (from the beginning if it is not given), move what the search seldom needs to a
    /// file in this folder: the ways back to the beginning.
    #[arg(long, value_name = "FOLDER", value_parser = bounds::folder)]
    spill: Option<PathBuf>,
    /// Stop after this many seconds, up to 604800.
    #[arg(long, value_name = "SECONDS", value_parser = bounds::whole(0, MOST_SECONDS))]
    time: Option<u64>,
    /// Stop after this many steps from the beginning, up to 100000.
    #[arg(long, value_name = "STEPS", value_parser = bounds::whole(0, MOST_STEPS))]
    depth: Option<usize>,
    /// Leave the second opinion out: stateright's search needs several times the memory. It is also left out under
    /// symmetry, with --time or --memory, which it does not obey, and where it may need more memory than is available.
    #[arg(long)]
    no_second_engine: bool,
    /// Check every edition under every set of assumptions and compare with what is committed
    /// (`model/docs/ASSUMPTIONS.md`); exit code 1 if anything differs.
    #[arg(long, conflicts_with_all = OF_ONE_SEARCH, conflicts_with = "mutants")]
    matrix: bool,
    /// With --matrix: write what was found into this folder (`model`) instead.
    #[arg(long, value_name = "FOLDER", requires = "matrix", value_parser = bounds::folder)]
    write: Option<PathBuf>,
    /// Check every mutant under the assumption that shows it, and say which properties kill it; exit code 1 if one
    /// survives.
    #[arg(long, conflicts_with_all = OF_ONE_SEARCH)]
    mutants: bool,
    /// Write each counterexample as a sequence diagram, PROPERTY.svg, into this folder.
    #[arg(long, value_name = "FOLDER", value_parser = bounds::folder)]
    svg: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let threads = args.threads.unwrap_or_else(bounds::processors);
    // Here each thread is a search of its own.
    let searches = threads.min(bounds::processors());
    if args.matrix {
        return matrix::run(args.write.as_deref(), searches, args.json);
    }
    if args.mutants {
        return mutants::run(searches, args.json);
    }
    let settings = settings::settings(&args.settings)?;
    let properties = match &args.properties {
        None => Property::ALL.to_vec(),
        Some(ids) => {
            let all: Vec<_> = Property::ALL.iter().map(|property| property.id()).collect();
            let mut chosen = Vec::new();
            for id in ids {
                chosen.push(known("property", id, Property::from_id, &all)?);
            }
            if let Some(timed) = chosen.iter().find(|property| property.is_timed()) {
                return Err(Failure::usage(format!("{} needs clocks; help: use `pghaspec timing`", timed.id())));
            }
            let mut seen = BTreeSet::new();
            chosen.retain(|property| seen.insert(*property));
            chosen
        }
    };
    let memory = args.memory.unwrap_or_else(bounds::usual_mebibytes);
    let symmetry = args.symmetry || settings.nodes > 2 && !args.no_symmetry;
    let options = Options {
        threads,
        symmetry,
        depth: args.depth,
        time: args.time.map(Duration::from_secs),
        memory: Some((memory << 20) as usize),
    };
    let (started, cpu) = (Instant::now(), cpu_seconds());
    let spill = args.spill.as_deref().map(SpillFile::in_folder).transpose()?;
    let spill = spill.as_ref().map(|file| file as &dyn Spill);
    let report = check(settings, &properties, options, &show_progress, spill);
    if let Some(error) = &report.spill_error {
        eprintln!("pghaspec: --spill took no more: {error}");
    }
    let (seconds, cpu_seconds) = (started.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let limited = args.time.is_some() || args.memory.is_some();
    let fits = report.states as u64 / SECOND_ENGINE < memory;
    let comparable = !args.no_second_engine && !symmetry && !limited && fits && report.incomplete.is_none();
    let second_engine = comparable.then(|| report.second_opinion()).map(|second| SecondEngine {
        name: "stateright 0.31.0 breadth-first",
        states: second.states,
        agrees: report.agrees_with(&second),
    });
    let agrees = second_engine.as_ref().is_none_or(|second| second.agrees);
    let promises = promises(args, &report, &properties);
    let document = Document { seconds, cpu_seconds, second_engine, ..document(&report, &promises) };
    let kept = promises.iter().all(|(_, kept)| kept.as_ref().is_none_or(|kept| kept.broken.is_none()));
    if let Some(folder) = &args.svg {
        write_diagrams(folder, &report)?;
    }
    print(args.json, &document, || text(&document))?;
    if !agrees {
        return Err(Failure::harness(
            "the second engine does not agree, so neither result can be trusted; help: report this with the command \
             line",
        ));
    }
    Ok(match (report.holds() && kept, report.incomplete) {
        (false, _) => 1,
        (true, None) if report.cut_short == 0 => 0,
        // Nothing was found in the part that was covered, which does not mean that the properties hold.
        (true, _) => 4,
    })
}

/// The liveness properties, each with its outcome if it was checked. That needs the whole graph, so two nodes, no
/// symmetry and no limits.
fn promises(args: &Args, report: &Report, properties: &[Property]) -> Vec<(Property, Option<Kept>)> {
    let wanted: Vec<_> = properties.iter().copied().filter(|property| property.is_liveness()).collect();
    let limited = args.time.is_some() || args.memory.is_some() || report.cut_short > 0;
    let whole = report.incomplete.is_none() && !report.options.symmetry && !limited;
    let most = GRAPH.min(bounds::usual_mebibytes()) << 20;
    let kept = (whole && report.cluster.settings.nodes == 2)
        .then(|| check_promises(&report.cluster, &wanted, most as usize))
        .flatten();
    match kept {
        Some(kept) => kept.into_iter().map(|kept| (kept.property, Some(kept))).collect(),
        None => wanted.into_iter().map(|property| (property, None)).collect(),
    }
}

/// Writes a line now and then on a long run.
fn show_progress(progress: &Progress) {
    eprintln!(
        "{:>6.0} s  {} states, {} in the queue, depth {}, {:.0} thousand states/s, {} MiB{}",
        progress.elapsed.as_secs_f64(),
        progress.states,
        progress.queue,
        progress.depth,
        progress.states as f64 / progress.elapsed.as_secs_f64() / 1e3,
        progress.bytes >> 20,
        if progress.spilled > 0 { format!(", {} MiB spilled", progress.spilled >> 20) } else { String::new() }
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

fn cpu_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
