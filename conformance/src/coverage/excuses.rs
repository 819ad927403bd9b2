//! The reasons why derived items are covered by no scenario, `fixtures/uncovered.toml`. An item without a scenario and
//! without a reason is missing.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use super::item_id::ItemId;
use crate::fixtures;
use crate::input;
use crate::input::InputError;

/// All reasons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excuses(Vec<(String, String)>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    #[serde(default)]
    uncovered: Vec<TomlExcuse>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlExcuse {
    /// Name of a derived item; `*` stands for anything.
    item: Spanned<String>,
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

    fn parse(file: &Path, text: &str) -> Result<Excuses, InputError> {
        let written: Toml = input::parse(file, text)?;
        let mut excuses = Vec::new();
        for (index, one) in written.uncovered.into_iter().enumerate() {
            if one.reason.trim().is_empty() {
                return Err(InputError::of_file(file, "has no reason", "say why nothing leads there")
                    .at_key(format!("uncovered[{index}]"))
                    .at_span(text, one.item.span()));
            }
            excuses.push((one.item.into_inner(), one.reason));
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
        assert_eq!(error.line, Some(2));
        let text = "[[uncovered]]\nitem = \"fault/*/leader\"\nreason = \"r\"\n";
        let excuses = Excuses::parse(Path::new("x.toml"), text).unwrap();
        let [leader, member] = ["leader", "member"].map(|hit| format!("fault/agent-restarted/{hit}").parse().unwrap());
        assert_eq!((excuses.of(leader), excuses.of(member)), (Some("r"), None));
        assert_eq!((excuses.idle(&[member]), excuses.idle(&[leader])), (vec!["fault/*/leader"], Vec::new()));
    }
}
