//! One exhaustive check of the cluster model: verdicts, witnesses, counts.

use crate::branch::Branch;
use crate::cluster::{Action, Cluster, Settings, State};
use crate::engine::{Path, SecondOpinion, explore, second_opinion};
use crate::fault::Fault;
use crate::property::Property;

/// What a check found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The model that was checked.
    pub cluster: Cluster,
    /// Distinct states.
    pub states: usize,
    /// Steps between them.
    pub transitions: usize,
    /// Steps on the longest shortest path.
    pub depth: usize,
    /// States in which nothing can happen.
    pub deadlocks: usize,
    /// Bytes that the search holds for each state.
    pub bytes_per_state: usize,
    /// Each property that was asked for, with a shortest counterexample if it is violated.
    pub properties: Vec<(Property, Option<Path<State, Action>>)>,
    /// Each branch of `recover()`, with a shortest behaviour that takes it if there is one.
    pub branches: Vec<(Branch, Option<Path<State, Action>>)>,
    /// Each kind of step and fault, and whether it occurs.
    pub actions: Vec<(&'static str, bool)>,
}

/// Explores every behaviour of a cluster and holds it to `properties`.
pub fn check(settings: Settings, properties: &[Property]) -> Report {
    let cluster = Cluster::new(settings);
    let action_ids: Vec<_> = Fault::ALL.iter().map(|fault| fault.id()).chain(Action::IDS).collect();
    let (first_branch, first_action) = (properties.len(), properties.len() + Branch::ALL.len());
    let exploration = explore(&cluster, first_action + action_ids.len(), |step, after| {
        let before = step.map(|(state, _)| state);
        let mut found = 0;
        for (bit, property) in properties.iter().enumerate() {
            found |= u64::from(!cluster.holds(*property, before, after)) << bit;
        }
        if let Some((state, action)) = step {
            if let Some(branch) = cluster.branch_of(state, action) {
                found |= 1 << (first_branch + branch as usize);
            }
            let id = action.id();
            let position = action_ids.iter().position(|known| *known == id).expect("every action has an id");
            found |= 1 << (first_action + position);
        }
        found
    });
    let mut found = exploration.found.into_iter();
    Report {
        states: exploration.states,
        transitions: exploration.transitions,
        depth: exploration.depth,
        deadlocks: exploration.deadlocks,
        bytes_per_state: exploration.bytes_per_state,
        properties: properties.iter().copied().zip(found.by_ref().take(properties.len())).collect(),
        branches: Branch::ALL.into_iter().zip(found.by_ref().take(Branch::ALL.len())).collect(),
        actions: action_ids.into_iter().zip(found.map(|path| path.is_some())).collect(),
        cluster,
    }
}

impl Report {
    /// Every property holds.
    pub fn holds(&self) -> bool {
        self.properties.iter().all(|(_, counterexample)| counterexample.is_none())
    }

    /// Asks stateright's checker about the same model.
    pub fn second_opinion(&self) -> SecondOpinion {
        second_opinion(self.cluster.clone())
    }

    /// The second opinion counts the same states and steps and gives the same verdicts on the properties that it can express.
    pub fn agrees_with(&self, second: &SecondOpinion) -> bool {
        use stateright::Model;
        let inits = self.cluster.init_states().len();
        let verdicts_agree = self
            .properties
            .iter()
            .filter(|(property, _)| *property != Property::WritableNeedsLock)
            .all(|(property, counterexample)| second.violated.contains(&property.id()) == counterexample.is_some());
        self.states == second.states && self.transitions + inits == second.generated && verdicts_agree
    }
}
