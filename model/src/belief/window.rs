//! A window on a stream of observations: only those whose order is still open are held.

use std::collections::VecDeque;

use super::Observation;

/// A set of observations that were explained: the first `high` ones, except the `missing` ones, which are sorted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cut {
    pub high: u64,
    pub missing: Vec<u64>,
}

impl Cut {
    pub fn explained(&self) -> u64 {
        self.high - self.missing.len() as u64
    }

    /// The set with one more observation.
    pub fn with(&self, index: u64) -> Cut {
        let mut missing = self.missing.clone();
        if index < self.high {
            missing.retain(|other| *other != index);
            return Cut { high: self.high, missing };
        }
        missing.extend(self.high..index);
        Cut { high: index + 1, missing }
    }
}

/// The part of a stream that is still needed. Observations come sorted by the start of their intervals.
pub(super) struct Window<I, S> {
    source: I,
    held: VecDeque<Observation<S>>,
    first: u64,
    last_start: u64,
    /// True once an observation was out of order.
    pub disordered: bool,
}

impl<S: Copy, I: Iterator<Item = Observation<S>>> Window<I, S> {
    pub fn new(source: I) -> Self {
        Window { source, held: VecDeque::new(), first: 0, last_start: 0, disordered: false }
    }

    /// The observation with this number, from 0.
    pub fn get(&mut self, index: u64) -> Option<&Observation<S>> {
        while index >= self.first + self.held.len() as u64 {
            let next = self.source.next()?;
            self.disordered |= next.at[0] < self.last_start;
            self.last_start = next.at[0];
            self.held.push_back(next);
        }
        self.held.get((index - self.first) as usize)
    }

    /// Drops the observations before this one.
    pub fn forget_before(&mut self, index: u64) {
        while self.first < index && self.held.pop_front().is_some() {
            self.first += 1;
        }
    }

    /// The observations that can come next after the cut: those for which no other open observation ended before they
    /// began.
    ///
    /// Returns the number of observations that were looked at.
    pub fn candidates(&mut self, cut: &Cut, candidates: &mut Vec<u64>) -> usize {
        candidates.clear();
        let mut first_end = u64::MAX;
        for &index in &cut.missing {
            if let Some(observation) = self.get(index) {
                first_end = first_end.min(observation.at[1]);
            }
        }
        let mut index = cut.high;
        while let Some(observation) = self.get(index).filter(|next| next.at[0] <= first_end) {
            first_end = first_end.min(observation.at[1]);
            index += 1;
        }
        let mut chains = 0;
        for index in cut.missing.iter().copied().chain(cut.high..index) {
            let Some(next) = self.get(index).copied().filter(|next| next.at[0] <= first_end) else { continue };
            let waits = next.chain != 0 && chains >> next.chain & 1 == 1;
            chains |= 1_u64 << next.chain;
            if !waits {
                candidates.push(index);
            }
        }
        cut.missing.len() + (index - cut.high) as usize
    }
}
