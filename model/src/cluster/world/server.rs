//! Postgres, its processes, and the background tasks that start them.

use crate::mutants::Mutant;
use crate::recover::control::ControlState;
use crate::recover::dialogue::Task;

use crate::cluster::Cluster;
use crate::cluster::action::Action;
use crate::cluster::state::wal::Record;
use crate::cluster::state::*;

impl Cluster {
    pub(in crate::cluster) fn server_actions(&self, state: &State, id: NodeId, actions: &mut Vec<Action>) {
        let node = &state.nodes[usize::from(id)];
        if state.budget.commits > 0 && node.is_writable() && !self.settings.standby_cluster {
            actions.push(Action::Commit(id));
        }
        // A process continues even if the agent that started it is dead.
        match node.server {
            _ if node.is_shutting_down() => actions.push(Action::PostmasterStops(id)),
            // It may only have been slow.
            _ if self.is_waiting_for_hung(state, id) => actions.push(Action::PostmasterStops(id)),
            _ if node.hung => {}
            Server::Starting if self.is_futile(node) => actions.push(Action::PostmasterStops(id)),
            Server::SingleUser => actions.push(Action::SingleUserEnds(id)),
            Server::Rewinding => actions.push(Action::RewindEnds(id)),
            Server::Copying => actions.push(Action::CopyEnds(id)),
            Server::Starting => {
                actions.push(Action::PostmasterReady(id));
                if self.may_be_turned_away(state, id) {
                    actions.push(Action::PostmasterStops(id));
                }
            }
            Server::Standby if self.receivable(state, id).is_some() => actions.push(Action::Replicate(id)),
            _ => {}
        }
        actions.extend(self.task_actions(state, id).into_iter().flatten());
    }

    /// The possible next steps of the background task: none, one or two.
    fn task_actions(&self, state: &State, id: NodeId) -> [Option<Action>; 2] {
        let node = &state.nodes[usize::from(id)];
        let Some(agent) = node.agent.as_ref().filter(|agent| !agent.frozen) else { return [None; 2] };
        let Some(slot) = agent.slot else { return [None; 2] };
        let clean = matches!(node.control, Some(ControlState::ShutDown | ControlState::ShutDownInRecovery));
        let blocked = node.disk_full || node.orphans && self.mutant != Some(Mutant::RemovesLockFile);
        if self.is_futile(node) && matches!((slot.begun, node.server), (false, Server::Down)) {
            let start = match slot.task {
                Task::CrashRecovery => Some(Action::SingleUserStarts(id)),
                Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion => Some(Action::PostmasterStarts(id)),
                _ => None,
            };
            if start.is_some() {
                return [Some(Action::TaskEnds(id)), start];
            }
        }
        if node.is_shutting_down() && !slot.begun {
            return [None; 2]; // it waits for the end
        }
        // pg_rewind may also have to wait for the leader's checkpoint: until then the task ends without doing anything,
        // and is tried again.
        let waits = (slot.task, slot.begun, node.server) == (Task::Rewind, false, Server::Down);
        let next = match (slot.task, slot.begun, node.server) {
            // Postgres does not start while an orphan holds its shared memory.
            (
                Task::CrashRecovery | Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion,
                false,
                Server::Down,
            ) if blocked => Some(Action::TaskEnds(id)),
            (Task::CrashRecovery, false, Server::Down) => Some(Action::SingleUserStarts(id)),
            (Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion, false, Server::Down) => {
                Some(Action::PostmasterStarts(id))
            }
            (Task::Rewind | Task::Reinitialize, false, Server::Standby | Server::Starting) => {
                Some(Action::PostmasterStops(id))
            }
            (Task::Rewind, false, Server::Down)
                if self.copy_source(state, id).is_some() && (clean || !self.rules.rewind_checks_shutdown) =>
            {
                Some(Action::RewindStarts(id))
            }
            (Task::Reinitialize, false, Server::Down) if self.copy_source(state, id).is_some() && !node.orphans => {
                Some(Action::CopyStarts(id))
            }
            (Task::Promote, false, Server::Standby) => Some(Action::Promote(id)),
            // The same task starts the copy as a standby, but only once: a second start is a matter of `recover()`.
            (Task::Reinitialize, true, Server::Down) if node.control.is_some() && !node.signal => {
                Some(Action::PostmasterStarts(id))
            }
            // Its process still works.
            (Task::CrashRecovery, true, Server::SingleUser)
            | (Task::Rewind, true, Server::Rewinding)
            | (Task::Reinitialize, true, Server::Copying) => None,
            (
                Task::StartPrimary | Task::Follow | Task::FollowAfterDemotion | Task::Reinitialize,
                true,
                Server::Starting,
            ) => {
                // It waits for the start, but not for ever.
                (node.hung || node.late).then_some(Action::TaskEnds(id))
            }
            (Task::Rewind, false, Server::Down) => None, // it ends
            // It is done, or its process died, or another process is in the way.
            _ => Some(Action::TaskEnds(id)),
        };
        [waits.then_some(Action::TaskEnds(id)), next]
    }

