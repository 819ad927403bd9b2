//! What the agent's words mean.

use pghaspec_model::recover::branch::Branch;
use regex::Regex;

/// One pattern for the lines of the agent's log.
#[derive(Clone, Debug)]
pub struct Says {
    /// Finds the words in a line, and may name a part of them `words`.
    pub pattern: Regex,
    /// What they mean.
    pub meaning: Meaning,
}

/// What words of the agent mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A decision of `recover`.
    Branch(Branch),
    /// Something else, by the name that the manifest gives it.
    Name(String),
}

/// The first pattern that a line matches: what it means, and the words that matched: the group `words` of the pattern if it has one,
/// else all of it.
pub fn meaning_of<'line>(says: &[Says], line: &'line str) -> Option<(&'line str, Meaning)> {
    says.iter().find_map(|one| {
        let found = one.pattern.captures(line)?;
        let words = found.name("words").or_else(|| found.get(0))?;
        Some((words.as_str(), one.meaning.clone()))
    })
}
