//! A manifest and all that it extends, put together and checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pghaspec_model::vocabulary::event::Leadership;
use regex::Regex;

use super::agent_toml::{Toml, TomlFile};
use super::authority::{LeaderObserver, MOST_SERVICES, Service, TomlService, variable_of};
use super::node::NodeCommand;
use super::paths::{Home, Trouble};
use super::patterns::{of_agent, programs, regex};
use super::releases::Table;
use super::values::{self, MOST_FILES, MOST_SAYS, check, checked_file, checked_older, checked_says, unknown_variable};
use super::{Credentials, File, Limits, Manifest, Ports, Release, Says, VARIABLES, Written, named_by, render};
use crate::digest::sha256;
use crate::input;
use crate::input::{InputError, Source, shown};

/// Seconds within which an agent without an edition recovers, unless it says otherwise.
const RECOVERS_S: u32 = 60;

/// Most manifests that lead to one another, by `extends` and `prepared_by`.
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
    leadership: Option<(Option<LeaderObserver>, Leadership)>,
    services: Vec<Service>,
    sync_key: Option<String>,
    data_volume: Option<String>,
    limits: Limits,
    files: Vec<File>,
    sources: Vec<Written>,
    env: BTreeMap<String, String>,
    prepared_by: Option<Box<Draft>>,
    ports: Option<Ports>,
    credentials: Option<Credentials>,
    remote_sql: Vec<String>,
    features: BTreeSet<String>,
    recovers_s: Option<u32>,
    node: Option<NodeCommand>,
    agent_process: Option<Regex>,
    process_names: Vec<String>,
    log_time: Option<Regex>,
    says: Vec<Says>,
    releases: BTreeMap<String, String>,
    found: Option<Table>,
    variables: BTreeMap<String, String>,
    older: Vec<Older>,
}

/// Variables of releases older than one.
struct Older {
    than: Release,
    variables: BTreeMap<String, String>,
    /// Where the release is written, for an error about it.
    place: InputError,
}

/// Reads a manifest and all that it extends.
///
/// # Errors
/// A file cannot be read, or something in it is wrong.
pub fn load(file: &Path) -> Result<Draft, InputError> {
    load_after(file, &[])
}

/// Reads a manifest that others, in this order, have led to.
fn load_after(file: &Path, before: &[PathBuf]) -> Result<Draft, InputError> {
    let text = input::read(file)?;
    let toml: Toml = input::parse(file, &text)?;
    let source = Source { file, text: &text };
    let home = Home::of(file);
    let file = file.canonicalize().unwrap_or_else(|_| file.to_path_buf());
    let chain: Vec<PathBuf> = before.iter().cloned().chain([file]).collect();
    let mut written = match &toml.extends {
        None => Draft::default(),
        Some(base) => load_other(source, "extends", base, &home, &chain)?,
    };
    let prepares = match &toml.prepared_by {
        None => None,
        Some(name) => {
            let other = load_other(source, "prepared_by", name, &home, &chain)?;
            if other.prepared_by.is_some() {
                let problem = format!("{} does not prepare its own clusters", shown(name));
                return Err(source.wrong("prepared_by", problem, "name the agent that prepares those"));
            }
            Some(Box::new(other))
        }
    };
    written.put_over(source, &home, toml)?;
    let name = home.shown(chain.last().map_or(source.file, PathBuf::as_path));
    written.sources.push(Written { name, sha256: sha256(text.as_bytes()) });
    written.prepared_by = prepares.or(written.prepared_by.take());
    Ok(written)
}

/// Reads the manifest that another one names at a key: by its name in the fixtures, or by a path below.
fn load_other(source: Source<'_>, key: &str, named: &str, home: &Home, chain: &[PathBuf]) -> Result<Draft, InputError> {
    let file = named_by(home, named).map_err(|(problem, help)| source.wrong(key, problem, help))?;
    let file = file.canonicalize().unwrap_or(file);
    if chain.contains(&file) {
        let circle = chain.iter().skip_while(|one| **one != file).chain([&file]);
        let circle: Vec<String> = circle.map(|one| one.display().to_string()).collect();
        let problem = format!("leads back to where it began: {}", circle.join(" → "));
        return Err(source.wrong(key, problem, format!("let one of them have no `{key}`")));
    }
    if chain.len() > DEPTH {
        let problem = format!("more than {DEPTH} manifests lead to one another");
        return Err(source.wrong(key, problem, format!("name an agent that has no `{key}` itself")));
    }
    load_after(&file, chain)
}

