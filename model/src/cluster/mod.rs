//! A cluster model: several nodes around `recover()`, with a leader lock, PostgreSQL servers and their WAL, agents, and
//! the faults that hit them.
//!
//! [`Cluster`] is a [`stateright::Model`]. The engine explores it, a belief explains recorded histories by it, and the
//! model with clocks ([`timed`](crate::timed)) refines it.
//!
//! | file | contents |
//! | --- | --- |
//! | `settings.rs` | the settings: size, rules, configuration, faults |
//! | `state/` | the state: keys, servers, WAL, agents; packed forms and representatives |
//! | `action.rs` | the steps |
//! | `agent/` | one cycle of the agent, patroni `Ha._run_cycle` |
//! | `world/` | the DCS, servers and tasks, replication, faults, operators |
//! | `properties/` | the safety and liveness properties |
//! | `sight.rs` | what an outside observer sees of a step |
//! | `spec.rs` | the cluster as a `Spec`, for the engine |
//! | `describe.rs` | states and steps in words |
//! | `explorer.rs` | the cluster for stateright's Explorer |
//! | `single_functions.rs` | single functions of the agent, for the comparison with released code |
//!
#![doc = include_str!("../../docs/cluster.md")]

mod action;
mod agent;
mod describe;
pub mod explorer;
mod properties;
mod settings;
pub mod sight;
pub mod single_functions;
mod spec;
mod state;
mod world;

pub use action::Action;
pub use describe::{Names, answer_text, difference, question_text};
pub use properties::liveness::Promise;
pub use settings::{Grain, Settings, StartTimeouts, WalDetail};
pub use state::wal::{MAX_RECORDS, Point, Record, Wal};
pub use state::*;

use std::sync::Arc;

use stateright::Model;

use crate::mutants::{Mutant, instead_of};
use crate::recover::automaton::Automaton;
use crate::recover::branch::Branch;
use crate::recover::decision::Decision;
use crate::recover::dialogue::Task;
use crate::rules::edition::Rules;
use crate::vocabulary::fault::{Class, Fault, Faults};
use crate::vocabulary::property::Property;

/// The parts of a state that a step may have changed, besides the keys, the budgets and the network.
#[derive(Clone, Copy)]
struct Changes {
    /// The nodes, as a bit set.
    nodes: u8,
    wal: bool,
}

/// The model of a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The settings of the model.
    pub settings: Settings,
    rules: Rules,
    recover: Arc<Automaton>,
    /// The faults that can happen with a budget for [`Class::Process`] (bit 0 of the index), [`Class::Task`] (bit 1)
    /// and [`Class::Network`] (bit 2), so that a state needs one look-up.
    faults: [Faults; 8],
    mutant: Option<Mutant>,
}

impl Cluster {
    /// Builds the model.
    pub fn new(settings: Settings) -> Self {
        let settings = settings.in_bounds();
        let mutant = settings.mutant;
        let mut rules = settings.rules;
        if let Some(mutant) = mutant {
            mutant.change(&mut rules);
        }
        let recover = Arc::new(Automaton::unfold(&rules, &instead_of(mutant), agent::recovery::domain(&settings)));
        let charged = |fault: &Fault| match fault.class() {
            Class::Process => 1,
            Class::Task => 2,
            Class::Network => 4,
            Class::Free => 0,
        };
        let faults = std::array::from_fn(|left| {
            let happens = |fault: &Fault| charged(fault) & left == charged(fault);
            settings.faults.iter().filter(happens).map(|fault| Faults::of(&[fault])).fold(Faults::of(&[]), Faults::and)
        });
        Cluster { settings, rules, recover, faults, mutant }
    }

    /// The rules in force, the mutant's included.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// `recover()` as the automaton that each agent runs.
    pub fn automaton(&self) -> &Automaton {
        &self.recover
    }

