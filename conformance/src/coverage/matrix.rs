//! The coverage matrix: the scenarios against all that is derived. The suite is complete if each item is covered, or it
//! is said why none of them leads there.

use std::collections::BTreeSet;

use pghaspec_model::derive::Goal;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::fault::Class;
use pghaspec_model::vocabulary::property::Property;
use serde::Serialize;

use super::excuses::Excuses;
use super::item::Item;
use super::item_id::ItemId;
use super::planned::{Place, places};
use crate::scenario::Scenario;

/// The scenarios that cover each item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// A row for each derived item.
    pub rows: Vec<Row>,
}

/// The scenarios that cover one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Name of the item.
    pub item: ItemId,
    /// Scenarios that lead there.
    pub scenarios: Vec<String>,
    /// The reason why none does, if that is known.
    pub reason: Option<String>,
}

impl Matrix {
    /// The matrix of these items and scenarios.
    pub fn of(items: &[Item], scenarios: &[Scenario], excuses: &Excuses) -> Matrix {
        let all: Vec<_> = scenarios.iter().map(|scenario| (scenario, places(scenario))).collect();
        let row = |item: &Item| {
            let leads = |(scenario, places): &&(&Scenario, Vec<Place>)| covers(scenario, places, item);
            let scenarios: Vec<_> = all.iter().filter(leads).map(|(scenario, _)| scenario.id.clone()).collect();
            let reason = if scenarios.is_empty() { excuses.of(item.id).map(str::to_owned) } else { None };
            Row { item: item.id, scenarios, reason }
        };
        Matrix { rows: items.iter().map(row).collect() }
    }

    /// Items that nothing covers and nobody explains.
    pub fn missing(&self) -> Vec<ItemId> {
        let missing = self.rows.iter().filter(|row| row.scenarios.is_empty() && row.reason.is_none());
        missing.map(|row| row.item).collect()
    }

    /// Items that nothing covers.
    pub fn uncovered(&self) -> Vec<ItemId> {
        self.rows.iter().filter(|row| row.scenarios.is_empty()).map(|row| row.item).collect()
    }

    /// In words: a line for each item, and how many are covered.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.item.to_string().len()).max().unwrap_or(0);
        let mut text = String::new();
        for row in &self.rows {
            let fate = match (&row.scenarios[..], &row.reason) {
                ([], None) => "MISSING".to_owned(),
                ([], Some(reason)) => format!("not covered: {reason}"),
                (scenarios, _) => scenarios.join(", "),
            };
            text += &format!("{:width$}  {fate}\n", row.item);
        }
        let covered = self.rows.iter().filter(|row| !row.scenarios.is_empty()).count();
        let missing = self.missing().len();
        let explained = self.rows.len() - covered - missing;
        text + &format!(
            "\n{} items: {covered} covered, {explained} not covered for a known reason, {missing} missing\n",
            self.rows.len()
        )
    }
}

/// True if a scenario leads to an item: it strikes there, or it demands the branch by the rules in question, or its
/// faults go the way of the item's schedule in a cluster that is configured so.
fn covers(scenario: &Scenario, places: &[Place], item: &Item) -> bool {
    match item.id.goal() {
        Goal::Fault(..) => return places.iter().any(|place| place.id() == item.id),
        Goal::Branch(edition, branch) => {
            let expected = scenario.expect.of(&edition.rules());
            if expected.branches.iter().chain(&expected.others).flatten().any(|demanded| *demanded == branch) {
                return true;
            }
        }
        Goal::Violation(..) | Goal::Kill(..) => {}
    }
    configured(scenario, item) && goes_the_way(places, item)
}

fn configured(scenario: &Scenario, item: &Item) -> bool {
    let (is, wanted) = (scenario.settings.configuration(scenario.etcd), &item.configuration);
    (scenario.settings.primary_start_timeout_s == 0) == item.start_timeout_is_zero
        && is.standby_cluster == wanted.standby_cluster
        && is.synchronous_mode == wanted.synchronous_mode
        && is.failsafe_mode == wanted.failsafe_mode
        && is.use_pg_rewind == wanted.use_pg_rewind
        && is.remove_data_directory_on_diverged_timelines == wanted.remove_data_directory_on_diverged_timelines
        && (is.watchdog_required || !is_about_watchdog(item.id))
}

/// The model's watchdog matters where a property speaks of it.
fn is_about_watchdog(id: ItemId) -> bool {
    let watchdog = Property::WatchdogWhileWritable;
    matches!(id.goal(), Goal::Violation(property, _) | Goal::Kill(property, _) if property == watchdog)
}

/// The faults of the schedule are among those of the scenario, in their order; ends of faults are left out, since the
/// lab heals what a scenario does not.
fn goes_the_way(places: &[Place], item: &Item) -> bool {
    let mut left = places.iter();
    let mut charged = item.steps.iter().filter(|step| step.fault.class() != Class::Free).peekable();
    charged.peek().is_some()
        && charged.all(|step| {
            left.any(|place| (place.fault, place.target, place.class) == (step.fault, step.target, step.class))
        })
}

/// The items that a scenario should lead to by the rules of an edition. Items of broken properties are left out: that
/// the properties are not broken is what a scenario is for.
pub fn planned(items: &[Item], scenario: &Scenario, edition: Edition) -> BTreeSet<ItemId> {
    let places = places(scenario);
    let wanted = |item: &&Item| match item.id.goal() {
        Goal::Fault(..) => true,
        Goal::Branch(by, _) => by == edition,
        Goal::Violation(..) | Goal::Kill(..) => false,
    };
    items.iter().filter(wanted).filter(|item| covers(scenario, &places, item)).map(|item| item.id).collect()
}
