//! The world's answers to the questions of `recover()`.
//!
//! Each agent runs `recover()` as an automaton; this file answers it, with effects on the state.

use crate::recover::automaton::Position;
use crate::recover::control::ControlState;
use crate::recover::dialogue::{Answer, Leader, Question, Stop, Task};

use crate::cluster::state::*;
use crate::cluster::world::dcs::DcsError;
use crate::cluster::world::replication::announces_timeline;
use crate::cluster::{Cluster, Grain, Settings, StartTimeouts};

/// The leader in the agent's snapshot. `recover()` does not depend on which member leads, so its positions do not
/// distinguish members, and renumbering the nodes leaves them unchanged.
const THE_LEADER: Leader = Leader::Member(0);

/// All answers that this model can give to each question, for the unfolding of `recover()`.
pub(in crate::cluster) fn domain(settings: &Settings) -> impl Fn(Question) -> Vec<Answer> + use<> {
    let settings = settings.clone();
    let (busy, unreachable) = (settings.budget.operator > 0, settings.dcs_fails());
    move |question| {
        use Question::*;
        let either = vec![Answer::Bool(false), Answer::Bool(true)];
        match question {
            DisableWatchdog
            | DemoteImmediate
            | RememberCrashRecovery
            | TriggerDivergenceCheck
            | ResetRewind
            | ClearSynchronousStandbyNames
            | SetRecovering => vec![Answer::Done],
            LoadCluster => [Answer::Done].into_iter().chain(unreachable.then_some(Answer::DcsError)).collect(),
            UpdateLock => either.into_iter().chain(unreachable.then_some(Answer::DcsError)).collect(),
            StartTimeout => match settings.start_timeouts {
                StartTimeouts::Zero => vec![Answer::Seconds(0)],
                StartTimeouts::Positive => vec![Answer::Seconds(300)],
                StartTimeouts::Both => vec![Answer::Seconds(0), Answer::Seconds(300)],
            },
            ControlData => {
                [None].into_iter().chain(ControlState::ALL.into_iter().map(Some)).map(Answer::Control).collect()
            }
            RewindSource | NodeToFollow => {
                let remote = settings.standby_cluster.then_some(Leader::Remote);
                [Leader::Nobody, THE_LEADER].into_iter().chain(remote).map(Answer::Source).collect()
            }
            RemoteToFollow => vec![Answer::Source(Leader::Remote)],
            // Only a request through the agent's API can have taken the slot since the cycle began.
            RunAsync(_) => {
                [Answer::Scheduled].into_iter().chain(busy.then_some(Answer::Busy(Task::Requested))).collect()
            }
            CanRewind => vec![Answer::Bool(settings.can_rewind)],
            IsStandbyCluster => vec![Answer::Bool(settings.standby_cluster)],
            IsSynchronousMode => vec![Answer::Bool(settings.synchronous)],
            RemoveOnDivergence => vec![Answer::Bool(settings.remove_on_divergence)],
            WasRestoredFromBackup => {
                if settings.copies() {
                    either
                } else {
                    vec![Answer::Bool(false)]
                }
            }
            HasLock
            | IsFailoverPossible
            | IsCrashed
            | WasPrimary
            | RecoveryConfExists
            | CrashRecoveryExecuted
            | IsUnlocked
            | RewindExecuted
            | RewindNeeded
            | IsRunning => either,
        }
    }
}

impl Cluster {
    /// Begins `recover()`, up to its first use of the network.
    pub(in crate::cluster) fn begin_recover(&self, state: &mut State, id: NodeId) {
        let start = self.recover.start();
        self.proceed(state, id, start);
    }

