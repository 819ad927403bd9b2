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

/// All of them.
pub const FEATURES: [Feature; 3] = [
    Feature { id: FAILSAFE, describe: "goes on leading while it reaches every other node, but not the DCS" },
    Feature { id: STANDBY_CLUSTER, describe: "runs a cluster that follows a primary elsewhere" },
    Feature { id: WATCHDOG, describe: "keeps a watchdog device alive while it leads, and lets it reset the node else" },
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
