//! Services: containers beside the nodes, such as a monitor or a store of an agent's own.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::input::{InputError, Source, shown};
use crate::manifest::agent_toml::TomlFile;
use crate::manifest::node::{NodeCommand, TomlNode};
use crate::manifest::paths::Home;
use crate::manifest::values::{self, checked_file, words};
use crate::manifest::{File, VARIABLES, render};
use crate::untrusted::name;

/// Most services of an agent.
pub(in crate::manifest) const MOST_SERVICES: usize = 5;

/// Names that other parts of a run have: of nodes, and of the lab's own.
const TAKEN: [&str; 4] = ["etcd", "observer", "remote", "ca"];

/// A container beside the nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name, which is also that of its container and its log.
    pub name: String,
    /// Its image, the agent's if none is named; may hold `{{version}}`.
    pub image: Option<String>,
    /// Its command, which is run again when it ends.
    pub command: NodeCommand,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Files that are copied into it before it starts.
    pub files: Vec<File>,
    /// A command in it that ends well when it is ready.
    pub ready: Vec<String>,
    /// It is the authority that faults of the DCS hit.
    pub authority: bool,
}

/// A container beside the nodes, such as a monitor.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub struct TomlService {
    /// Its name. Others reach it by `{{service.NAME}}`.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"), example = &"monitor")]
    name: String,
    /// Its image, the agent's if none is named; may hold `{{version}}`.
    #[schemars(length(min = 1), example = &"my-monitor:{{version}}")]
    image: Option<String>,
    /// Its program and arguments, which may hold `{{variables}}`. The lab runs it again when it ends.
    #[schemars(length(min = 1, max = 100), example = ["/usr/bin/my-monitor"])]
    command: Vec<String>,
    /// The user that it runs as; root if none is named.
    #[schemars(length(min = 1), example = &"postgres")]
    user: Option<String>,
    /// Folders that are empty when its container starts.
    #[serde(default)]
    #[schemars(length(max = 100), example = ["/run/postgresql"])]
    clear: Vec<String>,
    /// Its environment.
    #[serde(default)]
    env: BTreeMap<String, String>,
    /// Files that are copied into it before it starts.
    #[serde(default)]
    #[schemars(length(max = 100))]
    files: Vec<TomlFile>,
    /// A command in it that ends well when it is ready. Without one it is ready when it runs.
    #[serde(default)]
    #[schemars(length(max = 100), example = ["pg_isready"])]
    ready: Vec<String>,
    /// It is the authority: faults of the DCS hit it.
    #[serde(default)]
    authority: bool,
}

/// The variable of templates that stands for the address of a service.
pub(in crate::manifest) fn variable_of(service: &str) -> String {
    format!("service.{service}")
}

impl TomlService {
    /// Its name, as it is written.
    pub(in crate::manifest) fn name(&self) -> &str {
        &self.name
    }
}

impl Service {
    /// As it is written, at this place in the manifest, with these variables besides those of the lab.
    ///
    /// # Errors
    /// The first value that cannot be, with its key, its line and a remedy.
    pub(in crate::manifest) fn of(
        source: Source<'_>,
        home: &Home,
        index: usize,
        toml: TomlService,
        more: &[String],
    ) -> Result<Service, InputError> {
        let at = |key: &str| format!("service[{index}].{key}");
        let TomlService { name, image, command, user, clear, env, files, ready, authority } = toml;
        let plain = name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if name::trouble(&name).is_some() || !plain || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            let problem = format!("`{}` is no name of a container", shown(&name));
            return Err(source.wrong(&at("name"), problem, "write small letters, such as \"monitor\""));
        }
        let is_node = name.strip_prefix('n').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
        let of_lab = TAKEN.iter().any(|taken| name.trim_end_matches(|one: char| one.is_ascii_digit()) == *taken);
        if is_node || of_lab || name.len() > 30 {
            let problem = format!("`{}` is the name of a node or of a part of the lab, or too long", shown(&name));
            return Err(source.wrong(&at("name"), problem, "choose another one, such as \"monitor\""));
        }
        if let Some(image) = &image {
            values::image(image).map_err(|(problem, help)| source.wrong(&at("image"), problem, help))?;
            render(image, |name| (name == "version").then(String::new)).map_err(|name| {
                let problem = format!("`{{{{{}}}}}` is no variable", shown(&name));
                source.wrong(&at("image"), problem, "use {{version}}")
            })?;
        }
        let node = TomlNode { command, user, clear };
        let command = NodeCommand::at(source, &at(""), node, more.iter().map(String::as_str), None)?;
        for (index, word) in ready.iter().enumerate() {
            let key = at(&format!("ready[{index}]"));
            words(word, "write a word of the command").map_err(|(problem, help)| source.wrong(&key, problem, help))?;
            let known = |name: &str| VARIABLES.contains(&name) || more.iter().any(|one| one == name);
            render(word, |name| known(name).then(String::new)).map_err(|name| {
                let problem = format!("`{{{{{}}}}}` is no variable", shown(&name));
                source.wrong(&key, problem, "use one of those of the templates")
            })?;
        }
        for (key, value) in &env {
            let held = values::environment(key, value);
            held.map_err(|(problem, help)| source.wrong(&at(&format!("env.{}", values::quoted(key))), problem, help))?;
        }
        let variables: Vec<&str> = VARIABLES.into_iter().chain(more.iter().map(String::as_str)).collect();
        let mut own: Vec<File> = Vec::new();
        for (place, one) in files.iter().enumerate() {
            own.push(checked_file(source, home, &at(&format!("files[{place}]")), one, &variables)?);
        }
        Ok(Service { name, image, command, env, files: own, ready, authority })
    }
}
