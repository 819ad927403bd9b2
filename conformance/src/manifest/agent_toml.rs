//! The keys of `agent.toml`, as they are written. Their descriptions are those of the schema for editors.

use std::collections::BTreeMap;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::authority::{TomlLeadership, TomlService};
use super::limits::TomlLimits;
use super::node::TomlNode;
use super::{Credentials, Ports};
use crate::features;

/// A high-availability agent for PostgreSQL, as pghaspec runs and observes it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "agent.toml")]
pub struct Toml {
    /// Another agent's name or manifest; this one's keys go over it: single values replace, lists grow, own `says`
    /// patterns are tried first.
    #[schemars(length(min = 1), example = &"patroni")]
    pub(super) extends: Option<String>,
    /// Name of the agent in reports; for an agent in the fixtures the name of its folder.
    #[schemars(length(min = 1), example = &"my-agent")]
    pub(super) name: Option<String>,
    /// Release that runs when none is asked for.
    #[schemars(length(min = 1), example = &"1.0.0")]
    pub(super) version: Option<String>,
    /// Edition of the specification that the release follows (`pghaspec list editions`). An agent without one is held
    /// to what is asked of any agent, and to its claims.
    #[serde(default)]
    #[schemars(schema_with = "edition")]
    pub(super) edition: Option<String>,
    /// Container image; may hold `{{version}}`.
    #[schemars(length(min = 1), example = &"my-agent:{{version}}")]
    pub(super) image: Option<String>,
    /// The command that builds the image where it is missing: a program, by its path from the manifest, and arguments,
    /// which may hold `{{version}}`.
    #[schemars(length(min = 1), example = ["build", "{{version}}"])]
    pub(super) build: Option<Vec<String>>,
    /// Key in etcd whose value is the name of the leading node; may hold `{{scope}}`.
    #[schemars(length(min = 1), example = &"/service/{{scope}}/leader")]
    pub(super) leader_key: Option<String>,
    /// The observer of leadership, if it is no key in etcd.
    pub(super) leadership: Option<TomlLeadership>,
    /// Containers beside the nodes.
    #[serde(default)]
    #[schemars(length(max = 5))]
    pub(super) service: Vec<TomlService>,
    /// Key in etcd that names the synchronous standby; may hold `{{scope}}`.
    #[schemars(length(min = 1), example = &"/service/{{scope}}/sync")]
    pub(super) sync_key: Option<String>,
    /// Folder of a node in which the data directory lies; scenarios that fill the disk mount a small file system there.
    #[schemars(regex(pattern = "^/."), example = &"/var/lib/postgresql")]
    pub(super) data_volume: Option<String>,
    /// The most that each node may take of the machine.
    pub(super) limits: Option<TomlLimits>,
    /// Files that are copied into each node before it starts.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub(super) files: Vec<TomlFile>,
    /// Environment of each node's container.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
    /// The agent that prepares the clusters with which runs of this agent begin, with the same image.
    #[schemars(length(min = 1), example = &"patroni")]
    pub(super) prepared_by: Option<String>,
    /// The agent's command, for an image without an entrypoint of the lab's kind.
    pub(super) node: Option<TomlNode>,
    /// The ports on which a node listens.
    pub(super) ports: Option<Ports>,
    /// A superuser that may log in from the lab's network.
    pub(super) credentials: Option<Credentials>,
    /// The primary elsewhere that a standby cluster follows.
    pub(super) remote: Option<TomlRemote>,
    /// Claims of the agent.
    pub(super) claims: Option<TomlClaims>,
    /// The agent's processes.
    pub(super) processes: Option<TomlProcesses>,
    /// The agent's log.
    pub(super) log: Option<TomlLog>,
    /// The meaning of the agent's messages; the first pattern that matches counts.
    #[serde(default)]
    pub(super) says: Vec<TomlSays>,
    /// The edition of each further release.
    #[serde(default)]
    #[schemars(schema_with = "releases")]
    pub(super) releases: BTreeMap<String, String>,
    /// File with the edition and the rules of each release, as `pghaspec diff --write` leaves it.
    #[schemars(length(min = 1), example = &"releases.json")]
    pub(super) found: Option<String>,
    /// Variables for the templates, besides those of the lab.
    #[serde(default)]
    pub(super) variables: BTreeMap<String, String>,
    /// Variables that have another value in older releases.
    #[serde(default)]
    pub(super) older: Vec<TomlOlder>,
}

