//! Several nodes around `recover()`: leader lock with a lease, postmasters, pg_control, agents, and the faults that hit them.
//!
//! [`Cluster`] is a [`stateright::Model`]. Its parts:
//!
//! | file | what |
//! | --- | --- |
//! | `state.rs` | what etcd, every Postgres and every agent hold |
//! | `action.rs` | what can happen next |
//! | `agent.rs` | one cycle of the agent, patroni `Ha._run_cycle` |
//! | `recovery.rs` | the world's answers to the questions of `recover()` |
//! | `server.rs` | Postgres, the background tasks, faults |
//! | `show.rs` | what an outside observer sees of a step |
//! | `pack.rs` | states in 128 bits; renumbering of nodes |
//! | `text.rs` | states and steps in words |
//! | `explorer.rs` | the same for stateright's Explorer |
//!
//! # What this model leaves out
//!
//! * **Time.** Steps take no time and have no deadline. Instead: a lease ends only when the agent that kept it is dead, and not
//!   before an armed watchdog has reset the node. This stands for `loop_wait + 2*retry_timeout <= ttl` and for an agent that
//!   is neither frozen nor cut off. A start timeout is either zero or never over.
//! * **WAL positions.** A node that is one timeline behind its leader may or may not have diverged: both are explored.
//! * **Promotion is one step.** In Patroni it is ordered, and takes effect later; a lock that is lost in between is not modelled.
//! * **The peers' answers.** A peer is a candidate if its agent lives and its Postgres is a standby that accepts connections; lag, tags,
//!   timelines and lost answers are not looked at. Of two standbys, either may win the race.
//! * **Comparing timelines** is triggered by `recover()` and by demotions, not by a changed `primary_conninfo` or a new timeline of the leader.
//!   pg_rewind does not fail; it may have to wait for the leader's checkpoint.
//! * **Stale snapshots, failing DCS, partitions, pause, standby clusters, synchronous mode, backup_label, orphan backends.**
//!
//! The first two admit more behaviours than there are, or fewer only under the stated assumption; safety that holds here holds
//! for the real thing in the fault classes that are modelled.

mod action;
mod agent;
pub mod explorer;
mod pack;
mod recovery;
mod server;
pub mod show;
mod state;
mod text;

pub use action::Action;
pub use state::*;
pub use text::{Names, answer_text, difference, question_text};

use std::sync::Arc;

use stateright::Model;

use crate::automaton::Automaton;
use crate::branch::Branch;
use crate::edition::{Edition, LockUpdate, Rules};
use crate::fault::Fault;
use crate::mutant::Mutant;
use crate::property::Property;

/// What is modelled: size, rules, configuration and the faults that may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Number of nodes, 2 or 3.
    pub nodes: u8,
    /// The rules.
    pub edition: Edition,
    /// One rule broken on purpose.
    pub mutant: Option<Mutant>,
    /// `primary_start_timeout` zero, positive, or both.
    pub start_timeouts: StartTimeouts,
    /// The watchdog is required: armed whenever Postgres is writable under a live agent.
    pub watchdog: bool,
    /// pg_rewind can be used.
    pub can_rewind: bool,
    /// Faults that may happen.
    pub budget: Budget,
    /// An agent that was killed can be started again.
    pub restarts: bool,
    /// A lease that nobody keeps alive ends.
    pub leases_expire: bool,
}

/// Which start timeouts are explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartTimeouts {
    /// Only zero: fail over if anybody can take over.
    Zero,
    /// Only a positive one, which is never over.
    Positive,
    /// Both.
    Both,
}

impl Settings {
    /// The exploration that `check` runs if nothing else is asked for.
    pub fn new(edition: Edition, nodes: u8) -> Self {
        Settings {
            nodes,
            edition,
            mutant: None,
            start_timeouts: StartTimeouts::Both,
            watchdog: true,
            can_rewind: true,
            // A third node multiplies the states by about a hundred: there, one fault of each kind.
            budget: Budget { postmaster_kills: if nodes < 3 { 2 } else { 1 }, agent_kills: 1, single_user_failures: 1 },
            restarts: true,
            leases_expire: true,
        }
    }

    /// The same with only these faults.
    pub fn with_faults(mut self, faults: &[Fault]) -> Self {
        let allow = |fault| faults.contains(&fault);
        self.budget = Budget {
            postmaster_kills: if allow(Fault::PostmasterKilled) { self.budget.postmaster_kills } else { 0 },
            agent_kills: if allow(Fault::AgentKilled) { self.budget.agent_kills } else { 0 },
            single_user_failures: if allow(Fault::SingleUserFails) { self.budget.single_user_failures } else { 0 },
        };
        self.restarts = allow(Fault::AgentRestarted);
        self.leases_expire = allow(Fault::LeaseExpires);
        self
    }
}

/// The model of a cluster.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// What is modelled.
    pub settings: Settings,
    rules: Rules,
    recover: Arc<Automaton>,
    mutant: Option<Mutant>,
}

