//! Scenarios against all that is derived.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::fault::Class;
use serde::Serialize;

use super::excuses::Excuses;
use super::item::{Item, committed};
use super::planned::{Place, places};
use crate::report::ScenarioResult;
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

/// What a run really led to, and what of it the model explains.
pub fn measured_text(scenarios: &[ScenarioResult]) -> String {
    let (by_kind, unexplained) = gathered(scenarios);
    let mut text = String::new();
    for (kind, items) in &by_kind {
        text += &format!("{kind} reached: {}\n", items.iter().map(String::as_str).collect::<Vec<_>>().join(", "));
    }
    // What one scenario leads to, another need not: which one did not, the matrix of the report shows.
    let reached: BTreeSet<_> =
        scenarios.iter().filter(|it| it.covered.explained).flat_map(|it| &it.covered.items).collect();
    let missed: BTreeSet<_> =
        scenarios.iter().flat_map(|it| &it.planned).filter(|item| !reached.contains(item)).collect();
    if !by_kind.is_empty() && !missed.is_empty() {
        let missed: Vec<_> = missed.into_iter().map(String::as_str).collect();
        text += &format!("planned, and not reached by any scenario: {}\n", missed.join(", "));
    }
    if !unexplained.is_empty() {
        text += &format!("not counted, since the model does not explain them: {}\n", unexplained.join(", "));
    }
    if text.is_empty() { text } else { text + "\n" }
}

/// What was led to and is explained, by kind; and scenarios that are not explained.
fn gathered(scenarios: &[ScenarioResult]) -> (BTreeMap<&'static str, BTreeSet<String>>, Vec<&str>) {
    let mut by_kind: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut unexplained = Vec::new();
    for scenario in scenarios.iter().filter(|scenario| !scenario.covered.items.is_empty()) {
        if !scenario.covered.explained {
            unexplained.push(scenario.id.as_str());
            continue;
        }
        for item in &scenario.covered.items {
            let (kind, name) = item.split_once('/').unwrap_or(("", item));
            let kind = if kind == "branch" { "branches" } else { "faults" };
            by_kind.entry(kind).or_default().insert(name.to_owned());
        }
    }
    (by_kind, unexplained)
}

/// The matrix of a run: what each scenario should lead to, and did.
pub fn html(scenarios: &[ScenarioResult]) -> String {
    let all = |it: &ScenarioResult| it.planned.union(&it.covered.items).cloned().collect::<Vec<_>>();
    let items: BTreeSet<String> = scenarios.iter().flat_map(all).collect();
    if items.is_empty() {
        return "<p>nothing was planned, and nothing observed</p>\n".to_owned();
    }
    let mut text = "<p>x: planned and reached; +: reached; o: planned, and not reached</p>\n<table class=\"matrix\">\n<tr><th></th>".to_owned();
    for scenario in scenarios {
        let explained = scenario.covered.explained || scenario.covered.items.is_empty();
        text += &format!("<th>{}{}</th>", scenario.id, if explained { "" } else { " (not explained)" });
    }
    text += "</tr>\n";
    for item in &items {
        text += &format!("<tr><th>{item}</th>");
        for scenario in scenarios {
            text += match (scenario.planned.contains(item), scenario.covered.items.contains(item)) {
                (true, true) => "<td class=\"x\">x</td>",
                (false, true) => "<td class=\"x\">+</td>",
                (true, false) => "<td>o</td>",
                (false, false) => "<td></td>",
            };
        }
        text += "</tr>\n";
    }
    text + "</table>\n"
}
