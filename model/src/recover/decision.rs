//! What `recover()` decided, and the words in which the agent says so.

use super::branch::Branch;
use super::dialogue::{Answer, Dialogue, Leader, Question, Stop, Task};
use super::recover;
use crate::mutants::Mutant;
use crate::rules::edition::Rules;

/// The outcome of one run of `recover()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Row of the decision table.
    pub branch: Branch,
    /// The task that was to run, where the message names it, and the one that kept the slot busy.
    refused: Option<(Task, Task)>,
    /// Where pg_rewind copies from.
    source: Option<Leader>,
}

impl Decision {
    /// A decision whose message says nothing about the slot.
    pub(crate) fn plain(branch: Branch) -> Self {
        Decision { branch, refused: None, source: None }
    }

    /// A decision whose message depends on the slot: `try_run_async(msg) or msg`.
    pub(crate) fn task(branch: Branch, task: Task, busy: Option<Task>) -> Self {
        Decision { branch, refused: busy.map(|other| (task, other)), source: None }
    }

    /// pg_rewind from `leader`.
    pub(crate) fn rewind(leader: Leader, busy: Option<Task>) -> Self {
        Decision { source: Some(leader), ..Decision::task(Branch::Rewind, Task::Rewind, busy) }
    }

    /// The slot refused the task that this branch wanted to run.
    pub fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The agent's words. `name` turns a source of WAL into a member's name; a remote one is called `remote_master:<uuid>` until
    /// 3.0.0 and `remote_member:<uuid>` since.
    pub fn message(&self, rules: &Rules, name: impl Fn(Leader) -> String) -> String {
        let source = name(self.source.unwrap_or(Leader::Nobody));
        let msg = self.branch.message(rules.words).replace("{leader}", &source);
        match self.refused {
            Some((_, other)) => format!("Failed to run {msg}, {} is already in progress", other.text()),
            None => msg,
        }
    }
}

/// One whole run: what was asked and answered, in order, and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Questions and effects with their answers.
    pub asked: Vec<(Question, Answer)>,
    /// The decision, or why there is none.
    pub outcome: Result<Decision, Stop>,
}

/// Runs `recover()` to its end against a world that answers at once.
pub fn decide(rules: &Rules, mutant: Option<Mutant>, mut world: impl FnMut(Question) -> Answer) -> Record {
    let mut asked = Vec::new();
    let mut answers = Vec::new();
    loop {
        match recover(rules, &mut Dialogue::replay(&answers, mutant)) {
            Err(Stop::Ask(question)) => {
                let answer = world(question);
                answers.push(answer);
                asked.push((question, answer));
            }
            outcome => return Record { asked, outcome },
        }
    }
}
