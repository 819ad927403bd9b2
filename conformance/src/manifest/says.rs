//! The meaning of the agent's messages, as patterns for the lines of its log. The recorder makes events of them.

use pghaspec_model::recover::branch::Branch;
use regex::Regex;

/// One pattern for the lines of the agent's log.
#[derive(Clone, Debug)]
pub struct Says {
    /// Finds the message in a line; a group named `words` restricts it to a part.
    pub pattern: Regex,
    /// The meaning of the message.
    pub meaning: Meaning,
}

/// The meaning of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A decision of `recover`.
    Branch(Branch),
    /// Any other message, by the name that the manifest gives it.
    Name(String),
}

/// The meaning by the first pattern that a line matches, and the words that matched: the group `words` of the pattern
/// if it has one, else all of it.
pub fn meaning_of<'line>(says: &[Says], line: &'line str) -> Option<(&'line str, Meaning)> {
    says.iter().find_map(|one| {
        let found = one.pattern.captures(line)?;
        // Who says nothing means nothing.
        let words = found.name("words").into_iter().chain(found.get(0)).find(|words| !words.as_str().is_empty())?;
        Some((words.as_str(), one.meaning.clone()))
    })
}
