//! The writes that each node acknowledged, by time.
//!
//! A write that is acknowledged proves that its node could commit, be its postmaster alive or not.

use std::collections::HashMap;

use pghaspec_model::vocabulary::event::{Event, Kind, WriteResult};

use crate::history::History;

/// Acknowledged writes and batches of each node, in the order in which they begin; those that begin together, in the
/// order of recording.
pub struct Commits<'h>(HashMap<&'h str, Vec<&'h Event>>);

impl<'h> Commits<'h> {
    /// All of a history.
    pub fn of(history: &'h History) -> Commits<'h> {
        let mut commits: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in &history.events {
            let acknowledged = matches!(
                event.kind,
                Kind::Write { result: WriteResult::Ok, .. } | Kind::Batch { result: WriteResult::Ok, .. }
            );
            if let (true, Some(node)) = (acknowledged, event.node.as_deref()) {
                commits.entry(node).or_default().push(event);
            }
        }
        for events in commits.values_mut() {
            events.sort_by_key(|event| event.at[0]);
        }
        Commits(commits)
    }

    /// The first to be recorded of those that begin and end within this time, both inclusive.
    pub fn within(&self, node: &str, [from, to]: [u64; 2]) -> Option<&'h Event> {
        let events = self.0.get(node)?;
        let begin = events.partition_point(|event| event.at[0] < from);
        let begun = events[begin..].iter().take_while(|event| event.at[0] <= to);
        begun.filter(|event| event.at[1] <= to).min_by_key(|event| event.seq).copied()
    }
}
