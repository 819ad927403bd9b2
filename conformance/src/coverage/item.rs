//! The items that are derived from the model, as kept in `fixtures/derived.json`: what a suite should lead to, each
//! with the shortest schedule of faults that does.

use pghaspec_model::derive::{Derived, Hit, StateClass};
use pghaspec_model::vocabulary::event::Configuration;
use pghaspec_model::vocabulary::fault::Fault;
use serde::{Deserialize, Serialize};

use super::item_id::{ItemId, ItemKind, class_of, hit_of};
use crate::fixtures;
use crate::input;
use crate::input::InputError;

/// Something that a suite should lead to, and the shortest schedule of faults that does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Its stable name.
    pub id: ItemId,
    /// The kind of the name.
    pub kind: ItemKind,
    /// Number of faults, their ends not counted.
    pub faults: usize,
    /// Every moment can be chosen from outside.
    pub controllable: bool,
    /// The edition by whose rules the schedule leads there.
    pub edition: String,
    /// The one of these rules that has to be broken for it.
    pub mutant: Option<String>,
    /// `primary_start_timeout` is zero.
    pub start_timeout_is_zero: bool,
    /// The configuration of the cluster.
    pub configuration: Configuration,
    /// The faults, in their order.
    pub steps: Vec<ItemStep>,
    /// The sights after the last fault, until the schedule has led there.
    pub then: Vec<String>,
    /// Number of steps of the model.
    pub length: usize,
}

/// One fault of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemStep {
    /// The fault.
    pub fault: Fault,
    /// The node that it hits, `n1` (which leads when the schedule begins) or `n2`; nobody if it hits all of them.
    pub node: Option<String>,
    /// The role of that node at this moment.
    #[serde(with = "hit_by_name")]
    pub target: Hit,
    /// The process that uses its data directory at this moment.
    #[serde(with = "class_by_name")]
    pub class: StateClass,
    /// The last sight since the fault before; nothing if the fault comes at once.
    pub when: Option<String>,
    /// It has to hit an agent in the middle of a cycle, which nobody can choose from outside.
    pub in_cycle: bool,
}

impl From<&Derived> for Item {
    fn from(Derived { goal, schedule }: &Derived) -> Item {
        let step = |step: &pghaspec_model::derive::Step| ItemStep {
            fault: step.fault,
            node: step.node.clone(),
            target: hit_of(step.target).expect("a schedule names whom a fault hits"),
            class: class_of(step.class).expect("a schedule names the state of what a fault hits"),
            when: step.when.clone(),
            in_cycle: step.in_cycle,
        };
        let id = ItemId::from(*goal);
        Item {
            id,
            kind: id.kind(),
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

/// All items, as last derived and committed.
///
/// # Errors
/// The file is missing or damaged.
pub fn committed() -> Result<Vec<Item>, InputError> {
    let file = fixtures::derived();
    let damaged = |problem: String| {
        let help = "write it anew with `pghaspec scenarios --derive --write`";
        InputError::of_file(&file, format!("is damaged: {problem}"), help)
    };
    let items: Vec<Item> =
        serde_json::from_str(&input::read(&file)?).map_err(|error| damaged(error.to_string()).at_line(error.line()))?;
    match items.iter().find(|item| item.kind != item.id.kind()) {
        Some(item) => Err(damaged(format!("the kind of `{}` is another one", item.id))),
        None => Ok(items),
    }
}

mod hit_by_name {
    use pghaspec_model::derive::Hit;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(hit: &Hit, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hit.id())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hit, D::Error> {
        let id = String::deserialize(deserializer)?;
        super::hit_of(&id).ok_or_else(|| Error::custom(format!("a fault hits nobody called `{id}`")))
    }
}

mod class_by_name {
    use pghaspec_model::derive::StateClass;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(class: &StateClass, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(class.id())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<StateClass, D::Error> {
        let id = String::deserialize(deserializer)?;
        super::class_of(&id).ok_or_else(|| Error::custom(format!("nothing that a fault hits is `{id}`")))
    }
}
