//! `pghaspec scenarios`: which schedules of faults a suite needs.

use pghaspec_model::derive::{Derived, Schedule, Step, derive};
use serde::Serialize;

use super::{Failure, print};
use crate::progress::Progress;

#[derive(clap::Args)]
pub struct Args {
    /// Derive from the model, for each branch of recover, each fault and state of what it hits, and each property, the shortest schedule of
    /// faults that leads there.
    #[arg(long, required = true)]
    derive: bool,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Item<'a> {
    id: String,
    kind: &'static str,
    faults: usize,
    controllable: bool,
    #[serde(flatten)]
    schedule: &'a Schedule,
}

pub fn run(args: &Args) -> Result<u8, Failure> {
    let progress = Progress::stderr();
    let lane = progress.lane("derive");
    let derived = derive(&|what| lane.doing(what));
    lane.done();
    let items: Vec<_> = derived.iter().map(item).collect();
    print(args.json, &items, || text(&derived))?;
    Ok(0)
}

fn item(derived: &Derived) -> Item<'_> {
    let Derived { goal, schedule } = derived;
    Item {
        id: goal.id(),
        kind: goal.kind(),
        faults: schedule.faults(),
        controllable: schedule.is_controllable(),
        schedule,
    }
}

fn text(derived: &[Derived]) -> String {
    let mut text = String::new();
    for Derived { goal, schedule } in derived {
        text += &format!("{}\n  {}\n", goal.id(), circumstances(schedule));
        for step in &schedule.steps {
            text += &format!("  {}\n", step_text(step));
        }
        if !schedule.then.is_empty() {
            text += &format!("  then: {}\n", schedule.then.join("; "));
        }
        text.push('\n');
    }
    let of = |kind: &str| derived.iter().filter(|one| one.goal.kind() == kind).count();
    let beyond = derived.iter().filter(|one| !one.schedule.is_controllable()).count();
    text + &format!(
        "{} schedules: {} for branches, {} for faults, {} for properties, {beyond} of them with a moment that cannot be chosen from outside\n",
        derived.len(),
        of("branch"),
        of("fault"),
        of("property")
    )
}

/// The rules and the configuration, what is usual left out.
fn circumstances(schedule: &Schedule) -> String {
    let mut words = vec![format!("edition {}", schedule.edition)];
    words.extend(schedule.mutant.map(|mutant| format!("broken rule {mutant}")));
    words.push(format!("primary_start_timeout {}", if schedule.start_timeout_is_zero { "zero" } else { "positive" }));
    let configuration = &schedule.configuration;
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
    let plural = if schedule.faults() == 1 { "" } else { "s" };
    format!("{}: {} fault{plural}, {} steps", words.join(", "), schedule.faults(), schedule.length)
}

fn step_text(step: &Step) -> String {
    let whom = match &step.node {
        Some(node) => format!("{node}, the {}, {}", step.target, step.class),
        None => format!("the cluster, {}", step.class),
    };
    let when = step.when.as_ref().map_or("at once".to_owned(), |when| format!("when \"{when}\""));
    let cycle = if step.in_cycle { ", in the middle of a cycle" } else { "" };
    format!("{:<18} at {whom}: {when}{cycle}", step.fault.id())
}
