//! The path from a run's folder to its certificate. Whoever has the folder takes it again and gets the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;

use super::document::{Certificate, CertifiedAgent, CertifiedScenario, FILE, FORM, Held, ManifestOf};
use crate::fixtures;
use crate::input::InputError;
use crate::manifest::Manifest;
use crate::report::Results;
use crate::report::evaluate::RecordedRun;
use crate::run::claims::Claims;
use crate::run::contents::{Class, Contents, attempt_of, class};
use crate::run::error::{RunDirError, write as write_whole};
use crate::run::records::{ImageRecord, MachineRecord};
use crate::run::scenario_folder::scenario_dir;
use crate::scenario;

/// SHA-256 of the suite in use.
///
/// # Errors
/// The fixtures cannot be read.
pub fn suite_sha256() -> Result<String, InputError> {
    fixtures::suite_sha256().map_err(|error| {
        let problem = format!("cannot be read: {error}");
        InputError::of_file(&fixtures::root(), problem, format!("let {} name them", fixtures::FIXTURES_VARIABLE))
    })
}

/// The reason why a run has no certificate.
#[derive(Debug)]
pub enum NoCertificate {
    /// An older pghaspec made the run, which did not keep what a certificate says of the agent.
    Older,
    /// A file of the run, or of the suite, is wrong.
    Input(InputError),
    /// A file of the run cannot be read or written.
    File(RunDirError),
}

impl fmt::Display for NoCertificate {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoCertificate::Older => write!(out, "an older pghaspec made this run: it does not say enough of the agent"),
            NoCertificate::Input(error) => error.fmt(out),
            NoCertificate::File(error) => error.fmt(out),
        }
    }
}

impl std::error::Error for NoCertificate {}

impl From<InputError> for NoCertificate {
    fn from(error: InputError) -> NoCertificate {
        NoCertificate::Input(error)
    }
}

impl From<RunDirError> for NoCertificate {
    fn from(error: RunDirError) -> NoCertificate {
        NoCertificate::File(error)
    }
}

/// Writes the certificate of a run into its folder. A run that an older pghaspec made gets none.
///
/// # Errors
/// The evidence cannot be read, or the file cannot be written.
pub fn write(recorded: &RecordedRun, results: &Results) -> Result<(), NoCertificate> {
    let contents = Contents::of(&recorded.folder)?;
    match Certificate::of(recorded, &contents, results) {
        Ok(certificate) => Ok(write_whole(&recorded.folder.join(FILE), &certificate.text())?),
        Err(NoCertificate::Older) => Ok(()),
        Err(other) => Err(other),
    }
}

impl Certificate {
    /// The certificate of a run.
    ///
    /// # Errors
    /// See [`NoCertificate`].
    pub fn of(recorded: &RecordedRun, contents: &Contents, results: &Results) -> Result<Certificate, NoCertificate> {
        let plan = &recorded.plan;
        let claims = recorded.claims.clone().ok_or(NoCertificate::Older)?;
        let mut evidence = BTreeMap::new();
        for file in contents.files.iter().filter(|file| class(file, plan) == Class::Recorded) {
            let failed =
                |error: io::Error| RunDirError::new(format!("reading {}", recorded.folder.join(file).display()), error);
            evidence.insert(file.clone(), contents.sha256(file).map_err(failed)?);
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for scenario in &results.scenarios {
            *counts.entry(scenario.verdict.text().to_owned()).or_default() += 1;
        }
        let suite: Vec<String> = scenario::ids()?;
        let to_its_end = |id: &str| recorded.dir(id).outcome().is_some_and(|outcome| outcome.error.is_none());
        let planned = || plan.scenarios.iter().map(|one| one.id.as_str());
        let run: BTreeSet<&str> = planned().filter(|id| to_its_end(id)).collect();
        let complete = plan.profile.is_some() && plan.shard.is_none() && run.len() == plan.scenarios.len();
        let scenarios = results.scenarios.iter().map(|one| {
            let planned = plan.scenarios.iter().find(|planned| planned.id == one.id);
            CertifiedScenario {
                id: one.id.clone(),
                sha256: planned.map(|planned| planned.sha256.clone()).unwrap_or_default(),
                verdict: one.verdict,
                checks: one.checks.iter().map(|check| (check.id.clone(), check.verdict)).collect(),
                seconds: one.seconds,
                measured: one.measured.clone(),
            }
        });
        Ok(Certificate {
            certificate: FORM,
            pghaspec: plan.pghaspec.clone(),
            suite: suite_sha256()?,
            specification: plan.spec.clone(),
            agent: CertifiedAgent {
                manifest: manifest_of(&claims),
                image: ImageRecord::read(&recorded.folder)?,
                claims,
            },
            machine: MachineRecord::read(&recorded.folder)?,
            held: Held {
                profile: plan.profile.clone(),
                complete,
                shard: plan.shard.clone(),
                seed: plan.seed,
                not_run: suite.into_iter().filter(|id| !run.contains(id.as_str())).collect(),
            },
            verdict: results.verdict,
            as_expected: results.as_expected,
            counts,
            deviations: results.deviations.clone(),
            scenarios: scenarios.collect(),
            put_aside: put_aside(recorded, contents),
            evidence,
        })
    }

    /// The text of its file.
    pub fn text(&self) -> String {
        // A document of strings and numbers can always be written.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }
}

/// Says whether these claims are those of a manifest of the suite. One that only takes its name has another text.
pub(super) fn manifest_of(claims: &Claims) -> ManifestOf {
    if manifest_of_suite(claims).is_some() { ManifestOf::Suite } else { ManifestOf::Own }
}

/// The manifest of the suite by which an agent has these claims, if there is one.
pub(super) fn manifest_of_suite(claims: &Claims) -> Option<Manifest> {
    if crate::manifest::trouble(&claims.name).is_some() {
        return None;
    }
    let manifest = Manifest::load(&format!("{}@{}", claims.name, claims.version)).ok()?;
    Claims::of(&manifest).is_ok_and(|suite| suite == *claims).then_some(manifest)
}

/// The folders of recordings that were put aside, and how each of them ended.
fn put_aside(recorded: &RecordedRun, contents: &Contents) -> BTreeMap<String, String> {
    let folders = contents.files.iter().filter_map(|file| file.split('/').next());
    let aside: BTreeSet<&str> = folders.filter(|folder| attempt_of(folder).is_some()).collect();
    let ended = |folder: &str| match scenario_dir(&recorded.folder, folder).outcome() {
        Some(outcome) => outcome.error.unwrap_or_else(|| "it was recorded to its end".to_owned()),
        None => "interrupted".to_owned(),
    };
    aside.into_iter().map(|folder| (folder.to_owned(), ended(folder))).collect()
}
