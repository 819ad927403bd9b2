//! Sets of packed states that are stored elsewhere.

use super::table::NO_STATE;
use super::visited::{End, Ends, Known, Words};
use crate::engine::spec::Word;

/// An exact set: open addressing with linear probing, in each slot the number of a state and a tag of 32 bits of its hash. The state
/// itself is looked at where the trail keeps it, and only if the tag is the same. So a wide state is held once, and a probe reads 8 bytes
/// for each slot that it passes.
///
/// The set is made of parts that grow one after the other, by a little, so that growing never takes much memory at once. The tag is also
/// what chooses the slot in a part, so a part grows without looking at the states, from the first slot to the last in both the old slots and
/// the new ones; that a tag stands close to its slot is the price, but bits enough are left to tell neighbours apart.
pub(in crate::engine) struct Index {
    parts: Vec<Part>,
    /// How often a part has grown.
    growths: u32,
}

struct Part {
    slots: Vec<Slot>,
    len: usize,
}

/// A tag, and below it a number.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Slot(u64);

/// No state has the number in it.
const FREE: Slot = Slot(u64::MAX);

/// Bits of the hash that choose the part.
const PART_BITS: u32 = 6;
/// Slots of the smallest of the new parts. The others have more, up to twice as many, so that they are not full all at the same time.
const SLOTS: usize = 16;
/// A part grows when more than 5 of 8 slots are taken.
const FULL: (usize, usize) = (5, 8);

/// A part with fewer slots than these is doubled when it grows: all of them together take less than 16 MB.
const FEW: usize = 1 << 15;

/// Slots that a part has when it has grown. Where there are many, memory is scarcer than time: they are copied more often, for about 3 % of
/// a long search.
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

/// The part that a hash belongs to: neither the tag has a say in it nor, unless there are a great many, the bits that choose the shard.
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

    /// Where the search for a tag begins. Higher tags never begin before lower ones.
    #[inline]
    fn first(&self, tag: u32) -> usize {
        ((u64::from(tag) * self.slots.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        if slot + 1 == self.slots.len() { 0 } else { slot + 1 }
    }

    /// The slot of the number that is wanted, one of those with this tag, or the free slot at which the search for it ends.
    #[inline]
    fn find(&self, tag: u32, wanted: impl Fn(u32) -> bool) -> usize {
        self.find_from(self.first(tag), tag, wanted)
    }

    /// The same where it is known that it is in no slot before this one.
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

impl<W: Word> Known<W> for Index {
    const LOOKS_UP: bool = true;

    fn new() -> Self {
        let parts = 1 << PART_BITS;
        let parts = (0..parts).map(|part| Part::with_slots(SLOTS + SLOTS * part / parts)).collect();
        Index { parts, growths: 0 }
    }

    fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.slots.capacity()).sum::<usize>() * size_of::<Slot>()
    }

    /// Only one part grows at a time, but a block may make each of them grow.
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
    fn look_up(&self, batch: impl Iterator<Item = (W, u64)> + Clone, words: Words<'_, W>, ends: &mut Ends) -> u64 {
        // First all slots, then all states, so that none waits for the one before.
        let mut touched = 0;
        for (_, hash) in batch.clone() {
            let part = &self.parts[part(hash)];
            touched ^= part.slots[part.first(tag(hash))].0;
        }
        std::hint::black_box(touched);
        let mut numbers = [FREE.number(); u64::BITS as usize];
        for (((_, hash), number), end) in batch.clone().zip(&mut numbers).zip(ends.iter_mut()) {
            let part = &self.parts[part(hash)];
            // The first with this tag is almost always the only one.
            let slot = part.find(tag(hash), |_| true);
            *number = part.slots[slot].number();
            *end = End { slot: slot as u32, growths: self.growths };
        }
        let mut known = 0;
        for (place, ((word, _), number)) in batch.zip(numbers).enumerate() {
            known |= u64::from(number != FREE.number() && words.get(number).same(word)) << place;
        }
        known
    }

    #[inline]
    fn insert(&mut self, word: W, hash: u64, end: Option<End>, words: Words<'_, W>) -> bool {
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
