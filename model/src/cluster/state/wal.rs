//! The WAL of all data directories, as a tree of records.
//!
//! A promotion begins a new timeline, and two promotions from the same place begin two timelines with the same
//! *number*. Postgres, and an agent that compares numbers, cannot tell these WAL forks apart; only the tree can. A data
//! directory is a [`Point`] in the tree: it has the records on the path to that point, and no others. Positions are
//! counted in records.

use super::fields::PACKED_RECORDS;

/// A point in the tree: 0 is the past that all nodes share, `n` is the end of record number `n`.
pub type Point = u8;

/// The largest number of records in the tree. Records that all nodes have, and records that no node has any more, are
/// removed from it. Packed states of a search hold fewer.
pub const MAX_RECORDS: usize = 28;

/// Records that one step adds, at most, and one to spare.
const RECORDS_OF_A_STEP: usize = 3;

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

    /// True if one more step may lead to more records than a packed state of a search holds.
    pub(in crate::cluster) fn is_nearly_full(&self) -> bool {
        usize::from(self.len) + RECORDS_OF_A_STEP > PACKED_RECORDS
    }

    /// True if a packed state of a search holds these records.
    pub(in crate::cluster) fn is_packable(&self) -> bool {
        usize::from(self.len) <= PACKED_RECORDS
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
