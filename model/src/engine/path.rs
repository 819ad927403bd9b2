//! Behaviours, and how they are found again in a search.

use std::ops::Range;

use super::segments::{Segments, Spill};
use super::spec::{Spec, Word};

/// A behaviour: an initial state and the steps from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<S, A> {
    /// Where it begins.
    pub init: S,
    /// Each step and the state that it leads to.
    pub steps: Vec<(A, S)>,
}

impl<S, A> Path<S, A> {
    /// The last state.
    pub fn last(&self) -> &S {
        self.steps.last().map_or(&self.init, |(_, state)| state)
    }
}

/// All states in the order in which they were found, each with the one that it was found from; an initial state is its own parent.
pub(super) struct Trail<'s, W> {
    pub(super) states: Segments<W>,
    pub(super) parents: Segments<u32>,
    pub(super) symmetry: bool,
    pub(super) spill: Option<&'s dyn Spill>,
}

impl<'s, W: Word> Trail<'s, W> {
    pub(super) fn new(symmetry: bool, spill: Option<&'s dyn Spill>) -> Self {
        Trail { states: Segments::new(), parents: Segments::new(), symmetry, spill }
    }

    pub(super) fn push(&mut self, word: W, parent: u32) {
        self.states.push(word);
        self.parents.push(parent);
    }

    pub(super) fn bytes(&self) -> usize {
        self.states.bytes() + self.parents.bytes()
    }

    pub(super) fn bytes_away(&self) -> usize {
        self.states.bytes_away() + self.parents.bytes_away()
    }

    /// Moves out of memory what is not needed to expand these states.
    pub(super) fn spill(&mut self, needed: Range<usize>) -> std::io::Result<()> {
        let Some(spill) = self.spill else { return Ok(()) };
        self.states.spill(needed, spill)?;
        self.parents.spill(0..0, spill)
    }

    /// The path to a state and, if wanted, one more step: the action at that place among its actions.
    ///
    /// Under symmetry the states of the search are representatives. The path is walked anew with the states themselves: from each the
    /// first action is taken whose result is represented by the next one. Only the last step has to show what was `found` in it, for which
    /// the result is not enough: two actions may lead to the same states, and only one of them be what was looked for.
    pub(super) fn path<M>(
        &self,
        model: &M,
        index: u32,
        action: Option<u16>,
        found: impl Fn(&M::State, M::Action, &M::State) -> bool,
    ) -> Path<M::State, M::Action>
    where
        M: Spec<Packed = W>,
    {
        let mut words = Vec::new();
        let mut index = index as usize;
        loop {
            words.push(self.states.fetch(index, self.spill));
            let parent = self.parents.fetch(index, self.spill) as usize;
            if parent == index {
                break;
            }
            index = parent;
        }
        words.reverse();
        let represented = |state: &M::State, word: W| {
            let word_of = if self.symmetry { model.pack(&model.canonical(state)) } else { model.pack(state) };
            word_of == word
        };
        let init = model
            .init_states()
            .into_iter()
            .find(|state| represented(state, words[0]))
            .expect("a path begins with an initial state");
        let mut path = Path { init, steps: Vec::new() };
        let mut actions = Vec::new();
        for &word in &words[1..] {
            let from = path.last();
            actions.clear();
            model.actions(from, &mut actions);
            let step = actions
                .iter()
                .filter_map(|&action| Some((action, model.next_state(from, action)?)))
                .find(|(_, state)| represented(state, word))
                .expect("a state was found by one of its parent's actions");
            path.steps.push(step);
        }
        if let Some(place) = action {
            path.steps.push(self.last_step(model, words[words.len() - 1], path.last(), usize::from(place), found));
        }
        path
    }

    /// The step that was seen at a place among the actions of a representative, taken from the state that it stands for.
    fn last_step<M>(
        &self,
        model: &M,
        of: W,
        from: &M::State,
        place: usize,
        found: impl Fn(&M::State, M::Action, &M::State) -> bool,
    ) -> (M::Action, M::State)
    where
        M: Spec<Packed = W>,
    {
        let mut actions = Vec::new();
        let representative = model.unpack(of);
        model.actions(&representative, &mut actions);
        let action = actions[place];
        let after = model.next_state(&representative, action).expect("this step was taken before");
        if !self.symmetry {
            return (action, after);
        }
        let wanted = model.pack(&model.canonical(&after));
        actions.clear();
        model.actions(from, &mut actions);
        let steps = actions.iter().filter_map(|&action| Some((action, model.next_state(from, action)?)));
        let mut like = steps.filter(|(_, state)| model.pack(&model.canonical(state)) == wanted);
        like.find(|(action, state)| found(from, *action, state))
            .expect("like states have like steps, and these like findings")
    }
}
