//! The certificate, as it is written: one JSON document with every fact that a reader may hang something on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::judge::Verdict;
use crate::judge::durations::Measure;
use crate::known::deviations::Standing;
use crate::run::claims::Claims;
use crate::run::records::{ImageRecord, MachineRecord};
use crate::run::spec::Spec;

/// Most bytes of a certificate: one of two thousand scenarios with all of their logs has fewer.
pub const MOST_BYTES: u64 = 16 << 20;

/// Name of the file.
pub const FILE: &str = "certificate.json";

/// Version of the form of certificates.
pub const FORM: u32 = 1;

/// A certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// Version of its form.
    pub certificate: u32,
    /// Version of the program that judged.
    pub pghaspec: String,
    /// SHA-256 of the suite: its scenarios, and the items that are derived from the model.
    pub suite: String,
    /// The rules that the agent was held to.
    pub specification: Spec,
    /// The agent.
    pub agent: CertifiedAgent,
    /// The machine; `null` if the run did not get as far as to look at it.
    pub machine: Option<MachineRecord>,
    /// The run, by what it set out to do.
    pub held: Held,
    /// The worst verdict of the scenarios.
    pub verdict: Verdict,
    /// Each failure is a known deviation, each known deviation shows, and all was observed well enough.
    pub as_expected: bool,
    /// Number of scenarios with each verdict, by its name.
    pub counts: BTreeMap<String, usize>,
    /// The failures, compared with the known deviations.
    pub deviations: Standing,
    /// The scenarios, in the order of their names.
    pub scenarios: Vec<CertifiedScenario>,
    /// Recordings that were put aside since they were interrupted or the harness failed, each with the reason.
    pub put_aside: BTreeMap<String, String>,
    /// SHA-256 of every recorded file, by its path in the run's folder.
    pub evidence: BTreeMap<String, String>,
}

/// The agent of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedAgent {
    /// Its manifest, as this suite has it, or another one.
    pub manifest: ManifestOf,
    /// What the manifest says of it.
    pub claims: Claims,
    /// Its image: the digest, and the packages in it; `null` if nothing was run.
    pub image: Option<ImageRecord>,
}

/// The origin of a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ManifestOf {
    /// It is one of the suite's.
    Suite,
    /// Its maker's, or anybody's: its name is what it calls itself.
    Own,
}

/// The run, by what it set out to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// The profile; `null` when scenarios were chosen by name.
    pub profile: Option<String>,
    /// Every scenario of the profile was run to its end, or says nothing about the agent; never so when scenarios were
    /// chosen by name.
    pub complete: bool,
    /// The part of the profile that was run; `null` for all.
    pub shard: Option<String>,
    /// Seed of the scenarios that are drawn at random.
    pub seed: u64,
    /// The scenarios of the suite that were not run to their end.
    pub not_run: Vec<String>,
}

/// A scenario of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertifiedScenario {
    /// Its name.
    pub id: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// The worst of its checks.
    pub verdict: Verdict,
    /// The verdict of each check.
    pub checks: BTreeMap<String, Verdict>,
    /// Seconds that were recorded.
    pub seconds: f64,
    /// Durations of failovers and outages, as intervals.
    pub measured: Vec<Measure>,
}
