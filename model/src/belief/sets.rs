//! Sets of possible truths, and what an observation makes of each.
//!
//! A set is closed: it contains everything that can be reached by steps that nobody sees. What an observation makes of
//! a set depends on these two alone, and is a closed set again. So sets are numbered, and the answer is looked up the
//! next time. The number of promotions before the history began matters to nothing, so the lowest timeline in a set is
//! always 1, and the difference to the true number is kept beside the number of the set.

use indexmap::IndexSet;
use rustc_hash::{FxBuildHasher, FxHashMap};

use super::graph::{ALLOCATION, Config, Graph, SLOT, TOO_MUCH_WAL};
use super::{Channels, Observable, Seen};

/// A numbered set of possible truths, and the number of timelines that its own numbers are too low by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Knowledge {
    pub set: u32,
    pub timelines: u32,
}

/// Numbers of possible truths, sorted, and the channels that may miss something.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Set {
    blind: Channels,
    truths: Box<[u32]>,
}

/// The number of the empty set.
pub(super) const EMPTY: u32 = 0;

/// The reason why a set cannot be computed: there is no room for it, unless others are forgotten.
pub(super) const FULL: &str = "more model states are possible at once than can be held";

/// The reason why a set is not computed: too much was computed already.
pub(super) const TOO_LONG: &str = "more work than any history of its length should need";

/// The work of computing the steps from a truth, where looking at a known one is 1.
const UNFOLDING: u64 = 16;

/// Truths that are looked at between two looks at the limits.
const STRETCH: usize = 64;

/// A set, and the observation that comes next.
type Query<M> = (u32, Seen<<M as Observable>::Sight>);

/// A set, and the number by which its timelines were lowered.
type Answer = (u32, u32);

pub(super) struct Sets<M: Observable> {
    pub graph: Graph<M>,
    sets: IndexSet<Set, FxBuildHasher>,
    truths: usize,
    next: FxHashMap<Query<M>, Answer>,
    unions: FxHashMap<(u32, u32, u32), Answer>,
    /// For each truth the mark of the last pass that visited it, so that nothing needs to be cleared between passes.
    marks: Vec<u32>,
    mark: u32,
    /// The largest number of truths in a set.
    pub widest: usize,
    /// The largest number of bytes.
    pub most_bytes: usize,
    /// The number of truths that were looked at.
    looked_at: u64,
    /// The largest amount of work.
    pub most_work: u64,
}

impl<M: Observable> Sets<M> {
    pub fn new(graph: Graph<M>, widest: usize) -> Self {
        let mut sets = Sets {
            graph,
            sets: IndexSet::default(),
            truths: 0,
            next: FxHashMap::default(),
            unions: FxHashMap::default(),
            marks: Vec::new(),
            mark: 0,
            widest,
            most_bytes: usize::MAX,
            looked_at: 0,
            most_work: u64::MAX,
        };
        sets.clear();
        sets
    }

    /// The approximate number of bytes held.
    pub fn bytes(&self) -> usize {
        let of_answers = self.next.capacity() * (size_of::<(Query<M>, Answer)>() + SLOT)
            + self.unions.capacity() * (size_of::<((u32, u32, u32), Answer)>() + SLOT);
        self.graph.bytes()
            + self.truths * size_of::<u32>()
            + self.sets.capacity() * (size_of::<Set>() + SLOT)
            + self.sets.len() * ALLOCATION
            + of_answers
            + self.marks.capacity() * size_of::<u32>()
    }

    /// The work that was done, in truths that were looked at.
    pub fn work(&self) -> u64 {
        self.looked_at + UNFOLDING * self.graph.unfolded
    }

    /// Notes work that was done elsewhere.
    pub fn worked(&mut self, truths: usize) {
        self.looked_at += truths as u64;
    }

