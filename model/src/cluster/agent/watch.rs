//! Stale reads: an agent reads old keys while its watch of the DCS stalls.
//!
//! An agent does not request the keys from the DCS in every cycle. It reads a copy that a watch keeps up to date
//! (patroni 4.1.5 `dcs/etcd3.py` `KVCache`, 525-704), and into which it puts its own writes (`call_rpc`, 747-773).
//! While the watch stalls the copy is old. Reading it needs no network, and writes still work: they compare with the
//! current keys.

use crate::cluster::Cluster;
use crate::cluster::state::*;

impl State {
    /// The stale copy of this node, if its watch stalls.
    pub(in crate::cluster) fn stalled_at(&self, id: NodeId) -> Option<&Stalled> {
        self.stalled.as_ref().filter(|read| read.node == id)
    }

    pub(in crate::cluster) fn stalled_at_mut(&mut self, id: NodeId) -> Option<&mut Stalled> {
        self.stalled.as_mut().filter(|read| read.node == id)
    }

    /// The member that the leader key names, as this node reads it.
    pub(in crate::cluster) fn leader_seen_by(&self, id: NodeId) -> Option<NodeId> {
        self.stalled_at(id).map_or(self.leader.map(|key| key.holder), |read| read.leader)
    }

    /// `/sync`, as this node reads it.
    pub(in crate::cluster) fn sync_seen_by(&self, id: NodeId) -> Option<SyncKey> {
        self.stalled_at(id).map_or(self.sync, |read| read.sync)
    }

    /// `/status`, as this node reads it.
    pub(in crate::cluster) fn status_seen_by(&self, id: NodeId) -> u8 {
        self.stalled_at(id).map_or(self.status, |read| read.status)
    }

    /// `/history`, as this node reads it.
    pub(in crate::cluster) fn history_seen_by(&self, id: NodeId) -> u8 {
        self.stalled_at(id).map_or(self.history, |read| read.history)
    }

    /// Puts the lock into the stale copy of a node that was told that it has the lock.
    pub(in crate::cluster) fn shows_own_lock(&mut self, id: NodeId) {
        let ours = self.leader == Some(LeaderKey { holder: id, lease: Lease::Kept });
        if let Some(read) = self.stalled_at_mut(id)
            && ours
        {
            (read.leader, read.session) = (Some(id), true);
        }
    }

    /// The leader writes `/status`.
    pub(in crate::cluster) fn announce_position(&mut self, id: NodeId, position: u8) {
        self.status = position;
        if let Some(read) = self.stalled_at_mut(id) {
            read.status = position;
        }
    }

    /// The leader writes `/history`.
    pub(in crate::cluster) fn announce_timeline(&mut self, id: NodeId, timeline: u8) {
        self.history = timeline;
        if let Some(read) = self.stalled_at_mut(id) {
            read.history = timeline;
        }
    }

    /// Stalls the watch: from now on this node reads the keys as they are now.
    pub(in crate::cluster) fn stall(&mut self, id: NodeId) {
        let ours = LeaderKey { holder: id, lease: Lease::Kept };
        self.stalled = Some(Stalled {
            node: id,
            leader: self.leader.map(|key| key.holder),
            session: self.leader == Some(ours),
            sync: self.sync,
            status: self.status,
            history: self.history,
        });
    }

    /// Ends the stall: the watch continues, or ends with the agent's process.
    pub(in crate::cluster) fn no_longer_stalled(&mut self, id: NodeId) {
        self.stalled = self.stalled.filter(|read| read.node != id);
    }
}

impl Cluster {
    /// True if the agent can read the keys, old or current.
    pub(in crate::cluster) fn can_read(&self, state: &State, id: NodeId) -> bool {
        state.stalled_at(id).is_some() || self.reach(state, id) == Reach::Both
    }
}
