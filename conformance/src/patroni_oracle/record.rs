//! The record of a run of a released function, as the harness writes it: what it asked, did and said.

use pghaspec_model::recover::control::ControlState;
use pghaspec_model::recover::dialogue::{Answer, Leader, Question, Task};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A released function that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Function {
    /// `Ha.recover`
    Recover,
    /// `Ha._handle_crash_recovery`, from 2.1.4 on.
    HandleCrashRecovery,
    /// `Ha._handle_rewind_or_reinitialize`
    HandleRewindOrReinitialize,
    /// `Ha.post_recover`
    PostRecover,
    /// `Ha.handle_long_action_in_progress`
    HandleLongActionInProgress,
    /// `Ha.handle_starting_instance`
    HandleStartingInstance,
    /// `Ha.update_lock`, with `Etcd3.update_leader`, which it calls.
    UpdateLock,
    /// `Ha.is_failover_possible`
    IsFailoverPossible,
    /// `Ha.is_healthiest_node`
    IsHealthiestNode,
    /// `Ha.follow`
    Follow,
    /// `Rewind.rewind_or_reinitialize_needed_and_possible`
    RewindDecision,
}

impl Function {
    /// All functions.
    pub const ALL: [Function; 11] = [
        Function::Recover,
        Function::HandleCrashRecovery,
        Function::HandleRewindOrReinitialize,
        Function::PostRecover,
        Function::HandleLongActionInProgress,
        Function::HandleStartingInstance,
        Function::UpdateLock,
        Function::IsFailoverPossible,
        Function::IsHealthiestNode,
        Function::Follow,
        Function::RewindDecision,
    ];

    /// Its name in the harness.
    pub fn id(self) -> &'static str {
        match self {
            Function::Recover => "recover",
            Function::HandleCrashRecovery => "handle-crash-recovery",
            Function::HandleRewindOrReinitialize => "handle-rewind-or-reinitialize",
            Function::PostRecover => "post-recover",
            Function::HandleLongActionInProgress => "handle-long-action-in-progress",
            Function::HandleStartingInstance => "handle-starting-instance",
            Function::UpdateLock => "update-lock",
            Function::IsFailoverPossible => "is-failover-possible",
            Function::IsHealthiestNode => "is-healthiest-node",
            Function::Follow => "follow",
            Function::RewindDecision => "rewind-decision",
        }
    }

    /// The whole dialogue is compared, not only the effects.
    pub fn is_dialogue(self) -> bool {
        matches!(self, Function::Recover | Function::HandleCrashRecovery | Function::HandleRewindOrReinitialize)
    }

    /// The effects and the end are compared, but not the order of the questions.
    pub fn is_of_world(self) -> bool {
        !self.is_dialogue() && self != Function::RewindDecision
    }

    /// The parts of a run that are compared with ours.
    pub fn compared(self) -> &'static str {
        match self {
            _ if self.is_dialogue() => "each question, each effect with its arguments, and the end, in order",
            Function::RewindDecision => "what is known afterwards, and whether a rewind is needed",
            _ => "each effect, in order, and the end",
        }
    }

    /// The inputs that it is given. Nothing is a sample.
    pub fn inputs(self) -> &'static str {
        match self {
            Function::RewindDecision => {
                "the full product: trees of up to 3 WAL records, two places in them, what pg_control, the leader, \
                 the rewind are"
            }
            _ => "the full product: every sequence of answers that it can be given",
        }
    }

    /// The function of that name.
    pub fn from_id(id: &str) -> Option<Function> {
        Function::ALL.into_iter().find(|function| function.id() == id)
    }
}

/// One question or effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A question that the specification knows, and its answer.
    Known(Question, Answer),
    /// A question that it does not know.
    Unknown(String),
}

/// The end of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It returned a message or nothing.
    Says(Option<String>),
    /// It raised the error of a DCS that does not answer.
    DcsError,
    /// It raised another exception.
    Raises(String),
}

/// A task that was offered to the background slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its name in the slot.
    pub action: String,
    /// Its arguments.
    pub arguments: Vec<Value>,
}

/// One whole run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The function.
    pub function: Function,
    /// The questions and effects, in order.
    pub asked: Vec<Asked>,
    /// Its end.
    pub ended: Ended,
    /// The tasks that were offered, in order.
    pub offers: Vec<Offer>,
    /// The moment at which crash recovery began was recorded.
    pub timed: bool,
    /// Two reads of one snapshot differed.
    pub torn: bool,
    /// The place of each question in the released code, if it was asked for.
    pub places: Vec<String>,
    /// The indices of the answers in their domains.
    pub choices: Vec<u8>,
}

