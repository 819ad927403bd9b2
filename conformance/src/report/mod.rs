//! What a run tells its user: `results.json`, `junit.xml`, `report.html`, and words. All of it comes from the evidence alone.

pub mod evaluate;
mod html;
mod junit;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::coverage::Measured;
use crate::judge::durations::Measure;
use crate::judge::{Check, Verdict};
use crate::known::deviations::Standing;
use crate::lab::Lap;
use crate::run::error::RunDirError;
use crate::run::scenario_folder::ScenarioDir;

/// SHA-256 of the specification's sources: of every file of `model/src`, by path, each as its path, a zero byte, its content, a zero byte.
pub const SPEC_SHA256: &str = env!("PGHASPEC_SPEC_SHA256");

/// The whole of a run, `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of this program.
    pub pghaspec: String,
    /// What was certified.
    pub agent: Agent,
    /// The profile; `null` when scenarios were chosen by name.
    pub profile: Option<String>,
    /// What it was held to.
    pub spec: Spec,
    /// The worst of the scenarios.
    pub verdict: Verdict,
    /// Nothing fails but what is known to, and all that is known to fail does.
    pub as_expected: bool,
    /// How what failed compares with what is known to fail.
    pub deviations: Standing,
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
    /// From the beginning of the recording to its end.
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
    /// What it should lead to, by the names of derived items.
    pub planned: BTreeSet<String>,
    /// What it really led to.
    pub covered: Measured,
}

/// Digests of all that was recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of each file, by its path in the run's folder.
    pub sha256: BTreeMap<String, String>,
}

impl Evidence {
    /// Adds the files of a scenario; with a prefix if there are several runs.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn add(&mut self, dir: &ScenarioDir, prefix: &str) -> Result<(), RunDirError> {
        for file in dir.evidence()? {
            let content =
                fs::read(&file).map_err(|error| RunDirError::new(format!("reading {}", file.display()), error))?;
            let place = file.strip_prefix(dir.path.parent().unwrap_or(&dir.path)).unwrap_or(&file);
            self.sha256.insert(format!("{prefix}{}", place.display()), hex(&Sha256::digest(content)));
        }
        Ok(())
    }
}

impl Results {
    /// Writes `results.json`, `junit.xml` and `report.html`, each whole or not at all.
    ///
    /// # Errors
    /// One cannot be written, for instance because the disk is full.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        let json = serde_json::to_string_pretty(self).map_err(|error| {
            RunDirError::new(format!("writing {}", folder.join("results.json").display()), error.into())
        })?;
        write_whole(&folder.join("junit.xml"), &junit::document(self))?;
        write_whole(&folder.join("report.html"), &html::page(self, folder))?;
        write_whole(&folder.join("results.json"), &(json + "\n"))
    }

    /// Those in a run's folder.
    ///
    /// # Errors
    /// There are none, or they are damaged.
    pub fn read(folder: &Path) -> Result<Results, crate::input::InputError> {
        let file = folder.join("results.json");
        serde_json::from_str(&crate::input::read(&file)?).map_err(|error| {
            crate::input::InputError::of_file(
                &file,
                format!("is damaged: {error}"),
                "make it again with `pghaspec report`",
            )
            .at_line(error.line())
        })
    }

    /// The exit code of the run: 0 if it ended as expected, 1 if a deviation appeared or is gone, 4 if the harness failed or something was not
    /// observed well enough.
    pub fn exit_code(&self) -> u8 {
        let any = |verdict| self.scenarios.iter().flat_map(|it| &it.checks).any(|check| check.verdict == verdict);
        match self.verdict {
            Verdict::Error | Verdict::Inconclusive => self.verdict.exit_code(),
            _ if !self.deviations.is_as_expected() => 1,
            _ if any(Verdict::Inconclusive) => 4,
            _ => 0,
        }
    }
}

fn write_whole(file: &Path, text: &str) -> Result<(), RunDirError> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".part");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, file))
        .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
}

/// Escapes what XML and HTML give a meaning.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            // XML has no place for other control characters.
            '\n' | '\t' => escaped.push(character),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
