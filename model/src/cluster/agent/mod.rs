//! One cycle of an agent: patroni `Ha._run_cycle` (2.1.2 `ha.py` 1338-1497, 4.1.5 `ha.py` 2167-2350).
//!
//! A cycle is cut into steps where the agent uses the network: reading the cluster, updating, taking or releasing the
//! lock. Between two steps anything else may happen.
//!
//! | file | contents |
//! | --- | --- |
//! | `leading.rs` | taking the lock, and the duties of its holder |
//! | `demotion.rs` | giving up the lock, a start, or the role of primary |
//! | `recovery.rs` | the world's answers to the questions of `recover()` |
//! | `watch.rs` | reading old keys while the watch of the DCS stalls |

mod demotion;
mod leading;
pub(in crate::cluster) mod recovery;
mod watch;

use crate::mutants::Mutant;
use crate::recover::dialogue::{Stop, Task};

use super::Cluster;
use super::action::Action;
use super::state::*;
use super::world::dcs::DcsError;

impl Cluster {
    pub(in crate::cluster) fn agent<'a>(&self, state: &'a State, id: NodeId) -> &'a Agent {
        state.nodes[usize::from(id)].agent.as_ref().expect("only a live agent acts")
    }

    pub(in crate::cluster) fn agent_mut<'a>(&self, state: &'a mut State, id: NodeId) -> &'a mut Agent {
        state.nodes[usize::from(id)].agent.as_mut().expect("only a live agent acts")
    }

    pub(in crate::cluster) fn agent_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let Some(agent) = state.nodes[usize::from(id)].agent.as_ref().filter(|agent| !agent.frozen) else { return };
        match agent.at {
            At::Idle => actions.push(Action::Cycle(id)),
            At::Lead | At::LongAction | At::StartingUp => actions.push(Action::Update(id)),
            At::Granted => actions.push(Action::Enforce(id)),
            At::Compare => {
                actions.extend(self.divergence(state, id).iter().map(|diverged| Action::Compare(id, *diverged)));
            }
            At::Rewinding => actions.push(Action::Decide(id)),
            At::Race => actions.push(Action::Acquire(id)),
            At::Released(_) => actions.push(Action::Demoted(id)),
            At::Recover(position) => match self.recover.at(position) {
                Err(Stop::Ask(question)) => {
                    let answers = self.answers(state, id, question).into_iter().flatten();
                    actions.extend(answers.map(|answer| Action::Answer(id, answer)));
                }
                _ => actions.push(Action::Decide(id)),
            },
        }
    }

    /// Begins a cycle: the agent takes a snapshot and acts on it, up to its next use of the network.
    ///
    /// Both are one step. What Postgres does by itself in between could as well have happened before, because the
    /// snapshot does not show it. What others do to the keys in between they can also do before the next use of the
    /// network.
    pub(in crate::cluster) fn cycle(&self, state: &mut State, id: NodeId) {
        match self.read_cluster(state, id) {
            Ok(()) => self.act(state, id),
            Err(DcsError) => self.handle_dcs_error(state, id),
        }
    }

    /// Handles an inaccessible DCS: a primary has to stop, unless failsafe mode lets it stay (`_handle_dcs_error()`).
    pub(in crate::cluster) fn handle_dcs_error(&self, state: &mut State, id: NodeId) {
        let index = usize::from(id);
        self.agent_mut(state, id).warned = true;
        let is_primary = state.nodes[index].server == Server::Primary;
        if state.paused || !is_primary || self.mutant == Some(Mutant::IgnoresDcsError) {
            return self.agent_mut(state, id).rest();
        }
        if self.settings.failsafe && self.has_consent(state, id) {
            for other in self.node_ids() {
                if let Some(agent) = state.nodes[usize::from(other)].agent.as_mut() {
                    agent.failsafe = true;
                }
            }
            return self.agent_mut(state, id).rest();
        }
        self.agent_mut(state, id).failsafe = false;
        // `demote('offline')`: an orderly shutdown, then a start as a standby of nobody.
        if self.settings.as_observed {
            self.begins_to_shut_down(state, id);
        } else {
            self.shut_down(state, id);
        }
        self.demoted_to(state, id, Upstream::Nobody);
    }

    /// True if all other members answer that they know of no other leader (`check_failsafe_topology()`).
    fn has_consent(&self, state: &State, id: NodeId) -> bool {
        !state.nodes_cut
            && self.node_ids().filter(|other| *other != id).all(|other| {
                let node = &state.nodes[usize::from(other)];
                node.is_attended() && node.server != Server::Primary
            })
    }

    /// Acts on the snapshot, up to the next use of the network or the end of the cycle.
    fn act(&self, state: &mut State, id: NodeId) {
        let index = usize::from(id);
        let paused = state.paused;
        if paused {
            state.nodes[index].watchdog = false;
        }
        let has_lock = self.agent(state, id).seen == Some(id);
        if self.agent(state, id).slot.is_some() {
            if has_lock {
                self.agent_mut(state, id).at = At::LongAction;
                return;
            }
            return self.long_action_without_lock(state, id);
        }
        if state.nodes[index].server == Server::Starting && has_lock && !paused {
            self.agent_mut(state, id).at = At::StartingUp;
            return;
        }
        let node = &mut state.nodes[index];
        let (running, starting) = (node.has_postmaster(), node.server == Server::Starting);
        let agent = node.agent.as_mut().expect("only a live agent acts");
        if agent.recovering {
            agent.recovering = false;
            if !matches!(agent.rewind, Rewind::Check | Rewind::Need) && !running {
                return self.post_recover(state, id);
            }
            if running || !self.rules.remembers_crash_recovery {
                agent.crash_recovery_started = false;
            }
            if agent.rewind == Rewind::Success {
                agent.rewind = Rewind::Initial;
            }
        }
        if node.control.is_none() && !running {
            return self.bootstrap(state, id);
        }
        if !running {
            if paused {
                agent.health = Health::Stopped;
                let rewinds =
                    matches!(agent.rewind, Rewind::Check | Rewind::Need) && self.settings.divergence_matters();
                if has_lock {
                    agent.rest();
                    return self.release_lock(state, id);
                }
                if agent.rewind != Rewind::Success && !rewinds {
                    return agent.rest();
                }
            }
            if agent.health == Health::Running {
                agent.health = Health::Crashed;
            }
            return self.begin_recover(state, id);
        }
        agent.health = Health::Running;
        if starting {
            // While it starts as a standby queries fail, so there is nothing to do yet.
            return self.agent_mut(state, id).rest();
        }
        let is_primary = state.nodes[index].server == Server::Primary;
        if has_lock {
            if paused && !is_primary && !self.settings.standby_cluster {
                self.agent_mut(state, id).rest();
                return self.release_lock(state, id);
            }
            self.agent_mut(state, id).at = At::Lead;
        } else if self.agent(state, id).seen.is_none() && (!self.agent(state, id).failsafe || is_primary) {
            if self.is_healthiest(state, id) {
                self.agent_mut(state, id).at = At::Race;
            } else {
                self.keep_following(state, id);
            }
        } else {
            self.keep_following(state, id);
        }
    }

    /// `post_recover()`: the last start failed. Not called while a rewind is pending.
    pub(in crate::cluster) fn post_recover(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        let waits = self.rules.waits_for_orphans && node.orphans;
        let agent = node.agent.as_mut().expect("only a live agent acts");
        let has_lock = agent.seen == Some(id);
        if has_lock && waits {
            agent.at = At::Lead; // keeps the lock until nobody can write here any more
            return;
        }
        node.watchdog = false;
        let demotes = self.mutant != Some(Mutant::KeepsFailedRole);
        if has_lock && demotes && matches!(agent.role, Role::Primary | Role::StandbyLeader) {
            agent.role = Role::Demoted;
        }
        agent.rest();
        if has_lock && self.mutant != Some(Mutant::KeepsLockAfterFailedStart) {
            self.release_lock(state, id);
        }
    }

    /// An empty data directory: release the lock, then copy the leader.
    fn bootstrap(&self, state: &mut State, id: NodeId) {
        state.nodes[usize::from(id)].watchdog = false;
        let agent = self.agent_mut(state, id);
        let seen = agent.seen;
        agent.rest();
        if seen == Some(id) {
            return self.release_lock(state, id);
        }
        if seen.is_some() && !state.paused {
            self.agent_mut(state, id).slot = Some(Task::Reinitialize.into());
            state.nodes[usize::from(id)].upstream = self.node_to_follow(id, seen);
        }
    }

    /// Refreshes the lock, and continues the cycle according to the outcome.
    pub(in crate::cluster) fn update(&self, state: &mut State, id: NodeId) {
        let at = self.agent(state, id).at;
        if at == At::Lead && self.arms_watchdog_first(state) {
            state.nodes[usize::from(id)].watchdog = true;
        }
        let skips = at == At::Lead && self.mutant == Some(Mutant::PromotesWithoutUpdate);
        let refreshed = if skips { Ok(true) } else { self.update_lock(state, id) };
        match (at, refreshed) {
            (_, Err(DcsError)) => self.handle_dcs_error(state, id),
            (At::Lead, Ok(true)) => {
                // Only here `/status` is written together with the lock: `update_lock(True)`.
                if self.settings.wal.is_exact() {
                    state.announce_position(id, state.wal.position(state.nodes[usize::from(id)].data));
                }
                self.granted(state, id);
            }
            (At::Lead, Ok(false)) => {
                if state.nodes[usize::from(id)].server == Server::Primary && !state.paused {
                    self.demote_without_lock(state, id);
                } else {
                    self.agent_mut(state, id).rest();
                }
            }
            (At::LongAction, Ok(true)) => self.long_action_with_lock(state, id),
            (At::LongAction, Ok(false)) => self.long_action_without_lock(state, id),
            (_, Ok(true)) => self.still_starting(state, id),
            // 'stopped PostgreSQL while starting up because leader key was lost'
            (_, Ok(false)) => self.demote_without_lock(state, id),
        }
    }

    /// `follow()`: another node holds the lock, or nobody, and Postgres runs.
    pub(in crate::cluster) fn keep_following(&self, state: &mut State, id: NodeId) {
        let index = usize::from(id);
        if state.nodes[index].server == Server::Primary {
            if state.paused || self.mutant == Some(Mutant::StaysPrimary) {
                return self.agent_mut(state, id).rest();
            }
            return self.demote_without_lock(state, id);
        }
        // This former primary died after its cycle began. Its next cycle begins with `recover()`, which asks for the
        // same comparison.
        if state.nodes[index].server == Server::Down && !state.nodes[index].signal {
            return self.agent_mut(state, id).rest();
        }
        let allowed = self.settings.divergence_matters();
        let seen = self.agent(state, id).seen;
        let target = self.node_to_follow(id, seen);
        let node = &mut state.nodes[index];
        let agent = node.agent.as_mut().expect("only a live agent acts");
        let checks = matches!(agent.rewind, Rewind::Check | Rewind::Need);
        if checks && target != Upstream::Nobody {
            agent.at = At::Compare;
            return;
        }
        if target != Upstream::Nobody && node.upstream != target {
            node.upstream = target;
            agent.trigger_divergence_check(allowed);
        } else if let Upstream::Member(leader) = target
            && self.rules.compares_when_behind
            && state.wal.timeline_at(state.nodes[index].data)
                < state.wal.timeline_at(state.nodes[usize::from(leader)].data)
            && match self.settings.wal.is_exact() {
                true => self.receivable(state, id).is_none(),
                // Where positions are unknown, it may have nothing to receive. Only data that a failed rewind left is
                // certain to need a comparison.
                false => self.settings.as_observed && self.agent(state, id).rewind == Rewind::Failed,
            }
        {
            self.agent_mut(state, id).trigger_divergence_check(allowed);
        } else if self.may_hear_of_a_timeline(state, id) {
            self.agent_mut(state, id).trigger_divergence_check(allowed);
        }
        self.agent_mut(state, id).rest();
    }

    /// True if a standby may have received the history of a timeline that is newer than its leader's, because a new
    /// remote primary has begun it. A cycle that knows a leader then asks for a comparison, whatever earlier
    /// comparisons gave (patroni 2.1.2 `ha.py` 412-414, 4.1.5 alike).
    fn may_hear_of_a_timeline(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        self.settings.as_observed
            && self.settings.standby_cluster
            && self.agent(state, id).seen.is_some()
            && node.server == Server::Standby
            && state.wal.timeline_at(node.data) < state.wal.timeline_at(state.remote)
    }

    /// `_get_node_to_follow()`.
    pub(in crate::cluster) fn node_to_follow(&self, id: NodeId, seen: Option<NodeId>) -> Upstream {
        match seen {
            None if self.settings.standby_cluster => Upstream::Remote,
            Some(leader) if leader == id && self.settings.standby_cluster => Upstream::Remote,
            Some(leader) if leader != id => Upstream::Member(leader),
            _ => Upstream::Nobody,
        }
    }

    /// Continues the cycle of a standby after its timeline was compared with the leader's.
    pub(in crate::cluster) fn compare(&self, state: &mut State, id: NodeId, diverged: Option<bool>) {
        self.note_divergence(state, id, diverged);
        let index = usize::from(id);
        let seen = self.agent(state, id).seen;
        let target = self.node_to_follow(id, seen);
        let removes = self.settings.remove_on_divergence || !self.rules.reinitialize_needs_setting;
        let node = &mut state.nodes[index];
        let agent = node.agent.as_mut().expect("only a live agent acts");
        if agent.rewind == Rewind::Need && self.settings.can_rewind {
            agent.slot = Some(Task::Rewind.into());
            agent.at = At::Rewinding;
        } else if agent.rewind == Rewind::Need && removes && !self.settings.standby_cluster {
            agent.slot = Some(Task::Reinitialize.into());
            agent.at = At::Rewinding;
        } else {
            if node.upstream != target {
                node.upstream = target;
            }
            agent.rest();
        }
    }
}
