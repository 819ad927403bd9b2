//! `pghaspec simulate`: random behaviours of the model, recorded as if a lab had watched them.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use pghaspec_model::vocabulary::event::Event;

use super::settings;
use crate::cli::Failure;
use crate::simulate::Simulation;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: settings::Options,
    /// Seed of the first behaviour; the others have the numbers after it. The same seed gives the same history.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The number of behaviours.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    count: u64,
    /// Steps of each behaviour.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    steps: u32,
    /// A new folder that gets `SEED/events.jsonl` for each behaviour. Without it, the one behaviour goes to standard
    /// output.
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    if args.out.is_none() && args.count > 1 {
        return Err(Failure::usage("several behaviours need a folder; help: name it with --out"));
    }
    let simulation = Simulation::new(settings::settings(&args.settings)?);
    for seed in (0..args.count).map(|number| args.seed.wrapping_add(number)) {
        let events = simulation.history(seed, args.steps as usize);
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
