//! The leader of a cluster that has no authority: the only node that probes find to be a primary. Where there are two,
//! nobody is the leader.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{Event, Kind, ServerState};

use super::changes::Changes;
use crate::observe::recorder::Recorder;

/// Records who is the only primary, for ever.
pub async fn sole_primary(recorder: Recorder) {
    let mut view = recorder.view();
    let mut changes = Changes::new(recorder.clone());
    let (mut primaries, mut taken) = (Primaries::default(), 0);
    loop {
        let new: Vec<Event> = view.borrow_and_update().events[taken..].to_vec();
        taken += new.len();
        for event in &new {
            if let Some(at) = primaries.take(event) {
                changes.tell(at, primaries.only());
            }
        }
        if view.changed().await.is_err() {
            return;
        }
    }
}

/// The nodes that were found last: whether each is a primary, and since when that may be so.
#[derive(Default)]
struct Primaries(BTreeMap<String, (bool, u64)>);

impl Primaries {
    /// Takes an event in; if it says whether a node is a primary, returns the time in which that became so.
    fn take(&mut self, event: &Event) -> Option<[u64; 2]> {
        let is_primary = match event.kind {
            Kind::Server { state: ServerState::Unknown, .. } => return None,
            Kind::Server { state, .. } => state == ServerState::Primary,
            Kind::NodeEnded { .. } => false,
            _ => return None,
        };
        let before = self.0.insert(event.node.clone()?, (is_primary, event.at[0]));
        // It became so at some moment since the finding before.
        Some([before.map_or(0, |(_, since)| since).min(event.at[0]), event.at[1]])
    }

    fn only(&self) -> Option<&str> {
        let mut primaries = self.0.iter().filter(|(_, (is_primary, _))| *is_primary);
        match (primaries.next(), primaries.next()) {
            (Some((name, _)), None) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::vocabulary::event::{FORMAT, Source};

    use super::*;

    fn found(node: &str, at: u64, state: ServerState) -> Event {
        let kind = Kind::Server { state, timeline: None, lsn: None, streaming: None, control: None };
        Event { v: FORMAT, seq: 0, at: [at, at + 1], node: Some(node.to_owned()), source: Source::Postgres, kind }
    }

    #[test]
    fn of_two_primaries_neither_is_the_leader() {
        use ServerState::{Primary, ReadOnlyPrimary, Refused, Unknown};
        let mut primaries = Primaries::default();
        let mut take = |node: &str, at: u64, state| {
            let time = primaries.take(&found(node, at, state));
            (primaries.only().map(str::to_owned), time)
        };
        assert_eq!(take("n1", 5, Primary), (Some("n1".to_owned()), Some([0, 6])));
        assert_eq!(take("n2", 6, ReadOnlyPrimary), (Some("n1".to_owned()), Some([0, 7])));
        assert_eq!(take("n2", 9, Primary), (None, Some([6, 10])));
        // A probe that could not tell changes nothing.
        assert_eq!(take("n1", 11, Unknown), (None, None));
        assert_eq!(take("n1", 20, Refused), (Some("n2".to_owned()), Some([5, 21])));
    }
}
