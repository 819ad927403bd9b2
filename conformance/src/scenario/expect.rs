//! What must come of a scenario. The judge reads it, the lab never does.

use std::collections::BTreeMap;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Rules;
use serde::Deserialize;

use crate::rules;

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
    /// Whether the leader, kept from updating the lock by the fault, is writable no longer than a ttl after it.
    pub read_only_in_time: Option<bool>,
    /// What is demanded otherwise of agents that have a rule of the specification in this position, such as `starts_crashed_primary: no`. Not of
    /// an edition: a release may be between two.
    #[serde(rename = "if")]
    pub otherwise: BTreeMap<String, Expect>,
}

impl Expect {
    /// What is demanded of an agent that follows these rules. Of several that apply, the last by name counts.
    pub fn of(&self, followed: &Rules) -> Expect {
        let mut demanded = Expect { otherwise: BTreeMap::new(), ..self.clone() };
        for (_, other) in self.otherwise.iter().filter(|(rule, _)| rules::follows(followed, rule)) {
            let other = other.clone();
            demanded = Expect {
                branches: other.branches.or(demanded.branches),
                others: other.others.or(demanded.others),
                leader: other.leader.or(demanded.leader),
                timeline: other.timeline.or(demanded.timeline),
                single_user: other.single_user.or(demanded.single_user),
                rejoins: other.rejoins.or(demanded.rejoins),
                read_only_in_time: other.read_only_in_time.or(demanded.read_only_in_time),
                otherwise: BTreeMap::new(),
            };
        }
        demanded
    }

    /// What is wrong with it, and what would be right.
    pub(super) fn trouble(&self) -> Option<(String, String)> {
        self.otherwise.iter().find_map(|(rule, other)| {
            if let Some(why) = rules::trouble(rule) {
                return Some((why, "write it as `[expect.if.\"starts_crashed_primary: no\"]`".into()));
            }
            let nested = (format!("the demands if {rule} have some of their own"), "write each below `expect`".into());
            (!other.otherwise.is_empty()).then_some(nested)
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
