//! The cluster model's answer to a history: some behaviour explains it, or none does.
//!
//! Safety checks know rules one by one; the model knows them together, and refuses a history that no behaviour of it
//! explains.
//!
//! | file | content |
//! | --- | --- |
//! | `observations.rs` | events as the model's observations, part by part |
//! | `spool.rs` | the store of observations |
//! | `query.rs` | observations, and the models that are asked to explain them |
//! | `cache.rs` | models that were asked before |
//! | `blame.rs` | the rule whose breach explains a refusal |

mod blame;
mod cache;
pub(super) mod observations;
pub(crate) mod query;
pub(super) mod spool;

use std::collections::BTreeSet;

use pghaspec_model::belief::{Divergence, Observation, Refusal, Seen};
use pghaspec_model::rules::edition::Edition;

use super::verdict::Refutation;
use crate::history::parts::Recording;
use crate::history::{History, describe, seconds};
use blame::broken_rule;
use query::Query;

/// Events that are shown before the one that has no explanation, at most.
const CONTEXT: usize = 8;

/// The answer of the model.
pub enum Answer {
    /// Some behaviour explains everything that was observed; in words.
    Explained(String),
    /// No behaviour explains the event with this `seq`.
    Refuted(Refutation, u64),
    /// Every event is explained, and something else should have been seen as well; in words.
    Unseen(String),
    /// The search came to its limit; in words.
    Limit(String),
}

/// Asks the model of an edition to explain a history.
pub fn explain(query: &Query, edition: Edition, recording: &Recording) -> Answer {
    match query.ask_edition(edition) {
        Ok(explanation) => Answer::Explained(format!(
            "edition {} explains all {} observations from ready to settled; at most {} model states were possible at \
             once{}",
            query.name(edition),
            explanation.observations,
            explanation.widest,
            unseen(query)
        )),
        Err(Refusal::Diverged(divergence)) => match &divergence.observation {
            Some(observation) => {
                let part = recording.part_with(observation.seq).ok();
                let refutation = refutation(query, part.as_deref(), edition, &divergence, observation);
                Answer::Refuted(refutation, observation.seq)
            }
            None => {
                let names = query.names();
                let unseen: Vec<_> = divergence.unseen.iter().map(|sight| sight.text(names)).collect();
                let unseen = unseen.join("; ");
                Answer::Unseen(format!("every event is explained, and these should have been seen as well: {unseen}"))
            }
        },
        Err(Refusal::Limit { explained, why }) => {
            Answer::Limit(format!("after {explained} observations the search came to its limit: {why}"))
        }
    }
}

/// The editions that explain a history that is held; `None` if the model cannot be asked.
pub fn explaining_editions(history: &History) -> Option<Vec<Edition>> {
    which(&Query::of(history).ok()?, &Edition::ALL)
}

/// Those of these editions that explain a history; `None` if a search comes to its limit.
pub fn which(query: &Query, editions: &[Edition]) -> Option<Vec<Edition>> {
    let mut explaining = Vec::new();
    for &edition in editions {
        match query.ask_edition(edition) {
            Ok(_) => explaining.push(edition),
            Err(Refusal::Diverged(_)) => {}
            Err(Refusal::Limit { .. }) => return None,
        }
    }
    Some(explaining)
}

/// A remark on the changes that may have been missed.
fn unseen(query: &Query) -> String {
    match query.gaps() {
        [] => String::new(),
        gaps => format!("; changes may have gone unseen by {}", gaps.join(", and by ")),
    }
}

/// The refutation of a history: the event, the alternatives, the rules whose breach explains it, and the events before.
fn refutation(
    query: &Query,
    part: Option<&History>,
    edition: Edition,
    divergence: &Divergence,
    observation: &Observation,
) -> Refutation {
    let names = query.names();
    let events = part.map_or(&[][..], |part| &part.events[..]);
    let event = events.iter().find(|event| event.seq == observation.seq);
    let what = event.map_or_else(
        || "which cannot be read any more".to_owned(),
        |event| format!("{}: {}", event.node.as_deref().unwrap_or("the cluster"), describe::what(event)),
    );
    let allowed = match observation.what {
        Seen::Looks(id, ..) if !divergence.looks.is_empty() => {
            format!("the specification allows {} to be: {}", names.of(id), divergence.looks.join("; "))
        }
        _ => {
            let allowed: Vec<_> = divergence.allowed.iter().map(|sight| sight.text(names)).collect();
            let allowed = if allowed.is_empty() { "nothing that can be seen".into() } else { allowed.join("; ") };
            format!("the specification allows here: {allowed}")
        }
    };
    // No more than a part's events are looked at, and no more of the observations is held.
    let first = part.map_or(0, |part| part.before.events);
    let near = first..=events.last().map_or(first, |event| event.seq);
    let asked: BTreeSet<u64> =
        query.observations.iter().map(|seen| seen.seq).filter(|seq| near.contains(seq)).collect();
    let mut before: Vec<_> = events
        .iter()
        .filter(|other| asked.contains(&other.seq) && other.at[1] <= observation.at[1] && other.seq != observation.seq)
        .collect();
    before.sort_by_key(|event| event.at[1]);
    Refutation {
        event: format!(
            "event {} at {} has no explanation in edition {}: {what}",
            observation.seq,
            seconds(observation.at[1]),
            query.name(edition)
        ),
        allowed,
        rules: broken_rule(query, edition, divergence),
        before: before[before.len().saturating_sub(CONTEXT)..].iter().map(|event| describe::line(event)).collect(),
    }
}