    /// The one or two answers that the world can give to a question of `recover()`.
    pub(in crate::cluster) fn answers(&self, state: &State, id: NodeId, question: Question) -> [Option<Answer>; 2] {
        let answer = match question {
            // The state may not say whether the data diverged: where positions are unknown, a node behind its leader
            // may have diverged or not.
            Question::RewindNeeded => {
                let needed = |diverged: &Option<bool>| *diverged == Some(true) && self.can_rewind_or_reinitialize();
                let mut answers = self.divergence(state, id).iter().map(|diverged| Answer::Bool(needed(diverged)));
                let first = answers.next();
                return [first, answers.next().filter(|second| Some(*second) != first)];
            }
            Question::IsFailoverPossible => Answer::Bool(self.is_failover_possible(state, id)),
            Question::WasPrimary => return [Some(Answer::Bool(false)), Some(Answer::Bool(true))],
            Question::UpdateLock => match self.update_lock(&mut state.clone(), id) {
                Ok(refreshed) => Answer::Bool(refreshed),
                Err(DcsError) => Answer::DcsError,
            },
            Question::LoadCluster if !self.can_read(state, id) => Answer::DcsError,
            Question::RunAsync(_) => match self.agent(state, id).slot {
                None => Answer::Scheduled,
                Some(slot) => Answer::Busy(slot.task),
            },
            _ => Answer::Done,
        };
        [Some(answer), None]
    }

    /// `can_rewind_or_reinitialize_allowed`, as the release calls it.
    fn can_rewind_or_reinitialize(&self) -> bool {
        self.settings.divergence_matters()
    }

    /// Answers a question that uses the network or starts a task, and then all local questions after it.
    pub(in crate::cluster) fn answer(&self, state: &mut State, id: NodeId, answer: Answer) {
        let index = usize::from(id);
        let At::Recover(position) = self.agent(state, id).at else { unreachable!("only recover() is answered") };
        let Err(Stop::Ask(question)) = self.recover.at(position) else { unreachable!("only questions are answered") };
        let next = self.recover.answer(position, answer);
        match question {
            Question::UpdateLock => {
                let _ = self.update_lock(state, id);
            }
            Question::DemoteImmediate => {
                self.release_lock(state, id);
                let allowed = self.settings.divergence_matters();
                let node = &mut state.nodes[index];
                node.watchdog = false;
                if self.settings.synchronous {
                    node.sync_names = None;
                }
                let agent = node.agent.as_mut().expect("an agent that recovers is alive");
                agent.trigger_divergence_check(allowed);
                agent.role = Role::Demoted;
                agent.health = Health::Stopped;
                agent.at = At::Released(next);
                return;
            }
            Question::LoadCluster => {
                let _ = self.read_cluster(state, id);
            }
            Question::RewindNeeded => {
                let known = self.divergence(state, id).contains(&Some(answer == Answer::Bool(true)));
                self.note_divergence(state, id, known.then_some(answer == Answer::Bool(true)));
            }
            Question::RunAsync(task) if answer == Answer::Scheduled => self.schedule(state, id, task),
            _ => {}
        }
        self.proceed(state, id, next);
    }

    /// Puts a task of `recover()` into the slot.
    fn schedule(&self, state: &mut State, id: NodeId, task: Task) {
        let seen = self.agent(state, id).seen;
        if task == Task::Follow {
            state.nodes[usize::from(id)].upstream = self.node_to_follow(id, seen);
        }
        self.agent_mut(state, id).slot = Some(task.into());
    }

    /// Continues `demote('immediate')` after the lock was released: the standby is started in the background.
    pub(in crate::cluster) fn demoted(&self, state: &mut State, id: NodeId) {
        let At::Released(position) = self.agent(state, id).at else { unreachable!("only a demotion goes on") };
        // The cluster is read again; after an error there is nobody to follow.
        let leader = if self.can_read(state, id) { state.leader_seen_by(id) } else { None };
        state.nodes[usize::from(id)].upstream = self.node_to_follow(id, leader);
        let agent = self.agent_mut(state, id);
        if agent.slot.is_none() {
            agent.slot = Some(Task::FollowAfterDemotion.into());
        }
        self.proceed(state, id, position);
    }

    /// The agent logs its decision, and the cycle ends.
    pub(in crate::cluster) fn decide(&self, state: &mut State, id: NodeId) {
        self.agent_mut(state, id).rest();
    }

