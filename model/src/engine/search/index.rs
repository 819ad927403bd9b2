//! A visited set of state numbers, for wide states, which are stored only once: in the trail.

use super::table::NO_STATE;
use super::visited::{ProbeEnd, ProbeEnds, VisitedSet, Words};
use crate::engine::spec::Word;

/// An exact set: open addressing with linear probing. A slot holds the number of a state and a tag, 32 bits of its
/// hash. The state itself is compared, in the trail, only if the tags are equal. So a wide state is stored once, and a
/// probe reads 8 bytes for each slot that it passes.
///
/// The set is made of parts that grow one at a time and by a little, so that growing never takes much memory at once.
/// The tag also chooses the slot within a part, so a part grows without reading the states: old and new slots are
/// passed from the first to the last. The price is that neighbouring slots have similar tags, but enough bits differ to
/// distinguish them.
pub(in crate::engine) struct Index {
    parts: Vec<Part>,
    /// The number of times that a part has grown.
    growths: u32,
}

struct Part {
    slots: Vec<Slot>,
    len: usize,
}

/// A tag in the upper 32 bits, and a state number in the lower 32 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

/// A free slot. Its number is that of no state.
const FREE: Slot = Slot(u64::MAX);

/// Bits of the hash that choose the part.
const PART_BITS: u32 = 6;
/// Slots of the smallest new part. The others have up to twice as many, so that the parts do not all fill up at the
/// same time.
const SLOTS: usize = 16;
/// A part grows when more than 5 of 8 slots are taken.
const FULL: (usize, usize) = (5, 8);

/// A part with fewer slots than these is doubled when it grows. All parts of that size together take less than 16 MB.
const FEW: usize = 1 << 15;

/// Slots of a part after it has grown. A large part grows by a quarter, since memory is then scarcer than time: the
/// additional copying is about 3 % of a long search.
fn grown(slots: usize) -> usize {
    if slots < FEW { 2 * slots } else { slots + slots / 4 }
}

impl Slot {
    #[inline]
    fn new(tag: u32, number: u32) -> Self {
        Slot(u64::from(tag) << 32 | u64::from(number))
    }

    #[inline]
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    fn number(self) -> u32 {
        self.0 as u32
    }
}

/// The part of a hash. It does not depend on the tag's bits nor, unless there are very many shards, on the bits that
/// choose the shard.
#[inline]
fn part(hash: u64) -> usize {
    (hash >> 32) as usize & ((1 << PART_BITS) - 1)
}

#[inline]
fn tag(hash: u64) -> u32 {
    hash as u32
}

impl Part {
    fn with_slots(slots: usize) -> Self {
        Part { slots: vec![FREE; slots], len: 0 }
    }

    /// The slot at which the search for a tag begins. It does not decrease as the tag increases.
    #[inline]
    fn first(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The slot with this tag whose number is `wanted`, or the free slot at which the search ends.
    #[inline]
    fn find(&self, tag: u32, wanted: impl Fn(u32) -> bool) -> usize {
        self.find_from(self.first(tag), tag, wanted)
    }

    /// The same search from slot `place`, if it is known that no earlier slot holds the number.
    #[inline]
    fn find_from(&self, mut place: usize, tag: u32, wanted: impl Fn(u32) -> bool) -> usize {
        loop {
            let slot = self.slots[place];
            if slot == FREE || slot.tag() == tag && wanted(slot.number()) {
                return place;
            }
            place = self.after(place);
        }
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::replace(self, Part::with_slots(grown(self.slots.len())));
        for slot in old.slots {
            if slot != FREE {
                let place = self.find(slot.tag(), |_| false);
                self.slots[place] = slot;
            }
        }
        self.len = old.len;
    }
}

impl<W: Word> VisitedSet<W> for Index {
    const LOOKS_UP: bool = true;

    fn new() -> Self {
        let parts = 1 << PART_BITS;
        let parts = (0..parts).map(|part| Part::with_slots(SLOTS + SLOTS * part / parts)).collect();
        Index { parts, growths: 0 }
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.slots.capacity()).sum::<usize>() * size_of::<Slot>()
    }

    /// Only one part grows at a time, but one block may make each of them grow.
    fn bytes_with(&self, more: usize) -> usize {
        let (mut slots, mut largest) = (0, 0);
        for part in &self.parts {
            let now = part.slots.len();
            let grows = (part.len + more / self.parts.len()) * FULL.1 > now * FULL.0;
            slots += if grows { grown(now) } else { now };
            largest = largest.max(now);
        }
        (slots + largest) * size_of::<Slot>()
    }

    #[inline]
    fn look_up(&self, batch: impl Iterator<Item = (W, u64)> + Clone, words: Words<'_, W>, ends: &mut ProbeEnds) -> u64 {
        // First all slots are read, then all states, so that no read waits for the one before.
        let mut touched = 0;
        for (_, hash) in batch.clone() {
            let part = &self.parts[part(hash)];
            touched ^= part.slots[part.first(tag(hash))].0;
        }
        std::hint::black_box(touched);
        let mut numbers = [FREE.number(); u64::BITS as usize];
        for (((_, hash), number), end) in batch.clone().zip(&mut numbers).zip(ends.iter_mut()) {
            let part = &self.parts[part(hash)];
            // The first slot with this tag is nearly always the only one.
            let slot = part.find(tag(hash), |_| true);
            *number = part.slots[slot].number();
            *end = ProbeEnd { slot: slot as u32, growths: self.growths };
        }
        let mut visited = 0;
        for (place, ((word, _), number)) in batch.zip(numbers).enumerate() {
            visited |= u64::from(number != FREE.number() && words.get(number).same(word)) << place;
        }
        visited
    }

    #[inline]
    fn insert(&mut self, word: W, hash: u64, end: Option<ProbeEnd>, words: Words<'_, W>) -> bool {
        let (part, tag) = (&mut self.parts[part(hash)], tag(hash));
        let end = end.filter(|end| end.growths == self.growths);
        let first = end.map_or_else(|| part.first(tag), |end| end.slot as usize);
        let place = part.find_from(first, tag, |number| words.get(number).same(word));
        if part.slots[place] != FREE {
            return false;
        }
        assert!(!word.same(W::EMPTY), "{NO_STATE}");
        part.slots[place] = Slot::new(tag, words.next());
        part.len += 1;
        if part.len * FULL.1 > part.slots.len() * FULL.0 {
            part.grow();
            self.growths += 1;
        }
        true
    }

    fn renumber(&mut self, word: W, from: u32, to: u32) {
        let hash = word.spread();
        let (part, tag) = (&mut self.parts[part(hash)], tag(hash));
        let place = part.find(tag, |number| number == from);
        part.slots[place] = Slot::new(tag, to);
    }
}
