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

use std::num::NonZeroUsize;
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
use crate::cli::{Failure, known, print};
use document::{Document, SecondEngine, document};
use spill::SpillFile;
use text::text;

/// The greatest size of the graph for liveness, in bytes.
const GRAPH: usize = 4 << 30;

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
    /// Threads; all cores if not given. Results do not depend on it.
    #[arg(long)]
    threads: Option<NonZeroUsize>,
    /// Stop when the search holds this many MiB.
    #[arg(long, value_name = "MIB")]
    memory: Option<usize>,
    /// When half of --memory is taken (from the beginning if it is not given), move what the search seldom needs to a
    /// file in this folder: the ways back to the beginning.
    #[arg(long, value_name = "FOLDER")]
    spill: Option<PathBuf>,
    /// Stop after this many seconds.
    #[arg(long, value_name = "SECONDS")]
    time: Option<u64>,
    /// Stop after this many steps from the beginning.
    #[arg(long, value_name = "STEPS")]
    depth: Option<usize>,
    /// Leave the second opinion out: stateright's search needs several times the memory. It is also left out under
    /// symmetry, and with --time or --memory, which it does not obey.
    #[arg(long)]
    no_second_engine: bool,
    /// Check every edition under every set of assumptions and compare with what is committed
    /// (`model/docs/ASSUMPTIONS.md`); exit code 1 if anything differs.
    #[arg(long, conflicts_with_all = ["mutants", "svg", "symmetry", "no_symmetry", "properties"])]
    matrix: bool,
    /// With --matrix: write what was found into this folder (`model`) instead.
    #[arg(long, value_name = "FOLDER", requires = "matrix")]
    write: Option<PathBuf>,
    /// Check every mutant under the assumption that shows it, and say which properties kill it; exit code 1 if one
    /// survives.
    #[arg(long, conflicts_with_all = ["svg", "symmetry", "no_symmetry", "properties"])]
    mutants: bool,
    /// Write each counterexample as a sequence diagram, PROPERTY.svg, into this folder.
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let threads = args.threads.map_or_else(all_cores, NonZeroUsize::get);
    if args.matrix {
        return matrix::run(args.write.as_deref(), threads, args.json);
    }
    if args.mutants {
        return mutants::run(threads, args.json);
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
            chosen.dedup();
            chosen
        }
    };
    let symmetry = args.symmetry || settings.nodes > 2 && !args.no_symmetry;
    let options = Options {
        threads,
        symmetry,
        depth: args.depth,
        time: args.time.map(Duration::from_secs),
        memory: args.memory.map(|mib| mib << 20),
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
    let comparable = !args.no_second_engine && !symmetry && !limited && report.incomplete.is_none();
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
        (true, None) => 0,
        // Nothing was found in the part that was covered, which does not mean that the properties hold.
        (true, Some(_)) => 4,
    })
}

/// The liveness properties, each with its outcome if it was checked. That needs the whole graph, so two nodes, no
/// symmetry and no limits.
fn promises(args: &Args, report: &Report, properties: &[Property]) -> Vec<(Property, Option<Kept>)> {
    let wanted: Vec<_> = properties.iter().copied().filter(|property| property.is_liveness()).collect();
    let whole = report.incomplete.is_none() && !report.options.symmetry && args.time.is_none() && args.memory.is_none();
    let kept = (whole && report.cluster.settings.nodes == 2)
        .then(|| check_promises(&report.cluster, &wanted, GRAPH))
        .flatten();
    match kept {
        Some(kept) => kept.into_iter().map(|kept| (kept.property, Some(kept))).collect(),
        None => wanted.into_iter().map(|property| (property, None)).collect(),
    }
}

fn all_cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
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
