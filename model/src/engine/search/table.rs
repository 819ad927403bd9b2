//! A visited set of packed states, for small states, which it holds in its slots.

use super::visited::{ProbeEnd, ProbeEnds, VisitedSet, Words};
use crate::engine::spec::Word;

/// An exact set: open addressing with linear probing, the states themselves in the slots.
pub(in crate::engine) struct Table<W> {
    slots: Vec<W>,
    len: usize,
    mask: usize,
}

/// The panic message for a model that packs a state to [`Word::EMPTY`]: the set would take it for a visited one and
/// silently leave it out.
pub(in crate::engine) const NO_STATE: &str = "a state packs to the value that stands for no state";

/// The table is doubled when more than 3 of 4 slots are taken. Fuller tables save no memory on average and make long
/// probes: with 7 of 8, the ten million states of two-phase commit with nine resource managers took a tenth longer.
const FULL: (usize, usize) = (3, 4);

impl<W: Word> Table<W> {
    fn with_slots(slots: usize) -> Self {
        Table { slots: vec![W::EMPTY; slots], len: 0, mask: slots - 1 }
    }

    #[cold]
    fn grow(&mut self) {
        let old = std::mem::replace(self, Table::with_slots(self.slots.len() * 2));
        for word in old.slots {
            if !word.same(W::EMPTY) {
                let mut slot = word.spread() as usize & self.mask;
                while !self.slots[slot].same(W::EMPTY) {
                    slot = (slot + 1) & self.mask;
                }
                self.slots[slot] = word;
            }
        }
        self.len = old.len;
    }
}

impl<W: Word> VisitedSet<W> for Table<W> {
    const LOOKS_UP: bool = false;

    fn new() -> Self {
        Table::with_slots(1 << 10)
    }

    fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<W>()
    }

    fn bytes_with(&self, more: usize) -> usize {
        let mut slots = self.slots.len();
        let mut most = slots;
        while (self.len + more) * FULL.1 > slots * FULL.0 {
            most = 3 * slots;
            slots *= 2;
        }
        most * size_of::<W>()
    }

    #[inline]
    fn look_up(&self, batch: impl Iterator<Item = (W, u64)>, _: Words<'_, W>, _: &mut ProbeEnds) -> u64 {
        let mut visited = 0;
        for (place, (word, hash)) in batch.enumerate() {
            let slot = self.slots[hash as usize & self.mask];
            visited |= u64::from(slot.same(word) && !word.same(W::EMPTY)) << place;
        }
        visited
    }

    /// Begins at the first slot, which the look-up has read already; the end of that look-up says no more.
    #[inline]
    fn insert(&mut self, word: W, hash: u64, _: Option<ProbeEnd>, _: Words<'_, W>) -> bool {
        let mut slot = hash as usize & self.mask;
        loop {
            let found = self.slots[slot];
            if found.same(word) {
                assert!(word != W::EMPTY, "{NO_STATE}");
                return false;
            }
            if found.same(W::EMPTY) {
                break;
            }
            slot = (slot + 1) & self.mask;
        }
        self.slots[slot] = word;
        self.len += 1;
        if self.len * FULL.1 > self.slots.len() * FULL.0 {
            self.grow();
        }
        true
    }

    /// Nothing to do: this set holds no numbers.
    fn renumber(&mut self, _: W, _: u32, _: u32) {}
}