impl Cluster {
    /// Builds the model.
    pub fn new(settings: Settings) -> Self {
        let mut rules = settings.edition.rules();
        let mutant = settings.mutant;
        match mutant {
            Some(Mutant::DisablesWatchdogEarly) => rules.watchdog_disabled_late = false,
            Some(Mutant::OverwritesLock) => rules.lock_update = LockUpdate::Overwrites,
            _ => {}
        }
        let recover = Arc::new(Automaton::unfold(&rules, mutant, recovery::domain(&settings)));
        Cluster { settings, rules, recover, mutant }
    }

    /// The rules in force, the mutant's included.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// `recover()` as the automaton that the agents run.
    pub fn automaton(&self) -> &Automaton {
        &self.recover
    }

    /// Numbers of the nodes.
    pub fn node_ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        0..self.settings.nodes
    }

    /// A healthy cluster: `leader` holds the lock and everybody else streams from it.
    pub fn healthy(&self, leader: NodeId, timeline: u8, start_timeout_is_zero: bool) -> State {
        let nodes = std::array::from_fn(|index| match index as NodeId {
            id if id >= self.settings.nodes => Node::absent(),
            id if id == leader => Node::primary(timeline, self.settings.watchdog),
            _ => Node::standby(timeline),
        });
        State {
            leader: Some(LeaderKey { holder: leader, lease: Lease::Kept }),
            start_timeout_is_zero,
            nodes,
            budget: self.settings.budget,
        }
    }

    /// All steps that are possible in `state`, each with the state that it leads to.
    pub fn steps(&self, state: &State) -> Vec<(Action, State)> {
        let mut actions = Vec::new();
        self.actions(state, &mut actions);
        actions.into_iter().filter_map(|action| Some((action, self.next_state(state, action)?))).collect()
    }

    /// The branch of `recover()` that `action` ends in, if it ends one.
    pub fn branch_of(&self, state: &State, action: Action) -> Option<Branch> {
        let Action::Decide(node) = action else { return None };
        let At::Recover(position) = state.nodes[usize::from(node)].agent.as_ref()?.at else { return None };
        self.recover.at(position).ok().map(|decision| decision.branch)
    }

    /// The branch whose message the agent says in `action`. A running standby that diverged is rewound outside of `recover()`, with
    /// the same words; and crash recovery before a rewind says the same as any.
    pub fn said_in(&self, state: &State, action: Action) -> Option<Branch> {
        let Action::Decide(node) = action else { return None };
        match state.nodes[usize::from(node)].agent.as_ref()?.at {
            At::Rewinding => Some(Branch::Rewind),
            _ => self.branch_of(state, action).map(|branch| match branch {
                Branch::CrashRecoveryBeforeRewind => Branch::CrashRecovery,
                branch => branch,
            }),
        }
    }

    /// Whether `property` holds in the step from `before` to `after`.
    pub fn holds(&self, property: Property, before: Option<&State>, after: &State) -> bool {
        match property {
            Property::OneWritableLeader => after.nodes.iter().filter(|node| node.is_writable()).count() <= 1,
            Property::WritableNeedsLock => self.node_ids().all(|id| {
                let index = usize::from(id);
                let became =
                    after.nodes[index].is_writable() && before.is_some_and(|before| !before.nodes[index].is_writable());
                // The step into writability does not touch the key, so `after` shows the key at that moment.
                !became || after.leader.is_some_and(|key| key.holder == id)
            }),
            Property::CrashRecoveryOnce => after.nodes.iter().all(|node| node.single_user_starts <= 1),
        }
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
        for id in self.node_ids() {
            self.fault_actions(state, id, actions);
            self.agent_actions(state, id, actions);
            self.server_actions(state, id, actions);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Fault(fault, id) => self.inflict(&mut next, fault, id),
            Action::WatchdogResets(id) => self.watchdog_resets(&mut next, id),
            Action::Load(id) => self.load(&mut next, id),
            Action::Act(id) => self.act(&mut next, id),
            Action::Compare(id, diverged) => self.compare(&mut next, id, diverged),
            Action::Acquire(id) => self.acquire(&mut next, id),
            Action::Answer(id, answer) => self.answer(&mut next, id, answer),
            Action::Decide(id) => self.decide(&mut next, id),
            Action::Demoted(id) => self.demoted(&mut next, id),
            _ => self.server_step(&mut next, action),
        }
        Some(next)
    }

    fn format_action(&self, action: &Action) -> String {
        text::action(&Names::numbered(), *action)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        // Only what a state shows by itself; `writable-needs-lock` is about steps, which stateright has no property for.
        // stateright 0.31 does not expand a state in which all properties are violated, so one must hold for the counts to be whole.
        vec![
            stateright::Property::always("anything", |_: &Cluster, _: &State| true),
            stateright::Property::always(Property::OneWritableLeader.id(), |model: &Cluster, state: &State| {
                model.holds(Property::OneWritableLeader, None, state)
            }),
            stateright::Property::always(Property::CrashRecoveryOnce.id(), |model: &Cluster, state: &State| {
                model.holds(Property::CrashRecoveryOnce, None, state)
            }),
        ]
    }
}
