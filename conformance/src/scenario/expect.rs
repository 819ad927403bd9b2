//! What must come of a scenario. The judge reads it, the lab never does.

use pghaspec_model::branch::Branch;
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
