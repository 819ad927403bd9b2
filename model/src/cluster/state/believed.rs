//! Packed states of a belief: without what only properties or budgets read, and with the WAL as stretches of
//! promotions.
//!
//! A belief follows one cluster for a long time, in which a node that is down may miss many promotions.

use super::fields::*;
use super::wal::{MAX_RECORDS, Point, Record, Wal};
use super::*;
use crate::cluster::Cluster;

/// The largest number of records: after one step more there is still room for them.
const RECORDS: usize = MAX_RECORDS - 1;

/// The largest number of records that a random behaviour has. A belief also holds states that an observer cannot tell
/// from the true one, and some of these have a few promotions more, which have to fit as well.
const FOLLOWED_RECORDS: usize = 18;

/// The largest number of stretches: each ends at one of four data directories, or where two of them part.
const STRETCHES: usize = 2 * (MAX_NODES + 1) - 1;

/// The largest number of a timeline, in 5 bits.
const TIMELINE: u8 = 31;

/// In the word of the cluster, the first bits of the announced timeline and of the timeline of the shared past, 5 bits
/// each.
const TIMELINES: [u32; 2] = [12, 25];

/// The first bits of the node whose watch stalls, 2 bits, and of the announced timeline as its agent reads it, 5 bits.
const STALLED: [u32; 2] = [45, 59];

/// Promotions in a row between which no data directory ends and none parts from another one.
#[derive(Clone, Copy, Default)]
struct Stretch {
    /// The number of the stretch that it follows, from 1; 0 for the shared past.
    after: u8,
    promotions: u8,
}

/// The ends of all data directories.
fn data(state: &mut State) -> (&mut Wal, [&mut Point; MAX_NODES + 1]) {
    let [first, second, third] = &mut state.nodes;
    (&mut state.wal, [&mut first.data, &mut second.data, &mut third.data, &mut state.remote])
}

/// Packs the tree into one word, and makes of each end of data the number of the stretch that it ends. `None` if there
/// are too many records, or others than promotions.
fn put_stretches(state: &mut State) -> Option<u64> {
    let (wal, mut data) = data(state);
    if wal.records().count() > RECORDS || wal.records().any(|(_, record)| record != Record::Promotion) {
        return None;
    }
    let mut children = [0_u8; MAX_RECORDS + 1];
    let mut ends = [false; MAX_RECORDS + 1];
    ends[0] = true;
    wal.records().for_each(|(after, _)| children[usize::from(after)] += 1);
    data.iter().for_each(|point| ends[usize::from(**point)] = true);
    let (mut stretches, mut count) = ([Stretch::default(); STRETCHES], 0);
    let mut stretch_of = [0_u8; MAX_RECORDS + 1];
    for (point, (after, _)) in (1..).zip(wal.records()) {
        let after = usize::from(after);
        if ends[after] || children[after] > 1 {
            stretches[count] = Stretch { after: stretch_of[after], promotions: 1 };
            count += 1;
            stretch_of[point] = count as u8;
        } else {
            stretch_of[point] = stretch_of[after];
            stretches[usize::from(stretch_of[point]) - 1].promotions += 1;
        }
    }
    data.iter_mut().for_each(|point| **point = stretch_of[usize::from(**point)]);
    *wal = Wal::new(wal.timeline);
    let mut out = Writer { bits: 0, used: 0 };
    for stretch in &stretches[..count] {
        // Never zero, because a stretch follows an earlier one or the shared past.
        out.put(usize::from(stretch.after) + 1, 4);
        out.put(usize::from(stretch.promotions), 5);
    }
    Some(out.bits)
}

/// Unpacks the tree, and makes of each number of a stretch the end of the data there.
fn take_stretches(word: u64, state: &mut State) {
    let (wal, mut data) = data(state);
    let mut bits = Reader { bits: word };
    let mut ends = [0; STRETCHES + 1];
    let mut count = 0;
    while bits.bits != 0 {
        let mut end = ends[bits.take(4) - 1];
        for _ in 0..bits.take(5) {
            end = wal.append(end, Record::Promotion);
        }
        count += 1;
        ends[count] = end;
    }
    data.iter_mut().for_each(|point| **point = ends[usize::from(**point)]);
}

impl State {
    /// True while a belief can follow a behaviour to this state, with room for some promotions that it cannot rule out.
    pub(crate) fn can_be_followed(&self) -> bool {
        self.wal.records().count() <= FOLLOWED_RECORDS
    }
}

