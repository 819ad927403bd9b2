//! The WAL of all data directories, as a tree of records.
//!
//! A promotion begins a new timeline, and two promotions from the same place begin two timelines with the same
//! *number*. Postgres, and an agent that compares numbers, cannot tell these WAL forks apart; only the tree can. A data
//! directory is a [`Point`] in the tree: it has the records on the path to that point, and no others. Positions are
//! counted in records.

use super::MAX_NODES;
use super::fields::{Reader, Writer};

/// A point in the tree: 0 is the past that all nodes share, `n` is the end of record number `n`.
pub type Point = u8;

/// The largest number of records in the tree. Records that all nodes have, and records that no node has any more, are
/// removed from it. Packed states of a search hold fewer.
pub const MAX_RECORDS: usize = 28;

/// The largest number of records that a belief can hold: after one step more there is still room for them.
const BELIEVED_RECORDS: usize = MAX_RECORDS - 1;

/// The largest number of records that a random behaviour has at once. A belief also holds states that an observer cannot
/// tell from the true one, and some of these have a few promotions more, which have to fit as well.
const FOLLOWED_RECORDS: usize = 18;

/// The largest number of stretches: each ends at one of four data directories, or where two of them part.
const MAX_STRETCHES: usize = 2 * (MAX_NODES + 1) - 1;

/// Promotions in a row between which no data directory ends and none parts from another one.
#[derive(Clone, Copy, Default)]
struct Stretch {
    /// The number of the stretch that it follows, from 1; 0 for the shared past.
    after: u8,
    promotions: u8,
}

/// One record, or a stretch of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A commit that was not yet acknowledged to its client.
    Commit,
    /// A commit that was acknowledged.
    Acknowledged,
    /// The beginning of a new timeline.
    Promotion,
    /// A record that a server writes by itself, at the end of crash recovery or at a shutdown.
    Checkpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    after: Point,
    record: Record,
}

const NONE: Entry = Entry { after: 0, record: Record::Commit };

/// The tree. Records are numbered from 1 in the order in which they were written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wal {
    /// The number of the timeline at the end of the shared past.
    pub timeline: u8,
    entries: [Entry; MAX_RECORDS],
    len: u8,
}

impl std::fmt::Debug for Wal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "timeline {} ", self.timeline)?;
        out.debug_list().entries(self.records()).finish()
    }
}

impl Wal {
    /// An empty tree: nothing but a shared past.
    pub fn new(timeline: u8) -> Self {
        Wal { timeline, entries: [NONE; MAX_RECORDS], len: 0 }
    }

    /// The records after the shared past in the order in which they were written, each with the point that it follows.
    pub fn records(&self) -> impl Iterator<Item = (Point, Record)> {
        self.entries[..usize::from(self.len)].iter().map(|entry| (entry.after, entry.record))
    }

    /// True while a belief has room for these records, and for some more that it cannot rule out.
    pub(crate) fn leaves_room(&self) -> bool {
        usize::from(self.len) <= FOLLOWED_RECORDS
    }

    /// The tree in one word, as stretches of promotions, and each of these points as the number of the stretch that it
    /// ends. `None` if there are too many records, or others than promotions. The records are in the order in which the
    /// points lead to them.
    pub(super) fn in_stretches(&self, data: &mut [&mut Point]) -> Option<u64> {
        let len = usize::from(self.len);
        if len > BELIEVED_RECORDS || self.records().any(|(_, record)| record != Record::Promotion) {
            return None;
        }
        let mut children = [0_u8; MAX_RECORDS + 1];
        let mut ends = [false; MAX_RECORDS + 1];
        ends[0] = true;
        self.records().for_each(|(after, _)| children[usize::from(after)] += 1);
        data.iter().for_each(|point| ends[usize::from(**point)] = true);
        let (mut stretches, mut count) = ([Stretch::default(); MAX_STRETCHES], 0);
        let mut stretch_of = [0_u8; MAX_RECORDS + 1];
        for point in 1..=len {
            let after = usize::from(self.entries[point - 1].after);
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
        let mut out = Writer { bits: 0, used: 0 };
        for stretch in &stretches[..count] {
            out.put(usize::from(stretch.after) + 1, 4);
            out.put(usize::from(stretch.promotions), 5);
        }
        Some(out.bits)
    }

    /// The tree of such a word, with each of these points, which were numbers of stretches, as the end of its stretch.
    pub(super) fn of_stretches(word: u64, timeline: u8, data: &mut [&mut Point]) -> Wal {
        let mut bits = Reader { bits: word };
        let mut wal = Wal::new(timeline);
        let mut ends = [0; MAX_STRETCHES + 1];
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
        wal
    }

    /// The number of these records.
    pub(in crate::cluster) fn len(&self) -> u8 {
        self.len
    }

    fn entry(&self, point: Point) -> Entry {
        self.entries[usize::from(point) - 1]
    }

    /// Appends a record at `point` and returns the point after it.
    ///
    /// # Panics
    /// If the tree is full: the model has to be given fewer faults or commits.
    pub fn append(&mut self, point: Point, record: Record) -> Point {
        assert!(usize::from(self.len) < MAX_RECORDS, "more than {MAX_RECORDS} WAL records differ between the nodes");
        self.entries[usize::from(self.len)] = Entry { after: point, record };
        self.len += 1;
        self.len
    }

    /// The points on the path to `point`, from `point` itself back to the first one after the shared past.
    pub fn way(&self, point: Point) -> impl Iterator<Item = Point> + '_ {
        let from = |point: Point| (point > 0).then_some(point);
        std::iter::successors(from(point), move |point| from(self.entry(*point).after))
    }

