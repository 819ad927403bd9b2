//! The manifest as it is written, and how one that `extends` another is put over it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pghaspec_model::branch::Branch;
use regex::Regex;
use serde::Deserialize;
use toml::Spanned;

use super::{Credentials, File, Manifest, Meaning, Ports, Says, VARIABLES, find, render};
use crate::input::{self, InputError};

/// How many manifests may extend one another, which also ends a circle of them.
const DEPTH: usize = 4;

/// One `agent.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Toml {
    extends: Option<Spanned<String>>,
    name: Option<String>,
    version: Option<String>,
    edition: Option<String>,
    image: Option<String>,
    leader_key: Option<String>,
    #[serde(default)]
    files: Vec<TomlFile>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    ports: Option<Ports>,
    credentials: Option<Credentials>,
    claims: Option<TomlClaims>,
    processes: Option<TomlProcesses>,
    log: Option<TomlLog>,
    #[serde(default)]
    says: Vec<TomlSays>,
    /// Edition of each further release.
    #[serde(default)]
    releases: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlFile {
    from: Spanned<String>,
    to: String,
    #[serde(default)]
    template: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlClaims {
    features: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlProcesses {
    agent: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlLog {
    time: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TomlSays {
    pattern: Spanned<String>,
    branch: Option<Spanned<String>>,
    name: Option<String>,
}

/// A manifest and all that it extends, put together.
#[derive(Default)]
pub struct Written {
    file: PathBuf,
    name: Option<String>,
    version: Option<String>,
    edition: Option<String>,
    image: Option<String>,
    leader_key: Option<String>,
    files: Vec<File>,
    env: BTreeMap<String, String>,
    ports: Option<Ports>,
    credentials: Option<Credentials>,
    features: BTreeSet<String>,
    agent_process: Option<Regex>,
    log_time: Option<Regex>,
    says: Vec<Says>,
    releases: BTreeMap<String, String>,
}

/// Reads a manifest and all that it extends.
pub fn load(file: &Path) -> Result<Written, InputError> {
    load_at(file, 0)
}

fn load_at(file: &Path, depth: usize) -> Result<Written, InputError> {
    let text = input::read(file)?;
    let toml: Toml = input::parse(file, &text)?;
    let mut written = match &toml.extends {
        None => Written::default(),
        Some(base) if depth < DEPTH => load_at(&find(base.get_ref())?, depth + 1)?,
        Some(base) => {
            let problem = format!("more than {DEPTH} manifests extend one another");
            return Err(InputError::of_file(file, problem, "extend an agent that extends none")
                .at_key("extends")
                .at_span(&text, base.span()));
        }
    };
    written.put_over(file, &text, toml)?;
    Ok(written)
}

impl Written {
    /// Puts one `agent.toml` over what is there: single values replace, lists grow, and its own patterns are tried first.
    fn put_over(&mut self, file: &Path, text: &str, toml: Toml) -> Result<(), InputError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        self.file = file.to_path_buf();
        self.name = toml.name.or(self.name.take());
        self.version = toml.version.or(self.version.take());
        self.edition = toml.edition.or(self.edition.take());
        self.image = toml.image.or(self.image.take());
        self.leader_key = toml.leader_key.or(self.leader_key.take());
        self.ports = toml.ports.or(self.ports.take());
        self.credentials = toml.credentials.or(self.credentials.take());
        self.env.extend(toml.env);
        self.releases.extend(toml.releases);
        if let Some(claims) = toml.claims {
            self.features = claims.features;
        }
        if let Some(processes) = toml.processes {
            self.agent_process = Some(regex(file, text, "processes.agent", &processes.agent)?);
        }
        if let Some(log) = toml.log {
            self.log_time = Some(regex(file, text, "log.time", &log.time)?);
        }
        for (index, one) in toml.files.into_iter().enumerate() {
            let one = checked_file(file, text, folder, index, one)?;
            self.files.retain(|other| other.to != one.to);
            self.files.push(one);
        }
        let mut says = Vec::new();
        for (index, one) in toml.says.iter().enumerate() {
            says.push(checked_says(file, text, index, one)?);
        }
        says.append(&mut self.says);
        self.says = says;
        Ok(())
    }

    /// The manifest, for a release other than its own when one is asked for.
    pub fn finish(self, release: Option<&str>) -> Result<Manifest, InputError> {
        let file = self.file;
        let missing = |key: &str| InputError::of_file(&file, "is missing", format!("write `{key} = …`")).at_key(key);
        let own = self.version.ok_or_else(|| missing("version"))?;
        let own_edition = self.edition.ok_or_else(|| missing("edition"))?;
        let (version, edition) = match release {
            None => (own, own_edition),
            Some(release) if release == own => (own, own_edition),
            Some(release) => match self.releases.get(release) {
                Some(edition) => (release.to_owned(), edition.clone()),
                None => {
                    let known: Vec<&str> =
                        std::iter::once(own.as_str()).chain(self.releases.keys().map(String::as_str)).collect();
                    return Err(InputError::of_file(
                        &file,
                        format!("release `{release}` is not known"),
                        format!("use one of: {}; or add it with its edition", known.join(", ")),
                    )
                    .at_key("releases"));
                }
            },
        };
        let image = self.image.ok_or_else(|| missing("image"))?;
        let image = render(&image, |name| (name == "version").then(|| version.clone()))
            .map_err(|name| unknown_variable(&file, &name, &["version"]).at_key("image"))?;
        let leader_key = self.leader_key.ok_or_else(|| missing("leader_key"))?;
        render(&leader_key, |name| (name == "scope").then(String::new))
            .map_err(|name| unknown_variable(&file, &name, &["scope"]).at_key("leader_key"))?;
        Ok(Manifest {
            name: self.name.ok_or_else(|| missing("name"))?,
            version,
            edition,
            image,
            files: self.files,
            env: self.env,
            leader_key,
            ports: self.ports.ok_or_else(|| missing("ports"))?,
            credentials: self.credentials.ok_or_else(|| missing("credentials"))?,
            features: self.features,
            agent_process: self.agent_process.ok_or_else(|| missing("processes"))?,
            log_time: self.log_time,
            says: self.says,
        })
    }
}

fn checked_file(file: &Path, text: &str, folder: &Path, index: usize, one: TomlFile) -> Result<File, InputError> {
    let from = folder.join(one.from.get_ref());
    if !from.is_file() {
        return Err(InputError::of_file(
            file,
            format!("{} is not there", from.display()),
            "name a file beside the manifest",
        )
        .at_key(format!("files[{index}].from"))
        .at_span(text, one.from.span()));
    }
    if one.template {
        let content = input::read(&from)?;
        render(&content, |name| VARIABLES.contains(&name).then(String::new))
            .map_err(|name| unknown_variable(&from, &name, &VARIABLES))?;
    }
    Ok(File { from, to: one.to, template: one.template })
}

fn checked_says(file: &Path, text: &str, index: usize, one: &TomlSays) -> Result<Says, InputError> {
    let key = |part: &str| format!("says[{index}].{part}");
    let pattern = regex(file, text, &key("pattern"), &one.pattern)?;
    let meaning = match (&one.branch, &one.name) {
        (Some(branch), None) => match Branch::from_id(branch.get_ref()) {
            Some(branch) => Meaning::Branch(branch),
            None => {
                let known: Vec<&str> = Branch::ALL.iter().map(|branch| branch.id()).collect();
                return Err(InputError::of_file(
                    file,
                    format!("`{}` is no branch of recover", branch.get_ref()),
                    format!("use one of: {}", known.join(", ")),
                )
                .at_key(key("branch"))
                .at_span(text, branch.span()));
            }
        },
        (None, Some(name)) => Meaning::Name(name.clone()),
        _ => {
            return Err(InputError::of_file(file, "needs either a `branch` or a `name`", "write one of the two")
                .at_key(format!("says[{index}]"))
                .at_span(text, one.pattern.span()));
        }
    };
    Ok(Says { pattern, meaning })
}

fn regex(file: &Path, text: &str, key: &str, pattern: &Spanned<String>) -> Result<Regex, InputError> {
    Regex::new(pattern.get_ref()).map_err(|error| {
        InputError::of_file(
            file,
            format!("is no regular expression: {error}"),
            "see the syntax of the Rust crate regex; '…' quotes need no escaping",
        )
        .at_key(key)
        .at_span(text, pattern.span())
    })
}

fn unknown_variable(file: &Path, name: &str, known: &[&str]) -> InputError {
    InputError::of_file(file, format!("`{{{{{name}}}}}` is no variable"), format!("use one of: {}", known.join(", ")))
}
