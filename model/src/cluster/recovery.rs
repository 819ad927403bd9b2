//! The world's answers to the questions of `recover()`.

use std::cmp::Ordering;

use crate::control::ControlState;
use crate::dialogue::{Answer, Leader, Question, Stop, Task};

use super::state::*;
use super::{Cluster, Settings};

/// Whoever leads in the agent's snapshot. `recover()` does not care which member it is, so its continuations do not tell them apart, and
/// renumbering the nodes leaves them alone.
const THE_LEADER: Leader = Leader::Member(0);

/// The answers that this model can give, for the unfolding of `recover()`.
pub(super) fn domain(settings: &Settings) -> impl Fn(Question) -> Vec<Answer> + use<> {
    let can_rewind = settings.can_rewind;
    move |question| {
        use Question::*;
        match question {
            DisableWatchdog
            | DemoteImmediate
            | RememberCrashRecovery
            | LoadCluster
            | TriggerDivergenceCheck
            | ResetRewind
            | ClearSynchronousStandbyNames
            | SetRecovering => vec![Answer::Done],
            StartTimeout => vec![Answer::Seconds(0), Answer::Seconds(300)],
            ControlData => {
                [None].into_iter().chain(ControlState::ALL.into_iter().map(Some)).map(Answer::Control).collect()
            }
            RewindSource | NodeToFollow => [Leader::Nobody, THE_LEADER].into_iter().map(Answer::Source).collect(),
            RemoteToFollow => vec![Answer::Source(Leader::Remote)],
            // Only a request through the agent's API could have taken the slot, and there are none in this model.
            RunAsync(_) => vec![Answer::Scheduled],
            CanRewind => vec![Answer::Bool(can_rewind)],
            IsStandbyCluster | IsSynchronousMode | WasRestoredFromBackup | RemoveOnDivergence => {
                vec![Answer::Bool(false)]
            }
            HasLock
            | UpdateLock
            | IsFailoverPossible
            | IsCrashed
            | WasPrimary
            | RecoveryConfExists
            | CrashRecoveryExecuted
            | IsUnlocked
            | RewindExecuted
            | RewindNeeded
            | IsRunning => {
                vec![Answer::Bool(false), Answer::Bool(true)]
            }
        }
    }
}

impl Cluster {
    /// `recover()` begins: everything up to its first use of the network.
    pub(super) fn begin_recover(&self, state: &mut State, id: NodeId) {
        let start = self.recover.start();
        self.proceed(state, id, start);
    }

    /// The answers that the world can give to what `recover()` asks at `position`; none when it has decided.
    pub(super) fn answers(&self, state: &State, id: NodeId, question: Question) -> Vec<Answer> {
        match question {
            // Whether the data diverged is not in the state: a node behind its leader may have.
            Question::RewindNeeded => {
                let mut answers: Vec<_> = self
                    .divergence(state, id)
                    .into_iter()
                    .map(|diverged| Answer::Bool(diverged == Some(true)))
                    .collect();
                answers.dedup();
                answers
            }
            Question::IsFailoverPossible => vec![Answer::Bool(self.is_failover_possible(state, id))],
            Question::UpdateLock => vec![Answer::Bool(self.update_lock(&mut state.clone(), id))],
            Question::RunAsync(_) => vec![Answer::Scheduled],
            _ => vec![Answer::Done],
        }
    }

    /// A step of `recover()` that uses the network or starts a task, and all local ones after it.
    pub(super) fn answer(&self, state: &mut State, id: NodeId, answer: Answer) {
        let index = usize::from(id);
        let At::Recover(position) = self.agent(state, id).at else { unreachable!("only recover() is answered") };
        let Err(Stop::Ask(question)) = self.recover.at(position) else { unreachable!("only questions are answered") };
        let next = self.recover.answer(position, answer);
        match question {
            Question::UpdateLock => {
                self.update_lock(state, id);
            }
            Question::DemoteImmediate => {
                self.release_lock(state, id);
                let allowed = self.settings.can_rewind;
                let node = &mut state.nodes[index];
                node.watchdog = false;
                let agent = node.agent.as_mut().expect("an agent that recovers is alive");
                agent.trigger_divergence_check(allowed);
                agent.role = Role::Demoted;
                agent.health = Health::Stopped;
                agent.at = At::Released(next);
                return;
            }
            Question::LoadCluster => {
                let holder = state.leader.map(|key| key.holder);
                self.agent_mut(state, id).seen = holder;
            }
            Question::RewindNeeded => {
                let known = self.divergence(state, id).contains(&Some(answer == Answer::Bool(true)));
                self.note_divergence(state, id, known.then_some(answer == Answer::Bool(true)));
            }
            Question::RunAsync(task) => self.agent_mut(state, id).slot = Some(task.into()),
            _ => {}
        }
        self.proceed(state, id, next);
    }

    /// `demote('immediate')` after the lock was given up: the standby is started in the background.
    pub(super) fn demoted(&self, state: &mut State, id: NodeId) {
        let agent = self.agent_mut(state, id);
        let At::Released(position) = agent.at else { unreachable!("only a demotion goes on") };
        agent.slot = Some(Task::FollowAfterDemotion.into());
        self.proceed(state, id, position);
    }

    /// The decision is said, and the cycle ends.
    pub(super) fn decide(&self, state: &mut State, id: NodeId) {
        self.agent_mut(state, id).rest();
    }