    /// The numbers of the nodes.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        0..self.settings.nodes
    }

    /// A healthy cluster: `leader` holds the lock, and all other nodes stream from it.
    pub fn healthy(&self, leader: NodeId, timeline: u8, start_timeout_is_zero: bool) -> State {
        let settings = &self.settings;
        let mut nodes: [Node; MAX_NODES] = std::array::from_fn(|index| match index as NodeId {
            id if id >= settings.nodes => Node::absent(),
            id if id != leader => Node::standby(Upstream::Member(leader)),
            _ if settings.standby_cluster => Node::standby(Upstream::Remote),
            _ => Node::primary(settings.watchdog),
        });
        if settings.standby_cluster
            && let Some(agent) = nodes[usize::from(leader)].agent.as_mut()
        {
            agent.role = Role::StandbyLeader;
        }
        State {
            leader: Some(LeaderKey { holder: leader, lease: Lease::Kept }),
            sync: settings.synchronous.then_some(SyncKey { leader, standby: None }),
            status: 0,
            history: timeline,
            paused: false,
            start_timeout_is_zero,
            dcs_down: false,
            nodes_cut: false,
            wal: Wal::new(timeline),
            remote: 0,
            nodes,
            budget: settings.budget,
            stalled: None,
        }
    }

    /// All steps that are possible in `state`, each with its result.
    pub fn steps(&self, state: &State) -> Vec<(Action, State)> {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().filter_map(|action| Some((action, self.next_state(state, action)?))).collect()
    }

    /// The branch of `recover()` that `action` ends, if it ends one.
    pub fn branch_of(&self, state: &State, action: Action) -> Option<Branch> {
        self.decision_of(state, action).map(|decision| decision.branch)
    }

    /// The decision of `recover()` in `action`, if there is one.
    pub fn decision_of(&self, state: &State, action: Action) -> Option<Decision> {
        let id = action.node();
        let decided = |state: &State| match state.nodes[usize::from(id)].agent.as_ref()?.at {
            At::Recover(position) => self.recover.at(position).ok(),
            _ => None,
        };
        match (action, self.settings.grain) {
            (Action::Decide(_), _) => decided(state),
            // A cycle gets to `recover()` only if Postgres is dead and no task is at work.
            (Action::Cycle(_), Grain::Coarse) if !self.finds_dead(state, id) => None,
            // With coarse steps, the decision belongs to the step that leads to it.
            (Action::Answer(..) | Action::Demoted(_) | Action::Cycle(_), Grain::Coarse) => {
                let mut next = *state;
                self.take(&mut next, action);
                decided(&next)
            }
            _ => None,
        }
    }

    fn finds_dead(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        !node.has_postmaster() && node.agent.as_ref().is_some_and(|agent| agent.slot.is_none())
    }

    /// The names of the kinds of step that these settings allow, faults included.
    pub fn kinds(&self) -> Vec<&'static str> {
        let settings = &self.settings;
        let absent = |id: &&'static str| match *id {
            "decide" | "single-user-starts" | "postmaster-starts" | "postmaster-stops" => {
                settings.grain == Grain::Coarse
            }
            "copy-starts" => settings.grain == Grain::Coarse || !settings.copies() && settings.mutant.is_none(),
            "copy-ends" => !settings.copies() && settings.mutant.is_none(),
            "watchdog-resets" => !settings.watchdog || settings.standby_cluster && settings.mutant.is_none(),
            "forget" => !settings.failsafe,
            "orphans-end" => !settings.faults.contains(Fault::OrphansLeft),
            "enforce" => !settings.faults.contains(Fault::AgentFrozen),
            "promote" => settings.standby_cluster && settings.mutant.is_none(),
            "commit" => settings.budget.commits == 0 || settings.standby_cluster,
            "pause" | "resume" | "request" => settings.budget.operator == 0,
            "remote-commit" => !settings.standby_cluster || settings.budget.commits == 0,
            "remote-failover" => !settings.standby_cluster || settings.budget.operator == 0,
            _ => false,
        };
        let steps = Action::IDS.into_iter().filter(|id| !absent(id));
        settings.faults.iter().map(Fault::id).chain(steps).collect()
    }

    /// The branch whose message the agent logs in `action`. A running standby that diverged is rewound, or cloned anew,
    /// outside of `recover()`, with the same message; and crash recovery before a rewind has the message of any crash
    /// recovery.
    pub fn said_in(&self, state: &State, action: Action) -> Option<Branch> {
        let Action::Decide(node) = action else { return None };
        let agent = state.nodes[usize::from(node)].agent.as_ref()?;
        match agent.at {
            At::Rewinding if agent.task() == Some(Task::Reinitialize) => Some(Branch::Reinitialize),
            At::Rewinding => Some(Branch::Rewind),
            _ => self.branch_of(state, action).map(|branch| match branch {
                Branch::CrashRecoveryBeforeRewind => Branch::CrashRecovery,
                branch => branch,
            }),
        }
    }
}

