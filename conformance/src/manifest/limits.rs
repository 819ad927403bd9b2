//! Limits: the most that a node's container may take of the machine.
//!
//! An agent is a stranger's program. Without limits a fork bomb, a leak or a chatty log in one node takes the machine,
//! and with it what runs beside it, other lanes and their verdicts included.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::input::InputError;

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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlLimits {
    memory_mib: Option<Spanned<i64>>,
    pids: Option<Spanned<i64>>,
    log_mib: Option<Spanned<i64>>,
}

impl Limits {
    /// Puts the limits that are written over these.
    pub(super) fn put_over(&mut self, file: &Path, text: &str, toml: &TomlLimits) -> Result<(), InputError> {
        let range = |key: &str, value: &Option<Spanned<i64>>, place: &mut u32, least: u32, most: u32, of: &str| {
            let Some(value) = value else { return Ok(()) };
            match u32::try_from(*value.get_ref()).ok().filter(|number| (least..=most).contains(number)) {
                Some(number) => *place = number,
                None => {
                    let problem = format!("{} is out of range", value.get_ref());
                    let help = format!("write a number from {least} to {most}: {of}");
                    return Err(InputError::of_file(file, problem, help)
                        .at_key(format!("limits.{key}"))
                        .at_span(text, value.span()));
                }
            }
            Ok(())
        };
        range("memory_mib", &toml.memory_mib, &mut self.memory_mib, 256, 65_536, "MiB of memory of each node")?;
        range("pids", &toml.pids, &mut self.pids, 64, 32_768, "processes and threads of each node")?;
        range("log_mib", &toml.log_mib, &mut self.log_mib, 1, 1024, "MiB of each node's log that are kept")
    }
}
