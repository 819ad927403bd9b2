//! What is derived from the model, as it is kept.

use pghaspec_model::derive::Derived;
use pghaspec_model::vocabulary::event::Configuration;
use pghaspec_model::vocabulary::fault::Fault;
use serde::{Deserialize, Serialize};

use crate::fixtures;
use crate::input;
use crate::input::InputError;

/// Something that a suite should lead to, and the shortest schedule of faults that does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its stable name, for instance `branch/4.1/fail-over`, `fault/agent-killed/leader/single-user`, `property/one-writable-leader/4.1`.
    pub id: String,
    /// `branch`, `fault` or `property`.
    pub kind: String,
    /// Number of faults, their ends not counted.
    pub faults: usize,
    /// Every moment can be chosen from outside.
    pub controllable: bool,
    /// The rules by which the schedule leads there.
    pub edition: String,
    /// The one of them that has to be broken for it.
    pub mutant: Option<String>,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// How the cluster is configured.
    pub configuration: Configuration,
    /// The faults, in their order.
    pub steps: Vec<ItemStep>,
    /// What is seen after the last one, until it has led there.
    pub then: Vec<String>,
    /// Steps of the model.
    pub length: usize,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStep {
    /// Which one.
    pub fault: Fault,
    /// The node that it hits, `n1` (which leads when it begins) or `n2`; nobody if it hits all of them.
    pub node: Option<String>,
    /// What that node is then: `leader` or `member`; or `cluster`.
    pub target: String,
    /// Which process uses its data directory then: `primary`, `standby`, `starting`, `single-user`, `rewinding`, `copying`, `down`.
    pub class: String,
    /// What has been seen last, since the fault before; nothing if the fault comes at once.
    pub when: Option<String>,
    /// It has to hit an agent in the middle of a cycle, which nobody can choose from outside.
    pub in_cycle: bool,
}

impl From<&Derived> for Item {
    fn from(Derived { goal, schedule }: &Derived) -> Item {
        let step = |step: &pghaspec_model::derive::Step| ItemStep {
            fault: step.fault,
            node: step.node.clone(),
            target: step.target.to_owned(),
            class: step.class.to_owned(),
            when: step.when.clone(),
            in_cycle: step.in_cycle,
        };
        Item {
            id: goal.id(),
            kind: goal.kind().to_owned(),
            faults: schedule.faults(),
            controllable: schedule.is_controllable(),
            edition: schedule.edition.to_owned(),
            mutant: schedule.mutant.map(str::to_owned),
            start_timeout_is_zero: schedule.start_timeout_is_zero,
            configuration: schedule.configuration.clone(),
            steps: schedule.steps.iter().map(step).collect(),
            then: schedule.then.clone(),
            length: schedule.length,
        }
    }
}

/// All of them, as last derived and committed.
///
/// # Errors
/// The file is missing or damaged.
pub fn committed() -> Result<Vec<Item>, InputError> {
    let file = fixtures::derived();
    serde_json::from_str(&input::read(&file)?).map_err(|error| {
        let mend = "write it anew with `pghaspec scenarios --derive --write`";
        InputError::of_file(&file, format!("is damaged: {error}"), mend).at_line(error.line())
    })
}
