//! Outcomes of a search for an explanation, and what a search is given: the possible beginnings, and its limits.
//!
//! The judge turns them into words.

use crate::cluster::State;
use crate::cluster::sight::Sight;

use super::{Channels, Observation};

/// The history is a behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The number of observations that were explained: all of them.
    pub observations: u64,
    /// The largest number of model states that were possible at once.
    pub widest: usize,
    /// The number of model states that are possible at the end.
    pub last: usize,
}

/// The history is no behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence<S = Sight> {
    /// The number of observations that could be explained, in the longest attempt.
    pub explained: u64,
    /// The first observation that could not be explained; `None` if all could, and something else should have been
    /// observed as well.
    pub observation: Option<Observation<S>>,
    /// The changes that the model allowed instead.
    pub allowed: Vec<S>,
    /// The changes that must have happened by the end of the history and were not observed.
    pub unseen: Vec<S>,
    /// If the observation was a probe's: what probes of the node could have found instead.
    pub looks: Vec<String>,
}

/// The reason why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<S = Sight> {
    /// No behaviour explains the history.
    Diverged(Box<Divergence<S>>),
    /// It is unknown whether one does: the search came to a limit.
    Limit {
        /// The number of observations that were explained until then.
        explained: u64,
        /// The limit that was reached.
        why: &'static str,
    },
}

/// The possible beginnings of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<S = State> {
    /// The possible states. Their lowest timeline is 1.
    pub states: Vec<S>,
    /// The number of the real timeline that timeline 1 stands for.
    pub timeline: u32,
    /// The channels that miss changes from the beginning.
    pub blind: Channels,
}

/// The limits of a search, and of what it remembers. A history that was made to be hard, or is, ends in
/// [`Refusal::Limit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of model states at once.
    pub states: usize,
    /// The largest number of orders of overlapping observations at once.
    pub orders: usize,
    /// The approximate number of bytes of memory beyond which everything that can be computed again is forgotten. No
    /// more than half as many again are held.
    pub bytes: usize,
    /// The largest amount of work for one history, in model states that are looked at; up to five times as much for a
    /// long one.
    pub work: u64,
}

impl Limits {
    /// Work that each observation may take besides [`Limits::work`].
    const PER_OBSERVATION: u64 = 10_000;

    /// The work that is allowed once so many observations are explained.
    pub(super) fn work_after(&self, explained: u64) -> u64 {
        let more = explained.saturating_mul(Limits::PER_OBSERVATION).min(self.work.saturating_mul(4));
        self.work.saturating_add(more)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Limits { states: 1_000_000, orders: 20_000, bytes: 160 << 20, work: 100_000_000 }
    }
}