    /// True if a server that starts here ends by itself a moment later, because the disk is full or an orphan holds its
    /// shared memory.
    fn is_futile(&self, node: &Node) -> bool {
        self.settings.as_observed && (node.disk_full || node.orphans && self.mutant != Some(Mutant::RemovesLockFile))
    }

    /// True if a standby that starts here may end by itself a moment later, because it knows the history of its
    /// source's timeline and that its own data is not part of it. It finds that out before it writes to pg_control
    /// (PostgreSQL 17 `xlogrecovery.c`, `InitWalRecovery`), which keeps its old content. That may be a clean shutdown,
    /// and then even a release that learns nothing from a killed standby knows where the data ends (patroni 2.1.2
    /// `postgresql/rewind.py` 97-121).
    fn may_be_turned_away(&self, state: &State, id: NodeId) -> bool {
        state.nodes[usize::from(id)].signal && self.is_off_its_source(state, id)
    }

    /// True if the data here may not be part of the source's timeline. Where positions are unknown, a node on an older
    /// timeline may have such data. The primary of a standby cluster can be replaced by one whose history the members
    /// learn while they run.
    fn is_off_its_source(&self, state: &State, id: NodeId) -> bool {
        let node = &state.nodes[usize::from(id)];
        let source = match node.upstream {
            Upstream::Remote => state.remote,
            Upstream::Member(other) => state.nodes[usize::from(other)].data,
            Upstream::Nobody => return false,
        };
        self.settings.as_observed
            && self.settings.standby_cluster
            && state.wal.timeline_at(node.data) != state.wal.timeline_at(source)
    }

    /// With coarse steps, decisions are made, tasks start their processes, and ended tasks leave the slot, all at once.
    /// Returns the nodes that this may have changed, as a bit set.
    pub(in crate::cluster) fn settle(&self, state: &mut State) -> u8 {
        let mut changed = 0;
        for id in self.node_ids() {
            let index = usize::from(id);
            let bit = 1 << id;
            if let Some(At::Recover(position)) = state.nodes[index].agent.as_ref().map(|agent| agent.at)
                && self.recover.at(position).is_ok()
            {
                changed |= bit;
                self.agent_mut(state, id).rest();
            }
            if matches!(state.nodes[index].agent.as_ref().map(|agent| agent.at), Some(At::Rewinding)) {
                changed |= bit;
                self.agent_mut(state, id).rest();
            }
            // A task does not start twice without the agent in between, so this loop ends.
            loop {
                let node = &state.nodes[index];
                let Some(slot) = node.agent.as_ref().filter(|agent| !agent.frozen).and_then(|agent| agent.slot) else {
                    break;
                };
                if matches!(slot.task, Task::Promote | Task::Requested) {
                    break;
                }
                // A task with a choice waits for it: pg_rewind for the leader's checkpoint, a hanging start for its
                // timeout.
                let ([Some(action), None] | [None, Some(action)]) = self.task_actions(state, id) else { break };
                if node.hung || matches!(action, Action::RewindStarts(_)) {
                    break;
                }
                changed |= bit;
                self.server_step(state, action);
            }
            let node = &mut state.nodes[index];
            if let Some(agent) = node.agent.as_mut() {
                // Except in a standby cluster, the agents' rules do not distinguish these two roles.
                if agent.role == Role::Demoted && !self.settings.standby_cluster {
                    changed |= bit;
                    agent.role = Role::Replica;
                }
            }
        }
        changed
    }

    /// The WAL position that pg_rewind and pg_basebackup copy: that of the primary that the key names, as the node
    /// reads it, or of the remote one.
    fn copy_source(&self, state: &State, id: NodeId) -> Option<crate::cluster::state::wal::Point> {
        if self.settings.standby_cluster {
            return Some(state.remote);
        }
        let leader = state.leader_seen_by(id).filter(|leader| *leader != id && !state.nodes_cut)?;
        let node = &state.nodes[usize::from(leader)];
        (node.server == Server::Primary).then_some(node.data)
    }

    pub(in crate::cluster) fn single_user_over(&self, state: &mut State, id: NodeId) {
        let node = &mut state.nodes[usize::from(id)];
        node.signal = false; // ensure_clean_shutdown() removes it before it starts
        if let Some(agent) = node.agent.as_mut().filter(|agent| agent.task() == Some(Task::CrashRecovery)) {
            agent.slot = None;
        }
    }

    fn begin_task(&self, node: &mut Node) {
        if let Some(slot) = node.agent.as_mut().and_then(|agent| agent.slot.as_mut()) {
            slot.begun = true;
        }
    }

