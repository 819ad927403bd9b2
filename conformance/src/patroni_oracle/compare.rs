//! The comparison of a run of a released function with ours: the same questions in the same order, the same effects
//! with the same arguments, and the same end. The first difference refutes the rules by which ours was run.

use pghaspec_model::mutants::{Mutant, instead_of};
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::recover::decision::Decision;
use pghaspec_model::recover::dialogue::{Answer, Dialogue, Leader, Question, Stop, Task};
use pghaspec_model::recover::{handle_crash_recovery, handle_rewind_or_reinitialize, recover};
use pghaspec_model::rules::edition::Rules;
use serde_json::{Value, json};

use super::record::{Asked, Ended, Function, Run, answer_word};

/// The first difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The number of questions before it.
    pub at: usize,
    /// The step of the released code there.
    pub released: String,
    /// The step of ours.
    pub ours: String,
}

/// A replay of our function, given the answers of the run: what it asks, and how it ends.
pub struct Replay {
    /// Its questions, including the last one if it is not answered.
    pub asked: Vec<Question>,
    /// Its decision, or the reason why there is none.
    pub outcome: Result<Option<Decision>, Stop>,
}

/// Runs our function on the answers of a run.
pub fn replay(run: &Run, rules: &Rules, mutant: Option<Mutant>) -> Replay {
    let answers = run.answers();
    let instead_of = instead_of(mutant);
    let mut dialogue = Dialogue::replay(&answers, &instead_of);
    let outcome = match run.function {
        Function::Recover => recover(rules, &mut dialogue).map(Some),
        Function::HandleCrashRecovery => handle_crash_recovery(&mut dialogue, Branch::CrashRecovery),
        _ => handle_rewind_or_reinitialize(rules, &mut dialogue),
    };
    let mut asked = dialogue.asked().to_vec();
    if let Err(Stop::Ask(question)) = outcome {
        asked.push(question);
    }
    Replay { asked, outcome }
}

/// The first difference, if there is one.
pub fn compare(run: &Run, rules: &Rules, mutant: Option<Mutant>) -> Option<Difference> {
    let ours = replay(run, rules, mutant);
    let known = |asked: &Asked| match asked {
        Asked::Known(question, _) => Some(*question),
        Asked::Unknown(_) => None,
    };
    for (at, released) in run.asked.iter().enumerate() {
        if known(released) != ours.asked.get(at).copied() {
            let ours = match ours.asked.get(at) {
                Some(question) => asks(*question),
                None => ends(&ours.outcome, rules),
            };
            return Some(Difference { at, released: step(released), ours });
        }
    }
    let at = run.asked.len();
    if let Some(question) = ours.asked.get(at) {
        return Some(Difference { at, released: ended(&run.ended), ours: asks(*question) });
    }
    let ending = |outcome: &Result<Option<Decision>, Stop>| match outcome {
        Ok(decision) => Some(Ended::Says(decision.map(|decision| decision.message(rules, name)))),
        Err(Stop::DcsError) => Some(Ended::DcsError),
        Err(_) => None,
    };
    if ending(&ours.outcome).as_ref() != Some(&run.ended) {
        return Some(Difference { at, released: ended(&run.ended), ours: ends(&ours.outcome, rules) });
    }
    effects(run, rules, &ours)
}

