//! Replication: WAL on its way between servers, commits of clients, and the comparison of two data directories.

use std::cmp::Ordering;

use crate::recover::control::ControlState;

use crate::cluster::Cluster;
use crate::cluster::state::wal::{Point, Record};
use crate::cluster::state::*;

/// True if the leader's timeline is in `/history`: the leader has had a cycle as a primary, and its member key says
/// that it is one.
pub(in crate::cluster) fn announces_timeline(state: &State, leader: NodeId) -> bool {
    state.history >= state.wal.timeline_at(state.nodes[usize::from(leader)].data)
}

impl Cluster {
    /// The WAL position of the server that a standby streams from, if the standby can stream.
    fn source(&self, state: &State, id: NodeId) -> Option<Point> {
        match state.nodes[usize::from(id)].upstream {
            Upstream::Nobody => None,
            Upstream::Remote => Some(state.remote),
            Upstream::Member(other) => {
                let node = &state.nodes[usize::from(other)];
                // A standby sends WAL only to members below it in a standby cluster.
                let sends =
                    node.server == Server::Primary || self.settings.standby_cluster && node.server == Server::Standby;
                (sends && !state.nodes_cut).then_some(node.data)
            }
        }
    }

    /// The WAL position that a standby can receive next: one that continues its own data.
    pub(in crate::cluster) fn receivable(&self, state: &State, id: NodeId) -> Option<Point> {
        let node = &state.nodes[usize::from(id)];
        if node.server != Server::Standby || node.hung {
            return None;
        }
        let data = self.source(state, id)?;
        (data != node.data && state.wal.includes(data, node.data)).then_some(data)
    }

    /// True if a standby has all that its source has.
    pub(in crate::cluster) fn streams(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        node.server == Server::Standby && self.source(state, id) == Some(node.data)
    }

    /// A standby receives all that its source has.
    pub(in crate::cluster) fn replicate(&self, state: &mut State, id: NodeId) {
        let Some(data) = self.receivable(state, id) else { return };
        state.nodes[usize::from(id)].data = data;
        self.acknowledge(state, id);
    }

    /// Acknowledges the commits that waited for this standby.
    fn acknowledge(&self, state: &mut State, id: NodeId) {
        let data = state.nodes[usize::from(id)].data;
        let waits = |node: &Node| {
            node.server == Server::Primary
                && node.sync_names == Some(id)
                && state.nodes[usize::from(id)].server == Server::Standby
        };
        if self.settings.synchronous && state.nodes.iter().any(waits) {
            state.wal.acknowledge(data);
        }
    }

    /// A client commits.
    pub(in crate::cluster) fn commit(&self, state: &mut State, id: NodeId) {
        Budget::take(&mut state.budget.commits);
        let node = &mut state.nodes[usize::from(id)];
        let record = if node.sync_names.is_some() { Record::Commit } else { Record::Acknowledged };
        node.data = state.wal.append(node.data, record);
    }

    /// A server writes a record by itself. Where positions are not distinguished, this has no effect.
    pub(in crate::cluster) fn write_checkpoint(&self, state: &mut State, id: NodeId) {
        if self.settings.wal.is_exact() {
            let node = &mut state.nodes[usize::from(id)];
            node.data = state.wal.append(node.data, Record::Checkpoint);
        }
    }

    /// Shuts a primary down in an orderly way: connected standbys get all its WAL, the shutdown checkpoint included.
    pub(in crate::cluster) fn shut_down(&self, state: &mut State, id: NodeId) {
        let index = usize::from(id);
        self.write_checkpoint(state, id);
        for other in self.node_ids().filter(|other| *other != id) {
            if state.nodes[usize::from(other)].upstream == Upstream::Member(id) {
                self.replicate(state, other);
            }
        }
        state.nodes[index].ends();
        state.nodes[index].control = Some(ControlState::ShutDown);
    }

    /// Shuts a primary down likewise, but it does not end yet: it may wait, for an unknown time, for a standby that is
    /// not reached. Nobody can write any more.
    pub(in crate::cluster) fn begins_to_shut_down(&self, state: &mut State, id: NodeId) {
        self.shut_down(state, id);
        let node = &mut state.nodes[usize::from(id)];
        (node.server, node.hung, node.control) = (Server::Starting, true, Some(ControlState::InProduction));
    }

