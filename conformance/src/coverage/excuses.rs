//! The reasons why derived items are covered by no scenario, `fixtures/uncovered.toml`. An item without a scenario and
//! without a reason is missing.

use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

use super::item_id::ItemId;
use crate::fixtures;
use crate::input::{self, InputError, Source};

/// Most stars in the name of an item.
const MOST_STARS: usize = 4;

/// All reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excuses(Vec<(String, String)>);

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Toml {
    #[serde(default)]
    uncovered: Vec<TomlExcuse>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TomlExcuse {
    /// Name of a derived item; `*` stands for anything.
    #[schemars(length(min = 1), example = &"fault/*/leader")]
    item: String,
    /// The reason why nothing leads there.
    #[schemars(length(min = 1), example = &"Nobody but the lab can do it.")]
    reason: String,
}

impl Excuses {
    /// The committed reasons.
    ///
    /// # Errors
    /// The file cannot be read, or is wrong.
    pub fn committed() -> Result<Excuses, InputError> {
        let file = fixtures::uncovered();
        Excuses::parse(&file, &input::read(&file)?)
    }

    /// The reasons in the text of a file.
    ///
    /// # Errors
    /// A key or value in it is wrong.
    pub fn parse(file: &Path, text: &str) -> Result<Excuses, InputError> {
        let written: Toml = input::parse(file, text)?;
        let mut excuses = Vec::new();
        let source = Source { file, text };
        for (index, one) in written.uncovered.into_iter().enumerate() {
            let key = |part: &str| format!("uncovered[{index}].{part}");
            if one.item.trim().is_empty() {
                return Err(source.wrong(&key("item"), "is empty", "name a derived item; `*` stands for anything"));
            }
            if one.reason.trim().is_empty() {
                return Err(source.wrong(&key("reason"), "is empty", "say why nothing leads there"));
            }
            // Each star multiplies the ways in which a name may fit.
            if one.item.matches('*').count() > MOST_STARS {
                let problem = format!("has more than {MOST_STARS} stars");
                return Err(source.wrong(&key("item"), problem, "one star stands for several parts of a name"));
            }
            excuses.push((one.item, one.reason));
        }
        Ok(Excuses(excuses))
    }

    /// The reason why that item is not covered.
    pub fn of(&self, id: ItemId) -> Option<&str> {
        let id = id.to_string();
        self.0.iter().find(|(pattern, _)| matches(pattern, &id)).map(|(_, reason)| reason.as_str())
    }

    /// Patterns that excuse none of these.
    pub fn idle(&self, uncovered: &[ItemId]) -> Vec<&str> {
        let uncovered: Vec<_> = uncovered.iter().map(ItemId::to_string).collect();
        let used = |pattern: &str| uncovered.iter().any(|id| matches(pattern, id));
        self.0.iter().map(|(pattern, _)| pattern.as_str()).filter(|pattern| !used(pattern)).collect()
    }
}

/// True if the pattern fits the name; `*` stands for any text, also for several parts of a name.
fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == id,
        Some((start, rest)) => id.strip_prefix(start).is_some_and(|tail| {
            (0..=tail.len()).any(|skip| tail.is_char_boundary(skip) && matches(rest, &tail[skip..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        for (pattern, id, so) in [
            ("fault/*/leader", "fault/agent-killed/leader", true),
            ("fault/*", "fault/agent-killed/leader", true),
            ("*/leader", "fault/agent-killed/member", false),
            ("a*b*c", "axxbyyc", true),
            ("a", "ab", false),
        ] {
            assert_eq!(matches(pattern, id), so, "{pattern} {id}");
        }
    }

    #[test]
    fn a_reason_is_wanted() {
        let error = Excuses::parse(Path::new("x.toml"), "[[uncovered]]\nitem = \"a\"\nreason = \"\"\n").unwrap_err();
        assert_eq!((error.line, error.key.as_deref()), (Some(3), Some("uncovered[0].reason")));
        let text = "[[uncovered]]\nitem = \"fault/*/leader\"\nreason = \"r\"\n";
        let excuses = Excuses::parse(Path::new("x.toml"), text).unwrap();
        let [leader, member] = ["leader", "member"].map(|hit| format!("fault/agent-restarted/{hit}").parse().unwrap());
        assert_eq!((excuses.of(leader), excuses.of(member)), (Some("r"), None));
        assert_eq!((excuses.idle(&[member]), excuses.idle(&[leader])), (vec!["fault/*/leader"], Vec::new()));
    }
}
