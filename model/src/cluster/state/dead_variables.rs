//! Dead variables: values in a state that nobody will read again. They are set to fixed values when states are
//! compared.
//!
//! Two states that differ only in dead variables behave alike. So do two states of which one is about to take a step
//! without effect. A search that explores one of them explores both: whatever can be found from the one can be found
//! from the other, except for steps without effect. `tests/cluster/packed.rs` holds every state of small clusters to
//! that law (`engine::laws::representatives`). The law is about the rules of editions; no variable of a mutant's states
//! is treated as dead.

use crate::recover::dialogue::Task;
use crate::vocabulary::fault::Fault;

use super::wal::Record;
use super::*;
use crate::cluster::Cluster;

impl Cluster {
    /// Sets all dead variables to fixed values.
    pub(in crate::cluster) fn clear_dead_variables(&self, state: &mut State) {
        if self.mutant.is_some() {
            return;
        }
        if let Some(leader) = self.undisputed_leader(state) {
            self.clear_rivalry(state, leader);
        }
        self.clear_old_keys(state);
        // In maintenance, and while a request keeps the slot busy, agents ignore a dead Postgres.
        if self.settings.budget.operator == 0 {
            for node in &mut state.nodes[..usize::from(self.settings.nodes)] {
                self.clear_unread_upstream(node);
                // An agent that waits for orphans first keeps the lock.
                if !(self.rules.waits_for_orphans && node.orphans) {
                    note_death(node);
                }
            }
        }
    }

    /// Clears the recovery configuration where it will be rewritten before a standby is started with it.
    fn clear_unread_upstream(&self, node: &mut Node) {
        // In these places the agent of a standby checks whether the configuration already says what it should.
        let looks =
            |agent: &Agent| matches!(agent.at, At::Compare | At::Rewinding) || agent.at == At::Race && node.signal;
        let task = node.agent.as_ref().and_then(Agent::task);
        let unread = match node.server {
            Server::Primary => true,
            Server::Starting => !node.signal,
            Server::Rewinding | Server::SingleUser | Server::Down => {
                let begins_anew = match task {
                    None | Some(Task::CrashRecovery | Task::Rewind) => true,
                    Some(Task::StartPrimary) => !node.signal,
                    _ => false,
                };
                begins_anew && !node.agent.as_ref().is_some_and(looks)
            }
            _ => false,
        };
        // A copy is started with the configuration that was there before.
        if unread && !self.settings.copies() && !self.settings.standby_cluster {
            node.upstream = Upstream::Nobody;
        }
    }

    /// Raises or lowers `/history` and `/status` to the nearest value with the same meaning. Both are compared with
    /// what nodes have, and no node will ever have less than the one that is furthest behind now. `/status` is also
    /// compared with the positions of acknowledged commits, which `bounded-async-loss` counts.
    fn clear_old_keys(&self, state: &mut State) {
        let remote = self.settings.standby_cluster.then_some(state.remote);
        let data = || state.nodes[..usize::from(self.settings.nodes)].iter().map(|node| node.data).chain(remote);
        let oldest = data().map(|point| state.wal.timeline_at(point)).min().unwrap_or(0);
        // With `as_observed` it also matters whether a leader has announced its own timeline, so the value must stay
        // below that timeline.
        let oldest = oldest.saturating_sub(u8::from(self.settings.as_observed));
        let last = data().map(|point| state.wal.position(point)).min().unwrap_or(0);
        state.history = state.history.max(oldest);
        if let Some(read) = state.stalled.as_mut() {
            // The properties do not read the old value.
            read.history = read.history.max(oldest);
            if read.status <= last {
                read.status = 0;
            }
        }
        // In synchronous mode a commit may still be acknowledged.
        if state.status <= last {
            let status = state.status;
            let acknowledged = (1..)
                .zip(state.wal.records())
                .filter(|(_, (_, record))| matches!(record, Record::Acknowledged | Record::Commit));
            let counted = acknowledged.map(|(point, _)| state.wal.position(point)).filter(|at| *at <= status);
            state.status = counted.max().unwrap_or(0);
        }
    }

