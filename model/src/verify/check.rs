//! One exhaustive check of the cluster model: verdicts, witnesses, counts.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::cluster::{Action, Cluster, Settings, State};
use crate::engine::{Inspect, Limit, Options, Path, Progress, SecondOpinion, Spill, second_opinion};
use crate::recover::branch::Branch;
use crate::vocabulary::fault::Fault;
use crate::vocabulary::property::Property;

/// The findings of a check.
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
    /// The options of the search.
    pub options: Options,
    /// The limit at which the search ended; `None` if everything was explored.
    pub incomplete: Option<Limit>,
    /// States with so many WAL records that some of their steps were left out.
    pub cut_short: usize,
    /// States that were found and not expanded.
    pub unexpanded: usize,
    /// Bytes that the search holds in memory for each state.
    pub bytes_per_state: usize,
    /// Bytes that it moved out of memory.
    pub spilled: usize,
    /// The error because of which it could not move out more.
    pub spill_error: Option<String>,
    /// Each property that was asked for and says something about these settings, with a shortest counterexample if it
    /// is violated.
    pub properties: Vec<(Property, Option<Path<State, Action>>)>,
    /// Each branch of `recover()`, with a shortest behaviour that takes it if there is one.
    pub branches: Vec<(Branch, Option<Path<State, Action>>)>,
    /// Each kind of step and fault, and whether it occurs.
    pub actions: Vec<(&'static str, bool)>,
}

/// The findings that the search looks for. Bits: properties, then branches; kinds of action are only ticked off.
struct Look<'p> {
    properties: &'p [Property],
    /// For each kind of action, whether it occurs.
    seen: Vec<AtomicBool>,
    cut_short: AtomicUsize,
    progress: &'p (dyn Fn(&Progress) + Sync),
}

impl Inspect<Cluster> for Look<'_> {
    fn state(&self, cluster: &Cluster, state: &State) -> u64 {
        if cluster.is_cut_short(state) {
            self.cut_short.fetch_add(1, Ordering::Relaxed);
        }
        let broken = |property: &Property| !cluster.holds_in(*property, state);
        self.properties.iter().enumerate().fold(0, |bits, (bit, property)| bits | u64::from(broken(property)) << bit)
    }

    fn step(&self, cluster: &Cluster, before: &State, action: Action, after: &State) -> u64 {
        let seen = &self.seen[action.kind()];
        if !seen.load(Ordering::Relaxed) {
            seen.store(true, Ordering::Relaxed);
        }
        let mut bits = 0;
        if let Some(branch) = cluster.branch_of(before, action) {
            bits |= 1 << (self.properties.len() + branch as usize);
        }
        for (bit, property) in self.properties.iter().enumerate() {
            bits |= u64::from(!cluster.holds_over(*property, before, action, after)) << bit;
        }
        bits
    }

    fn progress(&self, progress: &Progress) {
        (self.progress)(progress);
    }
}

/// Explores every behaviour of a cluster, within the limits of `options`, and holds it to `properties`. What does not
/// fit into memory goes to `spill`.
pub fn check(
    settings: Settings,
    properties: &[Property],
    options: Options,
    progress: &(dyn Fn(&Progress) + Sync),
    spill: Option<&dyn Spill>,
) -> Report {
    let cluster = Cluster::new(settings);
    let properties: Vec<_> =
        properties.iter().copied().filter(|property| !property.is_liveness() && cluster.is_about(*property)).collect();
    let seen = (0..Fault::ALL.len() + Action::IDS.len()).map(|_| AtomicBool::new(false)).collect();
    let look = Look { properties: &properties, seen, cut_short: AtomicUsize::new(0), progress };
    let exploration = cluster.search(options, &look, spill);
    let found = &exploration.found;
    Report {
        states: exploration.states,
        transitions: exploration.transitions,
        depth: exploration.depth,
        deadlocks: exploration.deadlocks,
        spilled: exploration.spilled,
        incomplete: exploration.incomplete,
        cut_short: look.cut_short.into_inner(),
        unexpanded: exploration.unexpanded,
        bytes_per_state: exploration.bytes_per_state(),
        properties: properties.iter().copied().zip(found.iter().cloned()).collect(),
        branches: Branch::ALL.into_iter().zip(found[properties.len()..].iter().cloned()).collect(),
        actions: kinds(&cluster, &look.seen),
        deadlock: exploration.deadlock,
        spill_error: exploration.spill_error,
        options,
        cluster,
    }
}

/// The kinds of action that the settings allow, and whether each occurs.
///
/// # Panics
/// If one occurs that they should not allow.
fn kinds(cluster: &Cluster, seen: &[AtomicBool]) -> Vec<(&'static str, bool)> {
    let expected = cluster.kinds();
    let names = Fault::ALL.iter().map(|fault| fault.id()).chain(Action::IDS);
    let occurs: Vec<_> = names.zip(seen.iter().map(|seen| seen.load(Ordering::Relaxed))).collect();
    if let Some((id, _)) = occurs.iter().find(|(id, occurs)| *occurs && !expected.contains(id)) {
        panic!("{id} is not expected with these settings");
    }
    occurs.into_iter().filter(|(id, _)| expected.contains(id)).collect()
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

    /// The second opinion counts the same states and steps and gives the same verdicts on the properties that it can
    /// express.
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