    /// Answers local questions until the next one that uses the network, starts a task, or has several answers.
    fn proceed(&self, state: &mut State, id: NodeId, mut position: crate::automaton::Position) {
        loop {
            self.agent_mut(state, id).at = At::Recover(position);
            let Err(Stop::Ask(question)) = self.recover.at(position) else { return };
            let Some(answer) = self.local_answer(state, id, question) else { return };
            position = self.recover.answer(position, answer);
        }
    }

    /// Answers what concerns only this agent's memory, its configuration and its dead Postgres.
    fn local_answer(&self, state: &mut State, id: NodeId, question: Question) -> Option<Answer> {
        let seen = self.agent(state, id).seen;
        let start_timeout_is_zero = state.start_timeout_is_zero;
        let node = &mut state.nodes[usize::from(id)];
        let agent = node.agent.as_mut().expect("an agent that recovers is alive");
        let answer = match question {
            Question::DisableWatchdog => {
                node.watchdog = false;
                Answer::Done
            }
            Question::HasLock => Answer::Bool(seen == Some(id)),
            Question::StartTimeout => Answer::Seconds(if start_timeout_is_zero { 0 } else { 300 }),
            Question::ControlData => Answer::Control(Some(node.control)),
            Question::IsCrashed => Answer::Bool(agent.health == Health::Crashed),
            Question::WasPrimary => Answer::Bool(agent.role == Role::Primary),
            Question::RecoveryConfExists => Answer::Bool(node.signal),
            Question::CrashRecoveryExecuted => Answer::Bool(agent.crash_recovery_started),
            Question::IsUnlocked => Answer::Bool(seen.is_none()),
            Question::CanRewind => Answer::Bool(self.settings.can_rewind),
            Question::RememberCrashRecovery => {
                agent.crash_recovery_started = true;
                Answer::Done
            }
            Question::RewindExecuted => Answer::Bool(agent.rewind == Rewind::Success),
            Question::TriggerDivergenceCheck => {
                agent.trigger_divergence_check(self.settings.can_rewind);
                Answer::Done
            }
            Question::ResetRewind => {
                agent.rewind = Rewind::Initial;
                Answer::Done
            }
            Question::RewindSource => Answer::Source(seen.map_or(Leader::Nobody, |_| THE_LEADER)),
            Question::NodeToFollow => {
                Answer::Source(seen.filter(|leader| *leader != id).map_or(Leader::Nobody, |_| THE_LEADER))
            }
            Question::RemoteToFollow => Answer::Source(Leader::Remote),
            Question::IsRunning => Answer::Bool(node.has_postmaster()),
            Question::IsStandbyCluster
            | Question::IsSynchronousMode
            | Question::WasRestoredFromBackup
            | Question::RemoveOnDivergence => Answer::Bool(false),
            Question::ClearSynchronousStandbyNames => Answer::Done,
            Question::SetRecovering => {
                agent.recovering = true;
                Answer::Done
            }
            // These use the network or start a task: between them and what came before, the world goes on.
            Question::UpdateLock
            | Question::IsFailoverPossible
            | Question::DemoteImmediate
            | Question::LoadCluster
            | Question::RewindNeeded
            | Question::RunAsync(_) => return None,
        };
        Some(answer)
    }

    /// Possible outcomes of comparing this data directory with the leader of the snapshot: it diverged, it did not, nobody knows
    /// (patroni `postgresql/rewind.py` `rewind_or_reinitialize_needed_and_possible` and `_check_timeline_and_lsn`).
    pub(super) fn divergence(&self, state: &State, id: NodeId) -> Vec<Option<bool>> {
        let node = &state.nodes[usize::from(id)];
        let agent = self.agent(state, id);
        let Some(leader) = agent.seen.filter(|leader| *leader != id) else { return vec![None] };
        match agent.rewind {
            Rewind::Need => return vec![Some(true)],
            Rewind::Check => {}
            _ => return vec![Some(false)],
        }
        let primary = &state.nodes[usize::from(leader)];
        if primary.server != Server::Primary {
            return vec![None]; // not reachable, or still in recovery
        }
        // While Postgres is down only a clean shutdown, or a standby's minimum recovery point, says where the data ends.
        let known = node.has_postmaster()
            || matches!(node.control, ControlState::ShutDown | ControlState::ShutDownInRecovery)
            || self.rules.crash_recovery_before_rewind && node.control == ControlState::InArchiveRecovery;
        if !known {
            return vec![None];
        }
        match node.timeline.cmp(&primary.timeline) {
            Ordering::Greater => vec![Some(true)],
            Ordering::Equal => vec![Some(false)],
            // WAL positions are not in the state: a node behind its leader may have diverged or not.
            Ordering::Less if self.rules.timeline_walk_stops => vec![Some(false), Some(true)],
            // 2.1.2 never stops walking the history, and takes everybody who is behind for diverged (#2221).
            Ordering::Less => vec![Some(true)],
        }
    }

    /// Takes note of the outcome of a comparison.
    pub(super) fn note_divergence(&self, state: &mut State, id: NodeId, diverged: Option<bool>) {
        let agent = self.agent_mut(state, id);
        if agent.rewind == Rewind::Check {
            agent.rewind = match diverged {
                Some(true) => Rewind::Need,
                Some(false) => Rewind::NotNeed,
                None => Rewind::Check,
            };
        }
    }

    /// A healthy candidate answers (patroni `Ha.is_failover_possible`).
    pub(super) fn is_failover_possible(&self, state: &State, id: NodeId) -> bool {
        self.node_ids().any(|other| other != id && state.nodes[usize::from(other)].is_candidate())
    }
}
