//! Behaviours, and how they are found again in a search.

use std::collections::VecDeque;
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
    /// The states are looked up by their places all the time, and stay in memory.
    stays: bool,
    pub(super) spill: Option<&'s dyn Spill>,
}

impl<'s, W: Word> Trail<'s, W> {
    pub(super) fn new(symmetry: bool, stays: bool, spill: Option<&'s dyn Spill>) -> Self {
        Trail { states: Segments::new(), parents: Segments::new(), symmetry, stays, spill }
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
        if !self.stays {
            self.states.spill(needed, spill)?;
        }
        self.parents.spill(0..0, spill)
    }

    /// The path to a state and, if wanted, one more step: the action at that place among its actions.
    ///
    /// Under symmetry the states of the search are representatives. The path is walked anew with the states themselves: from each the
    /// first action is taken whose result is represented by the next one, after steps that change nothing for the representative if needed. Only the last step has to show what was `found` in it, for which
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
        let init = model
            .init_states()
            .into_iter()
            .find(|state| self.stand_in(model, state) == words[0])
            .expect("a path begins with an initial state");
        let mut path = Path { init, steps: Vec::new() };
        for &word in &words[1..] {
            let steps = self.walk(model, path.last(), |_, _, after| self.stand_in(model, after) == word);
            path.steps.extend(steps.expect("a state was found by one of its parent's actions"));
        }
        if let Some(place) = action {
            let last = self.last_steps(model, words[words.len() - 1], path.last(), usize::from(place), found);
            path.steps.extend(last);
        }
        path
    }

    /// The step by which a state was found: the state before, and the place among its actions. Nothing if it is an initial state.
    pub(super) fn came_by<M: Spec<Packed = W>>(&self, model: &M, index: u32) -> Option<(u32, u16)> {
        let parent = self.parents.fetch(index as usize, self.spill);
        let word = self.states.fetch(index as usize, self.spill);
        let before = model.unpack(self.states.fetch(parent as usize, self.spill));
        let mut actions = Vec::new();
        model.actions(&before, &mut actions);
        let leads = |action: &M::Action| {
            model.next_state(&before, *action).is_some_and(|after| self.stand_in(model, &after) == word)
        };
        let place = || actions.iter().position(leads).expect("a state was found by one of its parent's actions");
        (parent != index).then(|| (parent, place() as u16))
    }

    /// What stands for a state in the search.
    fn stand_in<M: Spec<Packed = W>>(&self, model: &M, state: &M::State) -> W {
        if self.symmetry { model.pack(&model.canonical(state)) } else { model.pack(state) }
    }

    /// The step that was seen at a place among the actions of a representative, taken from a state that it stands for.
    fn last_steps<M>(
        &self,
        model: &M,
        of: W,
        from: &M::State,
        place: usize,
        found: impl Fn(&M::State, M::Action, &M::State) -> bool,
    ) -> Vec<(M::Action, M::State)>
    where
        M: Spec<Packed = W>,
    {
        let mut actions = Vec::new();
        let representative = model.unpack(of);
        model.actions(&representative, &mut actions);
        let action = actions[place];
        let after = model.next_state(&representative, action).expect("this step was taken before");
        if !self.symmetry {
            return vec![(action, after)];
        }
        let wanted = self.stand_in(model, &after);
        let like = |before: &M::State, action, after: &M::State| {
            self.stand_in(model, after) == wanted && found(before, action, after)
        };
        self.walk(model, from, like).expect("like states have like steps, and these like findings")
    }

    /// A shortest way to a step that is `wanted`, through states for which the same one stands. Mostly that is one step: only a state that
    /// waits to do what changes nothing has to do it first.
    fn walk<M>(
        &self,
        model: &M,
        from: &M::State,
        wanted: impl Fn(&M::State, M::Action, &M::State) -> bool,
    ) -> Option<Vec<(M::Action, M::State)>>
    where
        M: Spec<Packed = W>,
    {
        let class = self.stand_in(model, from);
        let mut known = vec![model.pack(from)];
        let mut queue = VecDeque::from([(from.clone(), Vec::new())]);
        let mut actions = Vec::new();
        while let Some((state, way)) = queue.pop_front() {
            actions.clear();
            model.actions(&state, &mut actions);
            for &action in &actions {
                let after = model.next_state(&state, action).filter(|after| model.within_boundary(after));
                let Some(after) = after else { continue };
                let mut way = way.clone();
                if wanted(&state, action, &after) {
                    way.push((action, after));
                    return Some(way);
                }
                let word = model.pack(&after);
                if self.symmetry && self.stand_in(model, &after) == class && !known.contains(&word) {
                    known.push(word);
                    way.push((action, after.clone()));
                    queue.push_back((after, way));
                }
            }
        }
        None
    }
}
