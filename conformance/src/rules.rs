//! The rules of the specification that a release follows, in the words of manifests, scenarios and histories: `rule: position` each, such as
//! `starts_crashed_primary: no`.

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::rules::switch::Switch;

/// The rules of an edition, but for some.
///
/// # Errors
/// One of these is no rule, or has no such position.
pub fn of(edition: Edition, differs: &[String]) -> Result<Rules, String> {
    let mut rules = edition.rules();
    differs.iter().try_for_each(|rule| Switch::apply(&mut rules, rule))?;
    Ok(rules)
}

/// Whether a rule is in this position there.
pub fn follows(rules: &Rules, rule: &str) -> bool {
    let mut with = *rules;
    Switch::apply(&mut with, rule).is_ok() && with == *rules
}

/// What is wrong with such words, if anything is.
pub fn trouble(rule: &str) -> Option<String> {
    Switch::apply(&mut Edition::V4_1.rules(), rule).err()
}