impl Draft {
    /// Puts one `agent.toml` over what is there: single values replace, lists grow, and its own patterns are tried
    /// first.
    fn put_over(&mut self, source: Source<'_>, home: &Home, toml: Toml) -> Result<(), InputError> {
        check(source, &toml)?;
        let wrong = |key: &str, (problem, help): Trouble| source.wrong(key, problem, help);
        self.file = source.file.to_path_buf();
        self.name = toml.name.or(self.name.take());
        self.version = toml.version.or(self.version.take());
        self.edition = toml.edition.or(self.edition.take());
        if toml.image.is_some() {
            // The command builds the image that is replaced.
            self.build = Vec::new();
        }
        self.image = toml.image.or(self.image.take());
        if let Some(build) = toml.build {
            let Some(program) = build.first() else {
                let help = "write the program and its arguments: build = [\"build\", \"{{version}}\"]";
                return Err(source.wrong("build", "is empty", help));
            };
            let program = home.file(program).map_err(|trouble| wrong("build[0]", trouble))?.display().to_string();
            self.build = [program].into_iter().chain(build.into_iter().skip(1)).collect();
        }
        self.leader_key = toml.leader_key.or(self.leader_key.take());
        self.put_services(source, home, toml.service, &toml.variables)?;
        if let Some(leadership) = toml.leadership {
            self.leadership = Some(LeaderObserver::of(source, leadership, &self.services)?);
        }
        self.sync_key = toml.sync_key.or(self.sync_key.take());
        self.data_volume = toml.data_volume.or(self.data_volume.take());
        if let Some(limits) = &toml.limits {
            self.limits.put_over(source, limits)?;
        }
        self.ports = toml.ports.or(self.ports.take());
        self.credentials = toml.credentials.or(self.credentials.take());
        self.env.extend(toml.env);
        self.releases.extend(toml.releases);
        if let Some(found) = toml.found {
            self.found = Some(Table::read(&home.file(&found).map_err(|trouble| wrong("found", trouble))?)?);
        }
        self.variables.extend(toml.variables);
        for (index, older) in toml.older.iter().enumerate() {
            let of = (older.than.as_str(), &older.variables);
            let than = checked_older(source, index, of, &self.variables)?;
            let place = source.wrong(&format!("older[{index}].than"), "", "");
            self.older.push(Older { than, variables: older.variables.clone(), place });
        }
        if let Some(remote) = toml.remote {
            self.remote_sql = remote.sql;
        }
        if let Some(claims) = toml.claims {
            self.recovers_s = claims.recovers_s.or(self.recovers_s);
            self.features = claims.features.into_iter().collect();
        }
        if let Some(processes) = toml.processes {
            self.agent_process = Some(of_agent(source, "processes.agent", &processes.agent)?);
            self.process_names = programs(source, &processes)?;
        }
        if let Some(log) = toml.log {
            self.log_time = Some(regex(source, "log.time", &log.time)?);
        }
        if let Some(node) = toml.node {
            let more = self.more_variables();
            let more = more.iter().map(String::as_str);
            self.node = Some(NodeCommand::of(source, node, more, self.data_volume.as_deref())?);
        }
        self.put_files(source, home, &toml.files)?;
        if toml.says.len() + self.says.len() > MOST_SAYS {
            let problem = format!("there are more than {MOST_SAYS} patterns");
            return Err(source.wrong("says", problem, "every line of the log is held to each: join them with `|`"));
        }
        let mut says = Vec::new();
        for (index, one) in toml.says.iter().enumerate() {
            says.push(checked_says(source, index, one)?);
        }
        says.append(&mut self.says);
        self.says = says;
        Ok(())
    }

    /// Adds the files of one `agent.toml`; they replace those of what it extends.
    fn put_files(&mut self, source: Source<'_>, home: &Home, files: &[TomlFile]) -> Result<(), InputError> {
        if files.len() + self.files.len() > MOST_FILES {
            let problem = format!("there are more than {MOST_FILES} files");
            return Err(source.wrong("files", problem, "put them into the image"));
        }
        let more = self.more_variables();
        let variables: Vec<&str> = VARIABLES.into_iter().chain(more.iter().map(String::as_str)).collect();
        let mut own: Vec<File> = Vec::new();
        for (index, one) in files.iter().enumerate() {
            let one = checked_file(source, home, &format!("files[{index}]"), one, &variables)?;
            if let Some(first) = own.iter().position(|other| other.to == one.to) {
                let problem = format!("{} is the place of files[{first}], too", one.to);
                return Err(source.wrong(&format!("files[{index}].to"), problem, "leave one of the two out"));
            }
            own.push(one);
        }
        self.files.retain(|other| !own.iter().any(|one| one.to == other.to));
        self.files.append(&mut own);
        Ok(())
    }

