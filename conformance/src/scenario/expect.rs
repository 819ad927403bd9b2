//! What must come of a scenario. The judge reads it, the lab never does.

use std::collections::BTreeMap;

use pghaspec_model::branch::Branch;
use pghaspec_model::edition::Edition;
use serde::Deserialize;

/// What must come of a scenario; a key that is absent says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// Branches of `recover` that the node hit first takes first, in their order; empty: it takes none.
    pub branches: Option<Vec<Branch>>,
    /// Branches of `recover` that the other nodes take, each by one of them at least; empty: they take none.
    pub others: Option<Vec<Branch>>,
    /// Who leads in the end.
    pub leader: Option<LeaderAfter>,
    /// Whether a promotion happened.
    pub timeline: Option<TimelineAfter>,
    /// Whether crash recovery in single-user mode runs at the node hit first.
    pub single_user: Option<bool>,
    /// What the node hit first is in the end.
    pub rejoins: Option<Rejoins>,
    /// What is demanded otherwise of agents that follow this edition of the specification, by its name, or an older one.
    pub up_to: BTreeMap<String, Expect>,
}

impl Expect {
    /// What is demanded of an agent that follows an edition: of all demands up to some edition, those of the nearest one count.
    pub fn of(&self, edition: Edition) -> Expect {
        let mut demanded = Expect { up_to: BTreeMap::new(), ..self.clone() };
        for last in Edition::ALL.into_iter().rev().filter(|last| *last >= edition) {
            let Some(other) = self.up_to.get(last.id()).cloned() else { continue };
            demanded = Expect {
                branches: other.branches.or(demanded.branches),
                others: other.others.or(demanded.others),
                leader: other.leader.or(demanded.leader),
                timeline: other.timeline.or(demanded.timeline),
                single_user: other.single_user.or(demanded.single_user),
                rejoins: other.rejoins.or(demanded.rejoins),
                up_to: BTreeMap::new(),
            };
        }
        demanded
    }

    /// What is wrong with it, and what would be right.
    pub(super) fn trouble(&self) -> Option<(String, String)> {
        let known: Vec<_> = Edition::ALL.iter().map(|edition| edition.id()).collect();
        let (edition, _) = self
            .up_to
            .iter()
            .find(|(edition, other)| Edition::from_id(edition).is_none() || !other.up_to.is_empty())?;
        Some(match Edition::from_id(edition) {
            None => (format!("`{edition}` is no edition"), format!("use one of: {}", known.join(", "))),
            Some(_) => {
                (format!("the demands up to {edition} have some of their own"), "write each below `expect`".into())
            }
        })
    }
}

/// Who leads in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderAfter {
    /// The leader from before the fault.
    Same,
    /// Another node.
    Other,
    /// Nobody.
    None,
}

/// What becomes of the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimelineAfter {
    /// It stays.
    Unchanged,
    /// It is higher than before.
    Bumped,
}

/// What the node hit first is in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rejoins {
    /// The primary.
    Primary,
    /// A standby that streams.
    Standby,
}
