//! One vector of any function, with the outcome of the released code. Rules are tried on vectors alike, whatever is
//! compared.

use std::cell::OnceCell;

use pghaspec_model::cluster::single_functions::SingleFunctions;
use pghaspec_model::mutants::Mutant;
use pghaspec_model::rules::edition::Rules;

use super::compare::{Difference, compare};
use super::record::{Function, Run};
use super::rewinds::RewindRun;
use super::world::WorldRun;

/// Our functions by some rules, with which vectors are compared.
pub struct Ours {
    /// The rules.
    pub rules: Rules,
    /// The rule that is broken on purpose.
    pub mutant: Option<Mutant>,
    /// The functions that need a world, made when the first one is compared: rules that a dialogue refutes do without.
    alone: OnceCell<SingleFunctions>,
}

impl Ours {
    /// Our functions by these rules.
    pub fn new(rules: Rules, mutant: Option<Mutant>) -> Ours {
        Ours { rules, mutant, alone: OnceCell::new() }
    }

    /// The functions that need a world.
    pub fn alone(&self) -> &SingleFunctions {
        self.alone.get_or_init(|| SingleFunctions::new(self.rules, self.mutant))
    }
}

/// A vector.
#[derive(Clone, Debug)]
pub enum Vector {
    /// The whole dialogue is compared.
    Dialogue(Run),
    /// The effects on the world are compared.
    World(WorldRun),
    /// The outcome of a comparison of two data directories is compared.
    Rewind(RewindRun),
}

impl Vector {
    /// The function.
    pub fn function(&self) -> Function {
        match self {
            Vector::Dialogue(run) => run.function,
            Vector::World(run) => run.function,
            Vector::Rewind(_) => Function::RewindDecision,
        }
    }

    /// The first difference from ours, if there is one.
    pub fn compare(&self, ours: &Ours) -> Option<Difference> {
        match self {
            Vector::Dialogue(run) => compare(run, &ours.rules, ours.mutant),
            Vector::World(run) => run.compare(ours),
            Vector::Rewind(run) => run.compare(ours.alone()),
        }
    }

    /// The reason why the model has no such world; nothing if it has.
    pub fn outside(&self) -> Option<&'static str> {
        match self {
            Vector::World(run) => run.outside(),
            Vector::Dialogue(run) => run.torn.then_some("a snapshot that is replaced between two reads"),
            Vector::Rewind(_) => None,
        }
    }

    /// The distance from an uneventful run: the number of unusual inputs, then of all inputs.
    pub fn distance(&self) -> (usize, usize) {
        match self {
            Vector::Dialogue(run) => (run.distance(), run.asked.len()),
            Vector::World(run) => (run.choices.iter().filter(|choice| **choice > 0).count(), run.asked.len()),
            Vector::Rewind(run) => (run.vector.json().to_string().len(), 0),
        }
    }

    /// The indices of the answers in their domains, by which the run can be repeated.
    pub fn choices(&self) -> &[u8] {
        match self {
            Vector::Dialogue(run) => &run.choices,
            Vector::World(run) => &run.choices,
            Vector::Rewind(_) => &[],
        }
    }
}
