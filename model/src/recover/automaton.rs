//! The smallest automaton of `recover()`: its next question, as a number that fits into a model's state.
//!
//! A continuation of `recover()` is a list of answers, and many lists lead to the same future. Unfolding the function
//! over the answers that a model can give, and sharing equal futures, leaves a few dozen positions. Each is either a
//! question or an outcome. [`decide`] runs the function itself, for a world that answers at once.

use std::collections::HashMap;

use super::decision::Decision;
use super::dialogue::{Answer, Dialogue, Override, Question, Stop, no_override};
use super::recover;
use crate::rules::edition::Rules;

/// The number of a position in the automaton.
pub type Position = u16;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Node {
    Asks(Question, Vec<(Answer, Position)>),
    Decided(usize),
    DcsError,
}

/// `recover()`, unfolded over the answers of one domain.
#[derive(Clone, Debug)]
pub struct Automaton {
    nodes: Vec<Node>,
    decisions: Vec<Decision>,
    start: Position,
}

impl Automaton {
    /// Unfolds `recover()` over the answers that `domain` allows; what `instead_of` answers is not asked.
    ///
    /// # Panics
    /// If `domain` or `instead_of` gives an answer that does not fit its question.
    pub fn unfold(rules: &Rules, instead_of: Override<'_>, domain: impl Fn(Question) -> Vec<Answer>) -> Self {
        let mut automaton = Automaton { nodes: Vec::new(), decisions: Vec::new(), start: 0 };
        let mut known = HashMap::new();
        automaton.start = automaton.unfold_from(rules, instead_of, &domain, &mut Vec::new(), &mut known);
        automaton
    }

    fn unfold_from(
        &mut self,
        rules: &Rules,
        instead_of: Override<'_>,
        domain: &impl Fn(Question) -> Vec<Answer>,
        answers: &mut Vec<Answer>,
        known: &mut HashMap<Node, Position>,
    ) -> Position {
        let node = match recover(rules, &mut Dialogue::replay(answers, instead_of)) {
            Err(Stop::Ask(question)) => {
                let mut next = Vec::new();
                for answer in domain(question) {
                    answers.push(answer);
                    next.push((answer, self.unfold_from(rules, instead_of, domain, answers, known)));
                    answers.pop();
                }
                Node::Asks(question, next)
            }
            Ok(decision) => {
                let index = self.decisions.iter().position(|known| *known == decision).unwrap_or_else(|| {
                    self.decisions.push(decision);
                    self.decisions.len() - 1
                });
                Node::Decided(index)
            }
            Err(Stop::DcsError) => Node::DcsError,
            Err(misfit) => panic!("the model's answer does not fit: {misfit:?}"),
        };
        if let Some(&position) = known.get(&node) {
            return position;
        }
        let position = Position::try_from(self.nodes.len()).expect("recover() has fewer than 65,536 distinct futures");
        known.insert(node.clone(), position);
        self.nodes.push(node);
        position
    }

    /// The position in which every run begins.
    pub fn start(&self) -> Position {
        self.start
    }

    /// Number of distinct positions.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The possible decisions, each once.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Always false: there is at least the start.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The decision that is made here.
    ///
    /// # Errors
    /// [`Stop::Ask`] with the question that is asked here, [`Stop::DcsError`] if the DCS failed.
    pub fn at(&self, position: Position) -> Result<Decision, Stop> {
        match &self.nodes[usize::from(position)] {
            Node::Asks(question, _) => Err(Stop::Ask(*question)),
            Node::Decided(index) => Ok(self.decisions[*index]),
            Node::DcsError => Err(Stop::DcsError),
        }
    }

    /// The position that `answer` leads to from here.
    ///
    /// # Panics
    /// If nothing is asked here, or the answer is outside the domain of the unfolding.
    pub fn answer(&self, position: Position, answer: Answer) -> Position {
        let Node::Asks(question, next) = &self.nodes[usize::from(position)] else {
            panic!("position {position} asks nothing")
        };
        next.iter()
            .find(|(known, _)| *known == answer)
            .unwrap_or_else(|| panic!("{answer:?} to {question:?} is outside the unfolding"))
            .1
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
pub fn decide(rules: &Rules, mut world: impl FnMut(Question) -> Answer) -> Record {
    let mut asked = Vec::new();
    let mut answers = Vec::new();
    loop {
        match recover(rules, &mut Dialogue::replay(&answers, &no_override)) {
            Err(Stop::Ask(question)) => {
                let answer = world(question);
                answers.push(answer);
                asked.push((question, answer));
            }
            outcome => return Record { asked, outcome },
        }
    }
}
