//! `pghaspec simulate`: random behaviours of the model, recorded as if a lab had watched them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use pghaspec_model::vocabulary::event::Event;

use super::settings;
use crate::cli::{Failure, bounds};
use crate::simulate::{Simulated, Simulation};

/// Steps of a behaviour, and behaviours at a time, at most: a night's work for the judge.
const MOST: u64 = 10_000;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: settings::Options,
    /// Seed of the first behaviour; the others have the numbers after it. The same seed gives the same history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of behaviours, 1 to 10000.
    #[arg(long, default_value_t = 1, value_parser = bounds::whole(1, MOST))]
    count: u64,
    /// Steps of each behaviour, 1 to 10000.
    #[arg(long, default_value_t = 60, value_parser = bounds::whole(1, MOST))]
    steps: u64,
    /// Take all steps that the rules of the edition allow, also those that break a safety property. The judge then
    /// fails the history for that.
    #[arg(long)]
    breaches: bool,
    /// A new folder that gets `SEED/events.jsonl` for each behaviour. Without it, the one behaviour goes to standard
    /// output.
    #[arg(long, value_name = "FOLDER", value_parser = bounds::folder)]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    if args.out.is_none() && args.count > 1 {
        return Err(Failure::usage("several behaviours need a folder; help: name it with --out"));
    }
    let mut simulation = Simulation::new(settings::settings(&args.settings)?);
    if args.breaches {
        simulation = simulation.with_breaches();
    }
    for seed in (0..args.count).map(|number| args.seed.wrapping_add(number)) {
        let Simulated { history: events, steps, .. } = simulation.walk(seed, args.steps as usize);
        if steps < args.steps as usize {
            eprintln!("pghaspec: the behaviour of seed {seed} ends after {steps} steps: no further one is possible");
        }
        let Some(out) = &args.out else {
            return match write(&events, &mut std::io::stdout().lock()) {
                Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                    Err(Failure::environment(format!("cannot write to standard output: {error}")))
                }
                _ => Ok(0),
            };
        };
        let folder = out.join(seed.to_string());
        let file = folder.join("events.jsonl");
        let cannot = |error| Failure::environment(format!("{}: cannot be written: {error}", file.display()));
        std::fs::create_dir_all(&folder).map_err(cannot)?;
        if file.exists() {
            return Err(Failure::usage(format!("{}: is there already; help: name a new folder", file.display())));
        }
        let mut writer = BufWriter::new(File::create(&file).map_err(cannot)?);
        write(&events, &mut writer).and_then(|()| writer.flush()).map_err(cannot)?;
    }
    Ok(0)
}

fn write(events: &[Event], out: &mut impl Write) -> std::io::Result<()> {
    for event in events {
        serde_json::to_writer(&mut *out, event)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}
