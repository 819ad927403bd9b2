//! A manifest and all that it extends, put together and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use super::agent_toml::Toml;
use super::releases::Table;
use super::values::{checked_file, checked_says, regex, unknown_variable};
use super::{Credentials, File, Limits, Manifest, Ports, Release, Says, VARIABLES, find, release, render};
use crate::input;
use crate::input::InputError;

/// The number of manifests that may extend one another, which also ends a circle of them.
const DEPTH: usize = 4;

/// A manifest and all that it extends, put together.
#[derive(Default)]
pub struct Draft {
    file: PathBuf,
    name: Option<String>,
    version: Option<String>,
    edition: Option<String>,
    image: Option<String>,
    build: Vec<String>,
    leader_key: Option<String>,
    sync_key: Option<String>,
    data_volume: Option<String>,
    limits: Limits,
    files: Vec<File>,
    env: BTreeMap<String, String>,
    prepared_by: Option<Box<Draft>>,
    ports: Option<Ports>,
    credentials: Option<Credentials>,
    remote_sql: Vec<String>,
    features: BTreeSet<String>,
    agent_process: Option<Regex>,
    log_time: Option<Regex>,
    says: Vec<Says>,
    releases: BTreeMap<String, String>,
    found: Option<Table>,
    variables: BTreeMap<String, String>,
    /// Variables of releases older than one.
    older: Vec<(Release, BTreeMap<String, String>)>,
}

/// Reads a manifest and all that it extends.
///
/// # Errors
/// A file cannot be read, or something in it is wrong.
pub fn load(file: &Path) -> Result<Draft, InputError> {
    load_at(file, 0)
}