/// Variables of older releases.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlOlder {
    /// The first release that does not have them any more.
    #[schemars(regex(pattern = r"^\d+(\.\d+)*$"), example = &"3.0.0")]
    pub(super) than: String,
    /// Their values in releases older than that.
    #[schemars(example = BTreeMap::from([("name", "value")]))]
    pub(super) variables: BTreeMap<String, String>,
}

/// A file for each node.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlFile {
    /// The file, by its path from the manifest's folder, in which it lies.
    #[schemars(length(min = 1), example = &"agent.yml")]
    pub(super) from: String,
    /// Its path in each node.
    #[schemars(regex(pattern = "^/."), example = &"/etc/agent.yml")]
    pub(super) to: String,
    /// `{{variables}}` in it are filled in.
    #[serde(default)]
    pub(super) template: bool,
}

/// The primary elsewhere that a standby cluster follows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlRemote {
    /// Statements that make the roles that the agent needs there.
    #[schemars(example = ["CREATE ROLE replicator LOGIN REPLICATION"])]
    pub(super) sql: Vec<String>,
}

/// Claims of the agent.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlClaims {
    /// Features that it has: a scenario that needs one that is not claimed is `unsupported`.
    #[schemars(schema_with = "features::schema")]
    pub(super) features: Vec<String>,
    /// Of an agent without an edition: seconds after the faults within which it promises a leader that serves, and
    /// every node back. 60 if it says nothing.
    #[schemars(range(min = 1, max = 3600), example = 60)]
    pub(super) recovers_s: Option<u32>,
}

/// The agent's processes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlProcesses {
    /// Regular expression that finds the agent's own process by its command line, words joined with blanks.
    #[schemars(length(min = 1), example = &r"^\S*python\S* /opt/agent/bin/patroni ")]
    pub(super) agent: String,
    /// File names of the programs that the observer has to watch for this, besides those of PostgreSQL: of a script its
    /// own, and not that of its interpreter. Without them those that stand in `agent` are watched.
    #[schemars(length(min = 1, max = 20), example = ["my-agent"])]
    pub(super) names: Option<Vec<String>>,
}

/// The agent's log.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlLog {
    /// Regular expression that finds the time in a line: `YYYY-MM-DD hh:mm:ss`, `.` or `,` and milliseconds, in UTC.
    #[schemars(length(min = 1), example = &r"^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}")]
    pub(super) time: String,
}

/// The meaning of a message.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlSays {
    /// Regular expression for lines of the log. The group `words`, else the whole match, is what the agent said.
    #[schemars(length(min = 1), example = &"INFO: (?<words>starting as a secondary)$")]
    pub(super) pattern: String,
    /// The decision of `recover()` that these words mean (`pghaspec list branches`).
    #[serde(default)]
    #[schemars(schema_with = "branch")]
    pub(super) branch: Option<String>,
    /// A name for anything else that it says.
    #[schemars(length(min = 1), example = &"promoted")]
    pub(super) name: Option<String>,
}

fn edition(_: &mut SchemaGenerator) -> Schema {
    let newest = Edition::V4_1.id();
    json_schema!({ "type": "string", "enum": Edition::ALL.map(Edition::id), "examples": [newest] })
}

fn releases(_: &mut SchemaGenerator) -> Schema {
    let edition = json_schema!({ "type": "string", "enum": Edition::ALL.map(Edition::id) });
    json_schema!({ "type": "object", "additionalProperties": edition })
}

fn branch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Branch::ALL.map(Branch::id) })
}
