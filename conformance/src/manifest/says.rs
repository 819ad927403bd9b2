//! What the agent's words mean.

use pghaspec_model::branch::Branch;
use regex::Regex;

/// One pattern for the lines of the agent's log.
#[derive(Clone, Debug)]
pub struct Says {
    /// Finds the words in a line.
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

/// The first pattern that a line matches: what it means, and the words that matched.
pub fn meaning_of<'line>(says: &[Says], line: &'line str) -> Option<(Meaning, &'line str)> {
    says.iter().find_map(|one| one.pattern.find(line).map(|words| (one.meaning.clone(), words.as_str())))
}
