//! Rules of the specification as text, `rule: position` each, such as `starts_crashed_primary: no`. Manifests,
//! scenarios and histories name by them the rules in which a release differs from its edition.

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::rules::switch::Switch;

use crate::input::unknown;

/// The newest edition. Demands of scenarios that depend on rules are read by it for an agent that follows none.
pub const NEWEST: Edition = Edition::V4_1;

/// The rules of an edition, with some in another position.
///
/// # Errors
/// A text is no rule, or names no position of it.
pub fn of(edition: Edition, differs: &[String]) -> Result<Rules, String> {
    let mut rules = edition.rules();
    differs.iter().try_for_each(|rule| Switch::apply(&mut rules, rule))?;
    Ok(rules)
}

/// True if the rule that the text names is in that position.
pub fn follows(rules: &Rules, rule: &str) -> bool {
    let mut with = *rules;
    Switch::apply(&mut with, rule).is_ok() && with == *rules
}

/// Bytes of the longest text of a rule.
const LONGEST: usize = 100;

/// The error in such a text, with the nearest rule or position; nothing if it is right.
pub fn trouble(rule: &str) -> Option<String> {
    let error = Switch::apply(&mut Edition::V4_1.rules(), rule.get(..LONGEST).unwrap_or(rule)).err()?;
    let (id, _) = rule.split_once(':').unwrap_or((rule, ""));
    match Switch::all().any(|switch| switch.id == id.trim()) {
        true => Some(error),
        false => Some(unknown("rule", id, Switch::all().map(|switch| switch.id))),
    }
}
