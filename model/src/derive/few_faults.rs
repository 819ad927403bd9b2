//! A cluster with a bound on the number of all its faults, at moments that can be chosen from outside.

use stateright::Model;

use crate::cluster::{Action, At, Budget, Cluster, NodeId, Settings, State};
use crate::engine::Spec;
use crate::vocabulary::fault::{Class, Fault};

use super::goal::hits_cluster;

/// A cluster in which at most a given number of faults happens, and none hits an agent in the middle of a cycle,
/// because nobody outside can tell an agent's place in its cycle.
pub struct FewFaults {
    /// The cluster. The budget of each class of faults is the whole bound.
    pub cluster: Cluster,
    most: u8,
}

impl FewFaults {
    /// The cluster of these settings, with at most `most` faults.
    pub fn new(settings: Settings, most: u8) -> Self {
        let budget = Budget { process: most, task: most, network: most, ..settings.budget };
        FewFaults { cluster: Cluster::new(Settings { budget, ..settings }), most }
    }

    fn happened(&self, state: &State) -> u8 {
        let total = |budget: &Budget| budget.process + budget.task + budget.network;
        total(&self.cluster.settings.budget) - total(&state.budget)
    }

    fn may_happen(&self, state: &State, fault: Fault, id: NodeId) -> bool {
        let spent = fault.class() != Class::Free && self.happened(state) >= self.most;
        !spent && (fault == Fault::LeaseExpires || !hits_in_cycle(&self.cluster, state, fault, id))
    }
}

/// True if the fault hits an agent in the middle of a cycle.
pub fn hits_in_cycle(cluster: &Cluster, state: &State, fault: Fault, id: NodeId) -> bool {
    let in_cycle = |id: NodeId| {
        let agent = &state.nodes[usize::from(id)].agent;
        agent.as_ref().is_some_and(|agent| agent.at != At::Idle && !agent.frozen)
    };
    if hits_cluster(fault) { cluster.node_ids().any(in_cycle) } else { in_cycle(id) }
}

impl Model for FewFaults {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.cluster.init_states()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let mut possible = Vec::new();
        self.cluster.actions(state, &mut possible);
        actions.extend(possible.into_iter().filter(|action| match action {
            Action::Fault(fault, id) => self.may_happen(state, *fault, *id),
            _ => true,
        }));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        self.cluster.next_state(state, action)
    }
}

impl Spec for FewFaults {
    type Packed = <Cluster as Spec>::Packed;

    fn pack(&self, state: &State) -> Self::Packed {
        self.cluster.pack(state)
    }

    fn unpack(&self, packed: Self::Packed) -> State {
        self.cluster.unpack(packed)
    }
}
