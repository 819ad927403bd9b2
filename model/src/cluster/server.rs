//! Postgres and its processes, the background tasks that start them, and the faults that hit them.

use crate::control::ControlState;
use crate::dialogue::Task;
use crate::fault::Fault;
use crate::mutant::Mutant;

use super::Cluster;
use super::action::Action;
use super::state::*;

impl Cluster {
    pub(super) fn fault_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let node = &state.nodes[usize::from(id)];
        if state.budget.postmaster_kills > 0 && node.has_postmaster() {
            actions.push(Action::Fault(Fault::PostmasterKilled, id));
        }
        if state.budget.agent_kills > 0 && node.agent.is_some() {
            actions.push(Action::Fault(Fault::AgentKilled, id));
        }
        if state.budget.single_user_failures > 0 && node.server == Server::SingleUser {
            actions.push(Action::Fault(Fault::SingleUserFails, id));
        }
        if self.settings.restarts && node.agent.is_none() {
            actions.push(Action::Fault(Fault::AgentRestarted, id));
        }
        let orphaned = state.leader == Some(LeaderKey { holder: id, lease: Lease::Orphaned });
        // An armed watchdog fires `safety_margin` before the lease ends, so the lease outlives an armed watchdog.
        if orphaned && node.watchdog {
            actions.push(Action::WatchdogResets(id));
        }
        if self.settings.leases_expire && orphaned && !node.watchdog {
            actions.push(Action::Fault(Fault::LeaseExpires, id));
        }
    }

    pub(super) fn inflict(&self, state: &mut State, fault: Fault, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        match fault {
            Fault::PostmasterKilled => {
                Budget::take(&mut state.budget.postmaster_kills);
                node.server = Server::Down;
                node.single_user_starts = 0; // a new crash is a new recovery episode
            }
            Fault::AgentKilled => {
                Budget::take(&mut state.budget.agent_kills);
                self.agent_ends(state, id);
            }
            Fault::AgentRestarted => {
                let health = if node.has_postmaster() { Health::Running } else { Health::Stopped };
                let role = match (node.signal, health) {
                    (true, _) => Role::Replica,
                    (false, Health::Running) => Role::Primary,
                    // A primary's data directory without a server: patroni 4.1.5 postgresql/__init__.py 158-159.
                    (false, _) => Role::Demoted,
                };
                node.agent = Some(Agent::started(role, health));
            }
            Fault::SingleUserFails => {
                Budget::take(&mut state.budget.single_user_failures);
                node.server = Server::Down;
                self.single_user_over(state, id);
            }
            Fault::LeaseExpires => state.leader = None,
        }
    }

    pub(super) fn watchdog_resets(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        node.server = Server::Down;
        node.watchdog = false;
        self.agent_ends(state, id);
    }

    fn agent_ends(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        node.agent = None;
        node.single_user_starts = 0;
        if let Some(key) = state.leader.as_mut().filter(|key| key.holder == id) {
            key.lease = Lease::Orphaned;
        }
    }

    pub(super) fn server_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let node = &state.nodes[usize::from(id)];
        // What a process does, it does also when the agent that started it is dead.
        match node.server {
            Server::SingleUser => actions.push(Action::SingleUserEnds(id)),
            Server::Rewinding => actions.push(Action::RewindEnds(id)),
            Server::Starting => actions.push(Action::PostmasterReady(id)),
            Server::Standby if self.can_follow(state, id) => actions.push(Action::Follow(id)),
            _ => {}
        }
        let Some(slot) = node.agent.as_ref().and_then(|agent| agent.slot) else { return };
        if (slot.task, slot.begun, node.server) == (Task::Rewind, false, Server::Down) {
            // Not before the leader has made its checkpoint: until then the task ends with nothing done, and is tried again.
            actions.push(Action::TaskEnds(id));
        }
        actions.extend(match (slot.task, slot.begun, node.server) {
            (Task::CrashRecovery, false, Server::Down) => Some(Action::SingleUserStarts(id)),
            (Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion, false, Server::Down) => {
                Some(Action::PostmasterStarts(id))
            }
            (Task::Rewind, false, Server::Standby | Server::Starting) => Some(Action::PostmasterStops(id)),
            (Task::Rewind, false, Server::Down) if self.can_copy_from_leader(state, id) => {
                Some(Action::RewindStarts(id))
            }
            (Task::Promote, false, Server::Standby) => Some(Action::Promote(id)),
            // Its process still works.
            (Task::CrashRecovery, true, Server::SingleUser)
            | (Task::Rewind, true, Server::Rewinding)
            | (Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion, true, Server::Starting) => None,
            (Task::Rewind, false, Server::Down) => None, // it ends, above
            // Done, or its process died, or another process is in the way.
            _ => Some(Action::TaskEnds(id)),
        });
    }

    /// pg_rewind finds a leader that is a primary.
    fn can_copy_from_leader(&self, state: &State, id: NodeId) -> bool {
        state
            .leader
            .is_some_and(|key| key.holder != id && state.nodes[usize::from(key.holder)].server == Server::Primary)
    }

    /// The primary's timeline is ahead, and its WAL can be replayed.
    fn can_follow(&self, state: &State, id: NodeId) -> bool {
        state.leader.is_some_and(|key| {
            let leader = &state.nodes[usize::from(key.holder)];
            key.holder != id
                && leader.server == Server::Primary
                && leader.timeline > state.nodes[usize::from(id)].timeline
        })
    }

    fn single_user_over(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        node.signal = false; // ensure_clean_shutdown() removes it before it starts
        if let Some(agent) = node.agent.as_mut().filter(|agent| agent.task() == Some(Task::CrashRecovery)) {
            agent.slot = None;
        }
    }

    fn begin_task(&self, node: &mut Node) {
        if let Some(slot) = node.agent.as_mut().and_then(|agent| agent.slot.as_mut()) {
            slot.begun = true;
        }
    }

    pub(super) fn server_step(&self, state: &mut State, action: Action) {
        let id = action.node();
        let leader = state.leader.map(|key| state.nodes[usize::from(key.holder)].timeline);
        let node = &mut state.nodes[usize::from(id)];
        match action {
            Action::SingleUserStarts(_) => {
                node.server = Server::SingleUser;
                self.begin_task(node);
                node.single_user_starts = (node.single_user_starts + 1).min(2);
            }
            Action::SingleUserEnds(_) => {
                node.server = Server::Down;
                node.control = ControlState::ShutDown;
                self.single_user_over(state, id);
            }
            Action::PostmasterStarts(_) => {
                let agent = node.agent.as_mut().expect("a task has an agent");
                let start_as_primary = agent.task() == Some(Task::StartPrimary);
                agent.health = Health::Running;
                if !start_as_primary {
                    node.signal = self.mutant != Some(Mutant::StartsWithoutSignal);
                    agent.role = Role::Replica;
                }
                node.server = Server::Starting;
                self.begin_task(node);
                node.control = match (node.signal, node.control) {
                    (true, _) => ControlState::InArchiveRecovery,
                    (false, ControlState::ShutDown) => ControlState::ShutDown,
                    (false, _) => ControlState::InCrashRecovery,
                };
            }
            Action::PostmasterReady(_) => {
                node.single_user_starts = 0;
                if node.signal {
                    node.server = Server::Standby;
                } else {
                    node.server = Server::Primary;
                    node.control = ControlState::InProduction;
                }
            }
            Action::PostmasterStops(_) => {
                node.server = Server::Down;
                node.control = ControlState::ShutDownInRecovery;
            }
            Action::RewindStarts(_) => {
                node.server = Server::Rewinding;
                self.begin_task(node);
            }
            Action::RewindEnds(_) => {
                node.server = Server::Down;
                node.control = ControlState::InArchiveRecovery;
                node.timeline = leader.unwrap_or(node.timeline);
                if let Some(agent) = node.agent.as_mut().filter(|agent| agent.task() == Some(Task::Rewind)) {
                    agent.slot = None;
                    agent.rewind = Rewind::Success;
                }
            }
            Action::Promote(_) => {
                node.server = Server::Primary;
                node.control = ControlState::InProduction;
                node.signal = false;
                node.timeline += 1;
                let agent = node.agent.as_mut().expect("a task has an agent");
                agent.role = Role::Primary;
                agent.rewind = Rewind::Initial;
                agent.slot = None;
            }
            Action::TaskEnds(_) => {
                let running = node.has_postmaster();
                let agent = node.agent.as_mut().expect("a task has an agent");
                agent.slot = None;
                agent.health = if running { Health::Running } else { Health::Stopped };
            }
            Action::Follow(_) => node.timeline = leader.unwrap_or(node.timeline),
            _ => unreachable!("{action:?} is not a step of a server"),
        }
    }
}