    /// Removes WAL that all data directories have, or none has.
    pub(in crate::cluster) fn trim(&self, state: &mut State) {
        let State { wal, remote, nodes, status, history, stalled, .. } = state;
        let [first, second, third] = nodes;
        let mut data = [remote, &mut first.data, &mut second.data, &mut third.data];
        let from = usize::from(!self.settings.standby_cluster);
        let (records, timelines) = wal.trim(&mut data[from..=usize::from(self.settings.nodes)]);
        let announced =
            [(status, history)].into_iter().chain(stalled.as_mut().map(|read| (&mut read.status, &mut read.history)));
        for (status, history) in announced {
            *status = status.saturating_sub(records);
            if self.settings.wal.is_exact() {
                // Here only differences between timeline numbers matter.
                *history = history.saturating_sub(timelines).max(1);
            }
        }
        if self.settings.wal.is_exact() {
            wal.timeline = 1;
        }
    }

    /// False for a leader with a working agent that has had no cycle since it became a primary; true for every other
    /// node.
    pub fn has_announced_itself(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let leads = state.leader.is_some_and(|key| key.holder == id) && node.server == Server::Primary;
        !leads || !node.is_attended() || self.reach(state, id) != Reach::Both || announces_timeline(state, id)
    }

    /// The possible outcomes of comparing this data directory with that of the leader in the snapshot: it diverged, it
    /// did not, or no result (patroni `postgresql/rewind.py` `rewind_or_reinitialize_needed_and_possible` and
    /// `_check_timeline_and_lsn`).
    pub(in crate::cluster) fn divergence(&self, state: &State, id: NodeId) -> &'static [Option<bool>] {
        const NOBODY_KNOWS: &[Option<bool>] = &[None];
        let known = |diverged: bool| if diverged { &[Some(true)] } else { &[Some(false)] };
        let node = &state.nodes[usize::from(id)];
        let agent = self.agent(state, id);
        let leader = if self.settings.standby_cluster {
            state.remote
        } else {
            let Some(leader) = agent.seen.filter(|leader| *leader != id) else { return NOBODY_KNOWS };
            let primary = &state.nodes[usize::from(leader)];
            // Earlier releases look only at the role in the leader's member key.
            let believed = !self.rules.asks_leader_for_recovery
                && primary.server == Server::Standby
                && primary.agent.as_ref().is_some_and(|agent| agent.role == Role::Primary);
            // Before the leader's first cycle as a primary its member key does not say that it is one, and nothing is
            // compared (patroni 2.1.2 `postgresql/rewind.py` 164-165, 4.1.5 237-239).
            let announced = !self.settings.as_observed || announces_timeline(state, leader);
            if (primary.server != Server::Primary && !believed) || !announced || state.nodes_cut {
                return match agent.rewind {
                    Rewind::Check => NOBODY_KNOWS, // not reachable, or still in recovery
                    decided => known(decided == Rewind::Need),
                };
            }
            primary.data
        };
        if agent.rewind != Rewind::Check {
            return known(agent.rewind == Rewind::Need);
        }
        let running = node.has_postmaster();
        // While Postgres is down, only a clean shutdown or a standby's minimum recovery point says where the data ends.
        let says = running
            || matches!(node.control, Some(ControlState::ShutDown | ControlState::ShutDownInRecovery))
            || self.rules.crash_recovery_before_rewind && node.control == Some(ControlState::InArchiveRecovery);
        if !says {
            return NOBODY_KNOWS;
        }
        if self.rules.compares_branches {
            return known(!state.wal.includes(leader, node.data));
        }
        // The history of a timeline that a new remote primary has begun may still be on its way to a running standby.
        let unheard = running && self.settings.as_observed && self.settings.standby_cluster;
        let timeline = state.wal.timeline_at(node.data);
        match timeline.cmp(&state.wal.timeline_at(leader)) {
            Ordering::Greater => known(true),
            // Two promotions may have led to the same number, but agents do not check that.
            Ordering::Equal => known(false),
            // 2.1.2 never stops walking through the history, and takes every node that is behind for diverged (#2221).
            Ordering::Less if !self.rules.timeline_walk_stops => match unheard {
                true => &[None, Some(true)],
                false => known(true),
            },
            // Where positions are unknown, a node behind its leader may have diverged or not.
            Ordering::Less if !self.settings.wal.is_exact() => match unheard {
                true => &[None, Some(false), Some(true)],
                false => &[Some(false), Some(true)],
            },
            Ordering::Less => {
                let position = state.wal.position(node.data);
                let was_primary = !running && node.control == Some(ControlState::ShutDown);
                known(match state.wal.switch(leader, timeline) {
                    None => true,
                    // A former primary's last record is its shutdown checkpoint, and the switch follows it directly if
                    // a standby received it.
                    Some(switch) if was_primary => position != switch,
                    Some(switch) => position > switch,
                })
            }
        }
    }

    /// Records the outcome of a comparison in the agent's memory.
    pub(in crate::cluster) fn note_divergence(&self, state: &mut State, id: NodeId, diverged: Option<bool>) {
        let agent = self.agent_mut(state, id);
        if agent.rewind == Rewind::Check {
            agent.rewind = match diverged {
                Some(true) => Rewind::Need,
                Some(false) => Rewind::NotNeed,
                None => Rewind::Check,
            };
        }
    }

    /// True if another node's agent answers, and its Postgres accepts connections as a standby.
    fn answers_as_standby(&self, state: &State, other: NodeId) -> bool {
        let node = &state.nodes[usize::from(other)];
        !state.nodes_cut && node.is_attended() && node.server == Server::Standby
    }

    /// True if a node is no further behind the leader's last announced position, as `reader` reads it, than is allowed.
    fn is_close_enough(&self, state: &State, reader: NodeId, id: NodeId) -> bool {
        let position = state.wal.position(state.nodes[usize::from(id)].data);
        !self.settings.wal.is_exact() || position + self.settings.maximum_lag >= state.status_seen_by(reader)
    }

    /// True if a node may lead, as `reader` reads the keys: in synchronous mode only the synchronous standby and the
    /// leader that chose it may.
    fn may_lead(&self, state: &State, reader: NodeId, id: NodeId) -> bool {
        !self.settings.synchronous
            || state.sync_seen_by(reader).is_none_or(|sync| sync.leader == id || sync.standby == Some(id))
            || self.mutant == Some(crate::mutants::Mutant::PromotesAnybody)
    }

    /// True if a healthy candidate answers (patroni `Ha.is_failover_possible`).
    pub(in crate::cluster) fn is_failover_possible(&self, state: &State, id: NodeId) -> bool {
        // While clients can still write here, no other node may become a rival.
        if self.rules.waits_for_orphans && state.nodes[usize::from(id)].orphans {
            return false;
        }
        self.node_ids().any(|other| {
            other != id
                && self.answers_as_standby(state, other)
                && self.is_close_enough(state, id, other)
                && self.may_lead(state, id, other)
        })
    }

    /// True if no node that answers is a better candidate (patroni `Ha.is_healthiest_node`).
    pub(in crate::cluster) fn is_healthiest(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        if node.server == Server::Primary {
            let outdated = state.wal.timeline_at(node.data) < state.history_seen_by(id);
            return state.paused || !(self.rules.old_primary_does_not_race && outdated);
        }
        if state.paused || node.server != Server::Standby {
            return false;
        }
        if !self.is_close_enough(state, id, id) || !self.may_lead(state, id, id) {
            return false;
        }
        self.node_ids().filter(|other| *other != id).all(|other| {
            let peer = &state.nodes[usize::from(other)];
            // It does not answer; or it is not asked, because in synchronous mode it may not lead.
            if state.nodes_cut || !peer.is_attended() || !self.may_lead(state, id, other) {
                return true;
            }
            match peer.server {
                Server::Primary => !self.rules.primary_stops_race,
                // The former leader may have commits that no synchronous standby has. They were never acknowledged, so
                // nobody gives way to it.
                Server::Standby
                    if self.settings.synchronous && state.sync_seen_by(id).is_some_and(|sync| sync.leader == other) =>
                {
                    true
                }
                // Where positions are unknown, either of two standbys may be ahead.
                Server::Standby if !self.settings.wal.is_exact() => true,
                Server::Standby => state.wal.position(peer.data) <= state.wal.position(node.data),
                _ => true,
            }
        })
    }
}
