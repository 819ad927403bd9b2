//! Why the lab could not do its work.

use std::fmt;
use std::path::PathBuf;

use crate::run::error::RunDirError;

/// What kind of trouble it is, which decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The machine lacks something: Docker, an image, room on the disk. Exit code 3.
    Environment,
    /// The lab itself failed, or the cluster never came up. Exit code 4.
    Harness,
    /// The user ended it. Exit code 4.
    Interrupted,
}

/// Why a scenario has no complete history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabError {
    /// What kind of trouble it is.
    pub trouble: Trouble,
    /// What happened; for a wait, what was waited for and what was last seen.
    pub message: String,
    /// What to do about it, when that is known.
    pub mend: Option<String>,
    /// Folder of the logs that say more.
    pub logs: Option<PathBuf>,
}

impl LabError {
    /// The machine lacks something.
    pub fn environment(message: impl Into<String>, mend: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Environment, message: message.into(), mend: Some(mend.into()), logs: None }
    }

    /// The lab failed.
    pub fn harness(message: impl Into<String>) -> LabError {
        LabError { trouble: Trouble::Harness, message: message.into(), mend: None, logs: None }
    }

    /// The user ended it.
    pub fn interrupted(by: &str) -> LabError {
        LabError { trouble: Trouble::Interrupted, message: format!("ended by {by}"), mend: None, logs: None }
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
        if let Some(mend) = &self.mend {
            write!(out, "; help: {mend}")?;
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
        LabError { trouble: Trouble::Environment, message: error.to_string(), mend: None, logs: None }
    }
}
