//! Scenarios against all that is derived.

use std::collections::BTreeSet;

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::fault::Class;
use serde::Serialize;

use super::excuses::Excuses;
use super::item::{Item, committed};
use super::planned::{Place, places};
use crate::scenario::Scenario;

/// What covers what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matrix {
    /// A row for each derived item.
    pub rows: Vec<Row>,
}

/// What covers one item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Name of the item.
    pub item: String,
    /// Scenarios that lead there.
    pub scenarios: Vec<String>,
    /// Why none does, if that is known.
    pub reason: Option<String>,
}

impl Matrix {
    /// What these scenarios cover of these items.
    pub fn of(items: &[Item], scenarios: &[Scenario], excuses: &Excuses) -> Matrix {
        let all: Vec<_> = scenarios.iter().map(|scenario| (scenario, places(scenario))).collect();
        let row = |item: &Item| {
            let leads = |(scenario, places): &&(&Scenario, Vec<Place>)| covers(scenario, places, item);
            let scenarios: Vec<_> = all.iter().filter(leads).map(|(scenario, _)| scenario.id.clone()).collect();
            let reason = if scenarios.is_empty() { excuses.of(&item.id).map(str::to_owned) } else { None };
            Row { item: item.id.clone(), scenarios, reason }
        };
        Matrix { rows: items.iter().map(row).collect() }
    }

    /// Items that nothing covers and nobody explains.
    pub fn missing(&self) -> Vec<&str> {
        self.rows
            .iter()
            .filter(|row| row.scenarios.is_empty() && row.reason.is_none())
            .map(|row| row.item.as_str())
            .collect()
    }

    /// Items that nothing covers.
    pub fn uncovered(&self) -> Vec<&str> {
        self.rows.iter().filter(|row| row.scenarios.is_empty()).map(|row| row.item.as_str()).collect()
    }

    /// In words: a line for each item, and how many are covered.
    pub fn text(&self) -> String {
        let width = self.rows.iter().map(|row| row.item.len()).max().unwrap_or(0);
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

/// Whether a scenario leads to an item: it strikes there, or it demands the branch by the rules in question, or its faults go the way of the
/// item's schedule in a cluster that is configured so.
fn covers(scenario: &Scenario, places: &[Place], item: &Item) -> bool {
    if item.kind == "fault" {
        return places.iter().any(|place| place.id() == item.id);
    }
    let edition = Edition::from_id(&item.edition).filter(|_| item.kind == "branch");
    if let Some(expected) = edition.map(|edition| scenario.expect.of(&edition.rules())) {
        let mut demanded = expected.branches.iter().chain(&expected.others).flatten();
        if demanded.any(|branch| item.id.ends_with(&format!("/{}", branch.id()))) {
            return true;
        }
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
        // The model's watchdog matters where a property speaks of it.
        && (is.watchdog_required || !item.id.contains("watchdog"))
}

/// The faults of the schedule are among those of the scenario, in their order; ends of faults are left out, since the lab heals what a
/// scenario does not.
fn goes_the_way(places: &[Place], item: &Item) -> bool {
    let mut left = places.iter();
    let mut charged = item.steps.iter().filter(|step| step.fault.class() != Class::Free).peekable();
    charged.peek().is_some()
        && charged.all(|step| {
            left.any(|place| {
                (place.fault, place.target, place.class) == (step.fault, step.target.as_str(), step.class.as_str())
            })
        })
}

/// What a scenario should lead to by the rules of an edition, where that was derived. Of broken properties nothing is said: that they are not broken is
/// what a scenario is for.
pub fn planned(scenario: &Scenario, edition: Edition) -> BTreeSet<String> {
    let items = committed().unwrap_or_default();
    let places = places(scenario);
    let branches = format!("branch/{}/", edition.id());
    let wanted = |item: &&Item| item.kind == "fault" || item.id.starts_with(&branches);
    items.iter().filter(wanted).filter(|item| covers(scenario, &places, item)).map(|item| item.id.clone()).collect()
}
