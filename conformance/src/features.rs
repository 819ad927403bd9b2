//! The features of an agent that scenarios ask for. Manifests claim them, and a scenario that needs one is
//! `unsupported` for an agent that does not claim it.

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::input;

/// A feature of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Its name, as in manifests and scenarios.
    pub id: &'static str,
    /// The ability of an agent that claims it.
    pub describe: &'static str,
}

/// The agent goes on leading while it reaches all members but not the DCS.
pub const FAILSAFE: &str = "failsafe";

/// The agent runs a cluster that follows a primary elsewhere.
pub const STANDBY_CLUSTER: &str = "standby-cluster";

/// The agent keeps a watchdog device alive while it leads.
pub const WATCHDOG: &str = "watchdog";

/// The agent starts a crashed primary again where it was, as the primary.
pub const RESTARTS_IN_PLACE: &str = "restarts-in-place";

/// The agent makes another node the leader.
pub const FAILS_OVER: &str = "fails-over";

/// The agent brings a node that crashed back.
pub const REJOINS: &str = "rejoins";

/// The agent can keep a commit from being acknowledged before a standby has it.
pub const SYNCHRONOUS: &str = "synchronous";

/// The agent bounds what a failover may lose.
pub const BOUNDED_LOSS: &str = "bounded-loss";

/// The agent runs crash recovery before pg_rewind.
pub const CLEAN_BEFORE_REWIND: &str = "clean-before-rewind";

/// All of them. Those from the fourth on are promises that an edition makes anyway: only an agent that names none has
/// to claim them.
pub const FEATURES: [Feature; 9] = [
    Feature { id: FAILSAFE, describe: "goes on leading while it reaches every other node, but not the DCS" },
    Feature { id: STANDBY_CLUSTER, describe: "runs a cluster that follows a primary elsewhere" },
    Feature { id: WATCHDOG, describe: "keeps a watchdog device alive while it leads, and lets it reset the node else" },
    Feature { id: RESTARTS_IN_PLACE, describe: "starts a crashed primary again where it was, as the primary" },
    Feature { id: FAILS_OVER, describe: "makes another node the leader when the leader is gone" },
    Feature { id: REJOINS, describe: "brings a node back that crashed: as a standby that streams, or as the leader" },
    Feature { id: SYNCHRONOUS, describe: "with `synchronous_mode`, acknowledges no commit that a failover may lose" },
    Feature { id: BOUNDED_LOSS, describe: "lets no failover lose more than `maximum_lag_on_failover` bytes of WAL" },
    Feature { id: CLEAN_BEFORE_REWIND, describe: "brings a crashed data directory to a clean end before pg_rewind" },
];

/// The problem with a name that is no feature, with the nearest one; nothing if it is one.
pub fn trouble(name: &str) -> Option<String> {
    let all = FEATURES.map(|feature| feature.id);
    (!all.contains(&name)).then(|| input::unknown("feature", name, all))
}

/// The remedy for a name that is none: all of them.
pub fn help() -> String {
    format!("use {}; `pghaspec list features` says what they are", FEATURES.map(|feature| feature.id).join(", "))
}

/// The schema of a list of features.
pub fn schema(_: &mut SchemaGenerator) -> Schema {
    let all = FEATURES.map(|feature| feature.id);
    json_schema!({ "type": "array", "items": { "type": "string", "enum": all }, "examples": [["watchdog"]] })
}