fn load_at(file: &Path, depth: usize) -> Result<Draft, InputError> {
    let text = input::read(file)?;
    let toml: Toml = input::parse(file, &text)?;
    let mut written = match &toml.extends {
        None => Draft::default(),
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

impl Draft {
    /// Puts one `agent.toml` over what is there: single values replace, lists grow, and its own patterns are tried
    /// first.
    fn put_over(&mut self, file: &Path, text: &str, toml: Toml) -> Result<(), InputError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        self.file = file.to_path_buf();
        self.name = toml.name.or(self.name.take());
        self.version = toml.version.or(self.version.take());
        self.edition = toml.edition.or(self.edition.take());
        if toml.image.is_some() {
            // The command builds the image that is replaced.
            self.build = Vec::new();
        }
        self.image = toml.image.or(self.image.take());
        if let Some(build) = toml.build {
            self.build = build;
            if let Some(program) = self.build.first_mut() {
                *program = folder.join(&*program).display().to_string();
            }
        }
        self.leader_key = toml.leader_key.or(self.leader_key.take());
        self.sync_key = toml.sync_key.or(self.sync_key.take());
        self.data_volume = toml.data_volume.or(self.data_volume.take());
        if let Some(limits) = &toml.limits {
            self.limits.put_over(file, text, limits)?;
        }
        self.ports = toml.ports.or(self.ports.take());
        self.credentials = toml.credentials.or(self.credentials.take());
        self.env.extend(toml.env);
        if let Some(name) = toml.prepared_by {
            let other = load(&find(name.get_ref())?)?;
            if other.prepared_by.is_some() {
                let problem = format!("{} does not prepare its own clusters", name.get_ref());
                return Err(InputError::of_file(file, problem, "name the agent that prepares those")
                    .at_key("prepared_by")
                    .at_span(text, name.span()));
            }
            self.prepared_by = Some(Box::new(other));
        }
        self.releases.extend(toml.releases);
        if let Some(found) = toml.found {
            self.found = Some(Table::read(&folder.join(found))?);
        }
        self.variables.extend(toml.variables);
        for (index, older) in toml.older.into_iter().enumerate() {
            self.older.push((release::of(file, text, &format!("older[{index}].than"), &older.than)?, older.variables));
        }
        let variables: Vec<&str> = VARIABLES.into_iter().chain(self.variables.keys().map(String::as_str)).collect();
        if let Some(remote) = toml.remote {
            self.remote_sql = remote.sql;
        }
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
            let one = checked_file(file, text, folder, index, one, &variables)?;
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

    /// The manifest, for its own release unless another one is asked for.
    ///
    /// # Errors
    /// A key is missing, a variable is unknown, or nobody knows the edition of that release.
    pub fn finish(mut self, release: Option<&str>) -> Result<Manifest, InputError> {
        let file = std::mem::take(&mut self.file);
        let missing = |key: &str| InputError::of_file(&file, "is missing", format!("write `{key} = …`")).at_key(key);
        let version = match (release, &self.version) {
            (Some(release), _) => release.to_owned(),
            (None, own) => own.clone().ok_or_else(|| missing("version"))?,
        };
        let (edition, rules) = self.edition_of(&file, &version)?;
        let variables = self.variables_of(&version);
        let image = self.image.ok_or_else(|| missing("image"))?;
        let image = render(&image, |name| (name == "version").then(|| version.clone()))
            .map_err(|name| unknown_variable(&file, &name, &["version"]).at_key("image"))?;
        let with_version = |word: &String| render(word, |name| (name == "version").then(|| version.clone()));
        let build = self.build.iter().map(with_version).collect::<Result<_, _>>();
        let build = build.map_err(|name| unknown_variable(&file, &name, &["version"]).at_key("build"))?;
        let leader_key = self.leader_key.ok_or_else(|| missing("leader_key"))?;
        for (key, value) in [("leader_key", Some(&leader_key)), ("sync_key", self.sync_key.as_ref())] {
            render(value.map_or("", String::as_str), |name| (name == "scope").then(String::new))
                .map_err(|name| unknown_variable(&file, &name, &["scope"]).at_key(key))?;
        }
        let prepared_by = self.prepared_by.map(|other| other.finish(Some(&version))).transpose()?;
        if let Some(other) = prepared_by.as_ref().filter(|other| other.image != image) {
            let problem =
                format!("{} has another image, {}: a prepared cluster is made of that", other.name, other.image);
            return Err(InputError::of_file(&file, problem, "leave it out").at_key("prepared_by"));
        }
        Ok(Manifest {
            name: self.name.ok_or_else(|| missing("name"))?,
            version,
            edition,
            rules,
            variables,
            image,
            build,
            files: self.files,
            env: self.env,
            prepared_by: prepared_by.map(Box::new),
            leader_key,
            sync_key: self.sync_key,
            data_volume: self.data_volume,
            limits: self.limits,
            ports: self.ports.ok_or_else(|| missing("ports"))?,
            credentials: self.credentials.ok_or_else(|| missing("credentials"))?,
            remote_sql: self.remote_sql,
            features: self.features,
            agent_process: self.agent_process.ok_or_else(|| missing("processes"))?,
            log_time: self.log_time,
            says: self.says,
        })
    }

    /// The edition that a release is held to, and the rules in which it differs.
    fn edition_of(&self, file: &Path, version: &str) -> Result<(String, Vec<String>), InputError> {
        if let Some(found) = self.found.as_ref().and_then(|found| found.of(version)) {
            return Ok(found);
        }
        if let Some(edition) = self.releases.get(version) {
            return Ok((edition.clone(), Vec::new()));
        }
        if self.version.as_deref() == Some(version) {
            match &self.edition {
                Some(edition) => return Ok((edition.clone(), Vec::new())),
                None if self.found.is_none() => {
                    return Err(InputError::of_file(file, "is missing", "write `edition = …`").at_key("edition"));
                }
                None => {}
            }
        }
        let own = self.edition.as_ref().and(self.version.as_deref());
        let known: Vec<&str> = own
            .into_iter()
            .chain(self.releases.keys().map(String::as_str))
            .chain(self.found.iter().flat_map(Table::releases))
            .collect();
        let add = match &self.found {
            Some(found) => format!(
                "or find out which rules it has (pghaspec diff --release {version}) and add it to {}",
                found.file.display()
            ),
            None => "or add it with its edition".to_owned(),
        };
        let problem = format!("of release `{version}` nobody knows which edition of the specification it follows");
        Err(InputError::of_file(file, problem, format!("use one of: {}; {add}", known.join(", "))).at_key("releases"))
    }

    /// The variables of a release: of several entries for older releases, the nearest one counts.
    fn variables_of(&self, version: &str) -> BTreeMap<String, String> {
        let mut variables = self.variables.clone();
        let Some(version) = Release::parse(version) else { return variables };
        let mut older: Vec<_> = self.older.iter().filter(|(than, _)| version < *than).collect();
        older.sort_by(|one, other| other.0.cmp(&one.0));
        for (_, own) in older {
            variables.extend(own.clone());
        }
        variables
    }
}
