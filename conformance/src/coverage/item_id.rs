//! The stable names of derived items, such as `branch/4.1/fail-over`. Coverage is compared by them.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use pghaspec_model::cluster::Server;
use pghaspec_model::derive::{Goal, Hit, StateClass};
use pghaspec_model::mutants::Mutant;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::fault::{Class, Fault};
use pghaspec_model::vocabulary::property::Property;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The name of a derived item: the goal of a schedule of faults. Written as text; names are in the order of their
/// texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ItemId(Goal);

/// The kind of an item, the first part of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemKind {
    /// A branch of `recover()` is taken: `branch/<edition>/<branch>`.
    Branch,
    /// A fault hits somebody in a state: `fault/<fault>/<target>/<class>`; the end of a fault has no class.
    Fault,
    /// A property is broken: `property/<property>/<edition or mutant>`.
    Property,
}

impl ItemId {
    /// A branch is taken by the rules of an edition.
    pub fn branch(edition: Edition, branch: Branch) -> ItemId {
        ItemId(Goal::Branch(edition, branch))
    }

    /// A fault hits somebody who is in this state. The end of a fault is told apart only by whom it concerns.
    pub fn fault(fault: Fault, hit: Hit, class: StateClass) -> ItemId {
        ItemId(Goal::Fault(fault, hit, (fault.class() != Class::Free).then_some(class)))
    }

    /// The goal that it names.
    pub fn goal(self) -> Goal {
        self.0
    }

    /// Its kind.
    pub fn kind(self) -> ItemKind {
        match self.0 {
            Goal::Branch(..) => ItemKind::Branch,
            Goal::Fault(..) => ItemKind::Fault,
            Goal::Violation(..) | Goal::Kill(..) => ItemKind::Property,
        }
    }

    /// Its name without the kind, for instance `4.1/fail-over`.
    pub fn within_kind(self) -> String {
        let id = self.0.id();
        id.split_once('/').map_or(id.clone(), |(_, rest)| rest.to_owned())
    }
}

impl From<Goal> for ItemId {
    fn from(goal: Goal) -> ItemId {
        ItemId(goal)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(&self.0.id())
    }
}

impl FromStr for ItemId {
    type Err = String;

    fn from_str(text: &str) -> Result<ItemId, String> {
        let goal = match text.split('/').collect::<Vec<_>>()[..] {
            ["branch", edition, branch] => Edition::from_id(edition)
                .zip(Branch::from_id(branch))
                .map(|(edition, branch)| Goal::Branch(edition, branch)),
            ["fault", fault, hit] => {
                Fault::from_id(fault).zip(hit_of(hit)).map(|(fault, hit)| Goal::Fault(fault, hit, None))
            }
            ["fault", fault, hit, class] => Fault::from_id(fault)
                .zip(hit_of(hit))
                .zip(class_of(class))
                .map(|((fault, hit), class)| Goal::Fault(fault, hit, Some(class))),
            ["property", property, by] => Property::from_id(property).and_then(|property| {
                let violation = Edition::from_id(by).map(|edition| Goal::Violation(property, edition));
                violation.or_else(|| Mutant::from_id(by).map(|mutant| Goal::Kill(property, mutant)))
            }),
            _ => None,
        };
        goal.map(ItemId).ok_or_else(|| format!("`{text}` is not the name of a derived item"))
    }
}

impl PartialOrd for ItemId {
    fn partial_cmp(&self, other: &ItemId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ItemId {
    fn cmp(&self, other: &ItemId) -> Ordering {
        self.0.id().cmp(&other.0.id())
    }
}

impl Serialize for ItemId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ItemId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ItemId, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The target of a fault, by its name.
pub(super) fn hit_of(id: &str) -> Option<Hit> {
    [Hit::Leader, Hit::Member, Hit::Cluster].into_iter().find(|hit| hit.id() == id)
}

/// The state of what a fault hits, by its name.
pub(super) fn class_of(id: &str) -> Option<StateClass> {
    let servers = [
        Server::Down,
        Server::Starting,
        Server::Standby,
        Server::Primary,
        Server::SingleUser,
        Server::Rewinding,
        Server::Copying,
    ];
    servers.map(StateClass::Server).into_iter().chain([StateClass::NoLeader]).find(|class| class.id() == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for text in [
            "branch/4.1/fail-over",
            "fault/agent-killed/leader/single-user",
            "fault/dcs-down/cluster/no-leader",
            "fault/dcs-up/cluster",
            "property/one-writable-leader/4.1",
            "property/one-writable-leader/starts-without-signal",
        ] {
            let id: ItemId = text.parse().unwrap();
            assert_eq!(id.to_string(), text);
            assert_eq!(serde_json::to_string(&id.kind()).unwrap().trim_matches('"'), text.split('/').next().unwrap());
            assert!(text.ends_with(&format!("/{}", id.within_kind())));
        }
        let primary = StateClass::Server(Server::Primary);
        assert_eq!(ItemId::fault(Fault::DcsUp, Hit::Cluster, primary).to_string(), "fault/dcs-up/cluster");
    }

    #[test]
    fn another_text_is_refused() {
        for text in
            ["", "branch", "branch/4.1/luck", "branch/9.9/fail-over", "fault/meteor/leader/down", "fault/dcs-up"]
        {
            assert!(text.parse::<ItemId>().unwrap_err().contains(text), "{text}");
        }
    }

    #[test]
    fn names_are_in_the_order_of_their_texts() {
        let mut texts = ["property/one-writable-leader/4.1", "fault/dcs-up/cluster", "branch/4.1/fail-over"];
        let mut ids = texts.map(|text| text.parse::<ItemId>().unwrap());
        ids.sort();
        texts.sort_unstable();
        assert_eq!(ids.map(|id| id.to_string()), texts);
    }
}