#[derive(Deserialize)]
struct Extras {
    #[serde(default)]
    tasks: Vec<(String, String, Vec<Value>)>,
    #[serde(default)]
    timed: bool,
    #[serde(default)]
    torn: bool,
}

/// The end of a run, as the harness writes it.
#[derive(Deserialize)]
pub(super) struct Outcome {
    says: Option<String>,
    raises: Option<String>,
}

impl Outcome {
    pub(super) fn ended(self) -> Ended {
        match (self.raises, self.says) {
            (Some(error), _) if error == "dcs-error" => Ended::DcsError,
            (Some(error), _) => Ended::Raises(error),
            (None, says) => Ended::Says(says),
        }
    }
}

impl Run {
    /// Reads a line of the harness: function, questions with answers, outcome, arguments of effects, choices.
    ///
    /// # Errors
    /// The line has another form, or an answer that its question cannot have.
    pub fn parse(function: Function, line: &str) -> Result<Run, String> {
        let (_, asked, outcome, extras, choices): (String, Vec<Vec<String>>, Outcome, Extras, Vec<u8>) =
            serde_json::from_str(line).map_err(|error| error.to_string())?;
        let mut places = Vec::new();
        let mut steps = Vec::with_capacity(asked.len());
        for step in asked {
            let [question, answer, place @ ..] = &step[..] else { return Err("a question without an answer".into()) };
            places.extend(place.first().cloned());
            steps.push(match Question::from_id(question) {
                None => Asked::Unknown(format!("{question} → {answer}")),
                Some(known) => Asked::Known(
                    known,
                    answer_from(known, answer).ok_or_else(|| format!("{question} was answered with `{answer}`"))?,
                ),
            });
        }
        let ended = outcome.ended();
        let offers =
            extras.tasks.into_iter().map(|(_, action, arguments)| Offer { action, arguments }).collect::<Vec<_>>();
        Ok(Run { function, asked: steps, ended, offers, timed: extras.timed, torn: extras.torn, places, choices })
    }

    /// The answers, as far as the specification knows the questions.
    pub fn answers(&self) -> Vec<Answer> {
        let known = |asked: &Asked| match asked {
            Asked::Known(_, answer) => Some(*answer),
            Asked::Unknown(_) => None,
        };
        self.asked.iter().map_while(known).collect()
    }

    /// The number of answers that are not those of an uneventful run, the first of each domain.
    pub fn distance(&self) -> usize {
        let unusual = |asked: &&Asked| match asked {
            Asked::Known(_, answer) => !matches!(
                answer,
                Answer::Done
                    | Answer::Bool(false)
                    | Answer::Control(None)
                    | Answer::Seconds(300)
                    | Answer::Source(Leader::Nobody)
                    | Answer::Scheduled
            ),
            Asked::Unknown(_) => true,
        };
        self.asked.iter().filter(unusual).count()
    }
}

fn answer_from(question: Question, word: &str) -> Option<Answer> {
    Some(match (question, word) {
        (Question::ControlData, "absent") => Answer::Control(None),
        (Question::ControlData, word) => {
            let state = ControlState::ALL.into_iter().find(|state| state.text().replace(' ', "-") == word)?;
            Answer::Control(Some(state))
        }
        (Question::StartTimeout, seconds) => Answer::Seconds(seconds.parse().ok()?),
        (_, "done") => Answer::Done,
        (_, "yes") => Answer::Bool(true),
        (_, "no") => Answer::Bool(false),
        (_, "nobody") => Answer::Source(Leader::Nobody),
        (_, "member") => Answer::Source(Leader::Member(0)),
        (_, "remote") => Answer::Source(Leader::Remote),
        (Question::RunAsync(_), "free") => Answer::Scheduled,
        (Question::RunAsync(_), "busy") => Answer::Busy(Task::Requested),
        (_, "dcs-error") => Answer::DcsError,
        _ => return None,
    })
}

/// An answer in words.
pub fn answer_word(answer: Answer) -> String {
    match answer {
        Answer::Done => "done".into(),
        Answer::Bool(true) => "yes".into(),
        Answer::Bool(false) => "no".into(),
        Answer::Seconds(seconds) => seconds.to_string(),
        Answer::Control(None) => "absent".into(),
        Answer::Control(Some(state)) => format!("'{}'", state.text()),
        Answer::Source(Leader::Nobody) => "nobody".into(),
        Answer::Source(Leader::Member(_)) => "member".into(),
        Answer::Source(Leader::Remote) => "remote".into(),
        Answer::Scheduled => "free".into(),
        Answer::Busy(_) => "busy".into(),
        Answer::DcsError => "DCS error".into(),
    }
}
