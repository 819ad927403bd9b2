//! The decision of `recover()`, and the words in which the agent says so.

use super::branch::Branch;
use super::dialogue::{Leader, Task};
use crate::rules::edition::Rules;

/// The outcome of one run of `recover()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Row of the decision table.
    pub branch: Branch,
    /// The task that was to run, where the message names it, and the one that kept the slot busy.
    refused: Option<(Task, Task)>,
    /// The node that pg_rewind copies from.
    source: Option<Leader>,
}

impl Decision {
    /// A decision whose message says nothing about the slot.
    pub(super) fn plain(branch: Branch) -> Self {
        Decision { branch, refused: None, source: None }
    }

    /// A decision whose message depends on the slot: `try_run_async(msg) or msg`.
    pub(super) fn task(branch: Branch, task: Task, busy: Option<Task>) -> Self {
        Decision { branch, refused: busy.map(|other| (task, other)), source: None }
    }

    /// pg_rewind from `leader`.
    pub(super) fn rewind(leader: Leader, busy: Option<Task>) -> Self {
        Decision { source: Some(leader), ..Decision::task(Branch::Rewind, Task::Rewind, busy) }
    }

    /// The slot refused the task that this branch wanted to run.
    pub fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The agent's words. `name` turns a source of WAL into a member's name; a remote one is called
    /// `remote_master:<uuid>` until 3.0.0 and `remote_member:<uuid>` since.
    pub fn message(&self, rules: &Rules, name: impl Fn(Leader) -> String) -> String {
        let source = name(self.source.unwrap_or(Leader::Nobody));
        let msg = self.branch.message(rules.words).replace("{leader}", &source);
        match self.refused {
            Some((_, other)) => format!("Failed to run {msg}, {} is already in progress", other.text()),
            None => msg,
        }
    }
}
