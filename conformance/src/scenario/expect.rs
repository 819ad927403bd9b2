//! The demands of a scenario on its outcome. The judge reads them, the lab never does.

use std::collections::BTreeMap;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Rules;
use schemars::JsonSchema;
use serde::Deserialize;

use super::words;
use crate::rules;

/// The demands of a scenario on its outcome. A key that is absent demands nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// The branches of `recover` that the node hit first takes first, in their order; empty: it takes none.
    #[schemars(schema_with = "words::branches")]
    pub branches: Option<Vec<Branch>>,
    /// The branches of `recover` that the other nodes take, each by one of them at least; empty: they take none.
    #[schemars(schema_with = "words::branches")]
    pub others: Option<Vec<Branch>>,
    /// The leader in the end.
    pub leader: Option<LeaderAfter>,
    /// The timeline in the end: a promotion bumps it.
    pub timeline: Option<TimelineAfter>,
    /// Crash recovery in single-user mode runs at the node hit first, or does not.
    pub single_user: Option<bool>,
    /// The role of the node hit first in the end.
    pub rejoins: Option<Rejoins>,
    /// A leader that the fault keeps from updating the lock is writable no longer than a ttl after it.
    pub read_only_in_time: Option<bool>,
    /// Other demands on agents that have a rule of the specification in this position, such as `starts_crashed_primary:
    /// no`. They depend on a rule and not on an edition, since a release may be between two editions.
    #[serde(rename = "if")]
    pub otherwise: BTreeMap<String, Expect>,
}

impl Expect {
    /// The demands on an agent that follows these rules. Of several conditional demands that apply, the last by name
    /// counts.
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

    /// The key of a demand that cannot be, the problem, and its remedy, if there is one.
    pub(super) fn trouble(&self) -> Option<(String, String, String)> {
        let nobody = self.leader == Some(LeaderAfter::None) && self.rejoins == Some(Rejoins::Primary);
        if nobody {
            let problem = "a primary without the leader lock: `leader` is \"none\"".to_owned();
            return Some((".rejoins".into(), problem, "write rejoins = \"standby\", or another leader".into()));
        }
        self.otherwise.iter().find_map(|(rule, other)| {
            let key = |below: &str| format!(".if.\"{rule}\"{below}");
            if let Some(why) = rules::trouble(rule) {
                return Some((key(""), why, "write it as `[expect.if.\"starts_crashed_primary: no\"]`".into()));
            }
            if !other.otherwise.is_empty() {
                let problem = format!("the demands if {rule} have some of their own");
                return Some((key(".if"), problem, "write each below `expect`".into()));
            }
            other.trouble().map(|(below, problem, help)| (key(&below), problem, help))
        })
    }
}

/// The leader in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum LeaderAfter {
    /// The leader from before the fault.
    Same,
    /// Another node.
    Other,
    /// Nobody.
    None,
}

/// The timeline in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimelineAfter {
    /// The timeline stays.
    Unchanged,
    /// The timeline is higher than before.
    Bumped,
}

/// The role of the node hit first in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Rejoins {
    /// The primary.
    Primary,
    /// A standby that streams.
    Standby,
}
