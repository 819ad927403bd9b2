//! What is in the data directories: WAL as a tree of records.
//!
//! A promotion begins a new timeline, and two promotions from the same place begin two timelines of the same *number*: only the tree tells
//! them apart, neither Postgres nor an agent that compares numbers does. A data directory is a [`Point`] in the tree: everything on the way
//! to it, and nothing else. Positions are counted in records.

/// A place in the WAL: 0 is the past that all nodes share, `n` is right behind the record number `n`.
pub type Point = u8;

/// Most records that are told apart at once; what all nodes have in common, and what no node has any more, is forgotten. A search over packed
/// states manages fewer; a recorded history in which a dead node misses more promotions than these would be a strange one.
pub const MAX_RECORDS: usize = 28;

/// One record, or a stretch of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Record {
    /// A client's commit whose client was not told yet.
    Commit,
    /// A client's commit that was acknowledged.
    Acknowledged,
    /// A new timeline begins.
    Promotion,
    /// What a server writes by itself at the end of crash recovery or at a shutdown.
    Checkpoint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Entry {
    after: Point,
    record: Record,
}

const NONE: Entry = Entry { after: 0, record: Record::Commit };

/// The tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wal {
    /// Timeline number of the shared past.
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
    /// Nothing but a shared past.
    pub fn new(timeline: u8) -> Self {
        Wal { timeline, entries: [NONE; MAX_RECORDS], len: 0 }
    }

    /// The records behind the shared past, each with the point that it follows, in the order in which they were written.
    pub fn records(&self) -> impl Iterator<Item = (Point, Record)> {
        self.entries[..usize::from(self.len)].iter().map(|entry| (entry.after, entry.record))
    }

    /// Number of these records.
    pub(in crate::cluster) fn len(&self) -> u8 {
        self.len
    }

    fn entry(&self, point: Point) -> Entry {
        self.entries[usize::from(point) - 1]
    }

    /// Writes a record behind `point`.
    ///
    /// # Panics
    /// If there are too many: the model has to be given fewer faults or commits.
    pub fn append(&mut self, point: Point, record: Record) -> Point {
        assert!(usize::from(self.len) < MAX_RECORDS, "more than {MAX_RECORDS} WAL records differ between the nodes");
        self.entries[usize::from(self.len)] = Entry { after: point, record };
        self.len += 1;
        self.len
    }

    /// The points on the way to `point`, from it to the first behind the shared past.
    pub fn way(&self, point: Point) -> impl Iterator<Item = Point> + '_ {
        let from = |point: Point| (point > 0).then_some(point);
        std::iter::successors(from(point), move |point| from(self.entry(*point).after))
    }

    /// What is at `point` includes what is at `other`.
    pub fn includes(&self, point: Point, other: Point) -> bool {
        other == 0 || self.way(point).any(|on_the_way| on_the_way == other)
    }

    /// Number of the timeline at `point`.
    pub fn timeline_at(&self, point: Point) -> u8 {
        let promotions = self.way(point).filter(|point| self.entry(*point).record == Record::Promotion).count();
        self.timeline + promotions as u8
    }

    /// Records from the shared past to `point`: what an LSN says.
    pub fn position(&self, point: Point) -> u8 {
        self.way(point).count() as u8
    }

    /// Where on the way to `point` the timeline of this number ended: what the timeline's history says. 0 if that was in the shared past,
    /// nothing if it has not ended there.
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

    /// Acknowledges the commits on the way to `point`.
    pub fn acknowledge(&mut self, point: Point) {
        let way: Vec<_> = self.way(point).collect();
        for point in way {
            let entry = &mut self.entries[usize::from(point) - 1];
            if entry.record == Record::Commit {
                entry.record = Record::Acknowledged;
            }
        }
    }

    /// Acknowledged commits that are not at `point`, by their positions.
    pub fn missing(&self, point: Point) -> impl Iterator<Item = u8> + '_ {
        (1..=self.len)
            .filter(move |commit| self.entry(*commit).record == Record::Acknowledged && !self.includes(point, *commit))
            .map(|commit| self.position(commit))
    }

    /// Writes off the acknowledged commits that are not at `point`: their loss was looked at, and is not held against the next leader.
    pub fn write_off(&mut self, point: Point) {
        for commit in 1..=self.len {
            if self.entry(commit).record == Record::Acknowledged && !self.includes(point, commit) {
                self.entries[usize::from(commit) - 1].record = Record::Commit;
            }
        }
    }

    /// Names the records in the order in which these points lead to them. Points are renamed; a record that none leads to is forgotten.
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

    /// Forgets the records that no data directory has any more, and makes those that all have part of the shared past. Points are renamed.
    /// Returns the records and the timelines that the shared past grew by.
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