    /// The variables of its templates besides those of the lab.
    fn more_variables(&self) -> Vec<String> {
        let services = self.services.iter().map(|service| variable_of(&service.name));
        self.variables.keys().cloned().chain(services).collect()
    }

    /// Adds the services of one `agent.toml`; those of the same name replace what it extends.
    fn put_services(
        &mut self,
        source: Source<'_>,
        home: &Home,
        services: Vec<TomlService>,
        variables: &BTreeMap<String, String>,
    ) -> Result<(), InputError> {
        if services.len() + self.services.len() > MOST_SERVICES {
            let problem = format!("there are more than {MOST_SERVICES} services");
            return Err(source.wrong("service", problem, "let one container do more"));
        }
        let names = services.iter().map(|service| variable_of(service.name()));
        let more: Vec<String> =
            self.more_variables().into_iter().chain(variables.keys().cloned()).chain(names).collect();
        let mut own: Vec<Service> = Vec::new();
        for (index, toml) in services.into_iter().enumerate() {
            let one = Service::of(source, home, index, toml, &more)?;
            if own.iter().any(|other| other.name == one.name) {
                let problem = format!("`{}` is the name of two services", one.name);
                return Err(source.wrong(&format!("service[{index}].name"), problem, "give one of them another name"));
            }
            own.push(one);
        }
        self.services.retain(|other| !own.iter().any(|one| one.name == other.name));
        self.services.append(&mut own);
        if self.services.iter().filter(|service| service.authority).count() > 1 {
            let problem = "more than one is the authority";
            return Err(source.wrong("service", problem, "let one have `authority = true`"));
        }
        Ok(())
    }

    /// The observer of leadership, and the right by which the leader leads.
    fn leadership(&mut self, file: &Path) -> Result<(LeaderObserver, Leadership), InputError> {
        let missing = || {
            let help = "write `leader_key = …`, or say in [leadership] who tells who leads";
            InputError::of_file(file, "is missing", help).at_key("leader_key")
        };
        let (observer, semantics) = self.leadership.take().unwrap_or((None, Leadership::Lease));
        let Some(observer) = observer else {
            return Ok((LeaderObserver::EtcdKey(self.leader_key.take().ok_or_else(missing)?), semantics));
        };
        if self.leader_key.is_some() {
            let problem = format!("says nothing where [leadership] says observer = \"{}\"", observer.id());
            return Err(InputError::of_file(file, problem, "leave one of the two out").at_key("leader_key"));
        }
        Ok((observer, semantics))
    }

