//! Limits: the most that a node's container may take of the machine.
//!
//! An agent is a stranger's program. Without limits a fork bomb, a leak or a chatty log in one node takes the machine,
//! and with it what runs beside it, other lanes and their verdicts included.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::input::{InputError, Source, within};

/// The most that a node's container may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Memory, MiB. There is no swap besides.
    pub memory_mib: u32,
    /// Processes and threads at a time.
    pub pids: u32,
    /// The part of its log that is heard and kept, MiB.
    pub log_mib: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { memory_mib: 1024, pids: 512, log_mib: 64 }
    }
}

/// The table `[limits]`, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub struct TomlLimits {
    /// MiB of memory of each node.
    #[schemars(range(min = 256, max = 65_536), example = 1024)]
    memory_mib: Option<i64>,
    /// Processes and threads of each node.
    #[schemars(range(min = 64, max = 32_768), example = 512)]
    pids: Option<i64>,
    /// MiB of each node's log that are heard and kept.
    #[schemars(range(min = 1, max = 1024), example = 64)]
    log_mib: Option<i64>,
}

impl Limits {
    /// Puts the limits that are written over these.
    pub(super) fn put_over(&mut self, source: Source<'_>, toml: &TomlLimits) -> Result<(), InputError> {
        let range = |key: &str, value: Option<i64>, place: &mut u32, least: u32, most: u32, of: &str| {
            let Some(value) = value else { return Ok(()) };
            let value = within(value, i64::from(least), i64::from(most), of)
                .map_err(|(problem, help)| source.wrong(&format!("limits.{key}"), problem, help))?;
            *place = u32::try_from(value).unwrap_or(most);
            Ok(())
        };
        range("memory_mib", toml.memory_mib, &mut self.memory_mib, 256, 65_536, "MiB of memory of each node")?;
        range("pids", toml.pids, &mut self.pids, 64, 32_768, "processes and threads of each node")?;
        range("log_mib", toml.log_mib, &mut self.log_mib, 1, 1024, "MiB of each node's log that are kept")
    }
}
