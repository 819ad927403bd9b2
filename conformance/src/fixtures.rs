//! Where the fixtures are: scenarios, agents, images.

use std::path::PathBuf;

/// Environment variable that names another fixtures folder than the one beside the sources.
pub const FIXTURES_VARIABLE: &str = "PGHASPEC_FIXTURES";

/// The fixtures folder: what `PGHASPEC_FIXTURES` says, else the one beside the sources that this program was built from.
pub fn root() -> PathBuf {
    match std::env::var_os(FIXTURES_VARIABLE) {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures")),
    }
}

/// Folder of the scenarios, `<id>.toml` each.
pub fn scenarios() -> PathBuf {
    root().join("scenarios")
}

/// Folder of the agents, `<name>/agent.toml` each.
pub fn agents() -> PathBuf {
    root().join("agents")
}

/// Folder of the harness that runs released agents' own functions.
pub fn oracle() -> PathBuf {
    root().join("oracle")
}

/// What the model derives for a suite.
pub fn derived() -> PathBuf {
    root().join("derived.json")
}

/// Why some of that is covered by no scenario.
pub fn uncovered() -> PathBuf {
    root().join("uncovered.toml")
}

/// Which agent fails each scenario.
pub fn failed_by() -> PathBuf {
    root().join("failed_by.toml")
}
