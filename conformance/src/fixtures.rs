//! The paths of the fixtures: scenarios, agents, the oracle's harness, and lists about the suite.

use std::path::PathBuf;

/// Environment variable that names another fixtures folder than the one beside the sources.
pub const FIXTURES_VARIABLE: &str = "PGHASPEC_FIXTURES";

/// The fixtures folder: the one that `PGHASPEC_FIXTURES` names, else the one beside the sources of this program.
pub fn root() -> PathBuf {
    match std::env::var_os(FIXTURES_VARIABLE) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures")),
    }
}

/// The folder of the scenarios, `<id>.toml` each.
pub fn scenarios() -> PathBuf {
    root().join("scenarios")
}

/// The folder of the agents, `<name>/agent.toml` each.
pub fn agents() -> PathBuf {
    root().join("agents")
}

/// The folder of the harness that runs released agents' own functions.
pub fn oracle() -> PathBuf {
    root().join("oracle")
}

/// The file of the items that the model derives for a suite.
pub fn derived() -> PathBuf {
    root().join("derived.json")
}

/// The file with the reasons why some of these are covered by no scenario.
pub fn uncovered() -> PathBuf {
    root().join("uncovered.toml")
}

/// The file that names the agent that fails each scenario.
pub fn failed_by() -> PathBuf {
    root().join("failed_by.toml")
}
