//! The cluster as a [`Spec`], so that the engine can search it.

use stateright::Model;

use crate::engine::{Exploration, Fairness, Inspect, Options, Progress, Spec, Spill, search_spilling};

use super::Cluster;
use super::action::Action;
use super::state::State;

impl Spec for Cluster {
    type Packed = [u64; 5];

    fn pack(&self, state: &State) -> [u64; 5] {
        self.in_words(state)
    }

    fn unpack(&self, words: [u64; 5]) -> State {
        self.of_words(words)
    }

    fn unpack_over(&self, words: [u64; 5], old: [u64; 5], state: &mut State) {
        self.of_words_over(words, old, state);
    }

    fn step(&self, state: &State, action: Action, next: &mut State) -> bool {
        self.step_to(state, action, next);
        true
    }

    fn step_packed(&self, state: &State, words: [u64; 5], action: Action, next: &mut State) -> Option<[u64; 5]> {
        Some(self.step_in_words(state, words, action, next))
    }

    fn fairness(&self, action: &Action) -> Fairness {
        self.fairness_of(*action)
    }

    fn canonical(&self, state: &State) -> State {
        self.canonical_state(state)
    }
}

/// A cluster of at most two nodes, packed into four words, so that no state straddles a cache line: a quarter of the
/// time of a search is spent looking states up.
struct TwoNodes<'c>(&'c Cluster);

impl Model for TwoNodes<'_> {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.0.init_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.0.actions(state, actions);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.0.next_state(state, action)
    }
}

impl Spec for TwoNodes<'_> {
    type Packed = [u64; 4];

    fn pack(&self, state: &State) -> [u64; 4] {
        self.0.in_words(state)
    }

    fn unpack(&self, words: [u64; 4]) -> State {
        self.0.of_words(words)
    }

    fn unpack_over(&self, words: [u64; 4], old: [u64; 4], state: &mut State) {
        self.0.of_words_over(words, old, state);
    }

    fn step(&self, state: &State, action: Action, next: &mut State) -> bool {
        self.0.step(state, action, next)
    }

    fn step_packed(&self, state: &State, words: [u64; 4], action: Action, next: &mut State) -> Option<[u64; 4]> {
        Some(self.0.step_in_words(state, words, action, next))
    }

    fn fairness(&self, action: &Action) -> Fairness {
        self.0.fairness_of(*action)
    }

    fn canonical(&self, state: &State) -> State {
        self.0.canonical_state(state)
    }
}

/// An inspection of a [`Cluster`], applied to a [`TwoNodes`].
struct InTwoNodes<'i, I>(&'i I);

impl<I: Inspect<Cluster>> Inspect<TwoNodes<'_>> for InTwoNodes<'_, I> {
    fn state(&self, model: &TwoNodes<'_>, state: &State) -> u64 {
        self.0.state(model.0, state)
    }

    fn step(&self, model: &TwoNodes<'_>, before: &State, action: Action, after: &State) -> u64 {
        self.0.step(model.0, before, action, after)
    }

    fn progress(&self, progress: &Progress) {
        self.0.progress(progress);
    }
}

impl Cluster {
    /// Explores every state, within the limits, as [`search_spilling`] does, in as few words as the number of nodes
    /// allows.
    pub fn search(
        &self,
        options: Options,
        inspect: &impl Inspect<Cluster>,
        spill: Option<&dyn Spill>,
    ) -> Exploration<State, Action> {
        if self.settings.nodes > 2 {
            search_spilling(self, options, inspect, spill)
        } else {
            search_spilling(&TwoNodes(self), options, &InTwoNodes(inspect), spill)
        }
    }
}
