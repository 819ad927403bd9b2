//! The leader lock over time, by the watch on the leader key.
//!
//! etcd puts all changes into one order, its revisions; when each happened is known as an interval.

use pghaspec_model::vocabulary::event::{Event, KeyChange, Kind, Phase};

use crate::history::History;
use crate::history::intervals::Intervals;
use crate::history::older_formats::hides_no_change;
use crate::history::parts::{Carry, last_by, phases};

/// The changes of the leader key by which its holder, and that of each node's last term, are known.
pub static LAST: Carry = Carry {
    says: "the last change of the leader key, the last that names each holder, and the last gap of the watch",
    select: |history| {
        let mut places = last_by(history, |event| match event.kind {
            Kind::LeaderKey { .. } => Some(true),
            Kind::Gap { of, .. } if of.tells_who_leads() => Some(false),
            _ => None,
        });
        places.extend(last_by(history, |event| match &event.kind {
            Kind::LeaderKey { holder: Some(holder), .. } => Some(holder),
            _ => None,
        }));
        places
    },
};

/// The changes by which the end of the term before each holder's last one is known.
pub static TAKINGS: Carry = Carry {
    says: "the change by which each holder took the lock for the last time, and the one before it",
    select: |history| {
        let changes = changes(history);
        let takings = history.run.nodes.iter().filter_map(|node| last_taken(&changes, node));
        let kept: Vec<u64> = takings
            .flat_map(|place| [place.checked_sub(1), Some(place)])
            .flatten()
            .map(|place| changes[place].event.seq)
            .collect();
        let events = history.events.iter().enumerate();
        events.filter(|(_, event)| kept.contains(&event.seq)).map(|(place, _)| place).collect()
    },
};

/// The changes by which the leader before the faults is known.
pub static BEFORE_THE_FAULTS: Carry = Carry {
    says: "the last change of the leader key before the cluster got ready, and before the faults began, and those at \
           that moment",
    select: |history| {
        let is_change = |event: &Event| matches!(event.kind, Kind::LeaderKey { .. });
        let last = |at: u64| last_by(history, move |event| (is_change(event) && event.at[1] <= at).then_some(()));
        // A change that may have been before or after the moment leaves it open.
        let straddles = |at: u64| {
            let events = history.events.iter().enumerate();
            let changes = events.filter(move |(_, event)| is_change(event) && event.at[0] <= at && event.at[1] > at);
            changes.map(|(place, _)| place)
        };
        phases(history).flat_map(|at| last(at).into_iter().chain(straddles(at))).collect()
    },
};

/// A change of the leader key.
pub struct Change<'h> {
    /// The event.
    pub event: &'h Event,
    /// The manner of the change.
    pub change: KeyChange,
    /// The holder before; `None` for nobody, and for what was not seen.
    pub before: Option<&'h str>,
    /// The holder after.
    pub holder: Option<&'h str>,
}

/// All changes, in the order of their revisions.
pub fn changes(history: &History) -> Vec<Change<'_>> {
    let mut changes: Vec<(i64, Change)> = history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::LeaderKey { change, holder, revision, .. } => {
                Some((*revision, Change { event, change: *change, before: None, holder: holder.as_deref() }))
            }
            _ => None,
        })
        .collect();
    changes.sort_by_key(|(revision, _)| *revision);
    let mut before = None;
    let mut known = Vec::new();
    for (_, mut change) in changes {
        change.before = std::mem::replace(&mut before, change.holder);
        known.push(change);
    }
    known
}

/// The place of the change by which this node took the lock for the last time. Writing its own name anew takes nothing.
pub fn last_taken(changes: &[Change], node: &str) -> Option<usize> {
    changes.iter().rposition(|change| change.holder == Some(node) && change.before != Some(node))
}

/// Spans in which the leader key could have named each holder: from the earliest moment of one change to the latest of
/// the next.
pub fn spans(history: &History) -> Vec<(Option<&str>, u64, u64)> {
    let changes = changes(history);
    let ends = changes.iter().skip(1).map(|change| change.event.at[1]).chain([u64::MAX]);
    changes.iter().zip(ends).map(|(change, end)| (change.holder, change.event.at[0], end)).collect()
}

/// The times in which the leader key may have named anybody: since a gap of the watch until it was seen again.
pub fn unseen(history: &History) -> Vec<[u64; 2]> {
    let mut seen: Vec<[u64; 2]> = history
        .events
        .iter()
        .filter(|event| matches!(event.kind, Kind::LeaderKey { .. }))
        .map(|event| event.at)
        .collect();
    seen.sort_unstable();
    let end = history.phase(Phase::ReadBack);
    let of_authority = |event: &&Event| matches!(event.kind, Kind::Gap { of, .. } if of.tells_who_leads());
    let gaps = history.events.iter().filter(of_authority);
    let gaps = gaps.filter(|gap| !hides_no_change(gap, end));
    // A change that may lie in the gap itself may not have been the last one there.
    let again = |gap: &Event| seen.get(seen.partition_point(|at| at[0] < gap.at[1])).map_or(u64::MAX, |at| at[1]);
    gaps.map(|gap| [gap.at[0], again(gap)]).collect()
}

/// The nodes that the leader key could have named at any time.
pub struct Holders<'h> {
    /// Times in which it may have named anybody.
    unseen: Intervals,
    spans: Vec<(Option<&'h str>, u64, u64)>,
    by_time: Intervals,
}

impl<'h> Holders<'h> {
    /// All that the watch on the leader key tells.
    pub fn of(history: &'h History) -> Holders<'h> {
        let spans = spans(history);
        let by_time = Intervals::new(spans.iter().map(|(_, start, end)| [*start, *end]));
        Holders { unseen: Intervals::new(unseen(history)), spans, by_time }
    }

    fn meeting(&self, from: u64, to: u64) -> impl Iterator<Item = Option<&'h str>> {
        self.by_time.meeting([from, to]).into_iter().map(|place| self.spans[place].0)
    }

    /// A node may have held the lock at some moment of that time.
    pub fn may_include(&self, node: &str, from: u64, to: u64) -> bool {
        !self.unseen.meeting([from, to]).is_empty() || self.meeting(from, to).any(|holder| holder == Some(node))
    }

    /// The holders that the leader key may have named in that time.
    pub fn between(&self, from: u64, to: u64) -> Vec<String> {
        let mut holders: Vec<String> =
            self.meeting(from, to).map(|holder| holder.map_or("nobody".to_owned(), str::to_owned)).collect();
        holders.dedup();
        holders
    }
}
