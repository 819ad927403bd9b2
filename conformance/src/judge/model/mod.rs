//! Whether the specification allows what was seen: the history against every behaviour of the cluster model.

mod blame;
mod cache;
pub(super) mod observations;
pub(crate) mod query;
pub(super) mod spool;

use std::borrow::Cow;
use std::collections::BTreeSet;

use pghaspec_model::belief::{Divergence, Refusal, Seen};
use pghaspec_model::rules::edition::Edition;

use super::verdict::Check;
use crate::history::describe;
use crate::history::{History, seconds};
use blame::broken_rule;
use query::Question;

const ID: &str = "allowed-by-the-model";

/// Events shown before the one that has no explanation.
const CONTEXT: usize = 8;

/// `allowed-by-the-model`: some behaviour of the edition explains the history.
pub fn allowed(history: &History, edition: Edition) -> Check {
    explained(&Question::of(history), edition, |_| Some(Cow::Borrowed(history)))
}

/// The same of a question that was asked; `part_with` is the part of the history in which the event of this number was recorded.
pub fn explained<'h>(
    question: &Result<Question, String>,
    edition: Edition,
    part_with: impl FnOnce(u64) -> Option<Cow<'h, History>>,
) -> Check {
    let question = match question {
        Ok(question) => question,
        Err(why) => return Check::inconclusive(ID, why),
    };
    match question.ask_edition(edition) {
        Ok(explanation) => Check::pass(
            ID,
            format!(
                "edition {} explains all {} observations from ready to settled; at most {} model states were possible at once{}",
                question.name(edition),
                explanation.observations,
                explanation.widest,
                unseen(question)
            ),
        ),
        Err(Refusal::Diverged(divergence)) => {
            let at = divergence.observation.as_ref().map(|observation| observation.seq);
            let part = at.and_then(part_with);
            Check::fail(ID, refutation(question, part.as_deref(), edition, &divergence)).at(at)
        }
        Err(Refusal::Limit { explained, why }) => {
            Check::inconclusive(ID, format!("after {explained} observations the search came to its limit: {why}"))
        }
    }
}

/// The editions that explain the history; `None` if it cannot be asked.
pub fn explaining_editions(history: &History) -> Option<Vec<Edition>> {
    which(&Question::of(history).ok()?, &Edition::ALL)
}

/// Which of these editions explain what is asked; `None` if a search comes to its limit.
pub fn which(question: &Question, editions: &[Edition]) -> Option<Vec<Edition>> {
    let mut explaining = Vec::new();
    for &edition in editions {
        match question.ask_edition(edition) {
            Ok(_) => explaining.push(edition),
            Err(Refusal::Diverged(_)) => {}
            Err(Refusal::Limit { .. }) => return None,
        }
    }
    Some(explaining)
}

/// What changes may have been missed.
fn unseen(question: &Question) -> String {
    match question.gaps() {
        [] => String::new(),
        gaps => format!("; changes may have gone unseen by {}", gaps.join(", and by ")),
    }
}

/// Why the history is refused: the event, what was allowed, what came before, and the rule whose breach explains it.
fn refutation(question: &Question, part: Option<&History>, edition: Edition, divergence: &Divergence) -> String {
    let names = question.names();
    let events = part.map_or(&[][..], |part| &part.events[..]);
    let Some(observation) = &divergence.observation else {
        let unseen: Vec<_> = divergence.unseen.iter().map(|sight| sight.text(names)).collect();
        return format!("every event is explained, and these should have been seen as well: {}", unseen.join("; "));
    };
    let event = events.iter().find(|event| event.seq == observation.seq);
    let what = event.map_or_else(
        || format!("{:?}", observation.what),
        |event| format!("{}: {}", event.node.as_deref().unwrap_or("the cluster"), describe::what(event)),
    );
    let mut text = format!(
        "event {} at {} has no explanation in edition {}: {what}\n",
        observation.seq,
        seconds(observation.at[1]),
        question.name(edition)
    );
    match observation.what {
        Seen::Looks(id, ..) if !divergence.looks.is_empty() => {
            text += &format!("the specification allows {} to be: {}\n", names.of(id), divergence.looks.join("; "));
        }
        _ => {
            let allowed: Vec<_> = divergence.allowed.iter().map(|sight| sight.text(names)).collect();
            let allowed = if allowed.is_empty() { "nothing that can be seen".into() } else { allowed.join("; ") };
            text += &format!("the specification allows here: {allowed}\n");
        }
    }
    text += &broken_rule(question, edition, divergence);
    text += "what came before:\n";
    // No more than a part's events are looked at, and no more of what was asked is held.
    let first = part.map_or(0, |part| part.before.events);
    let near = first..=events.last().map_or(first, |event| event.seq);
    let asked: BTreeSet<u64> =
        question.observations.iter().map(|seen| seen.seq).filter(|seq| near.contains(seq)).collect();
    let mut before: Vec<_> = events
        .iter()
        .filter(|other| asked.contains(&other.seq) && other.at[1] <= observation.at[1] && other.seq != observation.seq)
        .collect();
    before.sort_by_key(|event| event.at[1]);
    for event in before.iter().skip(before.len().saturating_sub(CONTEXT)) {
        text += &format!("  {}\n", describe::line(event));
    }
    text.truncate(text.trim_end().len());
    text
}