    /// The node whose lead nothing can end any more: it holds the lock, it is a primary or will be promoted, and all of
    /// this remains so.
    fn undisputed_leader(&self, state: &State) -> Option<NodeId> {
        let settings = &self.settings;
        let may_happen =
            |faults: &[Fault], left: u8| left > 0 && faults.iter().any(|fault| settings.faults.contains(*fault));
        let calm = !(settings.standby_cluster || settings.synchronous || settings.failsafe)
            && settings.wal.is_exact()
            && state.budget.process == 0
            && settings.budget.operator == 0
            && !state.dcs_down
            && state.stalled.is_none()
            && !may_happen(&[Fault::DiskFull], state.budget.task)
            && !may_happen(
                &[Fault::RequestsLost, Fault::RepliesLost, Fault::DcsDown, Fault::LeaseLost, Fault::WatchStalls],
                state.budget.network,
            );
        let key = state.leader.filter(|key| calm && key.lease == Lease::Kept)?;
        let node = &state.nodes[usize::from(key.holder)];
        let agent = node.agent.as_ref()?;
        let leads = matches!(node.server, Server::Primary | Server::Standby) && !node.hung && node.dcs == Reach::Both;
        // A node that held the lock a moment ago may not know yet that it has lost it, and by the older rules would
        // overwrite the key. By no edition's rules would any other node.
        let may_promote = |id: &NodeId| {
            let other = &state.nodes[usize::from(*id)].agent;
            let believes = |agent: &Agent| agent.task() == Some(Task::Promote) || agent.seen == Some(*id);
            *id != key.holder && other.as_ref().is_some_and(believes)
        };
        let alone = !self.node_ids().any(|id| may_promote(&id));
        let lets_lead = match agent.task() {
            None => node.server == Server::Primary || matches!(agent.at, At::Lead | At::Granted),
            Some(task) => node.server == Server::Standby && task == Task::Promote,
        };
        // An agent that saw its Postgres starting may still stop it.
        let lets_be = matches!(agent.at, At::Idle | At::Lead | At::Granted | At::LongAction);
        (leads && alone && lets_be && !agent.warned && !agent.frozen && agent.leased && lets_lead).then_some(key.holder)
    }

    /// Clears what only a failover would read, since no other node will lead: also that the leader is about to refresh
    /// its lock, and that another node is about to ask for it in vain.
    fn clear_rivalry(&self, state: &mut State, leader: NodeId) {
        state.start_timeout_is_zero = false;
        state.history = 1;
        let leads = state.nodes[usize::from(leader)].server == Server::Primary;
        let arms = self.arms_watchdog_first(state);
        if leads {
            state.status = 0;
        }
        for id in self.node_ids() {
            let node = &mut state.nodes[usize::from(id)];
            let Some(agent) = node.agent.as_mut() else { continue };
            let in_vain = match agent.at {
                At::Lead | At::Granted => id == leader && agent.seen == Some(leader) && leads,
                At::LongAction => id == leader && agent.seen == Some(leader),
                // Where the watchdog is armed before the lock is taken, it stays armed if the DCS does not answer.
                At::Race => {
                    id != leader
                        && node.server == Server::Standby
                        && !node.watchdog
                        && (node.dcs == Reach::Both || !arms)
                }
                _ => false,
            };
            if in_vain {
                agent.rest();
            }
        }
    }
}

/// Notes the death of Postgres in the agent's memory, as the next cycle would do first.
fn note_death(node: &mut Node) {
    let dead = !node.has_postmaster();
    if let Some(agent) = node.agent.as_mut()
        && dead
        && agent.slot.is_none()
        && agent.at == At::Idle
        && agent.health == Health::Running
    {
        agent.health = Health::Crashed;
    }
}