/// The first difference between the arguments of effects. They are not part of the dialogue, but follow from it.
fn effects(run: &Run, rules: &Rules, ours: &Replay) -> Option<Difference> {
    let answer_to = |wanted: Question| {
        run.asked.iter().rev().find_map(|asked| match asked {
            Asked::Known(question, answer) if *question == wanted => Some(*answer),
            _ => None,
        })
    };
    let seconds = match answer_to(Question::StartTimeout) {
        Some(Answer::Seconds(seconds)) => json!(seconds),
        _ => Value::Null,
    };
    let source = |question: Question| match answer_to(question) {
        Some(Answer::Source(Leader::Nobody)) | None => Value::Null,
        Some(Answer::Source(leader)) => json!(name(leader)),
        Some(_) => Value::Null,
    };
    let branch = ours.outcome.as_ref().ok().copied().flatten().map(|decision| decision.branch);
    let offered = ours.asked.iter().enumerate().filter_map(|(at, question)| match question {
        Question::RunAsync(task) => Some((at, *task)),
        _ => None,
    });
    for ((at, task), offer) in offered.zip(&run.offers) {
        let action = match task {
            Task::Rewind => {
                format!("{} from {}", task.text(), source(Question::RewindSource).as_str().unwrap_or("nobody"))
            }
            _ => task.text().to_owned(),
        };
        let arguments = match task {
            Task::StartPrimary => vec![seconds.clone(), json!("critical-task")],
            Task::Rewind => vec![source(Question::RewindSource)],
            Task::Reinitialize => vec![json!("cluster")],
            Task::Follow => {
                let node = match branch {
                    Some(Branch::StartReadOnly) => Value::Null,
                    Some(Branch::FollowRemote) => source(Question::RemoteToFollow),
                    _ => source(Question::NodeToFollow),
                };
                let leads = branch == Some(Branch::StartStandbyLeader);
                vec![node, json!(if leads { "standby_leader" } else { "replica" }), seconds.clone()]
            }
            _ => Vec::new(),
        };
        if (&action, &arguments) != (&offer.action, &offer.arguments) {
            let words = |action: &str, arguments: &[Value]| format!("runs '{action}' with {}", json!(arguments));
            let released = words(&offer.action, &offer.arguments);
            return Some(Difference { at, released, ours: words(&action, &arguments) });
        }
    }
    let remembered = ours.asked.iter().position(|question| *question == Question::RememberCrashRecovery);
    let timed = remembered.is_some() && rules.limits_crash_recovery;
    (timed != run.timed).then(|| {
        let words = |timed| if timed { "notes when crash recovery began" } else { "does not note when it began" };
        Difference {
            at: remembered.unwrap_or(run.asked.len()),
            released: words(run.timed).into(),
            ours: words(timed).into(),
        }
    })
}

/// The names that the harness gives to sources of WAL.
pub fn name(leader: Leader) -> String {
    match leader {
        Leader::Nobody => "nobody",
        Leader::Member(_) => "n1",
        Leader::Remote => "remote",
    }
    .into()
}

/// A question or an effect in words.
pub fn asks(question: Question) -> String {
    let word = if question.is_pure() { "asks" } else { "does" };
    format!("{word} {}", question.id())
}

/// A step of the released code in words.
pub fn step(asked: &Asked) -> String {
    match asked {
        Asked::Known(question, _) => asks(*question),
        Asked::Unknown(words) => format!("does what the specification has no word for: {words}"),
    }
}

/// The answer that the released code was given, in words.
pub fn answered(asked: &Asked) -> String {
    match asked {
        Asked::Known(_, answer) => answer_word(*answer),
        Asked::Unknown(_) => String::new(),
    }
}

/// The end of the released code in words.
pub fn ended(ended: &Ended) -> String {
    match ended {
        Ended::Says(None) => "returns nothing".into(),
        Ended::Says(Some(message)) => format!("says '{message}'"),
        Ended::DcsError => "raises DCSError".into(),
        Ended::Raises(error) => format!("raises {error}"),
    }
}

/// The end of ours in words.
pub fn ends(outcome: &Result<Option<Decision>, Stop>, rules: &Rules) -> String {
    match outcome {
        Ok(decision) => ended(&Ended::Says(decision.map(|decision| decision.message(rules, name)))),
        Err(Stop::DcsError) => ended(&Ended::DcsError),
        Err(Stop::Ask(question)) => asks(*question),
        Err(Stop::Misfit { question, answer }) => {
            format!("cannot make sense of {} for {}", answer_word(*answer), question.id())
        }
    }
}