    /// Answers local questions until one uses the network, starts a task, or has several answers.
    fn proceed(&self, state: &mut State, id: NodeId, mut position: Position) {
        loop {
            self.agent_mut(state, id).at = At::Recover(position);
            match self.recover.at(position) {
                // If nobody else can take the slot, this question is local too.
                Err(Stop::Ask(Question::RunAsync(task)))
                    if self.settings.grain == Grain::Coarse && self.settings.budget.operator == 0 =>
                {
                    self.schedule(state, id, task);
                    position = self.recover.answer(position, Answer::Scheduled);
                }
                Err(Stop::Ask(question)) => {
                    let Some(answer) = self.local_answer(state, id, question) else { return };
                    position = self.recover.answer(position, answer);
                }
                Err(_) => return self.handle_dcs_error(state, id),
                Ok(_) => return,
            }
        }
    }

    /// The answer to a question about only this agent's memory, its configuration and its dead Postgres; `None` for
    /// other questions.
    fn local_answer(&self, state: &mut State, id: NodeId, question: Question) -> Option<Answer> {
        let seen = self.agent(state, id).seen;
        let start_timeout_is_zero = state.start_timeout_is_zero;
        // From the order to promote until its next cycle an agent calls its Postgres `promoted`, unless the promotion
        // was quick (patroni 4.1.5 `postgresql/__init__.py` 1202-1207, 1262-1267).
        let promoted = self.settings.as_observed && !announces_timeline(state, id);
        let node = &mut state.nodes[usize::from(id)];
        let agent = node.agent.as_mut().expect("an agent that recovers is alive");
        let member = |leader: Option<NodeId>| leader.map_or(Leader::Nobody, |_| THE_LEADER);
        let answer = match question {
            Question::DisableWatchdog => {
                if !(self.rules.waits_for_orphans && node.orphans) {
                    node.watchdog = false;
                }
                Answer::Done
            }
            Question::HasLock => Answer::Bool(seen == Some(id)),
            Question::StartTimeout => Answer::Seconds(if start_timeout_is_zero { 0 } else { 300 }),
            Question::ControlData => Answer::Control(node.control),
            Question::IsCrashed => Answer::Bool(agent.health == Health::Crashed),
            Question::WasPrimary if promoted && agent.role == Role::Primary => return None,
            Question::WasPrimary => Answer::Bool(agent.role == Role::Primary),
            Question::RecoveryConfExists => Answer::Bool(node.signal),
            Question::CrashRecoveryExecuted => Answer::Bool(agent.crash_recovery_started),
            Question::IsUnlocked => Answer::Bool(seen.is_none()),
            Question::CanRewind => Answer::Bool(self.settings.can_rewind),
            Question::RememberCrashRecovery => {
                agent.crash_recovery_started = true;
                Answer::Done
            }
            Question::RewindExecuted => Answer::Bool(matches!(agent.rewind, Rewind::Success | Rewind::Failed)),
            Question::TriggerDivergenceCheck => {
                agent.trigger_divergence_check(self.settings.divergence_matters());
                Answer::Done
            }
            Question::ResetRewind => {
                agent.rewind = Rewind::Initial;
                Answer::Done
            }
            Question::RewindSource if self.settings.standby_cluster => Answer::Source(Leader::Remote),
            Question::RewindSource => Answer::Source(member(seen)),
            Question::NodeToFollow => Answer::Source(match self.node_to_follow(id, seen) {
                Upstream::Nobody => Leader::Nobody,
                Upstream::Member(_) => THE_LEADER,
                Upstream::Remote => Leader::Remote,
            }),
            Question::RemoteToFollow => Answer::Source(Leader::Remote),
            Question::IsRunning => Answer::Bool(node.has_postmaster()),
            Question::IsStandbyCluster => Answer::Bool(self.settings.standby_cluster),
            Question::IsSynchronousMode => Answer::Bool(self.settings.synchronous),
            Question::RemoveOnDivergence => Answer::Bool(self.settings.remove_on_divergence),
            Question::WasRestoredFromBackup => Answer::Bool(node.backup_label && self.settings.copies()),
            Question::ClearSynchronousStandbyNames => {
                node.sync_names = None;
                Answer::Done
            }
            Question::SetRecovering => {
                agent.recovering = true;
                Answer::Done
            }
            // These use the network or start a task: before them, other nodes may act.
            Question::UpdateLock
            | Question::IsFailoverPossible
            | Question::DemoteImmediate
            | Question::LoadCluster
            | Question::RewindNeeded
            | Question::RunAsync(_) => return None,
        };
        Some(answer)
    }
}
