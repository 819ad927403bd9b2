//! The options that say what is modelled, the same for every command that explores the model.

use pghaspec_model::cluster::Settings;
use pghaspec_model::edition::Edition;
use pghaspec_model::fault::Fault;
use pghaspec_model::mutant::Mutant;

use super::{Failure, known};

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
    /// Break one rule on purpose (`pghaspec list mutants`).
    #[arg(long)]
    mutant: Option<String>,
    /// Clusters without a watchdog.
    #[arg(long)]
    no_watchdog: bool,
}

pub fn settings(args: &Args) -> Result<Settings, Failure> {
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
