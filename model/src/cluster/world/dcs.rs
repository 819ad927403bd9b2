//! The DCS: the agents' writes to the keys, and the replies that they get.
//!
//! A write takes effect as a whole or not at all. An agent that is cut off gets an error instead of a reply. If only
//! replies get lost, the write takes effect and the agent still gets an error.

use crate::mutants::Mutant;
use crate::rules::edition::LockUpdate;

use crate::cluster::Cluster;
use crate::cluster::state::*;

/// The error of a request that the DCS did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cluster) struct DcsError;

impl Cluster {
    /// The connection of a node to the DCS.
    pub(in crate::cluster) fn reach(&self, state: &State, id: NodeId) -> Reach {
        if state.dcs_down { Reach::Nothing } else { state.nodes[usize::from(id)].dcs }
    }

    /// Performs `change` on the keys, and returns its reply or an error.
    fn write<T>(
        &self,
        state: &mut State,
        id: NodeId,
        change: impl FnOnce(&Self, &mut State) -> T,
    ) -> Result<T, DcsError> {
        match self.reach(state, id) {
            Reach::Both => {
                self.agent_mut(state, id).warned = false;
                Ok(change(self, state))
            }
            Reach::NoReplies => {
                change(self, state);
                Err(DcsError)
            }
            Reach::Nothing => Err(DcsError),
        }
    }

    /// `load_cluster_from_dcs()`: takes a snapshot. Afterwards the agent's member key, and with it its lease, exists
    /// again.
    pub(in crate::cluster) fn read_cluster(&self, state: &mut State, id: NodeId) -> Result<(), DcsError> {
        if !self.can_read(state, id) {
            return Err(DcsError);
        }
        let holder = state.leader_seen_by(id);
        let reached = self.reach(state, id) == Reach::Both;
        let agent = self.agent_mut(state, id);
        agent.seen = holder;
        if reached {
            agent.leased = true;
            agent.warned = false;
        }
        Ok(())
    }

    /// `update_lock()`: keeps the lease alive and the key under it. Returns true if the agent may believe that it has
    /// the lock.
    pub(in crate::cluster) fn update_lock(&self, state: &mut State, id: NodeId) -> Result<bool, DcsError> {
        let answer = self.write(state, id, |cluster, state| cluster.update_leader(state, id));
        if answer == Ok(true) {
            self.agent_mut(state, id).failsafe = false;
            state.shows_own_lock(id);
        }
        match answer {
            Err(DcsError) if !self.rules.update_lock_raises => Ok(false),
            answer => answer,
        }
    }

    /// patroni `dcs/etcd3.py` `_update_leader`.
    fn update_leader(&self, state: &mut State, id: NodeId) -> bool {
        let ours = LeaderKey { holder: id, lease: Lease::Kept };
        let leased = self.agent(state, id).leased;
        match self.rules.lock_update {
            // By a stale copy the same holds: the current key is not requested.
            _ if leased && state.stalled_at(id).is_some_and(|read| read.leader == Some(id) && read.session) => true,
            // The lease of this process is alive, and the key is under it.
            _ if leased && state.leader == Some(ours) => true,
            // The agent does not notice that its lease has ended.
            LockUpdate::TrustsKeepalive if !leased => true,
            LockUpdate::ComparesAndSwaps if state.leader.is_some_and(|key| key.holder != id) => false,
            // The key is absent, or under the lease of a predecessor, or, where an update `Overwrites`, another node's.
            LockUpdate::Overwrites | LockUpdate::ComparesAndSwaps | LockUpdate::TrustsKeepalive => {
                self.agent_mut(state, id).leased = true;
                state.leader = Some(ours);
                true
            }
        }
    }

    /// `acquire_lock()`: creates the key if it does not exist.
    pub(in crate::cluster) fn take_lock(&self, state: &mut State, id: NodeId) -> Result<bool, DcsError> {
        let taken = self.write(state, id, |cluster, state| {
            // What others write between the race and its end is ignored here, so the model has more behaviours than the
            // world.
            let current = (state.status_seen_by(id), state.sync_seen_by(id)) == (state.status, state.sync);
            let compares = cluster.rules.lock_needs_current_keys;
            let free =
                state.leader.is_none() && (current || !compares) || cluster.mutant == Some(Mutant::RaceIgnoresKey);
            if free {
                cluster.agent_mut(state, id).leased = true;
                state.leader = Some(LeaderKey { holder: id, lease: Lease::Kept });
            }
            free
        });
        if taken == Ok(true) {
            state.shows_own_lock(id);
        }
        taken
    }

    /// Deletes the leader key if it names this node. An error is swallowed, and the key stays.
    pub(in crate::cluster) fn release_lock(&self, state: &mut State, id: NodeId) {
        let released = self.write(state, id, |_, state| {
            let ours = state.leader.is_some_and(|key| key.holder == id);
            if ours {
                state.leader = None;
            }
            ours
        });
        if released == Ok(true)
            && let Some(read) = state.stalled_at_mut(id)
        {
            (read.leader, read.session) = (None, false);
        }
    }

    /// Writes `/sync` if the key is still as this node read it; returns whether it was written.
    pub(in crate::cluster) fn write_sync(
        &self,
        state: &mut State,
        id: NodeId,
        standby: Option<NodeId>,
    ) -> Result<bool, DcsError> {
        let key = Some(SyncKey { leader: id, standby });
        let written = self.write(state, id, |_, state| {
            let as_read = state.sync_seen_by(id) == state.sync;
            if as_read {
                state.sync = key;
            }
            as_read
        });
        if written == Ok(true)
            && let Some(read) = state.stalled_at_mut(id)
        {
            read.sync = key;
        }
        written
    }

    /// Ends the lease under the leader key.
    pub(in crate::cluster) fn lease_ends(&self, state: &mut State) {
        let Some(key) = state.leader.take() else { return };
        if key.lease == Lease::Kept
            && let Some(agent) = state.nodes[usize::from(key.holder)].agent.as_mut()
        {
            agent.leased = false;
            if let Some(read) = state.stalled_at_mut(key.holder) {
                read.session = false; // its next lease is another one
            }
        }
    }
}
