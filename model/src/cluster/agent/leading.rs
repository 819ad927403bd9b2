//! Taking the lock, and the duties of its holder: patroni `acquire_lock`, `enforce_primary_role`,
//! `process_sync_replication`.

use crate::mutants::Mutant;
use crate::recover::dialogue::Task;
use crate::vocabulary::fault::Fault;

use crate::cluster::Cluster;
use crate::cluster::state::*;
use crate::cluster::world::dcs::DcsError;

impl Cluster {
    /// True if the watchdog is armed before the lock is requested.
    pub(in crate::cluster) fn arms_watchdog_first(&self, state: &State) -> bool {
        self.rules.watchdog_before_lock
            && self.settings.watchdog
            && !self.settings.standby_cluster
            && !state.paused
            && self.mutant != Some(Mutant::ForgetsWatchdog)
    }

    /// `acquire_lock()`, and what follows in either case.
    pub(in crate::cluster) fn acquire(&self, state: &mut State, id: NodeId) {
        if self.arms_watchdog_first(state) {
            state.nodes[usize::from(id)].watchdog = true;
        }
        match self.take_lock(state, id) {
            Err(DcsError) => self.handle_dcs_error(state, id),
            Ok(true) => {
                self.agent_mut(state, id).seen = Some(id);
                self.granted(state, id);
            }
            Ok(false) => {
                let node = &mut state.nodes[usize::from(id)];
                if !node.is_writable() {
                    node.watchdog = false;
                }
                let holder = state.leader_seen_by(id);
                self.agent_mut(state, id).seen = holder;
                self.keep_following(state, id);
            }
        }
    }

    /// Continues after the lock was refreshed or taken. The rest follows at once, unless the agent can be frozen in
    /// between.
    pub(in crate::cluster) fn granted(&self, state: &mut State, id: NodeId) {
        if self.settings.faults.contains(Fault::AgentFrozen) {
            self.agent_mut(state, id).at = At::Granted;
        } else {
            self.enforce(state, id);
        }
    }

    /// `enforce_primary_role()`: the lease holder is a primary, or becomes one. In a standby cluster it follows the
    /// remote primary.
    pub(in crate::cluster) fn enforce(&self, state: &mut State, id: NodeId) {
        let (watchdog, paused) = (self.settings.watchdog, state.paused);
        let node = &mut state.nodes[usize::from(id)];
        let agent = node.agent.as_mut().expect("only a live agent acts");
        if self.settings.standby_cluster && self.mutant != Some(Mutant::PromotesStandbyLeader) {
            agent.role = Role::StandbyLeader;
            return self.keep_following(state, id);
        }
        if node.server == Server::Down {
            // Only a dead Postgres whose last backends are awaited gets here.
            return agent.rest();
        }
        if !paused && self.mutant != Some(Mutant::ForgetsWatchdog) {
            node.watchdog = watchdog;
        }
        if node.server == Server::Primary {
            agent.role = Role::Primary;
            let timeline = state.wal.timeline_at(node.data);
            state.announce_timeline(id, timeline);
            return self.process_sync_replication(state, id);
        }
        if agent.role != Role::Primary && !paused {
            if self.settings.synchronous {
                // Until a standby has caught up, commits wait for no standby, and no other node may lead.
                match self.write_sync(state, id, None) {
                    Err(DcsError) => return self.handle_dcs_error(state, id),
                    // 'Postponing promotion because synchronous replication state was updated by somebody else'
                    Ok(false) => return self.agent_mut(state, id).rest(),
                    Ok(true) => state.nodes[usize::from(id)].sync_names = None,
                }
            }
            self.agent_mut(state, id).slot = Some(Task::Promote.into());
        }
        self.agent_mut(state, id).rest();
    }

    /// `process_sync_replication()`: a standby is named in Postgres before it may lead, and may no longer lead before
    /// Postgres stops naming it.
    pub(in crate::cluster) fn process_sync_replication(&self, state: &mut State, id: NodeId) {
        let rest = |cluster: &Self, state: &mut State| cluster.agent_mut(state, id).rest();
        if !self.settings.synchronous {
            return rest(self, state);
        }
        let streams = |other: NodeId| {
            let node = &state.nodes[usize::from(other)];
            other != id
                && node.server == Server::Standby
                && node.upstream == Upstream::Member(id)
                && state.wal.includes(state.nodes[usize::from(id)].data, node.data)
                && !state.nodes_cut
        };
        let named = state.nodes[usize::from(id)].sync_names;
        let key = state.sync_seen_by(id);
        let published = key.filter(|key| key.leader == id).and_then(|key| key.standby);
        let wanted = named.filter(|named| streams(*named)).or_else(|| self.node_ids().find(|other| streams(*other)));
        let hasty = self.mutant == Some(Mutant::PublishesStandbyEarly);
        if key.is_none_or(|key| key.leader != id) || published.is_some() && published != wanted {
            // First, no standby may lead any more …
            if self.mutant == Some(Mutant::ForgetsStandbyFirst) {
                state.nodes[usize::from(id)].sync_names = wanted;
                return rest(self, state);
            }
            if self.write_sync(state, id, None).is_err() {
                return self.handle_dcs_error(state, id);
            }
        } else if named != wanted {
            // … then commits wait for the new standby …
            if hasty && self.write_sync(state, id, wanted).is_err() {
                return self.handle_dcs_error(state, id);
            }
            state.nodes[usize::from(id)].sync_names = wanted;
        } else if let Some(standby) = wanted.filter(|_| published != wanted) {
            // … and once it has everything, it may lead.
            let (ours, theirs) = (state.nodes[usize::from(id)].data, state.nodes[usize::from(standby)].data);
            if state.wal.includes(theirs, ours) && self.write_sync(state, id, wanted).is_err() {
                return self.handle_dcs_error(state, id);
            }
        }
        rest(self, state);
    }
}
