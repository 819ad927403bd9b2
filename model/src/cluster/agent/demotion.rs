//! Giving up the lock: patroni `demote` in its modes, `handle_long_action_in_progress`, `handle_starting_instance`.

use crate::mutants::Mutant;
use crate::recover::dialogue::Task;

use crate::cluster::Cluster;
use crate::cluster::state::*;

impl Cluster {
    /// Stops the postmaster at once, as if it had crashed.
    pub(in crate::cluster) fn stop_at_once(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        if node.has_postmaster() || node.server == Server::SingleUser {
            node.ends();
        }
    }

    /// Freezes an agent that waits for a hanging postmaster to stop; returns true if it does. A postmaster that hangs
    /// does not end when it is told to, and the agent waits for it however long that takes, while its lease ends. So it
    /// stands still, as if frozen, until the postmaster is killed.
    fn waits_for_hung(&self, state: &mut State, id: NodeId) -> bool {
        let node = &mut state.nodes[usize::from(id)];
        let waits =
            self.settings.as_observed && node.hung && node.server == Server::Starting && !node.is_shutting_down();
        if let Some(agent) = node.agent.as_mut().filter(|_| waits) {
            (agent.at, agent.frozen) = (At::StartingUp, true);
        }
        waits
    }

    /// True if the agent waits for a hanging postmaster.
    pub(in crate::cluster) fn is_waiting_for_hung(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let waits = |agent: &Agent| agent.frozen && agent.at == At::StartingUp;
        self.settings.as_observed
            && node.hung
            && node.server == Server::Starting
            && node.agent.as_ref().is_some_and(waits)
    }

    /// Continues the demotion after the hanging postmaster has ended.
    pub(in crate::cluster) fn no_longer_waits(&self, state: &mut State, id: NodeId) {
        self.agent_mut(state, id).frozen = false;
        self.release_lock(state, id);
        self.demoted_to(state, id, Upstream::Nobody);
    }

    /// `demote('immediate-nolock')`: stop at once, start again as a standby.
    pub(in crate::cluster) fn demote_without_lock(&self, state: &mut State, id: NodeId) {
        if self.waits_for_hung(state, id) {
            return;
        }
        self.stop_at_once(state, id);
        let target = self.node_to_follow(id, state.leader_seen_by(id));
        self.demoted_to(state, id, target);
    }

    /// The end of every demotion: the watchdog is disarmed and the standby is started in the background.
    pub(in crate::cluster) fn demoted_to(&self, state: &mut State, id: NodeId, target: Upstream) {
        let allowed = self.settings.divergence_matters();
        let node = &mut state.nodes[usize::from(id)];
        if !(self.rules.waits_for_orphans && node.orphans) {
            node.watchdog = false;
        }
        if self.settings.synchronous && self.rules.clears_sync_names {
            node.sync_names = None;
        }
        let agent = node.agent.as_mut().expect("only a live agent acts");
        agent.trigger_divergence_check(allowed);
        agent.role = Role::Demoted;
        agent.health = Health::Stopped;
        match agent.slot {
            None => {
                agent.slot = Some(Task::FollowAfterDemotion.into());
                node.upstream = target;
            }
            // The start is cancelled before its postmaster exists.
            Some(Slot { task: Task::StartPrimary, begun: false }) => agent.slot = None,
            Some(_) => {}
        }
        agent.rest();
    }

    /// `handle_long_action_in_progress()` after the lock was refreshed.
    pub(in crate::cluster) fn long_action_with_lock(&self, state: &mut State, id: NodeId) {
        let recovers = self.agent(state, id).task() == Some(Task::CrashRecovery);
        if recovers
            && self.rules.limits_crash_recovery
            && self.is_out_of_time(state, id)
            && self.is_failover_possible(state, id)
        {
            // 'terminated crash recovery because of startup timeout'
            self.stop_at_once(state, id);
            self.release_lock(state, id);
            self.demoted_to(state, id, Upstream::Nobody);
            // Its own try_run_async is refused, and the killed task leaves the slot.
            self.agent_mut(state, id).slot = None;
            return;
        }
        self.agent_mut(state, id).rest();
    }

    /// `handle_long_action_in_progress()` without the lock: a task that needs the lock is stopped.
    pub(in crate::cluster) fn long_action_without_lock(&self, state: &mut State, id: NodeId) {
        let node = &state.nodes[usize::from(id)];
        let agent = self.agent(state, id);
        let (slot, role) = (agent.task(), agent.role);
        if !state.paused || !self.rules.long_action_heeds_pause {
            if slot == Some(Task::Promote)
                && node.server == Server::Standby
                && self.mutant != Some(Mutant::PromotesAfterLoss)
            {
                self.agent_mut(state, id).slot = None; // 'lost leader before promote'
            } else if role == Role::Primary {
                // 'lost leader lock during …'. Only a postmaster is stopped: single-user recovery continues, whatever
                // the role is by then.
                return if node.has_postmaster() {
                    self.demote_without_lock(state, id)
                } else {
                    let target = self.node_to_follow(id, state.leader_seen_by(id));
                    self.demoted_to(state, id, target)
                };
            }
        }
        self.agent_mut(state, id).rest();
    }

    /// True if the start timeout has expired: at once if it is zero; otherwise, as far as that can be told without a
    /// clock, if the process hangs.
    pub(in crate::cluster) fn is_out_of_time(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        state.start_timeout_is_zero || node.hung || node.late
    }

    /// `handle_starting_instance()`, with the lock.
    pub(in crate::cluster) fn still_starting(&self, state: &mut State, id: NodeId) {
        if self.is_out_of_time(state, id) && self.is_failover_possible(state, id) {
            // 'stopped PostgreSQL because of startup timeout'
            if self.waits_for_hung(state, id) {
                return;
            }
            self.stop_at_once(state, id);
            self.release_lock(state, id);
            return self.demoted_to(state, id, Upstream::Nobody);
        }
        self.agent_mut(state, id).rest();
    }
}
