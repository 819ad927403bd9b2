//! Rules by which events of earlier parts of a history stay at hand in later ones.
//!
//! Each check declares what it carries; the code here knows none of them. What no rule keeps is forgotten at a cut.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::vocabulary::event::{Event, Kind, Phase};

use super::super::History;

/// A rule that keeps events of a part for the parts after it.
pub struct Carry {
    /// The events that it keeps, as a noun phrase.
    pub says: &'static str,
    /// Their places in the events of a part, those that were carried into it included.
    pub select: fn(&History) -> Vec<usize>,
}

/// The events of a part that one of these rules keeps, in the order of their recording. The run and its phases always
/// are.
pub(super) fn carried(history: &History, rules: &[&Carry]) -> Vec<Event> {
    let always = |event: &Event| matches!(event.kind, Kind::Run(_) | Kind::Phase { .. });
    let mut kept: BTreeSet<usize> = places(history, always).collect();
    kept.extend(rules.iter().flat_map(|rule| (rule.select)(history)));
    kept.into_iter().map(|place| history.events[place].clone()).collect()
}

/// The places of events that are so.
fn places(history: &History, is: impl Fn(&Event) -> bool) -> impl Iterator<Item = usize> {
    history.events.iter().enumerate().filter(move |(_, event)| is(event)).map(|(place, _)| place)
}

/// The place of the last event of each key, by the order of recording. Events without a key are passed over.
pub fn last_by<'h, K: Ord>(history: &'h History, key: impl Fn(&'h Event) -> Option<K>) -> Vec<usize> {
    let keyed = history.events.iter().enumerate().filter_map(|(place, event)| Some((key(event)?, place)));
    keyed.collect::<BTreeMap<K, usize>>().into_values().collect()
}

/// The place of the first event of each key, by the order of recording. Events without a key are passed over.
pub fn first_by<'h, K: Ord>(history: &'h History, key: impl Fn(&'h Event) -> Option<K>) -> Vec<usize> {
    let mut first: BTreeMap<K, usize> = BTreeMap::new();
    for (place, event) in history.events.iter().enumerate() {
        if let Some(key) = key(event) {
            first.entry(key).or_insert(place);
        }
    }
    first.into_values().collect()
}

/// The moments at which the cluster got ready and at which the faults began, as far as that is known. Nanoseconds of
/// the run.
pub fn phases(history: &History) -> impl Iterator<Item = u64> {
    [Phase::Ready, Phase::Fault].into_iter().filter_map(|phase| history.phase(phase))
}
