//! The options that say what is modelled: the same for every command that explores the model.

use pghaspec_model::cluster::{Settings, StartTimeouts};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::verify::assumption::Assumption;
use pghaspec_model::vocabulary::fault::Fault;

use crate::cli::{Failure, known};

#[derive(clap::Args)]
#[group(id = "modelled", multiple = true)]
pub struct Options {
    /// Number of nodes: 2 or 3.
    #[arg(long, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: Option<u8>,
    /// Edition of the rules (`pghaspec list editions`); 4.1 if not given, or `ideal` with a mutant.
    #[arg(long)]
    edition: Option<String>,
    /// Configuration, faults and budgets of one row of the assumption matrix (`pghaspec list assumptions`). With a
    /// mutant: the row that shows it, if not given.
    #[arg(long)]
    assumption: Option<String>,
    /// Only these faults, separated by commas (`pghaspec list faults`).
    #[arg(long, value_delimiter = ',')]
    faults: Option<Vec<String>>,
    /// Break one rule on purpose (`pghaspec list mutants`).
    #[arg(long)]
    mutant: Option<String>,
    /// Most faults of processes and nodes in one behaviour.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    process_faults: Option<u8>,
    /// Most failures of what agents start.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    task_faults: Option<u8>,
    /// Most faults of the DCS and the network.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    network_faults: Option<u8>,
    /// Most commits of clients.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    commits: Option<u8>,
    /// Most doings of operators: maintenance, requests, failovers of a remote primary.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=7))]
    operator: Option<u8>,
    /// `primary_start_timeout`: zero, positive or both.
    #[arg(long, value_parser = ["zero", "positive", "both"])]
    start_timeout: Option<String>,
    /// Clusters without a watchdog.
    #[arg(long)]
    no_watchdog: bool,
    /// Clusters without pg_rewind.
    #[arg(long)]
    no_rewind: bool,
    /// Diverged data directories may be removed (`remove_data_directory_on_diverged_timelines`).
    #[arg(long)]
    remove_on_divergence: bool,
    /// `synchronous_mode`
    #[arg(long)]
    synchronous: bool,
    /// `failsafe_mode`
    #[arg(long)]
    failsafe: bool,
    /// A standby cluster.
    #[arg(long)]
    standby_cluster: bool,
}

pub fn settings(args: &Options) -> Result<Settings, Failure> {
    let mutant = match &args.mutant {
        None => None,
        Some(id) => {
            let all: Vec<_> = Mutant::ALL.iter().map(|mutant| mutant.id()).collect();
            Some(known("mutant", id, Mutant::from_id, &all)?)
        }
    };
    let edition = match &args.edition {
        None if mutant.is_some() => Edition::Ideal,
        None => Edition::V4_1,
        Some(id) => {
            let all: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
            known("edition", id, Edition::from_id, &all)?
        }
    };
    let shown = mutant.and_then(Mutant::shown).filter(|_| args.faults.is_none()).map(|(assumption, _)| assumption);
    let mut settings = match &args.assumption {
        None => {
            let usual = || Settings::new(edition, args.nodes.unwrap_or(2));
            shown.map_or_else(usual, |assumption| assumption.settings(edition))
        }
        Some(id) => {
            let all: Vec<_> = Assumption::ALL.iter().map(|assumption| assumption.id()).collect();
            known("assumption", id, Assumption::from_id, &all)?.settings(edition)
        }
    };
    settings.mutant = mutant;
    settings.nodes = args.nodes.unwrap_or(settings.nodes);
    if let Some(ids) = &args.faults {
        let all: Vec<_> = Fault::ALL.iter().map(|fault| fault.id()).collect();
        let mut faults = Vec::new();
        for id in ids {
            faults.push(known("fault", id, Fault::from_id, &all)?);
        }
        settings = settings.with_faults(&faults);
    }
    let budget = &mut settings.budget;
    for (left, given) in [
        (&mut budget.process, args.process_faults),
        (&mut budget.task, args.task_faults),
        (&mut budget.network, args.network_faults),
        (&mut budget.commits, args.commits),
        (&mut budget.operator, args.operator),
    ] {
        *left = given.unwrap_or(*left);
    }
    match args.start_timeout.as_deref() {
        Some("zero") => settings.start_timeouts = StartTimeouts::Zero,
        Some("positive") => settings.start_timeouts = StartTimeouts::Positive,
        _ => {}
    }
    settings.watchdog &= !args.no_watchdog;
    settings.can_rewind &= !args.no_rewind;
    settings.remove_on_divergence |= args.remove_on_divergence;
    settings.synchronous |= args.synchronous;
    settings.failsafe |= args.failsafe;
    settings.standby_cluster |= args.standby_cluster;
    if settings.standby_cluster && settings.synchronous {
        return Err(Failure::usage(
            "--standby-cluster and --synchronous exclude each other, since nobody commits in a standby cluster; help: \
             leave one out",
        ));
    }
    Ok(settings)
}
