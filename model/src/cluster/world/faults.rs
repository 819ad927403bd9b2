//! Faults, their ends, and the watchdog.

use crate::recover::control::ControlState;
use crate::recover::dialogue::Task;
use crate::vocabulary::fault::{Class, Fault, Faults};

use crate::cluster::action::Action;
use crate::cluster::state::*;
use crate::cluster::{Cluster, Grain};

/// Faults that need certain processes of Postgres.
const OF_SERVERS: Faults = Faults::of(&[
    Fault::PostmasterKilled,
    Fault::OrphansLeft,
    Fault::BackendCrashed,
    Fault::NodeKilled,
    Fault::StartFails,
    Fault::StartHangs,
    Fault::SingleUserFails,
    Fault::SingleUserHangs,
    Fault::RewindFails,
    Fault::DiskFull,
]);

/// Faults that need an agent, or need one to be absent.
const OF_AGENTS: Faults = Faults::of(&[
    Fault::AgentKilled,
    Fault::AgentRestarted,
    Fault::AgentFrozen,
    Fault::AgentThawed,
    Fault::NodeKilled,
    Fault::WatchStalls,
]);

/// The faults that are possible with this process on the data directory.
fn of_server(server: Server) -> Faults {
    macro_rules! only {
        ($($fault:ident),*) => {
            const { Faults::of(&Fault::ALL).except(OF_SERVERS).and(Faults::of(&[$(Fault::$fault),*])) }
        };
    }
    match server {
        Server::Down => only!(),
        Server::Starting => only!(PostmasterKilled, NodeKilled, StartFails, StartHangs),
        Server::Standby => only!(PostmasterKilled, NodeKilled),
        Server::Primary => only!(PostmasterKilled, OrphansLeft, BackendCrashed, NodeKilled, DiskFull),
        Server::SingleUser => only!(NodeKilled, SingleUserFails, SingleUserHangs),
        Server::Rewinding => only!(NodeKilled, RewindFails),
        Server::Copying => only!(NodeKilled),
    }
}

/// The faults that are possible with this agent.
fn of_agent(agent: Option<&Agent>) -> Faults {
    macro_rules! only {
        ($($fault:ident),*) => {
            const { Faults::of(&Fault::ALL).except(OF_AGENTS).and(Faults::of(&[$(Fault::$fault),*])) }
        };
    }
    match agent {
        None => only!(AgentRestarted),
        Some(agent) if agent.frozen => only!(AgentKilled, AgentThawed, NodeKilled, WatchStalls),
        Some(_) => only!(AgentKilled, AgentFrozen, NodeKilled, WatchStalls),
    }
}

impl Cluster {
    pub(in crate::cluster) fn fault_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let Budget { process, task, network, .. } = state.budget;
        let left = usize::from(process > 0) | usize::from(task > 0) << 1 | usize::from(network > 0) << 2;
        let possible = self.may_happen(state, id, self.faults[left]);
        actions.extend(possible.iter().map(|fault| Action::Fault(fault, id)));
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

    /// Those of `faults` that may happen, if their budgets allow it. Sets of faults are used because most states allow
    /// few.
    fn may_happen(&self, state: &State, id: NodeId, faults: Faults) -> Faults {
        let node = &state.nodes[usize::from(id)];
        let mut possible = faults.within(of_server(node.server)).within(of_agent(node.agent.as_ref()));
        let mut never = |these: Faults, if_so: bool| {
            possible = if if_so { possible.except(these) } else { possible };
        };
        macro_rules! never {
            ($($fault:ident),+ if $if_so:expr) => { never(const { Faults::of(&[$(Fault::$fault),+]) }, $if_so) };
        }
        never!(StartHangs, SingleUserHangs if node.hung);
        never!(OrphansLeft if node.orphans);
        never!(DiskFull if node.disk_full);
        never!(DiskFreed if !node.disk_full);
        never!(RequestsLost, RepliesLost if node.dcs != Reach::Both || state.dcs_down);
        never!(DcsReached if node.dcs == Reach::Both);
        // Faults of the whole cluster happen to the first node.
        never!(NodesCut, NodesJoined, DcsDown, DcsUp if id != 0);
        never!(NodesCut if state.nodes_cut);
        never!(NodesJoined if !state.nodes_cut);
        never!(DcsDown if state.dcs_down);
        never!(DcsUp if !state.dcs_down);
        never!(LeaseLost if state.leader != Some(LeaderKey { holder: id, lease: Lease::Kept }));
        never!(WatchStalls if state.stalled.is_some());
        never!(WatchStalls if self.settings.stalls_unseen && self.reach(state, id) == Reach::Both);
        // These two are more expensive to decide.
        never!(LeaseExpires if faults.contains(Fault::LeaseExpires) && !self.may_expire(state, id));
        never!(WatchResumes if faults.contains(Fault::WatchResumes) && !self.may_resume(state, id));
        possible
    }