impl Cluster {
    /// Performs a step on `state`, without the settling and trimming after it.
    fn take(&self, state: &mut State, action: Action) {
        match action {
            Action::Fault(fault, id) => self.inflict(state, fault, id),
            Action::WatchdogResets(id) => self.node_ends(state, id),
            Action::OrphansEnd(id) => state.nodes[usize::from(id)].orphans = false,
            Action::Forget(id) => self.forget(state, id),
            Action::Cycle(id) => self.cycle(state, id),
            Action::Update(id) => self.update(state, id),
            Action::Enforce(id) => self.enforce(state, id),
            Action::Compare(id, diverged) => self.compare(state, id, diverged),
            Action::Acquire(id) => self.acquire(state, id),
            Action::Answer(id, answer) => self.answer(state, id, answer),
            Action::Decide(id) => self.decide(state, id),
            Action::Demoted(id) => self.demoted(state, id),
            Action::Pause | Action::Resume | Action::Request(_) | Action::RemoteCommit | Action::RemoteFailover => {
                self.operate(state, action);
            }
            _ => self.server_step(state, action),
        }
    }

    /// All steps that are possible, also those after which there are more WAL records than a packed state holds.
    fn all_actions(&self, state: &State, actions: &mut Vec<Action>) {
        for id in self.node_ids() {
            self.fault_actions(state, id, actions);
            self.agent_actions(state, id, actions);
            self.server_actions(state, id, actions);
        }
        self.operator_actions(state, actions);
    }

    fn may_overflow(&self, state: &State) -> bool {
        self.settings.wal.is_exact() && state.wal.is_nearly_full()
    }

    fn fits_after(&self, state: &State, action: Action) -> bool {
        self.next_state(state, action).is_some_and(|after| after.wal.is_packable())
    }

    /// True if steps from this state are left out, because there would be more WAL records than a packed state holds.
    pub fn is_cut_short(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.may_overflow(state) && {
            self.all_actions(state, &mut actions);
            actions.iter().any(|action| !self.fits_after(state, *action))
        }
    }

    /// Writes the result of a step over `next`.
    #[inline]
    fn step_to(&self, state: &State, action: Action, next: &mut State) -> Changes {
        *next = *state;
        self.take(next, action);
        let settled = if self.settings.grain == Grain::Coarse { self.settle(next) } else { 0 };
        // A visited state is trimmed already: there is something to trim only if a record was written or a data
        // directory changed.
        let changed = next.wal.len() != state.wal.len()
            || next.remote != state.remote
            || next.nodes.iter().zip(&state.nodes).any(|(is, was)| is.data != was.data);
        if changed {
            self.trim(next);
        }
        // A step changes nothing of another node but its data: WAL that the node streams, and the numbers of the WAL
        // records. Only consent (failsafe mode) and the end of a lease concern other nodes.
        let nodes =
            if self.settings.failsafe || matches!(action, Action::Fault(Fault::LeaseExpires | Fault::LeaseLost, _)) {
                u8::MAX
            } else if changed {
                let moved = next.nodes.iter().zip(&state.nodes).enumerate();
                moved.fold(0, |nodes, (id, (is, was))| nodes | u8::from(is.data != was.data) << id)
            } else {
                0
            };
        Changes { nodes: nodes | settled | 1 << action.node(), wal: changed }
    }
}

impl Model for Cluster {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let zero = match self.settings.start_timeouts {
            StartTimeouts::Zero => vec![true],
            StartTimeouts::Positive => vec![false],
            StartTimeouts::Both => vec![false, true],
        };
        zero.into_iter().map(|zero| self.healthy(0, 1, zero)).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.all_actions(state, actions);
        if self.may_overflow(state) {
            actions.retain(|action| self.fits_after(state, *action));
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        self.step_to(state, action, &mut next);
        Some(next)
    }

    fn format_action(&self, action: &Action) -> String {
        describe::action(&Names::numbered(), *action)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        // Only properties of states: stateright has no properties of steps. And it does not expand a state in which all
        // properties are violated (0.31), so one must hold everywhere for the counts to be complete.
        let mut properties = vec![stateright::Property::always("anything", |_: &Cluster, _: &State| true)];
        macro_rules! in_states {
            ($($property:ident),*) => {
                $(if self.is_about(Property::$property) {
                    properties.push(stateright::Property::always(
                        Property::$property.id(),
                        |model: &Cluster, state: &State| model.holds_in(Property::$property, state),
                    ));
                })*
            };
        }
        in_states!(OneWritableLeader, CrashRecoveryOnce, NoSilentDivergence, NoLostSyncCommit, StandbyClusterReadOnly);
        properties
    }
}
