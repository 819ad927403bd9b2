//! The second stage of the search: the set of known states takes up what is new to it.

use super::expand::{Expanded, Successor};
use crate::engine::segments::Segments;
use crate::engine::spec::Word;

/// A set of packed states.
pub(in crate::engine) trait Known<W: Word>: Send {
    /// It knows states by their numbers, and looks them up in the trail.
    const LOOKS_UP: bool;

    fn new() -> Self;

    /// Bytes of memory.
    fn bytes(&self) -> usize;

    /// Bytes of memory, at most, while up to so many states are added: a set that grows is there twice for a moment.
    fn bytes_with(&self, more: usize) -> usize;

    /// Looks up to 64 states up by their hashes, each without waiting for the one before, which lets the memory fetch many at once. For
    /// each one that is known a bit is set; one that is not may be, and what adding it will read has been read.
    fn look_up(&self, batch: impl Iterator<Item = (W, u64)> + Clone, words: Words<'_, W>, ends: &mut Ends) -> u64;

    /// Adds a state, which then has the next number; false if it was there. `end` is where a look-up ended that did not find it.
    fn insert(&mut self, word: W, hash: u64, end: Option<End>, words: Words<'_, W>) -> bool;

    /// Gives a state, which has one number, another.
    fn renumber(&mut self, word: W, from: u32, to: u32);
}

/// Where a look-up ended: a slot, and how often the set had grown by then. When it has grown since, the slot says nothing.
#[derive(Clone, Copy, Default)]
pub(in crate::engine) struct End {
    pub(in crate::engine) slot: u32,
    pub(in crate::engine) growths: u32,
}

/// Where those of a batch ended.
pub(in crate::engine) type Ends = [End; u64::BITS as usize];

/// The states that have numbers: those of the trail and, above them, those that a shard has just found new.
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

/// A part of the known states.
pub(in crate::engine) struct Shard<W, K> {
    pub(in crate::engine) known: K,
    /// What was new to it in the last block, in order.
    pub(in crate::engine) fresh: Vec<Successor<W>>,
    /// Where the trail ended before.
    end: u32,
    /// The numbers that these have in the trail, if there are other shards whose states stand between them. Within a block they are not
    /// known yet, and each state is numbered as if there were no others.
    pub(in crate::engine) numbers: Vec<u32>,
}

impl<W: Word, K: Known<W>> Shard<W, K> {
    pub(in crate::engine) fn new() -> Self {
        Shard { known: K::new(), fresh: Vec::new(), end: 0, numbers: Vec::new() }
    }

    /// Takes up the successors of a block that belong to this shard.
    pub(in crate::engine) fn take_up(&mut self, parts: &[Expanded<W>], number: usize, trail: &Segments<W>) {
        self.renumber();
        self.end = index32(trail.len());
        let Shard { known, fresh, .. } = self;
        let mut hashes = [0; u64::BITS as usize];
        let mut ends = [End::default(); u64::BITS as usize];
        for part in parts {
            for batch in part.shards[number].chunks(hashes.len()) {
                for (successor, hash) in batch.iter().zip(&mut hashes) {
                    *hash = successor.word.spread();
                }
                let pairs = batch.iter().zip(&hashes).map(|(successor, hash)| (successor.word, *hash));
                let mut left = !known.look_up(pairs, Words { trail, fresh }, &mut ends)
                    & (u64::MAX >> (hashes.len() - batch.len()));
                while left != 0 {
                    let place = left.trailing_zeros() as usize;
                    left &= left - 1;
                    let (successor, hash) = (&batch[place], hashes[place]);
                    if known.insert(successor.word, hash, Some(ends[place]), Words { trail, fresh }) {
                        fresh.push(*successor);
                    }
                }
            }
        }
    }

    /// What was new in the last block gets the numbers that it has in the trail. These are not lower than those it had, so the last state
    /// makes room for those before it: no two have the same number at any time.
    fn renumber(&mut self) {
        for (place, (successor, to)) in self.fresh.iter().zip(&self.numbers).enumerate().rev() {
            let from = self.end + place as u32;
            if from != *to {
                self.known.renumber(successor.word, from, *to);
            }
        }
        self.fresh.clear();
        self.numbers.clear();
    }
}

/// The shard that a state belongs to: by other bits than those that choose its slot.
#[inline]
pub(in crate::engine) fn shard(hash: u64, shards: usize) -> usize {
    if shards == 1 { 0 } else { (((hash >> 32) * shards as u64) >> 32) as usize }
}

/// The number of a state. One is left over: it says that a slot is free.
#[inline]
pub(in crate::engine) fn index32(index: usize) -> u32 {
    let number = u32::try_from(index).ok().filter(|number| *number < u32::MAX);
    number.expect("fewer than 2^32 - 1 states fit into memory")
}
