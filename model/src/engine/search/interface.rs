//! The interface of a search: its options, what it looks for, and its results.

use std::time::Duration;

use crate::engine::path::Path;
use crate::engine::spec::Spec;

/// The options of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The number of threads.
    pub threads: usize,
    /// Explore only canonical states.
    pub symmetry: bool,
    /// The largest number of steps from an initial state.
    pub depth: Option<usize>,
    /// The longest duration. What is covered then depends on the machine.
    pub time: Option<Duration>,
    /// The most memory in bytes. The search stops when it holds so much, or soon would because a set of states grows; a
    /// search that can spill does that first. What is covered then depends on the number of threads, which share the
    /// memory in different ways.
    pub memory: Option<usize>,
}

impl Default for Options {
    fn default() -> Self {
        Options { threads: 1, symmetry: false, depth: None, time: None, memory: None }
    }
}

/// The reason why a search ended before every state was expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// The bound [`Options::depth`] was reached.
    Depth,
    /// The bound [`Options::time`] was reached.
    Time,
    /// The bound [`Options::memory`] was reached.
    Memory,
    /// The storage that the search spills to took no more.
    Spill,
}

/// The progress of a search.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Distinct states so far.
    pub states: usize,
    /// States that are not yet expanded.
    pub queue: usize,
    /// Steps from an initial state to the states that are being expanded.
    pub depth: usize,
    /// Bytes held in memory.
    pub bytes: usize,
    /// Bytes spilled.
    pub spilled: usize,
    /// Time since the search began.
    pub elapsed: Duration,
}

/// An inspector: it tells a search what to look for. A discovery is a bit; for each bit a shortest path to its first
/// occurrence is kept.
pub trait Inspect<M: Spec>: Sync {
    /// Discoveries in a state, asked once for each.
    fn state(&self, _model: &M, _state: &M::State) -> u64 {
        0
    }

    /// Discoveries in a step, asked for each. With symmetry they must not distinguish like parts: the search asks again
    /// which of the like steps shows a discovery, and panics if none does.
    fn step(&self, _model: &M, _before: &M::State, _action: M::Action, _after: &M::State) -> u64 {
        0
    }

    /// Called about once a second.
    fn progress(&self, _progress: &Progress) {}
}

/// An [`Inspect`] that looks for nothing.
pub struct Nothing;

impl<M: Spec> Inspect<M> for Nothing {}

/// The results of a search.
#[derive(Clone, Debug)]
pub struct Exploration<S, A> {
    /// Distinct states; with symmetry, distinct orbits.
    pub states: usize,
    /// Steps from expanded states.
    pub transitions: usize,
    /// The largest distance of a state from the initial states, in steps.
    pub depth: usize,
    /// Expansion states without a step.
    pub deadlocks: usize,
    /// A shortest path to a deadlock, if there is one.
    pub deadlock: Option<Path<S, A>>,
    /// The limit at which the search stopped; `None` if every state was expanded.
    pub incomplete: Option<Limit>,
    /// States that were not expanded.
    pub unexpanded: usize,
    /// Bytes held in memory at the end.
    pub bytes: usize,
    /// Bytes spilled.
    pub spilled: usize,
    /// The error that ended spilling, with [`Limit::Spill`].
    pub spill_error: Option<String>,
    /// For each of the 64 bits, a shortest path to its first occurrence, if it was discovered.
    pub found: Vec<Option<Path<S, A>>>,
}

impl<S, A> Exploration<S, A> {
    /// Bytes held for each state, rounded up.
    pub fn bytes_per_state(&self) -> usize {
        self.bytes.div_ceil(self.states.max(1))
    }
}