    /// True if the watch may continue: no write depends on the stale copy.
    fn may_resume(&self, state: &State, id: NodeId) -> bool {
        let agent = state.nodes[usize::from(id)].agent.as_ref();
        state.stalled_at(id).is_some() && !agent.is_some_and(|agent| agent.at.compares_what_it_read())
    }

    /// True if the lease under the leader key has been left alone for long enough to end.
    ///
    /// Without a clock this stands for three things: an armed watchdog fires earlier; an agent that runs but does not
    /// reach the DCS has noticed that earlier (`loop_wait + 2*retry_timeout <= ttl`); and no other node is still in a
    /// cycle in which it saw no such key.
    fn may_expire(&self, state: &State, id: NodeId) -> bool {
        let silent = self.settings.as_observed;
        let Some(key) = state.leader.filter(|key| key.holder == id && (silent || !state.dcs_down)) else {
            return false;
        };
        // A cycle that began before the key named this node is over long before its lease is: cycles take less than
        // `ttl`.
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
        // The agent has asked once more within the ttl, and got an error. With the consent of the others it continues.
        let unheard = node.dcs == Reach::Nothing || silent && (node.dcs == Reach::NoReplies || state.dcs_down);
        let told = unheard && agent.warned && agent.at == At::Idle;
        told && (agent.failsafe || !node.watchdog)
    }

    /// True if a node may forget its consent, which it does after `ttl`: no node leads with the consent of the others,
    /// or did so moments ago.
    fn may_forget(&self, state: &State, id: NodeId) -> bool {
        let gave_consent = |node: &Node| node.agent.as_ref().is_some_and(|agent| agent.failsafe);
        let leads = |other: NodeId| {
            let node = &state.nodes[usize::from(other)];
            node.server == Server::Primary && (node.watchdog || node.is_attended() && gave_consent(node))
        };
        let node = &state.nodes[usize::from(id)];
        gave_consent(node) && node.server != Server::Primary && !self.node_ids().any(leads)
    }

    pub(in crate::cluster) fn forget(&self, state: &mut State, id: NodeId) {
        self.agent_mut(state, id).failsafe = false;
    }

    pub(in crate::cluster) fn inflict(&self, state: &mut State, fault: Fault, id: NodeId) {
        let left = match fault.class() {
            Class::Process => Some(&mut state.budget.process),
            Class::Task => Some(&mut state.budget.task),
            Class::Network => Some(&mut state.budget.network),
            Class::Free => None,
        };
        if let Some(left) = left {
            Budget::take(left);
        }
        let waiting = fault == Fault::PostmasterKilled && self.is_waiting_for_hung(state, id);
        let node = &mut state.nodes[usize::from(id)];
        match fault {
            Fault::PostmasterKilled | Fault::OrphansLeft => {
                node.ends();
                node.orphans |= fault == Fault::OrphansLeft;
                node.single_user_starts = 0; // a new crash is a new recovery episode
                if waiting {
                    self.no_longer_waits(state, id);
                }
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
                let mut agent = Agent::started(role, health);
                // A new agent that finds a standby compares timelines after its first cycle (`on_start`; patroni 2.1.2
                // `ha.py` 1475-1478, 4.1.5 `ha.py` 2328-2331). Left out where steps are not observed: a standby that
                // was never a primary has nothing to lose by it.
                if self.settings.grain == Grain::Observable && node.server == Server::Standby {
                    agent.trigger_divergence_check(self.settings.divergence_matters());
                }
                node.agent = Some(agent);
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

    /// Ends everything on a node: the watchdog resets it, or it loses power.
    pub(in crate::cluster) fn node_ends(&self, state: &mut State, id: NodeId) {
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