    /// The manifest, for its own release unless another one is asked for.
    ///
    /// # Errors
    /// A key is missing, a variable is unknown, or nobody knows the edition of that release.
    pub fn finish(mut self, release: Option<&str>) -> Result<Manifest, InputError> {
        let file = std::mem::take(&mut self.file);
        let missing = |key: &str| InputError::of_file(&file, "is missing", format!("write `{key} = …`")).at_key(key);
        let version = match (release, &self.version) {
            (Some(asked), _) => {
                values::release(asked).map_err(|(problem, help)| InputError::of_file(&file, problem, help))?;
                asked.to_owned()
            }
            (None, own) => own.clone().ok_or_else(|| missing("version"))?,
        };
        let (edition, rules) = self.edition_of(&file, &version)?;
        self.check_older()?;
        let variables = self.variables_of(&version);
        let (leader_observer, leadership) = self.leadership(&file)?;
        let image = self.image.ok_or_else(|| missing("image"))?;
        let image = render(&image, |name| (name == "version").then(|| version.clone()))
            .map_err(|name| unknown_variable(&file, &name, &["version"]).at_key("image"))?;
        let with_version = |word: &String| render(word, |name| (name == "version").then(|| version.clone()));
        let build = self.build.iter().map(with_version).collect::<Result<_, _>>();
        let build = build.map_err(|name| unknown_variable(&file, &name, &["version"]).at_key("build"))?;
        let leader_key = leader_observer.etcd_key();
        for (key, value) in [("leader_key", leader_key), ("sync_key", self.sync_key.as_deref())] {
            render(value.unwrap_or_default(), |name| (name == "scope").then(String::new))
                .map_err(|name| unknown_variable(&file, &name, &["scope"]).at_key(key))?;
        }
        if leader_key.is_none() && self.sync_key.is_some() {
            let problem = "is a key in etcd, and this agent's leader is not told there";
            return Err(InputError::of_file(&file, problem, "leave it out").at_key("sync_key"));
        }
        if self.sync_key.is_some() && self.sync_key.as_deref() == leader_key {
            let problem = "is the same as `leader_key`";
            return Err(InputError::of_file(
                &file,
                problem,
                "name the key of the synchronous standby, or leave it out",
            )
            .at_key("sync_key"));
        }
        if edition.is_some() && self.recovers_s.is_some() {
            let problem = "says nothing beside an `edition`, by whose settings an agent is waited for";
            return Err(InputError::of_file(&file, problem, "leave it out").at_key("claims.recovers_s"));
        }
        let recovers_s = edition.is_none().then(|| self.recovers_s.unwrap_or(RECOVERS_S));
        let mut services = self.services;
        for service in &mut services {
            let own = service.image.as_ref().unwrap_or(&image);
            let filled = render(own, |name| (name == "version").then(|| version.clone()));
            service.image = filled.ok();
        }
        let prepared_by = self.prepared_by.map(|other| other.finish(Some(&version))).transpose()?;
        if let Some(other) = prepared_by.as_ref().filter(|other| other.image != image) {
            let problem =
                format!("{} has another image, {}: a prepared cluster is made of that", other.name, other.image);
            return Err(InputError::of_file(&file, problem, "leave it out").at_key("prepared_by"));
        }
        let prepared = prepared_by.iter().flat_map(|other| other.sources.clone()).collect::<Vec<_>>();
        Ok(Manifest {
            name: self.name.ok_or_else(|| missing("name"))?,
            version,
            edition,
            rules,
            variables,
            image,
            build,
            files: self.files,
            sources: self.sources.into_iter().chain(prepared).collect(),
            env: self.env,
            prepared_by: prepared_by.map(Box::new),
            leader_observer,
            leadership,
            services,
            sync_key: self.sync_key,
            data_volume: self.data_volume,
            limits: self.limits,
            ports: self.ports.ok_or_else(|| missing("ports"))?,
            credentials: self.credentials.ok_or_else(|| missing("credentials"))?,
            remote_sql: self.remote_sql,
            features: self.features,
            recovers_s,
            node: self.node,
            agent_process: self.agent_process.ok_or_else(|| missing("processes"))?,
            process_names: self.process_names,
            log_time: self.log_time,
            says: self.says,
        })
    }

    /// The edition that a release is held to, and the rules in which it differs.
    fn edition_of(&self, file: &Path, version: &str) -> Result<(Option<String>, Vec<String>), InputError> {
        if let Some((edition, rules)) = self.found.as_ref().and_then(|found| found.of(version)) {
            return Ok((Some(edition), rules));
        }
        if let Some(edition) = self.releases.get(version) {
            return Ok((Some(edition.clone()), Vec::new()));
        }
        let names_none = self.edition.is_none() && self.found.is_none() && self.releases.is_empty();
        if names_none || self.edition.is_some() && self.version.as_deref() == Some(version) {
            return Ok((self.edition.clone(), Vec::new()));
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
        let mut older: Vec<_> = self.older.iter().filter(|older| version < older.than).collect();
        older.sort_by(|one, other| other.than.cmp(&one.than));
        for older in older {
            variables.extend(older.variables.clone());
        }
        variables
    }

    /// Holds the entries for older releases to the releases that are known: one that counts for none is a slip.
    fn check_older(&self) -> Result<(), InputError> {
        let found = self.found.iter().flat_map(Table::releases);
        let known = self.version.iter().chain(self.releases.keys()).map(String::as_str).chain(found);
        let known: Vec<Release> = known.filter_map(Release::parse).collect();
        for older in &self.older {
            let problem = match known.iter().filter(|release| **release < older.than).count() {
                0 => "no release that the manifest knows is older",
                all if all == known.len() => "every release that the manifest knows is older",
                _ => continue,
            };
            let mut error = older.place.clone();
            error.problem = problem.to_owned();
            error.help = "name the first release that has other values".into();
            return Err(error);
        }
        Ok(())
    }
}
