//! The second stage of the search: the visited set, in shards, absorbs what is new to it.

use super::expand::{Expansion, Successor};
use crate::engine::segments::Segments;
use crate::engine::spec::Word;

/// A set of packed states that were visited.
pub(in crate::engine) trait VisitedSet<W: Word>: Send {
    /// True if the set refers to states by their numbers and reads them in the trail.
    const LOOKS_UP: bool;

    fn new() -> Self;

    /// Bytes of memory held.
    fn bytes(&self) -> usize;

    /// The most bytes of memory while `more` states are added, counting the moment in which a growing set is there
    /// twice.
    fn bytes_with(&self, more: usize) -> usize;

    /// Looks up to 64 states up by their hashes. No look-up waits for the one before, so that the memory can fetch many
    /// at once. Returns a bit for each state that was certainly visited; a state without a bit may have been visited,
    /// and what adding it will read is then in the processor's cache.
    fn look_up(&self, batch: impl Iterator<Item = (W, u64)> + Clone, words: Words<'_, W>, ends: &mut ProbeEnds) -> u64;

    /// Adds a state under the next number; returns false if it was there already. `end` is where an unsuccessful
    /// look-up for it ended.
    fn insert(&mut self, word: W, hash: u64, end: Option<ProbeEnd>, words: Words<'_, W>) -> bool;

    /// Changes the number of a state.
    fn renumber(&mut self, word: W, from: u32, to: u32);
}

/// The end of a look-up: a slot, and the number of times that the set had grown by then. Once the set has grown again,
/// the slot means nothing.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct ProbeEnd {
    pub(in crate::engine) slot: u32,
    pub(in crate::engine) growths: u32,
}

/// The ends of the look-ups of a batch.
pub(in crate::engine) type ProbeEnds = [ProbeEnd; u64::BITS as usize];

/// The states that have numbers: first those of the trail, then those that a shard has just found new.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Words<'a, W> {
    trail: &'a Segments<W>,
    fresh: &'a [Successor<W>],
}

impl<'a, W: Word> Words<'a, W> {
    pub(in crate::engine) fn of(trail: &'a Segments<W>) -> Self {
        Words { trail, fresh: &[] }
    }

    #[inline]
    pub(in crate::engine) fn get(&self, number: u32) -> W {
        let number = number as usize;
        if number < self.trail.len() { self.trail.get(number) } else { self.fresh[number - self.trail.len()].word }
    }

    /// The number that the next state will have.
    #[inline]
    pub(in crate::engine) fn next(&self) -> u32 {
        index32(self.trail.len() + self.fresh.len())
    }
}

/// One shard of the visited set.
pub(in crate::engine) struct Shard<W, K> {
    pub(in crate::engine) visited: K,
    /// The states that were new in the last block, in order.
    pub(in crate::engine) fresh: Vec<Successor<W>>,
    /// The length of the trail before the last block.
    end: u32,
    /// The numbers of the new states in the trail. With several shards these are known only after the block, because
    /// states of other shards stand between them; during the block each state is numbered as if there were no other
    /// shard.
    pub(in crate::engine) numbers: Vec<u32>,
}

impl<W: Word, K: VisitedSet<W>> Shard<W, K> {
    pub(in crate::engine) fn new() -> Self {
        Shard { visited: K::new(), fresh: Vec::new(), end: 0, numbers: Vec::new() }
    }

    /// Absorbs the successors of a block that belong to this shard.
    pub(in crate::engine) fn absorb(&mut self, parts: &[Expansion<W>], number: usize, trail: &Segments<W>) {
        self.renumber();
        self.end = index32(trail.len());
        let Shard { visited, fresh, .. } = self;
        let mut hashes = [0; u64::BITS as usize];
        let mut ends = [ProbeEnd::default(); u64::BITS as usize];
        for part in parts {
            for batch in part.shards[number].chunks(hashes.len()) {
                for (successor, hash) in batch.iter().zip(&mut hashes) {
                    *hash = successor.word.spread();
                }
                let pairs = batch.iter().zip(&hashes).map(|(successor, hash)| (successor.word, *hash));
                let mut left = !visited.look_up(pairs, Words { trail, fresh }, &mut ends)
                    & (u64::MAX >> (hashes.len() - batch.len()));
                while left != 0 {
                    let place = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let (successor, hash) = (&batch[place], hashes[place]);
                    if visited.insert(successor.word, hash, Some(ends[place]), Words { trail, fresh }) {
                        fresh.push(*successor);
                    }
                }
            }
        }
    }

    /// Gives the new states of the last block their final numbers. These are never lower than the provisional ones, so
    /// going from the last state to the first no two states have the same number at any time.
    fn renumber(&mut self) {
        for (place, (successor, to)) in self.fresh.iter().zip(&self.numbers).enumerate().rev() {
            let from = self.end + place as u32;
            if from != *to {
                self.visited.renumber(successor.word, from, *to);
            }
        }
        self.fresh.clear();
        self.numbers.clear();
    }
}

/// The shard of a state. It depends on other bits of the hash than the slot does.
#[inline]
pub(in crate::engine) fn shard(hash: u64, shards: usize) -> usize {
    if shards == 1 { 0 } else { (((hash >> 32) * shards as u64) >> 32) as usize }
}

/// The number of a state. The largest `u32` is reserved: it marks a free slot.
#[inline]
pub(in crate::engine) fn index32(index: usize) -> u32 {
    let number = u32::try_from(index).ok().filter(|number| *number < u32::MAX);
    number.expect("fewer than 2^32 - 1 states fit into memory")
}
