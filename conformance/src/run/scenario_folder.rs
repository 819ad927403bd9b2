//! The folder of one scenario of a run: the recorded evidence, and how the harness came to its end.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

use super::contents::PICTURE;
use super::error::{RunDirError, write};
use super::lap::Lap;
use crate::untrusted::file;

/// Most bytes of `outcome.json`.
const MOST_OUTCOME: u64 = 1 << 20;

/// The folder of one scenario of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScenarioDir {
    /// The folder itself.
    pub path: PathBuf,
    /// The recorded history.
    pub events: PathBuf,
    /// The folder of the containers' logs.
    pub logs: PathBuf,
    /// The scenario as it was run.
    pub scenario: PathBuf,
    /// The file that says how the harness came to the end.
    pub outcome: PathBuf,
}

/// The end of a scenario for the harness, `outcome.json`. Whether the agent did well is the judge's business.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outcome {
    /// Digest of the agent's image, `sha256:…`.
    pub image_digest: Option<String>,
    /// The duration of each part.
    pub time: Vec<Lap>,
    /// The error of the harness; `null` if it did everything.
    pub error: Option<String>,
    /// The reason why the scenario says nothing about this agent, so that nothing was run.
    pub unsupported: Option<String>,
}

impl ScenarioDir {
    /// Writes the text of the scenario that is about to be run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn begin(&self, text: &str) -> Result<(), RunDirError> {
        write(&self.scenario, text)
    }

    /// Writes how the harness came to the end. By then the history is on the disk.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn end(&self, outcome: &Outcome) -> Result<(), RunDirError> {
        match fs::File::open(&self.events).and_then(|events| events.sync_all()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(RunDirError::new(format!("writing {}", self.events.display()), error));
            }
            _ => {}
        }
        let text = serde_json::to_string(outcome)
            .map_err(|error| RunDirError::new(format!("writing {}", self.outcome.display()), error.into()))?;
        write(&self.outcome, &(text + "\n"))
    }

    /// Writes a picture beside the history.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn draw(&self, svg: &str) -> Result<(), RunDirError> {
        write(&self.path.join(PICTURE), svg)
    }

    /// Removes the picture, if there is one.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn erase(&self) -> Result<(), RunDirError> {
        let file = self.path.join(PICTURE);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(RunDirError::new(format!("removing {}", file.display()), error))
            }
            _ => Ok(()),
        }
    }

    /// The end for the harness; nothing if it has not come to the end, or the file is damaged.
    pub fn outcome(&self) -> Option<Outcome> {
        serde_json::from_slice(&file::read(&self.outcome, MOST_OUTCOME).ok()?).ok()
    }

    /// The scenario was recorded to its end, and need not be run again.
    pub fn is_complete(&self) -> bool {
        self.outcome().is_some_and(|outcome| outcome.error.is_none())
    }

    /// True if something of a run is in the folder: more than the scenario that was to be run.
    pub fn has_recording(&self) -> bool {
        let has_entries = |folder: &Path| fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        self.events.exists() || self.outcome.exists() || has_entries(&self.logs)
    }

    /// All recorded files, sorted by path; pictures are made from them and do not count.
    ///
    /// # Errors
    /// A folder cannot be listed.
    pub fn evidence(&self) -> Result<Vec<PathBuf>, RunDirError> {
        let mut files = Vec::new();
        let mut folders = vec![self.path.clone()];
        while let Some(folder) = folders.pop() {
            let failed = |error| RunDirError::new(format!("listing {}", folder.display()), error);
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries.map_err(failed)?,
            };
            for entry in entries {
                let path = entry.map_err(failed)?.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_none_or(|extension| extension != "svg") {
                    files.push(path);
                }
            }
        }
        files.sort();
        Ok(files)
    }
}

/// The paths of a scenario's evidence in the folder of a run, whether or not it was run.
pub fn scenario_dir(run: &Path, id: &str) -> ScenarioDir {
    let path = run.join(id);
    ScenarioDir {
        events: path.join("events.jsonl"),
        logs: path.join("logs"),
        scenario: path.join("scenario.toml"),
        outcome: path.join("outcome.json"),
        path,
    }
}
