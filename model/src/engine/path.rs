//! Behaviours as paths, and their reconstruction after a search.
//!
//! A search keeps only each state and its parent. The actions of a path are found by taking the steps again.

use std::collections::VecDeque;
use std::ops::Range;

use super::segments::{Segments, Spill};
use super::spec::{Spec, Word};

/// A behaviour: an initial state and the steps from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<S, A> {
    /// The initial state.
    pub init: S,
    /// The steps, each with the state that it leads to.
    pub steps: Vec<(A, S)>,
}

impl<S, A> Path<S, A> {
    /// The last state.
    pub fn last(&self) -> &S {
        self.steps.last().map_or(&self.init, |(_, state)| state)
    }
}

/// All visited states in the order of discovery, each with its parent. An initial state is its own parent.
pub(super) struct Trail<'s, W> {
    pub(super) states: Segments<W>,
    pub(super) parents: Segments<u32>,
    pub(super) symmetry: bool,
    /// True if the visited set refers to states by their places here, so that they have to stay in memory.
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

    /// Moves out of memory what is not needed to expand the states of `needed`.
    pub(super) fn spill(&mut self, needed: Range<usize>) -> std::io::Result<()> {
        let Some(spill) = self.spill else { return Ok(()) };
        if !self.stays {
            self.states.spill(needed, spill)?;
        }
        self.parents.spill(0..0, spill)
    }

    /// A path to the state `index` and, if `action` is given, one more step: the action at that place among the state's
    /// actions.
    ///
    /// Under symmetry the states of the search are orbit representatives, so the path is walked again with real states:
    /// from each, the first action is taken whose result has the next representative, if necessary after steps that do
    /// not change the representative. Only the last step has to show the discovery as well (`found`): its result is not
    /// enough there, because two actions may lead to the same state and only one of them be the one that was looked
    /// for.
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

    /// The step by which a state was discovered: its parent, and the place of the action among the parent's actions.
    /// `None` for an initial state.
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

    /// The packed state that represents a state in the search.
    fn stand_in<M: Spec<Packed = W>>(&self, model: &M, state: &M::State) -> W {
        if self.symmetry { model.pack(&model.canonical(state)) } else { model.pack(state) }
    }

    /// The step at a place among the actions of a representative, taken from a state that it represents.
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

    /// A shortest path to a `wanted` step through states with the same representative. It is nearly always that one
    /// step; only a state in which a step without effect is still due has to take that step first.
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