impl Cluster {
    /// Packs a state without what only properties or budgets read; `None` if its WAL does not fit.
    pub(crate) fn packed_for_belief(&self, state: &State) -> Option<[u64; 5]> {
        let mut state = *state;
        self.rename_records(&mut state);
        // Nobody has less than the shared past; but a leader on its last timeline may not have announced it yet.
        let least = state.wal.timeline.saturating_sub(1);
        state.history = state.history.max(least);
        if let Some(read) = state.stalled.as_mut() {
            read.history = read.history.max(least);
        }
        let read = state.stalled.map_or(0, |read| read.history);
        if state.history.max(read).max(state.wal.timeline) > TIMELINE {
            return None;
        }
        state.budget = Budget::NONE;
        for node in &mut state.nodes {
            node.single_user_starts = 0;
        }
        if self.settings.wal.is_exact() {
            return state.wal.is_packable().then(|| self.packed(&state));
        }
        let stretches = put_stretches(&mut state)?;
        let [first, second, third, cluster, _] = self.packed(&state);
        Some([first, second, third, cluster, stretches])
    }

    /// Unpacks a state that was packed for a belief.
    pub(crate) fn unpacked_from_belief(&self, words: [u64; 5]) -> State {
        if self.settings.wal.is_exact() {
            return self.of_words(words);
        }
        let [first, second, third, cluster, stretches] = words;
        let mut state = self.of_words([first, second, third, cluster, 0]);
        take_stretches(stretches, &mut state);
        state
    }

    /// The number of the timeline of the shared past in a packed state.
    pub(crate) fn timeline_of(&self, packed: &[u64; 5]) -> u8 {
        (packed[3] >> TIMELINES[1] & u64::from(TIMELINE)) as u8
    }

    /// The same state with all timelines shifted by `by`; `None` if they do not fit.
    pub(crate) fn with_timelines_shifted(&self, mut packed: [u64; 5], by: i32) -> Option<[u64; 5]> {
        let mask = u64::from(TIMELINE);
        let [node, read] = STALLED;
        let stalled = packed[3] >> node & 3 != 0;
        for place in TIMELINES.into_iter().chain(stalled.then_some(read)) {
            let timeline = (packed[3] >> place & mask) as i64 + i64::from(by);
            let shifted = u64::try_from(timeline).ok().filter(|to| *to <= mask)?;
            packed[3] = packed[3] & !(mask << place) | shifted << place;
        }
        Some(packed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::Settings;
    use crate::rules::edition::Edition;

    fn cluster() -> Cluster {
        Cluster::new(Settings::of_timelines(Edition::V4_1, 3))
    }

    /// A cluster of which two nodes parted after the first promotion, and the third was promoted so many times since.
    fn parted(cluster: &Cluster, promotions: usize) -> State {
        let mut state = cluster.healthy(0, 2, false);
        let first = state.wal.append(0, Record::Promotion);
        state.nodes[1].data = state.wal.append(first, Record::Promotion);
        let mut end = first;
        for _ in 0..promotions {
            end = state.wal.append(end, Record::Promotion);
        }
        state.nodes[2].data = end;
        state.history = 3;
        state
    }

    #[test]
    fn a_belief_holds_wal_that_differs_by_many_promotions() {
        let cluster = cluster();
        for promotions in [1, 9, RECORDS - 2] {
            let state = parted(&cluster, promotions);
            let mut known = cluster.unpacked_from_belief(cluster.packed_for_belief(&state).unwrap());
            known.budget = state.budget;
            assert_eq!(known, state, "{promotions}");
        }
        assert_eq!(cluster.packed_for_belief(&parted(&cluster, RECORDS - 1)), None);
    }

    #[test]
    fn a_search_leaves_out_the_steps_whose_wal_it_cannot_pack() {
        use crate::cluster::action::Action;
        use stateright::Model;
        let cluster = Cluster::new(Settings::new(Edition::V4_1, 2));
        let mut state = cluster.healthy(0, 1, false);
        for records in 0..=PACKED_RECORDS {
            let mut actions = Vec::new();
            cluster.actions(&state, &mut actions);
            let is_full = records == PACKED_RECORDS;
            assert_eq!(cluster.is_cut_short(&state), is_full, "{records}");
            assert_eq!(actions.contains(&Action::Commit(0)), !is_full, "{records}");
            state.nodes[0].data = state.wal.append(state.nodes[0].data, Record::Commit);
        }
    }

    #[test]
    fn all_timelines_of_a_state_are_shifted_together() {
        let cluster = cluster();
        let mut state = parted(&cluster, 4);
        let stalled = |history| Stalled { node: 1, leader: None, session: false, sync: None, status: 0, history };
        for (read, later) in [(None, None), (Some(stalled(3)), Some(stalled(8)))] {
            state.stalled = read;
            let packed = cluster.packed_for_belief(&state).unwrap();
            let shifted = cluster.unpacked_from_belief(cluster.with_timelines_shifted(packed, 5).unwrap());
            assert_eq!((shifted.history, shifted.wal.timeline, shifted.stalled), (8, 7, later));
            assert_eq!(cluster.with_timelines_shifted(packed, 30), None);
        }
    }
}
