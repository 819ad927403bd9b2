//! A second opinion by stateright's own checker.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// What stateright's breadth-first checker found on the same model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondOpinion {
    /// Distinct states, by 64-bit fingerprint.
    pub states: usize,
    /// Steps and initial states: what stateright calls generated states.
    pub generated: usize,
    /// Names of the properties with a counterexample.
    pub violated: Vec<&'static str>,
}

/// Runs stateright's breadth-first checker to the end: no symmetry, no depth bound, one thread. Its counts of states and steps and
/// its verdicts are sound in this mode if one of the model's properties holds everywhere: release 0.31 does not expand a state in which
/// all of them are violated. Its counterexamples are not used, since that release does not keep shortest ones.
pub fn second_opinion<M>(model: M) -> SecondOpinion
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    // It would stop once every property has a counterexample, and then its counts would say nothing.
    let checker = model.checker().finish_when(HasDiscoveries::AllOf(["never"].into())).spawn_bfs().join();
    let mut violated: Vec<_> = checker.discoveries().into_keys().collect();
    violated.sort_unstable();
    SecondOpinion { states: checker.unique_state_count(), generated: checker.state_count(), violated }
}
