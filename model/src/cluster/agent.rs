//! One cycle of the agent: patroni `Ha._run_cycle` (2.1.2 `ha.py` 1338-1497, 4.1.5 `ha.py` 2167-2350).
//!
//! A cycle is cut where the agent uses the network: reading the cluster, updating, taking or releasing the lock. Between two
//! pieces anything else may happen.

use crate::dialogue::{Stop, Task};
use crate::edition::LockUpdate;
use crate::mutant::Mutant;

use super::Cluster;
use super::action::Action;
use super::state::*;

impl Cluster {
    pub(super) fn agent<'a>(&self, state: &'a State, id: NodeId) -> &'a Agent {
        state.nodes[usize::from(id)].agent.as_ref().expect("only a live agent acts")
    }

    pub(super) fn agent_mut<'a>(&self, state: &'a mut State, id: NodeId) -> &'a mut Agent {
        state.nodes[usize::from(id)].agent.as_mut().expect("only a live agent acts")
    }

    pub(super) fn agent_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let Some(agent) = &state.nodes[usize::from(id)].agent else { return };
        match agent.at {
            At::Idle => actions.push(Action::Load(id)),
            At::Loaded => actions.push(Action::Act(id)),
            At::Compare => {
                actions.extend(self.divergence(state, id).into_iter().map(|diverged| Action::Compare(id, diverged)));
            }
            At::Rewinding => actions.push(Action::Decide(id)),
            At::Race => actions.push(Action::Acquire(id)),
            At::Released(_) => actions.push(Action::Demoted(id)),
            At::Recover(position) => match self.recover.at(position) {
                Err(Stop::Ask(question)) => {
                    actions
                        .extend(self.answers(state, id, question).into_iter().map(|answer| Action::Answer(id, answer)));
                }
                _ => actions.push(Action::Decide(id)),
            },
        }
    }

    /// `load_cluster_from_dcs()`. Reads are fresh in this model.
    pub(super) fn load(&self, state: &mut State, id: NodeId) {
        let holder = state.leader.map(|key| key.holder);
        let agent = self.agent_mut(state, id);
        agent.seen = holder;
        agent.at = At::Loaded;
    }

    /// The cycle from the snapshot to its next use of the network, or to its end.
    pub(super) fn act(&self, state: &mut State, id: NodeId) {
        let index = usize::from(id);
        if self.agent(state, id).slot.is_some() {
            return self.handle_long_action(state, id);
        }

        if state.nodes[index].server == Server::Starting && self.agent(state, id).seen == Some(id) {
            return self.handle_starting_instance(state, id);
        }
        let node = &mut state.nodes[index];
        let (running, starting) = (node.has_postmaster(), node.server == Server::Starting);
        let agent = node.agent.as_mut().expect("only a live agent acts");
        let has_lock = agent.seen == Some(id);
        if agent.recovering {
            agent.recovering = false;
            // Did the last start fail? Not asked while a rewind is pending.
            if !matches!(agent.rewind, Rewind::Check | Rewind::Need) && !running {
                node.watchdog = false;
                if has_lock {
                    if self.rules.failed_start_demotes && agent.role == Role::Primary {
                        agent.role = Role::Demoted;
                    }
                    agent.rest();
                    return self.release_lock(state, id);
                }
                return agent.rest();
            }
            agent.crash_recovery_started = false;
            if agent.rewind == Rewind::Success {
                agent.rewind = Rewind::Initial;
            }
        }

        if !running {
            if agent.health == Health::Running {
                agent.health = Health::Crashed;
            }
            return self.begin_recover(state, id);
        }
        agent.health = Health::Running;
        if starting {
            // Queries fail while it starts as a standby: there is nothing to do yet.
            return self.agent_mut(state, id).rest();
        }
        if agent.seen.is_none() {
            self.process_unhealthy_cluster(state, id);
        } else if has_lock {
            self.keep_leading(state, id);
        } else {
            self.keep_following(state, id);
        }
    }

    /// `handle_starting_instance()`: Postgres starts in nobody's background, since its agent was restarted, and the lock is ours.
    fn handle_starting_instance(&self, state: &mut State, id: NodeId) {
        if !self.update_lock(state, id) {
            return self.demote_without_lock(state, id);
        }
        if state.start_timeout_is_zero && self.is_failover_possible(state, id) {
            // 'stopped PostgreSQL because of startup timeout'
            self.release_lock(state, id);
            return self.demote_without_lock(state, id);
        }
        self.agent_mut(state, id).rest();
    }

    /// Nobody holds the lock: whoever has no healthier peer races for it.
    fn process_unhealthy_cluster(&self, state: &mut State, id: NodeId) {
        let primary_elsewhere = self.node_ids().any(|other| {
            other != id && {
                let node = &state.nodes[usize::from(other)];
                node.agent.is_some() && node.server == Server::Primary
            }
        });
        if primary_elsewhere && state.nodes[usize::from(id)].server != Server::Primary {
            self.keep_following(state, id);
        } else {
            self.agent_mut(state, id).at = At::Race;
        }
    }

    /// `acquire_lock()`: create the key if there is none.
    pub(super) fn acquire(&self, state: &mut State, id: NodeId) {
        if state.leader.is_none() || self.mutant == Some(Mutant::RaceIgnoresKey) {
            state.leader = Some(LeaderKey { holder: id, lease: Lease::Kept });
            self.agent_mut(state, id).seen = Some(id);
            self.enforce_primary_role(state, id);
        } else {
            let holder = state.leader.map(|key| key.holder);
            self.agent_mut(state, id).seen = holder;
            self.keep_following(state, id);
        }
    }

    /// The snapshot says that the lock is ours, and Postgres runs.
    fn keep_leading(&self, state: &mut State, id: NodeId) {
        if self.mutant == Some(Mutant::PromotesWithoutUpdate) || self.update_lock(state, id) {
            self.enforce_primary_role(state, id);
        } else if state.nodes[usize::from(id)].server == Server::Primary {
            self.demote_without_lock(state, id);
        } else {
            self.agent_mut(state, id).rest();
        }
    }

    /// `enforce_primary_role()`: the holder of the lock is a primary, or becomes one.
    fn enforce_primary_role(&self, state: &mut State, id: NodeId) {
        let watchdog = self.settings.watchdog;
        let node = &mut state.nodes[usize::from(id)];
        node.watchdog = watchdog;
        let agent = node.agent.as_mut().expect("only a live agent acts");
        if node.server == Server::Primary {
            agent.role = Role::Primary;
        } else if agent.role != Role::Primary {
            agent.slot = Some(Task::Promote.into());
        }
        agent.rest();
    }

    /// The lock is not ours, and Postgres runs: `follow()`.
    fn keep_following(&self, state: &mut State, id: NodeId) {
        if state.nodes[usize::from(id)].server == Server::Primary {
            return self.demote_without_lock(state, id);
        }
        let agent = self.agent_mut(state, id);
        if agent.seen.is_some_and(|leader| leader != id) && matches!(agent.rewind, Rewind::Check | Rewind::Need) {
            agent.at = At::Compare;
        } else {
            agent.rest();
        }
    }

    /// The outcome of comparing timelines with the leader, whom this standby follows.
    pub(super) fn compare(&self, state: &mut State, id: NodeId, diverged: Option<bool>) {
        self.note_divergence(state, id, diverged);
        let agent = self.agent_mut(state, id);
        if agent.rewind == Rewind::Need {
            agent.slot = Some(Task::Rewind.into());
            agent.at = At::Rewinding;
        } else {
            agent.rest();
        }
    }

    /// `demote('immediate-nolock')`: stop at once, start again as a standby.
    fn demote_without_lock(&self, state: &mut State, id: NodeId) {
        let allowed = self.settings.can_rewind;
        let node = &mut state.nodes[usize::from(id)];
        node.server = Server::Down;
        node.watchdog = false;
        let agent = node.agent.as_mut().expect("only a live agent acts");
        agent.trigger_divergence_check(allowed);
        agent.role = Role::Demoted;
        agent.health = Health::Stopped;
        match agent.slot {
            None => agent.slot = Some(Task::FollowAfterDemotion.into()),
            // The start is cancelled before its postmaster exists.
            Some(Slot { task: Task::StartPrimary, begun: false }) => agent.slot = None,
            Some(_) => {}
        }
        agent.rest();
    }

    /// `handle_long_action_in_progress()`: the slot is busy; the lock is kept, or what needs it is stopped.
    fn handle_long_action(&self, state: &mut State, id: NodeId) {
        let agent = self.agent(state, id);
        let (slot, has_lock, role) = (agent.task(), agent.seen == Some(id), agent.role);
        if has_lock && self.update_lock(state, id) {
            let out_of_time = slot == Some(Task::CrashRecovery) && state.start_timeout_is_zero;
            if out_of_time && self.is_failover_possible(state, id) {
                // 'terminated crash recovery because of startup timeout'
                let allowed = self.settings.can_rewind;
                self.release_lock(state, id);
                let node = &mut state.nodes[usize::from(id)];
                if node.server == Server::SingleUser {
                    node.server = Server::Down;
                }
                let agent = node.agent.as_mut().expect("only a live agent acts");
                agent.trigger_divergence_check(allowed);
                agent.role = Role::Demoted;
                agent.health = Health::Stopped;
                agent.slot = None; // its own try_run_async is refused, and the killed task leaves the slot
                agent.rest();
                return;
            }
        } else if slot == Some(Task::Promote) && state.nodes[usize::from(id)].server == Server::Standby {
            self.agent_mut(state, id).slot = None; // 'lost leader before promote'
        } else if role == Role::Primary && state.nodes[usize::from(id)].server != Server::SingleUser {
            return self.demote_without_lock(state, id); // 'lost leader lock during …'
        }
        self.agent_mut(state, id).rest();
    }

    /// `update_lock()`: keep the lease alive and the key ours. Atomic here.
    ///
    /// A live agent's own lease never ends in this model, so 2.1.2 (which would not notice) and 2.1.6 to 3.0.2 (which replace it) do the
    /// same here: both write the key over when it is under another lease.
    pub(super) fn update_lock(&self, state: &mut State, id: NodeId) -> bool {
        let ours = LeaderKey { holder: id, lease: Lease::Kept };
        match (self.rules.lock_update, state.leader) {
            // The lease of this very process is alive as long as the process is, so a kept key is simply ours.
            (_, Some(key)) if key == ours => true,
            // A key under another lease: that of our predecessor, or another node's.
            (LockUpdate::ComparesAndSwaps, Some(key)) if key.holder != id => false,
            _ => {
                state.leader = Some(ours);
                true
            }
        }
    }

    /// Deletes the leader key if it is ours.
    pub(super) fn release_lock(&self, state: &mut State, id: NodeId) {
        if state.leader.is_some_and(|key| key.holder == id) {
            state.leader = None;
        }
    }
}
