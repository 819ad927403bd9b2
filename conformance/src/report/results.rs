//! The results of a run, the content of `results.json`: verdicts, deviations, coverage, and the digests of the
//! evidence.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::coverage::{ItemId, Measured};
use crate::digest::of_reader;
use crate::input;
use crate::input::InputError;
use crate::judge::durations::Measure;
use crate::judge::{Check, Judgement, Verdict};
use crate::known::deviations::Standing;
use crate::run::error::RunDirError;
use crate::run::lap::Lap;
use crate::run::scenario_folder::ScenarioDir;
use crate::run::spec::Spec;
use crate::untrusted::file;

/// Name of the file.
pub(super) const FILE: &str = "results.json";

/// Most bytes of it.
const MOST_BYTES: u64 = 256 << 20;

/// The whole of a run, `results.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// Version of this program.
    pub pghaspec: String,
    /// The agent that was certified.
    pub agent: Agent,
    /// The profile; `null` when scenarios were chosen by name.
    pub profile: Option<String>,
    /// The rules that it was held to.
    pub spec: Spec,
    /// The worst of the scenarios.
    pub verdict: Verdict,
    /// Each failure is known, and each known deviation shows.
    pub as_expected: bool,
    /// The failures, compared with the known deviations.
    pub deviations: Standing,
    /// Every scenario, in the order of their names.
    pub scenarios: Vec<ScenarioResult>,
    /// Digests of the evidence.
    pub evidence: Evidence,
}

/// The agent that was certified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agent {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// Digest of its image.
    pub image_digest: Option<String>,
}

/// The results of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScenarioResult {
    /// Its name.
    pub id: String,
    /// Its subject, in a line.
    pub title: String,
    /// The worst of the checks.
    pub verdict: Verdict,
    /// Seconds from the beginning of the recording to its end.
    pub seconds: f64,
    /// The duration of each part; empty if the run did not get to its end.
    pub time: Vec<Lap>,
    /// The branches of `recover` that the agent said it took.
    pub branches: Vec<String>,
    /// Every check.
    pub checks: Vec<Check>,
    /// Durations, as intervals.
    #[serde(default)]
    pub measured: Vec<Measure>,
    /// The derived items that it should lead to.
    pub planned: BTreeSet<ItemId>,
    /// The derived items that it really led to.
    pub covered: Measured,
}

/// Digests of all recorded files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// SHA-256 of each file, by its path in the run's folder.
    pub sha256: BTreeMap<String, String>,
    /// The folder of each scenario: its path as in the paths above, and where it is.
    #[serde(skip)]
    pub folders: BTreeMap<String, (String, PathBuf)>,
}

impl Evidence {
    /// The files of a scenario: those in its folder, and the logs below.
    pub fn of<'e>(&'e self, id: &str) -> impl Iterator<Item = &'e str> {
        let folder = self.folders.get(id).map(|(folder, _)| format!("{folder}/"));
        let is_own = move |path: &&str| folder.as_ref().is_some_and(|folder| path.starts_with(folder.as_str()));
        self.sha256.keys().map(String::as_str).filter(is_own)
    }

    /// Adds the files of a scenario; with a prefix if there are several runs.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn add(&mut self, dir: &ScenarioDir, prefix: &str) -> Result<(), RunDirError> {
        let name = dir.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        self.folders.insert(name.clone(), (format!("{prefix}{name}"), dir.path.clone()));
        for file in dir.evidence()? {
            let digest = file::open(&file).and_then(of_reader);
            let (digest, _) = digest.map_err(|error| RunDirError::new(format!("reading {}", file.display()), error))?;
            let place = file.strip_prefix(dir.path.parent().unwrap_or(&dir.path)).unwrap_or(&file);
            self.sha256.insert(format!("{prefix}{}", place.display()), digest);
        }
        Ok(())
    }
}

impl ScenarioResult {
    /// The judgement on its history.
    pub fn judgement(&self) -> Judgement {
        Judgement {
            verdict: self.verdict,
            branches: self.branches.clone(),
            checks: self.checks.clone(),
            measured: self.measured.clone(),
            unlisted: 0,
        }
    }
}

impl Results {
    /// Reads the results in a run's folder.
    ///
    /// # Errors
    /// There are none, or they are damaged.
    pub fn read(folder: &Path) -> Result<Results, InputError> {
        let file = folder.join(FILE);
        serde_json::from_str(&input::read_up_to(&file, MOST_BYTES)?).map_err(|error| {
            InputError::of_file(&file, format!("is damaged: {error}"), "make it again with `pghaspec report`")
                .at_line(error.line())
        })
    }

    /// The exit code of the run: 0 if it ended as expected, 1 if a deviation appeared or is gone, 4 if the harness
    /// failed or something was not observed well enough. A failure that is not known is told first: who tries again
    /// after a 4 must not lose it.
    pub fn exit_code(&self) -> u8 {
        let any = |verdict| self.scenarios.iter().flat_map(|it| &it.checks).any(|check| check.verdict == verdict);
        match self.verdict {
            _ if !self.deviations.unknown.is_empty() => 1,
            Verdict::Error | Verdict::Inconclusive => self.verdict.exit_code(),
            _ if !self.deviations.is_as_expected() => 1,
            _ if any(Verdict::Inconclusive) => 4,
            _ => 0,
        }
    }
}
