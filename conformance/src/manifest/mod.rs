//! Agent manifests: all that the lab needs to know of an agent, as data.
//!
//! A manifest is `fixtures/agents/<name>/agent.toml`. One that `extends` another changes some of its keys: a seeded
//! defect is the sound agent and one more file. On the command line an agent is `patroni`, `patroni@4.1.5`,
//! `patroni-defects/keeps-lock` or a path.
//!
//! | file | what |
//! | --- | --- |
//! | `agent_toml.rs` | the keys of `agent.toml`, as they are written |
//! | `values.rs` | checks of their values |
//! | `patterns.rs` | the regular expressions among them |
//! | `paths.rs` | the files that they name |
//! | `draft.rs` | a manifest and all that it `extends`, put together |
//! | `authority/` | the observer of leadership, and services beside the nodes |
//! | `node.rs` | the agent's command, for an ordinary image |
//! | `limits.rs` | the most that a node may take of the machine |
//! | `release.rs` | the number of a release |
//! | `releases.rs` | the table of all releases, `releases.json` |
//! | `says.rs` | the meaning of the agent's messages |
//! | `template.rs` | files with `{{variables}}` |
//! | `tests.rs` | tests of all this |

mod agent_toml;
mod authority;
mod draft;
mod limits;
mod node;
mod paths;
mod patterns;
mod release;
mod releases;
mod says;
mod template;
mod values;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::{Edition, Rules};
use pghaspec_model::vocabulary::event::Leadership;
use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::fixtures;
use crate::input::{self, InputError, unknown};
use crate::rules;
use crate::untrusted::name;
use paths::{Home, Trouble};

pub use crate::input::InputError as ManifestError;
pub use agent_toml::Toml;
pub use authority::{AFTER, LeaderObserver, Service, Sql};
pub use limits::Limits;
pub use node::NodeCommand;
pub use paths::MOST_BYTES;
pub use release::Release;
pub use releases::Row;
pub use says::{Meaning, Says, meaning_of};
pub use template::{VARIABLES, render};

/// An agent, ready to be run.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The agent's name, as on the command line, without the release.
    pub name: String,
    /// Its release.
    pub version: String,
    /// The edition of the specification that it is held to; `None` if it names none.
    pub edition: Option<String>,
    /// The rules in which its release differs from that edition, `rule: position` each.
    pub rules: Vec<String>,
    /// Variables for the templates of its files, besides [`VARIABLES`].
    pub variables: BTreeMap<String, String>,
    /// Its container image.
    pub image: String,
    /// The command that builds this image where it is missing: a program and its arguments; empty if there is none.
    pub build: Vec<String>,
    /// Files that are copied into each node before it starts.
    pub files: Vec<File>,
    /// The files that it is written in: its own, and those of what it extends.
    pub sources: Vec<Written>,
    /// Environment variables of the agent.
    pub env: BTreeMap<String, String>,
    /// The agent that prepares its clusters, with the same image; if none is named, it does so itself.
    pub prepared_by: Option<Box<Manifest>>,
    /// The observer of leadership.
    pub leader_observer: LeaderObserver,
    /// The right by which the leader leads.
    pub leadership: Leadership,
    /// Containers beside the nodes.
    pub services: Vec<Service>,
    /// Key in etcd whose value names the synchronous standby, in synchronous mode; may hold `{{scope}}`.
    pub sync_key: Option<String>,
    /// The folder of a node that holds the data directory: a scenario that fills the disk mounts a small file system
    /// there.
    pub data_volume: Option<String>,
    /// The most that each node may take of the machine.
    pub limits: Limits,
    /// The ports on which a node listens.
    pub ports: Ports,
    /// A superuser of Postgres.
    pub credentials: Credentials,
    /// SQL statements for the remote primary that a standby cluster follows: they make the roles that the agent needs
    /// there.
    pub remote_sql: Vec<String>,
    /// Features that the agent claims to have.
    pub features: BTreeSet<String>,
    /// Seconds after the faults within which it promises a leader that serves, and every node back; `None` if it
    /// follows an edition, whose settings say that.
    pub recovers_s: Option<u32>,
    /// The agent's command; `None` if the image has an entrypoint that runs it.
    pub node: Option<NodeCommand>,
    /// Finds the agent's own process by its command line, its words joined with blanks.
    pub agent_process: Regex,
    /// File names of the programs that the observer watches for it.
    pub process_names: Vec<String>,
    /// Finds the time in a line of the agent's log, as `YYYY-MM-DD hh:mm:ss` with `.` or `,` and milliseconds, in UTC.
    pub log_time: Option<Regex>,
    /// The meaning of the agent's messages; the first pattern that matches counts.
    pub says: Vec<Says>,
}

