//! WAL on its way from one server to another, clients' commits, and what can be told of two data directories.

use std::cmp::Ordering;

use crate::recover::control::ControlState;

use crate::cluster::Cluster;
use crate::cluster::state::wal::{Point, Record};
use crate::cluster::state::*;

/// The leader's timeline is in `/history`: it has had a cycle as a primary, and its member key says so, too.
pub(in crate::cluster) fn announces_timeline(state: &State, leader: NodeId) -> bool {
    state.history >= state.wal.timeline_at(state.nodes[usize::from(leader)].data)
}

impl Cluster {
    /// The server that a standby streams from, if it can, and what that server has.
    fn source(&self, state: &State, id: NodeId) -> Option<Point> {
        match state.nodes[usize::from(id)].upstream {
            Upstream::Nobody => None,
            Upstream::Remote => Some(state.remote),
            Upstream::Member(other) => {
                let node = &state.nodes[usize::from(other)];
                // A standby passes on what it has only to those below it: in a standby cluster.
                let sends =
                    node.server == Server::Primary || self.settings.standby_cluster && node.server == Server::Standby;
                (sends && !state.nodes_cut).then_some(node.data)
            }
        }
    }

    /// What a standby can receive next: WAL that continues its own.
    pub(in crate::cluster) fn receivable(&self, state: &State, id: NodeId) -> Option<Point> {
        let node = &state.nodes[usize::from(id)];
        if node.server != Server::Standby || node.hung {
            return None;
        }
        let data = self.source(state, id)?;
        (data != node.data && state.wal.includes(data, node.data)).then_some(data)
    }

    /// A standby has what its source has.
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

    /// Commits that waited for this standby are acknowledged.
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

    /// A server writes a record by itself; where positions are not told apart, nothing is to be seen of it.
    pub(in crate::cluster) fn write_checkpoint(&self, state: &mut State, id: NodeId) {
        if self.settings.wal.is_exact() {
            let node = &mut state.nodes[usize::from(id)];
            node.data = state.wal.append(node.data, Record::Checkpoint);
        }
    }

    /// A primary is shut down in an orderly way: standbys that are connected get all its WAL, the shutdown checkpoint included.
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

    /// The same, but it does not end yet: who knows how long it waits for a standby that is not reached. Nobody can write any more.
    pub(in crate::cluster) fn begins_to_shut_down(&self, state: &mut State, id: NodeId) {
        self.shut_down(state, id);
        let node = &mut state.nodes[usize::from(id)];
        (node.server, node.hung, node.control) = (Server::Starting, true, Some(ControlState::InProduction));
    }

    /// Forgets WAL that no longer tells anything apart.
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
                // Only differences matter there.
                *history = history.saturating_sub(timelines).max(1);
            }
        }
        if self.settings.wal.is_exact() {
            wal.timeline = 1;
        }
    }

    /// Unless this is a leader whose agent works, and who has had no cycle since it became a primary.
    pub fn has_announced_itself(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let leads = state.leader.is_some_and(|key| key.holder == id) && node.server == Server::Primary;
        !leads || !node.is_attended() || self.reach(state, id) != Reach::Both || announces_timeline(state, id)
    }

    /// Possible outcomes of comparing this data directory with the leader of the snapshot: it diverged, it did not, nobody knows
    /// (patroni `postgresql/rewind.py` `rewind_or_reinitialize_needed_and_possible` and `_check_timeline_and_lsn`).
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
            // The role in its member key is all that was looked at once.
            let believed = !self.rules.asks_leader_for_recovery
                && primary.server == Server::Standby
                && primary.agent.as_ref().is_some_and(|agent| agent.role == Role::Primary);
            // Before its first cycle as a leader its member key does not say that it is a primary, and then nothing is compared (patroni 2.1.2
            // `postgresql/rewind.py` 164-165, 4.1.5 237-239).
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
        // While Postgres is down only a clean shutdown, or a standby's minimum recovery point, says where the data ends.
        let says = running
            || matches!(node.control, Some(ControlState::ShutDown | ControlState::ShutDownInRecovery))
            || self.rules.crash_recovery_before_rewind && node.control == Some(ControlState::InArchiveRecovery);
        if !says {
            return NOBODY_KNOWS;
        }
        if self.rules.compares_branches {
            return known(!state.wal.includes(leader, node.data));
        }
        // The history of the timeline that a primary elsewhere has begun may still be on its way to a standby that is up.
        let unheard = running && self.settings.as_observed && self.settings.standby_cluster;
        let timeline = state.wal.timeline_at(node.data);
        match timeline.cmp(&state.wal.timeline_at(leader)) {
            Ordering::Greater => known(true),
            // Two promotions may have led to the same number: nobody looks.
            Ordering::Equal => known(false),
            // 2.1.2 never stops walking the history, and takes everybody who is behind for diverged (#2221).
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
                    // A former primary's last record is its shutdown checkpoint, and the switch is right behind it if a standby got it.
                    Some(switch) if was_primary => position != switch,
                    Some(switch) => position > switch,
                })
            }
        }
    }

    /// Takes note of the outcome of a comparison.
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

    /// Another node's agent answers, and its Postgres accepts connections as a standby.
    fn answers_as_standby(&self, state: &State, other: NodeId) -> bool {
        let node = &state.nodes[usize::from(other)];
        !state.nodes_cut && node.is_attended() && node.server == Server::Standby
    }

    /// It has not fallen behind the leader's last announced position, as far as `reader` can read, by more than is allowed.
    fn is_close_enough(&self, state: &State, reader: NodeId, id: NodeId) -> bool {
        let position = state.wal.position(state.nodes[usize::from(id)].data);
        !self.settings.wal.is_exact() || position + self.settings.maximum_lag >= state.status_seen_by(reader)
    }

    /// In synchronous mode only the synchronous standby, or the leader that chose it, may lead, as far as `reader` can read.
    fn may_lead(&self, state: &State, reader: NodeId, id: NodeId) -> bool {
        !self.settings.synchronous
            || state.sync_seen_by(reader).is_none_or(|sync| sync.leader == id || sync.standby == Some(id))
            || self.mutant == Some(crate::mutants::Mutant::PromotesAnybody)
    }

    /// A healthy candidate answers (patroni `Ha.is_failover_possible`).
    pub(in crate::cluster) fn is_failover_possible(&self, state: &State, id: NodeId) -> bool {
        // Whoever could still write here must not be given a rival.
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

    /// Nobody who answers is a better candidate (patroni `Ha.is_healthiest_node`).
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
            // It does not answer, or nobody asks it, since in synchronous mode it may not lead.
            if state.nodes_cut || !peer.is_attended() || !self.may_lead(state, id, other) {
                return true;
            }
            match peer.server {
                Server::Primary => !self.rules.primary_stops_race,
                // The former leader may have what no synchronous standby has: nobody was told of it, so nobody gives way to it.
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
