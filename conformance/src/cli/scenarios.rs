//! `pghaspec scenarios`: the schedules of faults that a suite needs, and the coverage of them by the committed
//! scenarios.

use pghaspec_model::derive::derive;

use super::{Failure, print};
use crate::coverage::{Excuses, Item, ItemKind, ItemStep, Matrix, committed};
use crate::fixtures;
use crate::progress::Progress;
use crate::run::error::RunDirError;
use crate::scenario::Scenario;

#[derive(clap::Args)]
pub struct Args {
    /// Derive from the model, for each branch of recover, each fault and state of what it hits, and each property, the
    /// shortest schedule of faults that leads there.
    #[arg(long)]
    derive: bool,
    /// With --derive: write the schedules into the fixtures, where the coverage matrix takes them from.
    #[arg(long, requires = "derive")]
    write: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    if !args.derive {
        let matrix = Matrix::of(&committed()?, &Scenario::all()?, &Excuses::committed()?);
        print(args.json, &matrix, || matrix.text())?;
        return Ok(u8::from(!matrix.missing().is_empty()));
    }
    let items = derived();
    if args.write {
        let file = fixtures::derived();
        let text = serde_json::to_string_pretty(&items).map_err(|error| Failure::harness(error.to_string()))?;
        std::fs::write(&file, text + "\n")
            .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))?;
    }
    print(args.json, &items, || text(&items))?;
    Ok(0)
}

/// The items that the model derives; the progress is told on standard error.
fn derived() -> Vec<Item> {
    let progress = Progress::stderr();
    let lane = progress.lane("derive");
    let derived = derive(&|what| lane.doing(what));
    lane.done();
    derived.iter().map(Item::from).collect()
}

fn text(items: &[Item]) -> String {
    let mut text = String::new();
    for item in items {
        text += &format!("{}\n  {}\n", item.id, circumstances(item));
        for step in &item.steps {
            text += &format!("  {}\n", step_text(step));
        }
        if !item.then.is_empty() {
            text += &format!("  then: {}\n", item.then.join("; "));
        }
        text.push('\n');
    }
    let of = |kind: ItemKind| items.iter().filter(|item| item.kind == kind).count();
    let beyond = items.iter().filter(|item| !item.controllable).count();
    text + &format!(
        "{} schedules: {} for branches, {} for faults, {} for properties, {beyond} of them with a moment that cannot \
         be chosen from outside\n",
        items.len(),
        of(ItemKind::Branch),
        of(ItemKind::Fault),
        of(ItemKind::Property)
    )
}

/// The rules and the configuration, without the usual settings.
fn circumstances(item: &Item) -> String {
    let mut words = vec![format!("edition {}", item.edition)];
    words.extend(item.mutant.as_ref().map(|mutant| format!("broken rule {mutant}")));
    words.push(format!("primary_start_timeout {}", if item.start_timeout_is_zero { "zero" } else { "positive" }));
    let configuration = &item.configuration;
    for (is_so, what) in [
        (configuration.standby_cluster, "standby cluster"),
        (configuration.synchronous_mode, "synchronous mode"),
        (configuration.failsafe_mode, "failsafe mode"),
        (configuration.watchdog_required, "watchdog required"),
        (!configuration.use_pg_rewind, "no pg_rewind"),
        (configuration.remove_data_directory_on_diverged_timelines, "diverged data is removed"),
    ] {
        words.extend(is_so.then(|| what.to_owned()));
    }
    let plural = if item.faults == 1 { "" } else { "s" };
    format!("{}: {} fault{plural}, {} steps", words.join(", "), item.faults, item.length)
}

fn step_text(step: &ItemStep) -> String {
    let whom = match &step.node {
        Some(node) => format!("{node}, the {}, {}", step.target.id(), step.class.id()),
        None => format!("the cluster, {}", step.class.id()),
    };
    let when = step.when.as_ref().map_or("at once".to_owned(), |when| format!("when \"{when}\""));
    let cycle = if step.in_cycle { ", in the middle of a cycle" } else { "" };
    format!("{:<18} at {whom}: {when}{cycle}", step.fault.id())
}