/// A file for each node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// The file on this machine.
    pub from: PathBuf,
    /// Its path from the manifest's folder, or from that of the fixtures, as in [`Written`].
    pub name: String,
    /// Its path in the container.
    pub to: String,
    /// True if `{{variables}}` in it are filled in.
    pub template: bool,
}

/// A file that a manifest is written in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its path from the manifest's folder; of one of the fixtures, from theirs: `suite:agents/patroni/agent.toml`.
    pub name: String,
    /// SHA-256 of it, in hexadecimal digits.
    pub sha256: String,
}

/// The ports on which a node listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ports {
    /// The port of Postgres.
    #[schemars(range(min = 1, max = 65535), example = 5432)]
    pub postgres: u16,
}

/// A superuser of Postgres, as whom the lab logs in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The name.
    #[schemars(length(min = 1), example = &"postgres")]
    pub user: String,
    /// The password.
    #[schemars(length(min = 1), example = &"postgres")]
    pub password: String,
}

impl Manifest {
    /// The rules that its release follows; `None` if the edition or a rule is unknown.
    pub fn followed_rules(&self) -> Option<Rules> {
        rules::of(Edition::from_id(self.edition.as_deref()?)?, &self.rules).ok()
    }

    /// Its promises, if it follows no edition: one that does promises what that says.
    pub fn promises(&self) -> Option<Vec<String>> {
        self.edition.is_none().then(|| self.features.iter().cloned().collect())
    }

    /// It promises this: it follows an edition, which does, or claims it.
    pub fn promises_to(&self, feature: &str) -> bool {
        self.edition.is_some() || self.features.contains(feature)
    }

    /// The lab's variables that its templates and commands use.
    ///
    /// # Errors
    /// A file cannot be read any more.
    pub fn used_variables(&self) -> Result<BTreeSet<String>, InputError> {
        let used = RefCell::new(BTreeSet::new());
        let note = |text: &str| {
            // An unknown variable was refused before.
            let _ = render(text, |name| {
                used.borrow_mut().extend(VARIABLES.contains(&name).then(|| name.to_owned()));
                Some(String::new())
            });
        };
        let files = self.files.iter().chain(self.services.iter().flat_map(|service| &service.files));
        for file in files.filter(|file| file.template) {
            note(&input::read(&file.from)?);
        }
        let commands = self.node.iter().chain(self.services.iter().map(|service| &service.command));
        commands.flat_map(|node| &node.command).for_each(|word| note(word));
        Ok(used.into_inner())
    }

    /// The manifest of an agent, by its name (`patroni`, `patroni@4.1.5`) or by the path of its `agent.toml` or the
    /// folder of that.
    ///
    /// # Errors
    /// There is no such agent, or its manifest is wrong; the error names file, key and remedy.
    pub fn load(name_or_path: &str) -> Result<Manifest, ManifestError> {
        let (place, release) = with_release(name_or_path);
        let file = find(place)?;
        draft::load(&file)?.finish(release)
    }

    /// All agents of the fixtures, by name.
    ///
    /// # Errors
    /// A manifest is wrong.
    pub fn all() -> Result<Vec<Manifest>, ManifestError> {
        names()?.iter().map(|name| Manifest::load(name)).collect()
    }
}

