//! The faults, their ends, and the watchdog.

use crate::control::ControlState;
use crate::dialogue::Task;
use crate::fault::{Class, Fault};

use super::action::Action;
use super::state::*;
use super::{Cluster, Grain};

impl Cluster {
    pub(super) fn fault_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let Budget { process, task, network, .. } = state.budget;
        let left = usize::from(process > 0) | usize::from(task > 0) << 1 | usize::from(network > 0) << 2;
        for &fault in &self.faults[left] {
            if self.may_happen(state, id, fault) {
                actions.push(Action::Fault(fault, id));
            }
        }
        let node = &state.nodes[usize::from(id)];
        let orphaned = state.leader == Some(LeaderKey { holder: id, lease: Lease::Orphaned });
        let warned = |agent: &Agent| agent.warned && !agent.failsafe;
        if node.watchdog && (orphaned || !node.is_attended() || node.agent.as_ref().is_some_and(warned)) {
            actions.push(Action::WatchdogResets(id));
        }
        if node.orphans {
            actions.push(Action::OrphansEnd(id));
        }
        if self.settings.failsafe && self.may_forget(state, id) {
            actions.push(Action::Forget(id));
        }
    }

    /// It may, if there is a budget for it.
    fn may_happen(&self, state: &State, id: NodeId, fault: Fault) -> bool {
        let node = &state.nodes[usize::from(id)];
        let agent = node.agent.as_ref();
        // What hits the cluster as a whole happens to the first node.
        let once = id == 0;
        match fault {
            Fault::PostmasterKilled => node.has_postmaster(),
            Fault::OrphansLeft => node.server == Server::Primary && !node.orphans,
            Fault::BackendCrashed => node.server == Server::Primary,
            Fault::AgentKilled => agent.is_some(),
            Fault::AgentRestarted => agent.is_none(),
            Fault::AgentFrozen => agent.is_some_and(|agent| !agent.frozen),
            Fault::AgentThawed => agent.is_some_and(|agent| agent.frozen),
            Fault::NodeKilled => agent.is_some() && node.server != Server::Down,
            Fault::StartFails => node.server == Server::Starting,
            Fault::StartHangs => node.server == Server::Starting && !node.hung,
            Fault::SingleUserFails => node.server == Server::SingleUser,
            Fault::SingleUserHangs => node.server == Server::SingleUser && !node.hung,
            Fault::RewindFails => node.server == Server::Rewinding,
            Fault::DiskFull => node.server == Server::Primary && !node.disk_full,
            Fault::DiskFreed => node.disk_full,
            Fault::RequestsLost | Fault::RepliesLost => node.dcs == Reach::Both && !state.dcs_down,
            Fault::DcsReached => node.dcs != Reach::Both,
            Fault::NodesCut => once && !state.nodes_cut,
            Fault::NodesJoined => once && state.nodes_cut,
            Fault::DcsDown => once && !state.dcs_down,
            Fault::DcsUp => once && state.dcs_down,
            Fault::LeaseLost => state.leader == Some(LeaderKey { holder: id, lease: Lease::Kept }),
            Fault::LeaseExpires => self.may_expire(state, id),
            Fault::WatchStalls => agent.is_some() && state.stalled.is_none(),
            Fault::WatchResumes => {
                state.stalled_at(id).is_some() && !agent.is_some_and(|agent| agent.at.compares_what_it_read())
            }
        }
    }

    /// The lease under the leader key has been left alone for long enough to end.
    ///
    /// Without a clock this stands for three things: an armed watchdog fires before that; an agent that runs but does not reach the DCS
    /// has found out before that, `loop_wait + 2*retry_timeout <= ttl`; and nobody else is still in the cycle in which it saw no such
    /// key.
    fn may_expire(&self, state: &State, id: NodeId) -> bool {
        let Some(key) = state.leader.filter(|key| key.holder == id && !state.dcs_down) else { return false };
        // A cycle that began before the key named this node is over long before its lease is: cycles take less than `ttl`.
        let outdated = |agent: &Agent| agent.at != At::Idle && !agent.frozen && agent.seen != Some(id);
        if self.settings.grain == Grain::Coarse
            && state.nodes.iter().any(|node| node.agent.as_ref().is_some_and(outdated))
        {
            return false;
        }
        let node = &state.nodes[usize::from(id)];
        if key.lease == Lease::Orphaned || !node.is_attended() {
            return !node.watchdog;
        }
        let Some(agent) = &node.agent else { return false };
        // It asked once more within the ttl, and has been told; with the consent of the others it goes on.
        let told = node.dcs == Reach::Nothing && agent.warned && agent.at == At::Idle;
        told && (agent.failsafe || !node.watchdog)
    }

    /// Nobody leads with the consent of the others any more, nor did so moments ago: who gave it forgets it when `ttl` is over.
    fn may_forget(&self, state: &State, id: NodeId) -> bool {
        let gave_consent = |node: &Node| node.agent.as_ref().is_some_and(|agent| agent.failsafe);
        let leads = |other: NodeId| {
            let node = &state.nodes[usize::from(other)];
            node.server == Server::Primary && (node.watchdog || node.is_attended() && gave_consent(node))
        };
        let node = &state.nodes[usize::from(id)];
        gave_consent(node) && node.server != Server::Primary && !self.node_ids().any(leads)
    }

    pub(super) fn forget(&self, state: &mut State, id: NodeId) {
        self.agent_mut(state, id).failsafe = false;
    }

    pub(super) fn inflict(&self, state: &mut State, fault: Fault, id: NodeId) {
        let left = match fault.class() {
            Class::Process => Some(&mut state.budget.process),
            Class::Task => Some(&mut state.budget.task),
            Class::Network => Some(&mut state.budget.network),
            Class::Free => None,
        };
        if let Some(left) = left {
            Budget::take(left);
        }
        let node = &mut state.nodes[usize::from(id)];
        match fault {
            Fault::PostmasterKilled | Fault::OrphansLeft => {
                node.ends();
                node.orphans |= fault == Fault::OrphansLeft;
                node.single_user_starts = 0; // a new crash is a new recovery episode
            }
            Fault::BackendCrashed => {
                node.server = Server::Starting;
                node.control = Some(ControlState::InCrashRecovery);
            }
            Fault::AgentKilled => self.agent_ends(state, id),
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
            Fault::AgentFrozen | Fault::AgentThawed => {
                if let Some(agent) = node.agent.as_mut() {
                    agent.frozen = fault == Fault::AgentFrozen;
                }
            }
            Fault::NodeKilled => self.node_ends(state, id),
            Fault::StartFails => node.ends(),
            Fault::StartHangs | Fault::SingleUserHangs => node.hung = true,
            Fault::SingleUserFails => {
                node.ends();
                self.single_user_over(state, id);
            }
            Fault::RewindFails => {
                node.ends();
                if let Some(agent) = node.agent.as_mut().filter(|agent| agent.task() == Some(Task::Rewind)) {
                    agent.slot = None;
                    agent.rewind = Rewind::Failed;
                }
            }
            Fault::DiskFull => {
                node.ends();
                node.disk_full = true;
                node.single_user_starts = 0;
            }
            Fault::DiskFreed => node.disk_full = false,
            Fault::RequestsLost => node.dcs = Reach::Nothing,
            Fault::RepliesLost => node.dcs = Reach::NoReplies,
            Fault::DcsReached => node.dcs = Reach::Both,
            Fault::NodesCut | Fault::NodesJoined => state.nodes_cut = fault == Fault::NodesCut,
            Fault::DcsDown | Fault::DcsUp => state.dcs_down = fault == Fault::DcsDown,
            Fault::LeaseLost | Fault::LeaseExpires => self.lease_ends(state),
            Fault::WatchStalls => state.stall(id),
            Fault::WatchResumes => state.no_longer_stalled(id),
        }
    }

    /// The watchdog, or a loss of power, resets the node.
    pub(super) fn node_ends(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        if node.server == Server::Copying {
            node.control = None;
        }
        node.ends();
        node.orphans = false;
        node.watchdog = false;
        self.agent_ends(state, id);
    }

    fn agent_ends(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        node.agent = None;
        node.single_user_starts = 0;
        state.no_longer_stalled(id);
        if let Some(key) = state.leader.as_mut().filter(|key| key.holder == id) {
            key.lease = Lease::Orphaned;
        }
    }
}
