//! One exhaustive check of the cluster model: verdicts, witnesses, counts.

use crate::branch::Branch;
use crate::cluster::{Action, Cluster, Settings, State};
use crate::engine::{Inspect, Limit, Options, Path, Progress, SecondOpinion, Spill, search_spilling, second_opinion};
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
    /// A shortest behaviour that ends in one.
    pub deadlock: Option<Path<State, Action>>,
    /// How it was searched.
    pub options: Options,
    /// Why it ended before everything was explored; `None` if everything was.
    pub incomplete: Option<Limit>,
    /// States that were found and not expanded.
    pub unexpanded: usize,
    /// Bytes that the search holds in memory for each state.
    pub bytes_per_state: usize,
    /// Bytes that it moved out of memory.
    pub spilled: usize,
    /// Why it could not move out more.
    pub spill_error: Option<String>,
    /// Each property that was asked for, with a shortest counterexample if it is violated.
    pub properties: Vec<(Property, Option<Path<State, Action>>)>,
    /// Each branch of `recover()`, with a shortest behaviour that takes it if there is one.
    pub branches: Vec<(Branch, Option<Path<State, Action>>)>,
    /// Each kind of step and fault, and whether it occurs.
    pub actions: Vec<(&'static str, bool)>,
}

/// Bits of what is looked for: properties, then branches, then kinds of action.
struct Look<'p> {
    properties: &'p [Property],
    action_ids: Vec<&'static str>,
    progress: &'p (dyn Fn(&Progress) + Sync),
}

impl Look<'_> {
    fn first_branch(&self) -> usize {
        self.properties.len()
    }

    fn first_action(&self) -> usize {
        self.first_branch() + Branch::ALL.len()
    }
}

impl Inspect<Cluster> for Look<'_> {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        let broken = |property: &Property| !cluster.holds(*property, None, state);
        self.properties.iter().enumerate().fold(0, |bits, (bit, property)| bits | u64::from(broken(property)) << bit)
    }

    fn step(&self, cluster: &Cluster, before: &State, action: Action, after: &State) -> u64 {
        let id = action.id();
        let place = self.action_ids.iter().position(|known| *known == id).expect("every action has an id");
        let mut bits = 1 << (self.first_action() + place);
        if let Some(branch) = cluster.branch_of(before, action) {
            bits |= 1 << (self.first_branch() + branch as usize);
        }
        for (bit, property) in self.properties.iter().enumerate() {
            if property.is_of_steps() {
                bits |= u64::from(!cluster.holds(*property, Some(before), after)) << bit;
            }
        }
        bits
    }

    fn progress(&self, progress: &Progress) {
        (self.progress)(progress);
    }
}

/// Explores every behaviour of a cluster, within the limits of `options`, and holds it to `properties`. What does not fit into memory
/// goes to `spill`.
pub fn check(
    settings: Settings,
    properties: &[Property],
    options: Options,
    progress: &(dyn Fn(&Progress) + Sync),
    spill: Option<&dyn Spill>,
) -> Report {
    let cluster = Cluster::new(settings);
    let action_ids = Fault::ALL.iter().map(|fault| fault.id()).chain(Action::IDS).collect();
    let look = Look { properties, action_ids, progress };
    let exploration = search_spilling(&cluster, options, &look, spill);
    let found = &exploration.found;
    Report {
        states: exploration.states,
        transitions: exploration.transitions,
        depth: exploration.depth,
        deadlocks: exploration.deadlocks,
        spilled: exploration.spilled,
        incomplete: exploration.incomplete,
        unexpanded: exploration.unexpanded,
        bytes_per_state: exploration.bytes_per_state(),
        properties: properties.iter().copied().zip(found.iter().cloned()).collect(),
        branches: Branch::ALL.into_iter().zip(found[look.first_branch()..].iter().cloned()).collect(),
        actions: look
            .action_ids
            .iter()
            .zip(&found[look.first_action()..])
            .map(|(id, path)| (*id, path.is_some()))
            .collect(),
        deadlock: exploration.deadlock,
        spill_error: exploration.spill_error,
        options,
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
            .filter(|(property, _)| !property.is_of_steps())
            .all(|(property, counterexample)| second.violated.contains(&property.id()) == counterexample.is_some());
        self.states == second.states && self.transitions + inits == second.generated && verdicts_agree
    }
}
