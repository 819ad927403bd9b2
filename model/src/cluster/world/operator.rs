//! Actions of operators, and events in the cluster that a standby cluster follows.

use crate::recover::dialogue::Task;

use crate::cluster::Cluster;
use crate::cluster::action::Action;
use crate::cluster::state::wal::Record;
use crate::cluster::state::*;

impl Cluster {
    pub(in crate::cluster) fn operator_actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.paused {
            actions.push(Action::Resume);
        }
        if self.settings.standby_cluster && state.budget.commits > 0 {
            actions.push(Action::RemoteCommit);
        }
        if state.budget.operator == 0 {
            return;
        }
        if !state.paused {
            actions.push(Action::Pause);
        }
        if self.settings.standby_cluster {
            actions.push(Action::RemoteFailover);
        }
        for id in self.node_ids() {
            let node = &state.nodes[usize::from(id)];
            if node.is_attended() && node.agent.as_ref().is_some_and(|agent| agent.slot.is_none()) {
                actions.push(Action::Request(id));
            }
        }
    }

    pub(in crate::cluster) fn operate(&self, state: &mut State, action: Action) {
        match action {
            Action::RemoteCommit => {
                Budget::take(&mut state.budget.commits);
                state.remote = state.wal.append(state.remote, Record::Acknowledged);
                return;
            }
            Action::Resume => {
                state.paused = false;
                return;
            }
            _ => {}
        }
        Budget::take(&mut state.budget.operator);
        match action {
            Action::Pause => state.paused = true,
            Action::RemoteFailover => {
                // The standby that took over there had not received the last record.
                let before = state.wal.way(state.remote).nth(1).unwrap_or(0);
                state.remote = state.wal.append(before, Record::Promotion);
            }
            Action::Request(id) => self.agent_mut(state, id).slot = Some(Task::Requested.into()),
            _ => unreachable!("{action:?} is not an operator's"),
        }
    }
}