    /// True if the data at `point` includes the data at `other`.
    pub fn includes(&self, point: Point, other: Point) -> bool {
        other == 0 || self.way(point).any(|on_the_way| on_the_way == other)
    }

    /// The number of the timeline at `point`.
    pub fn timeline_at(&self, point: Point) -> u8 {
        let promotions = self.way(point).filter(|point| self.entry(*point).record == Record::Promotion).count();
        self.timeline + promotions as u8
    }

    /// The number of records from the shared past to `point`: the counterpart of an LSN.
    pub fn position(&self, point: Point) -> u8 {
        self.way(point).count() as u8
    }

    /// The position at which the timeline of this number ended on the path to `point`, as the timeline history file
    /// says. 0 if that was in the shared past, `None` if it has not ended there.
    pub fn switch(&self, point: Point, timeline: u8) -> Option<u8> {
        if timeline < self.timeline {
            return Some(0);
        }
        self.way(point)
            .find(|point| {
                let entry = self.entry(*point);
                entry.record == Record::Promotion && self.timeline_at(entry.after) == timeline
            })
            .map(|point| self.position(point) - 1)
    }

    /// Acknowledges the commits on the path to `point`.
    pub fn acknowledge(&mut self, point: Point) {
        let way: Vec<_> = self.way(point).collect();
        for point in way {
            let entry = &mut self.entries[usize::from(point) - 1];
            if entry.record == Record::Commit {
                entry.record = Record::Acknowledged;
            }
        }
    }

    /// The positions of the acknowledged commits that `point` lacks.
    pub fn missing(&self, point: Point) -> impl Iterator<Item = u8> + '_ {
        (1..=self.len)
            .filter(move |commit| self.entry(*commit).record == Record::Acknowledged && !self.includes(point, *commit))
            .map(|commit| self.position(commit))
    }

    /// Writes off the acknowledged commits that `point` lacks: their loss has been judged, and does not count against
    /// the next leader.
    pub fn write_off(&mut self, point: Point) {
        for commit in 1..=self.len {
            if self.entry(commit).record == Record::Acknowledged && !self.includes(point, commit) {
                self.entries[usize::from(commit) - 1].record = Record::Commit;
            }
        }
    }

    /// Renumbers the records in the order in which these points lead to them, and the points accordingly. Records that
    /// no point leads to are removed.
    pub fn rename(&mut self, data: &mut [&mut Point]) {
        if self.len == 0 {
            return;
        }
        let mut names = [0; MAX_RECORDS + 1];
        let mut renamed = Wal::new(self.timeline);
        for point in data {
            let mut fresh = [0; MAX_RECORDS];
            let mut found = 0;
            for on_the_way in self.way(**point).take_while(|point| names[usize::from(*point)] == 0) {
                fresh[found] = on_the_way;
                found += 1;
            }
            for &on_the_way in fresh[..found].iter().rev() {
                let Entry { after, record } = self.entry(on_the_way);
                names[usize::from(on_the_way)] = renamed.append(names[usize::from(after)], record);
            }
            **point = names[usize::from(**point)];
        }
        *self = renamed;
    }

    /// Removes the records that no data directory has any more, and makes those that all have part of the shared past.
    /// Points are renumbered. Returns the numbers of records and of timelines by which the shared past grew.
    pub fn trim(&mut self, data: &mut [&mut Point]) -> (u8, u8) {
        if self.len == 0 {
            return (0, 0);
        }
        let mut kept = 0_u32;
        for point in data.iter() {
            for on_the_way in self.way(**point) {
                kept |= 1 << on_the_way;
            }
        }
        // The shared past grows while everybody has the same first record.
        let mut shared = 0_u32;
        let (mut past, mut grown, mut timelines) = (0, 0, 0);
        while data.iter().all(|point| **point != past) {
            let mut next = (1..=self.len).filter(|point| kept >> point & 1 == 1 && self.entry(*point).after == past);
            let (Some(only), None) = (next.next(), next.next()) else { break };
            shared |= 1 << only;
            grown += 1;
            timelines += u8::from(self.entry(only).record == Record::Promotion);
            past = only;
        }
        let mut names = [0; MAX_RECORDS + 1];
        let mut trimmed = Wal::new(self.timeline + timelines);
        for point in 1..=self.len {
            if (kept & !shared) >> point & 1 == 1 {
                let Entry { after, record } = self.entry(point);
                names[usize::from(point)] = trimmed.append(names[usize::from(after)], record);
            }
        }
        *self = trimmed;
        for point in data.iter_mut() {
            **point = names[usize::from(**point)];
        }
        (grown, timelines)
    }
}
