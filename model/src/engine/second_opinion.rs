//! A second opinion: the same model explored by stateright's own checker.
//!
//! Tests and `pghaspec check` compare its counts and verdicts with those of this engine.

use std::fmt::Debug;
use std::hash::Hash;

use stateright::{Checker, HasDiscoveries, Model};

/// The results of stateright's breadth-first checker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecondOpinion {
    /// Distinct states, by 64-bit fingerprint.
    pub states: usize,
    /// Steps and initial states together: what stateright calls generated states.
    pub generated: usize,
    /// Names of the properties with a counterexample.
    pub violated: Vec<&'static str>,
}

/// Runs stateright's breadth-first checker to the end, without symmetry or a depth bound, on one thread. In this mode
/// its counts of states and steps and its verdicts are sound if at least one of the model's properties holds
/// everywhere: release 0.31 does not expand a state in which all of them are violated. Its counterexamples are not
/// used, because that release does not keep shortest ones.
pub fn second_opinion<M>(model: M) -> SecondOpinion
where
    M: Model + Send + Sync + 'static,
    M::State: Debug + Hash + Send + Sync + Clone + PartialEq,
    M::Action: Debug + Send + Sync + Clone + PartialEq,
{
    // Otherwise it would stop once every property has a counterexample, and its counts would mean nothing.
    let checker = model.checker().finish_when(HasDiscoveries::AllOf(["never"].into())).spawn_bfs().join();
    let mut violated: Vec<_> = checker.discoveries().into_keys().collect();
    violated.sort_unstable();
    SecondOpinion { states: checker.unique_state_count(), generated: checker.state_count(), violated }
}