/// The folder of an agent's manifest.
///
/// # Errors
/// There is no such agent.
pub fn folder(name_or_path: &str) -> Result<PathBuf, ManifestError> {
    Ok(find(with_release(name_or_path).0)?.parent().map_or_else(|| PathBuf::from("."), Path::to_path_buf))
}

/// The problem with the name of an agent of the fixtures, with a release or without, and its remedy; nothing if there
/// is one.
pub fn trouble(name: &str) -> Option<(String, String)> {
    of_fixtures(with_release(name).0).is_none().then(|| no_agent(name))
}

/// The agent, and the release if one is asked for.
fn with_release(name_or_path: &str) -> (&str, Option<&str>) {
    match name_or_path.rsplit_once('@') {
        // The folders of a path may have an `@` in their names.
        Some((place, release)) if !release.contains('/') => (place, Some(release)),
        _ => (name_or_path, None),
    }
}

/// Says whether an agent's manifest lies outside of the fixtures, so that it is a stranger's.
///
/// # Errors
/// There is no such agent.
pub fn is_foreign(name_or_path: &str) -> Result<bool, ManifestError> {
    let folder = folder(name_or_path)?;
    // Links are followed: it counts where it is, not how it is called.
    let place = |path: &Path| path.canonicalize().ok();
    Ok(match (place(&folder), place(&fixtures::agents())) {
        (Some(folder), Some(agents)) => !folder.starts_with(agents),
        _ => true,
    })
}

/// The `agent.toml` of an agent: by a name in the fixtures first, then by a path.
fn find(place: &str) -> Result<PathBuf, ManifestError> {
    let path = Path::new(place);
    let candidates = [path.join("agent.toml"), path.to_path_buf()];
    let by_path = || candidates.into_iter().find(|candidate| !place.is_empty() && candidate.is_file());
    of_fixtures(place).or_else(by_path).ok_or_else(|| {
        let (problem, help) = no_agent(place);
        InputError::of_file(&fixtures::agents(), problem, help)
    })
}

/// The `agent.toml` that another manifest names: by a name in the fixtures first, then by a path from its folder.
fn named_by(home: &Home, place: &str) -> Result<PathBuf, Trouble> {
    if let Some(file) = of_fixtures(place) {
        return Ok(file);
    }
    match home.place(place) {
        Ok(path) if path.is_dir() => home.file(&format!("{place}/agent.toml")),
        Ok(_) => home.file(place),
        Err(_) if !place.contains('/') && !place.ends_with(".toml") => Err(no_agent(place)),
        Err(trouble) => Err(trouble),
    }
}

/// The `agent.toml` of an agent of that name in the fixtures.
fn of_fixtures(name: &str) -> Option<PathBuf> {
    let file = fixtures::agents().join(name).join("agent.toml");
    (name.split('/').all(name::is_plain) && file.is_file()).then_some(file)
}

/// The error about a name that no agent has, and its remedy.
fn no_agent(name: &str) -> Trouble {
    let names = names().unwrap_or_default();
    let problem = unknown("agent", name, names.iter().map(String::as_str));
    (problem, format!("name one of: {}; or the path of an agent.toml", names.join(", ")))
}

/// The names of all agents in the fixtures, sorted: folders with an `agent.toml`, or folders of such folders.
fn names() -> Result<Vec<String>, ManifestError> {
    let root = fixtures::agents();
    let mut names = Vec::new();
    for folder in subfolders(&root)? {
        if root.join(&folder).join("agent.toml").is_file() {
            names.push(folder);
            continue;
        }
        for inner in subfolders(&root.join(&folder))? {
            if root.join(&folder).join(&inner).join("agent.toml").is_file() {
                names.push(format!("{folder}/{inner}"));
            }
        }
    }
    names.sort();
    Ok(names)
}

fn subfolders(folder: &Path) -> Result<Vec<String>, ManifestError> {
    let unreadable = |error: std::io::Error| {
        InputError::of_file(
            folder,
            format!("cannot be listed: {error}"),
            format!("set {} to the fixtures folder", fixtures::FIXTURES_VARIABLE),
        )
    };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.path().is_dir() {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