    pub(in crate::cluster) fn server_step(&self, state: &mut State, action: Action) {
        let id = action.node();
        let source = self.copy_source(state, id);
        let futile = self.is_futile(&state.nodes[usize::from(id)]);
        let off_its_source = self.is_off_its_source(state, id);
        let waiting = self.is_waiting_for_hung(state, id);
        let node = &mut state.nodes[usize::from(id)];
        match action {
            // Its process ends before it has changed anything.
            Action::SingleUserEnds(_) if futile => {
                node.ends();
                self.single_user_over(state, id);
            }
            Action::PostmasterStops(_) if waiting => {
                node.ends();
                self.no_longer_waits(state, id);
            }
            Action::PostmasterStops(_)
                if (futile || off_its_source && node.signal) && node.server == Server::Starting =>
            {
                node.ends()
            }
            Action::PostmasterStops(_) if node.is_shutting_down() => {
                node.ends();
                node.control = Some(ControlState::ShutDown);
            }
            Action::SingleUserStarts(_) => {
                node.server = Server::SingleUser;
                self.begin_task(node);
                node.single_user_starts = (node.single_user_starts + 1).min(2);
            }
            Action::SingleUserEnds(_) => {
                node.ends();
                node.control = Some(ControlState::ShutDown);
                node.backup_label = false;
                self.write_checkpoint(state, id);
                self.single_user_over(state, id);
            }
            Action::PostmasterStarts(_) => {
                let agent = node.agent.as_mut().expect("a task has an agent");
                let start_as_primary = agent.task() == Some(Task::StartPrimary);
                agent.health = Health::Running;
                if !start_as_primary {
                    node.signal = self.mutant != Some(Mutant::StartsWithoutSignal);
                    agent.role = Role::Replica;
                    if self.settings.standby_cluster && node.upstream == Upstream::Remote {
                        agent.role = Role::StandbyLeader;
                    }
                }
                node.server = Server::Starting;
                self.begin_task(node);
                // A server that is turned away also leaves pg_control alone. One that is not is seen to be ready,
                // before it is killed if necessary.
                let clean = matches!(node.control, Some(ControlState::ShutDown | ControlState::ShutDownInRecovery));
                if futile || off_its_source && node.signal && clean {
                    return;
                }
                node.control = match (node.signal, node.control) {
                    (true, _) => Some(ControlState::InArchiveRecovery),
                    (false, Some(ControlState::ShutDown)) => Some(ControlState::ShutDown),
                    (false, _) => Some(ControlState::InCrashRecovery),
                };
            }
            Action::PostmasterReady(_) => {
                node.single_user_starts = 0;
                node.backup_label = false;
                if node.signal {
                    node.server = Server::Standby;
                    node.control = Some(ControlState::InArchiveRecovery);
                } else {
                    node.server = Server::Primary;
                    node.control = Some(ControlState::InProduction);
                }
            }
            Action::PostmasterStops(_) => {
                node.ends();
                node.control = Some(ControlState::ShutDownInRecovery);
            }
            Action::RewindStarts(_) => {
                node.server = Server::Rewinding;
                self.begin_task(node);
            }
            Action::RewindEnds(_) => {
                node.ends();
                node.control = Some(ControlState::InArchiveRecovery);
                node.data = source.unwrap_or(node.data);
                if let Some(agent) = node.agent.as_mut().filter(|agent| agent.task() == Some(Task::Rewind)) {
                    agent.slot = None;
                    agent.rewind = Rewind::Success;
                }
            }
            Action::CopyStarts(_) => {
                node.server = Server::Copying;
                node.control = None;
                node.signal = false;
                self.begin_task(node);
            }
            Action::CopyEnds(_) => {
                node.ends();
                // A copy of a running primary has its pg_control, and in backup_label the point where recovery begins.
                if let Some(data) = source {
                    node.data = data;
                    node.control = Some(ControlState::InProduction);
                    node.backup_label = self.settings.copies();
                }
                if let Some(agent) = node.agent.as_mut() {
                    agent.rewind = Rewind::Initial;
                }
            }
            Action::Promote(_) => {
                node.server = Server::Primary;
                node.control = Some(ControlState::InProduction);
                node.signal = false;
                if !self.settings.synchronous {
                    state.wal.write_off(node.data);
                }
                node.data = state.wal.append(node.data, Record::Promotion);
                let agent = node.agent.as_mut().expect("a task has an agent");
                agent.role = Role::Primary;
                agent.rewind = Rewind::Initial;
                agent.slot = None;
            }
            Action::TaskEnds(_) => {
                let running = node.has_postmaster();
                let agent = node.agent.as_mut().expect("a task has an agent");
                agent.slot = None;
                agent.health = if running { Health::Running } else { Health::Stopped };
            }
            Action::Replicate(_) => self.replicate(state, id),
            Action::Commit(_) => self.commit(state, id),
            _ => unreachable!("{action:?} is not a step of a server"),
        }
    }
}
