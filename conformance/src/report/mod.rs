//! What a run tells its user: `results.json`, and words.

pub mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::judge::{Check, Measure, Verdict};
use crate::lab::Lap;
use crate::rundir::{RunDir, RunDirError};

/// SHA-256 of the specification's sources: of every file of `model/src`, by path, each as its path, a zero byte, its content, a zero byte.
pub const SPEC_SHA256: &str = env!("PGHASPEC_SPEC_SHA256");

/// The whole of a run, `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// What was certified.
    pub agent: Agent,
    /// The profile; `null` when scenarios were chosen by name.
    pub profile: Option<String>,
    /// What it was held to.
    pub spec: Spec,
    /// The worst of the scenarios.
    pub verdict: Verdict,
    /// Every scenario, by name.
    pub scenarios: Vec<ScenarioResult>,
    /// Digests of the evidence.
    pub evidence: Evidence,
}

/// What was certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// Digest of its image.
    pub image_digest: Option<String>,
}

/// What it was held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The edition.
    pub edition: String,
    /// Rules in which the agent's release differs from the edition, `rule: position` each.
    pub rules: Vec<String>,
    /// See [`SPEC_SHA256`].
    pub sha256: String,
}

/// One scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// Its name.
    pub id: String,
    /// What it is about.
    pub title: String,
    /// The worst of the checks.
    pub verdict: Verdict,
    /// From the first container to the end of the read-back.
    pub seconds: f64,
    /// Where the time went; empty when the run did not get to its end.
    pub time: Vec<Lap>,
    /// Branches of `recover` that the agent said it took.
    pub branches: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// How long things took.
    #[serde(default)]
    pub measured: Vec<Measure>,
}

/// Digests of the recorded histories.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of each history, by its path in the run's folder.
    pub sha256: BTreeMap<String, String>,
}

impl Evidence {
    /// Adds the history of a scenario, if it has one.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn add(&mut self, dir: &RunDir, scenario: &str) -> Result<(), RunDirError> {
        let file = dir.scenario_paths(scenario).events;
        match fs::read(&file) {
            Ok(content) => {
                self.sha256.insert(format!("{scenario}/events.jsonl"), hex(&Sha256::digest(content)));
                Ok(())
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(RunDirError::new(format!("reading {}", file.display()), error)),
        }
    }
}

impl Results {
    /// Writes `results.json`, whole or not at all.
    ///
    /// # Errors
    /// It cannot be written, for instance because the disk is full.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        let (file, draft) = (folder.join("results.json"), folder.join("results.json.part"));
        let text = serde_json::to_string_pretty(self).map_err(std::io::Error::from);
        text.and_then(|text| fs::write(&draft, text + "\n"))
            .and_then(|()| fs::rename(&draft, &file))
            .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