    /// Refuses to go on where a limit is reached.
    pub fn within_limits(&self) -> Result<(), &'static str> {
        if self.work() > self.most_work {
            return Err(TOO_LONG);
        }
        if self.bytes() > self.most_bytes { Err(FULL) } else { Ok(()) }
    }

    fn clear(&mut self) {
        self.sets = IndexSet::default();
        self.truths = 0;
        self.next = FxHashMap::default();
        self.unions = FxHashMap::default();
        self.marks = Vec::new();
        self.number(Set { blind: Channels::NONE, truths: Box::new([]) });
    }

    /// Forgets everything but these sets, which get new numbers.
    pub fn forget_all_but(&mut self, kept: &mut [Knowledge]) {
        let old: Vec<(Channels, Box<[u32]>)> =
            kept.iter().map(|known| (self.blind(known.set), self.truths(known.set).into())).collect();
        let mut numbers: Vec<u32> = old.iter().flat_map(|(_, truths)| truths.iter().copied()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let configs: Vec<Config<M::Packed>> = numbers.iter().map(|truth| self.graph.config(*truth)).collect();
        self.graph.clear();
        self.clear();
        let renumbered: Vec<u32> = configs.into_iter().map(|config| self.graph.number(config)).collect();
        for (known, (blind, mut truths)) in kept.iter_mut().zip(old) {
            self.worked(truths.len());
            for truth in &mut truths {
                let place = numbers.binary_search(truth).expect("every truth of these sets was numbered");
                *truth = renumbered[place];
            }
            truths.sort_unstable();
            known.set = self.number(Set { blind, truths });
        }
    }

    fn number(&mut self, set: Set) -> u32 {
        let len = set.truths.len();
        let (index, new) = self.sets.insert_full(set);
        if new {
            self.truths += len;
        }
        index as u32
    }

    pub fn truths(&self, set: u32) -> &[u32] {
        &self.sets[set as usize].truths
    }

    pub fn blind(&self, set: u32) -> Channels {
        self.sets[set as usize].blind
    }

    /// The closure of these truths, as a numbered set, and the number by which its timelines were lowered.
    pub fn closed(&mut self, blind: Channels, mut truths: Vec<u32>) -> Result<(u32, u32), &'static str> {
        if truths.is_empty() {
            return Ok((EMPTY, 0));
        }
        self.mark += 1;
        self.marks.resize(self.graph.len(), 0);
        truths.retain(|truth| std::mem::replace(&mut self.marks[*truth as usize], self.mark) != self.mark);
        let mut done = 0;
        while done < truths.len() {
            let truth = truths[done];
            done += 1;
            if done.is_multiple_of(STRETCH) {
                self.within_limits()?;
            }
            let config = self.graph.config(truth);
            let mut found = Vec::new();
            if config.pending == 0 {
                self.graph.edges(truth)?;
                found.extend(self.hidden(truth, blind)?);
            } else {
                // A blind channel need not have seen what it was shown.
                for position in 0..self.graph.sights(config.pending).len() {
                    if M::channels(self.graph.sights(config.pending)[position]).within(blind) {
                        let pending = self.graph.without(config.pending, position);
                        found.push(self.graph.number(Config { pending, ..config }));
                    }
                }
            }
            self.marks.resize(self.graph.len(), 0);
            for next in found {
                if std::mem::replace(&mut self.marks[next as usize], self.mark) != self.mark {
                    truths.push(next);
                }
            }
            if truths.len() > self.widest {
                return Err(FULL);
            }
        }
        self.worked(done);
        self.within_limits()?;
        self.rebased(blind, truths)
    }

    fn hidden(&mut self, truth: u32, blind: Channels) -> Result<Vec<u32>, &'static str> {
        let edges = self.graph.edges(truth)?.to_vec();
        Ok(edges
            .into_iter()
            .filter(|(list, _)| self.graph.channels(*list).within(blind))
            .map(|(_, next)| next)
            .collect())
    }

    /// Shifts the timelines so that the lowest is 1. Returns the set and the number by which they were lowered.
    fn rebased(&mut self, blind: Channels, mut truths: Vec<u32>) -> Result<(u32, u32), &'static str> {
        let lowest = |graph: &Graph<M>, truth: u32| graph.model.lowest_timeline(&graph.config(truth).state);
        let low = truths.iter().map(|truth| lowest(&self.graph, *truth)).min().unwrap_or(1);
        let by = u32::from(low.saturating_sub(1));
        if by > 0 {
            self.shift(&mut truths, -(by as i32))?;
        }
        truths.sort_unstable();
        Ok((self.number(Set { blind, truths: truths.into_boxed_slice() }), by))
    }

    fn shift(&mut self, truths: &mut [u32], by: i32) -> Result<(), &'static str> {
        for truth in truths {
            let config = self.graph.config(*truth);
            let state = self.graph.model.shifted(config.state, by).ok_or(TOO_MUCH_WAL)?;
            *truth = self.graph.number(Config { state, ..config });
        }
        Ok(())
    }

    /// The set after an observation.
    pub fn after(&mut self, known: Knowledge, seen: Seen<M::Sight>) -> Result<Knowledge, &'static str> {
        let seen = match seen {
            Seen::Looks(id, found, Some(timeline)) => {
                Seen::Looks(id, found, Some(timeline.saturating_sub(known.timelines).min(u32::from(u8::MAX))))
            }
            seen => seen,
        };
        let (set, by) = match self.next.get(&(known.set, seen)) {
            Some(next) => *next,
            None => {
                let next = self.advance(known.set, seen)?;
                self.next.insert((known.set, seen), next);
                next
            }
        };
        Ok(Knowledge { set, timelines: known.timelines + by })
    }

    fn advance(&mut self, set: u32, seen: Seen<M::Sight>) -> Result<(u32, u32), &'static str> {
        let Set { blind, truths } = self.sets[set as usize].clone();
        self.worked(truths.len());
        match seen {
            Seen::Blind(channels) => self.closed(blind.and(channels), truths.into_vec()),
            // The set already contains everything that happened unseen.
            Seen::Sighted(channels) => self.rebased(blind.without(channels), truths.into_vec()),
            Seen::Looks(id, found, timeline) => {
                let timeline = timeline.map(|timeline| timeline as u8);
                let fits = |truth: &u32| self.graph.model.looks(&self.graph.state(*truth), id, found, timeline);
                let left: Vec<u32> = truths.iter().copied().filter(fits).collect();
                // A moment later the node may look different.
                self.closed(blind, left)
            }
            Seen::Holder(holder) => {
                let names = |truth: &u32| self.graph.model.holder(&self.graph.state(*truth)) == holder;
                let left: Vec<u32> = truths.iter().copied().filter(names).collect();
                self.closed(blind, left)
            }
            Seen::HasHadCycle(id) => {
                let has = |truth: &u32| self.graph.model.has_had_cycle(&self.graph.state(*truth), id);
                let left: Vec<u32> = truths.iter().copied().filter(has).collect();
                self.closed(blind, left)
            }
            Seen::Change(sight) => {
                let mut next = Vec::new();
                for &truth in &truths {
                    self.see(truth, sight, &mut next)?;
                }
                self.closed(blind, next)
            }
        }
    }

    /// Adds the truths in which this change is observed next.
    fn see(&mut self, truth: u32, sight: M::Sight, next: &mut Vec<u32>) -> Result<(), &'static str> {
        let config = self.graph.config(truth);
        if config.pending != 0 {
            if let Some(position) = self.graph.sights(config.pending).iter().position(|pending| *pending == sight) {
                let pending = self.graph.without(config.pending, position);
                next.push(self.graph.number(Config { pending, ..config }));
            }
            return Ok(());
        }
        let by = M::shown_by(sight);
        let mut steps = if by.recorded { self.graph.recorded(truth)?.to_vec() } else { Vec::new() };
        if by.others {
            steps.extend(self.graph.edges(truth)?);
        }
        for (list, after) in steps {
            if let Some(position) = self.graph.sights(list).iter().position(|shown| *shown == sight) {
                let pending = self.graph.without(list, position);
                let after = self.graph.config(after);
                next.push(self.graph.number(Config { pending, ..after }));
            }
        }
        Ok(())
    }

    /// The union of two sets.
    pub fn union(&mut self, one: Knowledge, other: Knowledge) -> Result<Knowledge, &'static str> {
        let (low, high) = if one.timelines <= other.timelines { (one, other) } else { (other, one) };
        if high.set == EMPTY || low == high {
            return Ok(low);
        }
        if low.set == EMPTY {
            return Ok(high);
        }
        let key = (low.set, high.set, high.timelines - low.timelines);
        let (set, by) = match self.unions.get(&key) {
            Some(union) => *union,
            None => {
                let blind = self.blind(low.set);
                let mut truths = self.truths(high.set).to_vec();
                self.worked(truths.len() + self.truths(low.set).len());
                self.within_limits()?;
                self.shift(&mut truths, key.2 as i32)?;
                truths.extend(self.truths(low.set));
                truths.sort_unstable();
                truths.dedup();
                let union = self.rebased(blind, truths)?;
                self.unions.insert(key, union);
                union
            }
        };
        Ok(Knowledge { set, timelines: low.timelines + by })
    }
}
