//! The keys of `agent.toml`, as they are written.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use toml::Spanned;

use super::limits::TomlLimits;
use super::{Credentials, Ports};

/// One `agent.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Toml {
    pub(super) extends: Option<Spanned<String>>,
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) edition: Option<String>,
    pub(super) image: Option<String>,
    /// The command that builds the image: a program, by its path from the manifest, and arguments, which may hold
    /// `{{version}}`.
    pub(super) build: Option<Vec<String>>,
    pub(super) leader_key: Option<String>,
    pub(super) sync_key: Option<String>,
    pub(super) data_volume: Option<String>,
    pub(super) limits: Option<TomlLimits>,
    #[serde(default)]
    pub(super) files: Vec<TomlFile>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// The agent that prepares the clusters with which runs of this agent begin.
    pub(super) prepared_by: Option<Spanned<String>>,
    pub(super) ports: Option<Ports>,
    pub(super) credentials: Option<Credentials>,
    pub(super) remote: Option<TomlRemote>,
    pub(super) claims: Option<TomlClaims>,
    pub(super) processes: Option<TomlProcesses>,
    pub(super) log: Option<TomlLog>,
    #[serde(default)]
    pub(super) says: Vec<TomlSays>,
    /// The edition of each further release.
    #[serde(default)]
    pub(super) releases: BTreeMap<String, String>,
    /// The table of releases, as `pghaspec diff --write` leaves it.
    pub(super) found: Option<String>,
    /// Variables for the templates, besides those of the lab.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// Variables that have another value in older releases.
    #[serde(default)]
    pub(super) older: Vec<TomlOlder>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlOlder {
    pub(super) than: Spanned<String>,
    pub(super) variables: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlFile {
    pub(super) from: Spanned<String>,
    pub(super) to: String,
    #[serde(default)]
    pub(super) template: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlRemote {
    pub(super) sql: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlClaims {
    pub(super) features: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlProcesses {
    pub(super) agent: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlLog {
    pub(super) time: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlSays {
    pub(super) pattern: Spanned<String>,
    pub(super) branch: Option<Spanned<String>>,
    pub(super) name: Option<String>,
}
