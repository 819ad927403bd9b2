//! Lassos: behaviours without end, as counterexamples of promises.
//!
//! A lasso can be verified by the model alone, without the graph in which it was found.

use std::fmt::Debug;

use crate::engine::path::Path;
use crate::engine::spec::{Fairness, Spec};

/// A behaviour that breaks a promise: a path, and then a cycle for ever or a deadlock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lasso<S, A> {
    /// The steps before the cycle.
    pub prefix: Path<S, A>,
    /// The steps of the cycle, which begins and ends in the last state of the prefix. If it is empty, the prefix ends
    /// in a deadlock.
    pub cycle: Vec<(A, S)>,
    /// True if no lasso that breaks the promise has fewer steps, prefix and cycle together. If false, the search for
    /// the shortest one was broken off; the lasso itself is a valid counterexample all the same.
    pub shortest: bool,
}

impl<S: Eq + Debug, A: Copy + Eq + Debug> Lasso<S, A> {
    /// The number of steps, prefix and cycle together.
    pub fn steps(&self) -> usize {
        self.prefix.steps.len() + self.cycle.len()
    }

    /// Checks, by the model alone, that this is a fair behaviour on which `p` never holds.
    ///
    /// # Errors
    /// The reason why it is not.
    pub fn verify_eventually<M>(&self, model: &M, p: impl Fn(&M, &S) -> bool) -> Result<(), String>
    where
        M: Spec<State = S, Action = A>,
    {
        self.verify_fair(model)?;
        match self.states().position(|state| p(model, state)) {
            Some(place) => Err(format!("what is promised holds after {place} steps")),
            None => Ok(()),
        }
    }

    /// Checks, by the model alone, that this is a fair behaviour on which `p` holds at some time, and `q` neither then
    /// nor later.
    ///
    /// # Errors
    /// The reason why it is not.
    pub fn verify_leads_to<M>(
        &self,
        model: &M,
        p: impl Fn(&M, &S) -> bool,
        q: impl Fn(&M, &S) -> bool,
    ) -> Result<(), String>
    where
        M: Spec<State = S, Action = A>,
    {
        self.verify_fair(model)?;
        if self.cycle.iter().any(|(_, state)| q(model, state)) {
            return Err("what is promised holds on the cycle".to_owned());
        }
        let states: Vec<&S> = self.states().collect();
        let last_kept = states.iter().rposition(|state| q(model, state)).map_or(0, |place| place + 1);
        if states[last_kept..].iter().any(|state| p(model, state)) {
            return Ok(());
        }
        Err(format!("nothing is promised from step {last_kept} on"))
    }

    /// All states in order, the cycle once.
    fn states(&self) -> impl Iterator<Item = &S> {
        let steps = self.prefix.steps.iter().chain(&self.cycle);
        std::iter::once(&self.prefix.init).chain(steps.map(|(_, state)| state))
    }

    fn verify_fair<M>(&self, model: &M) -> Result<(), String>
    where
        M: Spec<State = S, Action = A>,
    {
        let init = &self.prefix.init;
        if !model.within_boundary(init) || !model.init_states().contains(init) {
            return Err(format!("{init:?} is not initial"));
        }
        let steps = self.prefix.steps.iter().chain(&self.cycle);
        for (from, step) in self.states().zip(steps) {
            if !possible(model, from).contains(step) {
                return Err(format!("{:?} does not lead from {from:?} to {:?}", step.0, step.1));
            }
        }
        let joint = self.prefix.last();
        let Some((_, end)) = self.cycle.last() else {
            let more = possible(model, joint);
            return if more.is_empty() { Ok(()) } else { Err(format!("{joint:?} is no deadlock: {more:?}")) };
        };
        if end != joint {
            return Err(format!("the cycle begins in {joint:?} and ends in {end:?}"));
        }
        let possible: Vec<Vec<Fairness>> = self
            .cycle
            .iter()
            .map(|(_, state)| possible(model, state).iter().map(|(action, _)| model.fairness(action)).collect())
            .collect();
        let taken = |class| self.cycle.iter().any(|(action, _)| model.fairness(action) == class);
        for class in possible.iter().flatten().copied() {
            let unfair = match class {
                Fairness::None => false,
                Fairness::Weak(_) => possible.iter().all(|here| here.contains(&class)) && !taken(class),
                Fairness::Strong(_) => !taken(class),
            };
            if unfair {
                return Err(format!("{class:?} is put off for ever"));
            }
        }
        Ok(())
    }
}

/// The steps that are possible in a state.
fn possible<M: Spec>(model: &M, state: &M::State) -> Vec<(M::Action, M::State)> {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let steps = actions.into_iter().filter_map(|action| Some((action, model.next_state(state, action)?)));
    steps.filter(|(_, after)| model.within_boundary(after)).collect()
}
