//! The error of the lab, which could not do its work.

use std::fmt;
use std::path::PathBuf;

use crate::run::error::RunDirError;

/// The kind of an error, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The machine lacks something: Docker, an image, room on the disk. Exit code 3.
    Environment,
    /// The manifest is wrong about the agent: no scenario can be run by it. Exit code 2.
    Manifest,
    /// The lab itself failed, or the cluster never came up. Exit code 4.
    Harness,
    /// A node does not do what was asked of it: it does not run, or its agent or Postgres does not. A fault that was to
    /// be made there then had no effect; anywhere else it is as if the lab itself failed. Exit code 4.
    Node,
    /// The user ended it. Exit code 4.
    Interrupted,
}

/// The error of a scenario that has no complete history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabError {
    /// Its kind.
    pub trouble: Trouble,
    /// The failure in words; for a wait with what was awaited, and what was seen last.
    pub message: String,
    /// The remedy, if it is known.
    pub help: Option<String>,
    /// Folder of the logs that say more.
    pub logs: Option<PathBuf>,
}

impl LabError {
    /// The error of a machine that lacks something.
    pub fn environment(message: impl Into<String>, help: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Environment, message: message.into(), help: Some(help.into()), logs: None }
    }

    /// The error of a manifest that is wrong about the agent.
    pub fn manifest(message: impl Into<String>, help: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Manifest, message: message.into(), help: Some(help.into()), logs: None }
    }

    /// Says whether no further scenario needs to be tried.
    pub fn ends_the_run(&self) -> bool {
        match self.trouble {
            Trouble::Environment | Trouble::Manifest | Trouble::Interrupted => true,
            Trouble::Harness | Trouble::Node => false,
        }
    }

    /// The error of a lab that failed.
    pub fn harness(message: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Harness, message: message.into(), help: None, logs: None }
    }

    /// The error of a node that does not do what was asked of it.
    pub fn node(message: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Node, message: message.into(), help: None, logs: None }
    }

    /// The error of a run that the user ended.
    pub fn interrupted(by: &str) -> LabError {
        LabError { trouble: Trouble::Interrupted, message: format!("ended by {by}"), help: None, logs: None }
    }

    /// Points to the logs that say more, unless that was done already.
    pub fn with_logs(mut self, logs: impl Into<PathBuf>) -> LabError {
        self.logs.get_or_insert_with(|| logs.into());
        self
    }
}

impl fmt::Display for LabError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.message)?;
        if let Some(help) = &self.help {
            write!(out, "; help: {help}")?;
        }
        if let Some(logs) = &self.logs {
            write!(out, "; logs: {}", logs.display())?;
        }
        Ok(())
    }
}

impl std::error::Error for LabError {}

impl From<RunDirError> for LabError {
    fn from(error: RunDirError) -> LabError {
        LabError { trouble: Trouble::Environment, message: error.to_string(), help: None, logs: None }
    }
}
