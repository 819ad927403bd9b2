//! The dialogue between `recover()` and the world: questions in the order in which the agent asks them, and their
//! answers.
//!
//! `recover()` is resumable at every question. A [`Dialogue`] replays the answers given so far; the first question
//! beyond them suspends the function with [`Stop::Ask`]. Resuming is calling it again with one more answer. So a
//! continuation is a short list of answers: it can be stored in a model's state, compared, printed and replayed, and
//! between a question and its answer anything may happen in the world, exactly where the real code does I/O.

use super::control::ControlState;
pub use super::question::Question;

/// The source of WAL for a rewind or a standby.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Leader {
    /// The leader key is absent.
    Nobody,
    /// The member that the leader key names, by its number.
    Member(u8),
    /// The remote primary of a standby cluster.
    Remote,
}

vocabulary! {
    /// A task in the agent's one background slot (patroni `async_executor.py`). Its id is that of the question whether
    /// it may run.
    pub enum Task (
        /// The name under which the agent runs it.
        pub text: &'static str,
    ) {
        CrashRecovery = "run-crash-recovery", "`Rewind.ensure_clean_shutdown`: `postgres --single`",
            text: "doing crash recovery in a single user mode";
        StartPrimary = "run-start-primary", "`Postgresql.start`: as a primary, after a crash",
            text: "starting primary after failure";
        Follow = "run-follow", "`Postgresql.follow`: write the recovery configuration, start as a standby",
            text: "restarting after failure";
        Rewind = "run-rewind", "`Rewind.execute`: stop, then pg_rewind",
            text: "running pg_rewind";
        Reinitialize = "run-reinitialize", "`Ha._do_reinitialize`: stop, wipe, copy the leader",
            text: "reinitializing due to diverged timelines";
        Promote = "run-promote", "`Postgresql.promote`",
            text: "promote";
        FollowAfterDemotion = "run-follow-after-demotion", "`Postgresql.follow` at the end of a demotion",
            text: "starting after demotion";
        Requested = "run-requested", "something that came in through the agent's API (restart, reinitialize)",
            text: "restart";
    }
}

/// The world's answer to a [`Question`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer {
    /// The effect took place.
    Done,
    /// Yes or no.
    Bool(bool),
    /// The start timeout in seconds.
    Seconds(u32),
    /// `Database cluster state`; nothing when pg_controldata failed.
    Control(Option<ControlState>),
    /// A source of WAL.
    Source(Leader),
    /// The slot was free: the task runs.
    Scheduled,
    /// The slot is busy with this task.
    Busy(Task),
    /// The DCS did not answer: the agent raises an error.
    DcsError,
}

/// The end of a run of `recover()` that decided nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A question without an answer: the run goes on when it is answered.
    Ask(Question),
    /// The DCS is not accessible: the cycle is abandoned and the agent handles the error elsewhere.
    DcsError,
    /// The answer does not fit the question: a mistake of the caller.
    Misfit {
        /// The question.
        question: Question,
        /// The answer that does not fit it.
        answer: Answer,
    },
}

/// Answers that a run takes for granted: a question that has one is not asked, and an effect that has one does not take
/// place.
pub type Override<'a> = &'a dyn Fn(Question) -> Option<Answer>;

/// Takes nothing for granted.
pub fn no_override(_: Question) -> Option<Answer> {
    None
}

/// One run of `recover()`: the answers so far, and where in them it stands.
///
/// Every method that asks ends the run with [`Stop::Ask`] when the answers are used up, with [`Stop::DcsError`] when
/// the answer says that the DCS failed, and with [`Stop::Misfit`] when the answer is of the wrong kind.
pub struct Dialogue<'a> {
    answers: &'a [Answer],
    asked: Vec<Question>,
    instead_of: Override<'a>,
}

impl<'a> Dialogue<'a> {
    /// Replays `answers`, then suspends. What `instead_of` answers needs no answer among them.
    pub fn replay(answers: &'a [Answer], instead_of: Override<'a>) -> Self {
        Dialogue { answers, asked: Vec::new(), instead_of }
    }

    /// The questions that were asked and answered so far, in order.
    pub fn asked(&self) -> &[Question] {
        &self.asked
    }

    fn answer(&mut self, question: Question) -> Result<Answer, Stop> {
        if let Some(answer) = (self.instead_of)(question) {
            return Ok(answer);
        }
        let answer = *self.answers.get(self.asked.len()).ok_or(Stop::Ask(question))?;
        self.asked.push(question);
        if answer == Answer::DcsError && matches!(question, Question::UpdateLock | Question::LoadCluster) {
            return Err(Stop::DcsError);
        }
        Ok(answer)
    }

    /// Asks for yes or no.
    pub fn asks(&mut self, question: Question) -> Result<bool, Stop> {
        match self.answer(question)? {
            Answer::Bool(answer) => Ok(answer),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Lets an effect take place.
    pub fn does(&mut self, question: Question) -> Result<(), Stop> {
        match self.answer(question)? {
            Answer::Done => Ok(()),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Asks for the start timeout, in seconds.
    pub fn start_timeout(&mut self) -> Result<u32, Stop> {
        match self.answer(Question::StartTimeout)? {
            Answer::Seconds(seconds) => Ok(seconds),
            answer => Err(Stop::Misfit { question: Question::StartTimeout, answer }),
        }
    }

    /// Asks for the state in pg_control.
    pub fn control_data(&mut self) -> Result<Option<ControlState>, Stop> {
        match self.answer(Question::ControlData)? {
            Answer::Control(state) => Ok(state),
            answer => Err(Stop::Misfit { question: Question::ControlData, answer }),
        }
    }

    /// Asks where WAL comes from.
    pub fn source(&mut self, question: Question) -> Result<Leader, Stop> {
        match self.answer(question)? {
            Answer::Source(leader) => Ok(leader),
            answer => Err(Stop::Misfit { question, answer }),
        }
    }

    /// Offers a task to the background slot; `Some` is the task that keeps it busy.
    pub fn try_run_async(&mut self, task: Task) -> Result<Option<Task>, Stop> {
        match self.answer(Question::RunAsync(task))? {
            Answer::Scheduled => Ok(None),
            Answer::Busy(other) => Ok(Some(other)),
            answer => Err(Stop::Misfit { question: Question::RunAsync(task), answer }),
        }
    }
}
