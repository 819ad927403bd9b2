//! Checks of single values of `agent.toml`; each error says what is wrong with the value, and what would be right.

use std::collections::BTreeMap;

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;

use super::agent_toml::{Toml, TomlFile, TomlSays};
use super::paths::{Home, Trouble};
use super::patterns::regex;
use super::{File, Meaning, Release, Says, VARIABLES, render};
use crate::features;
use crate::input::{self, InputError, Source, shown, unknown};
use crate::untrusted::name;

/// Most files that a manifest puts into a node.
pub(super) const MOST_FILES: usize = 100;

/// Most patterns of a manifest.
pub(super) const MOST_SAYS: usize = 200;

/// Bytes of the longest value that stands on one line.
const LONGEST: usize = 4096;

/// Variables of the environment that are the lab's own.
const LABS: [&str; 3] = ["PGHASPEC_WATCHDOG", "LD_PRELOAD", "FAKETIME_"];

/// Folders of a node that no file can be put into.
const OF_THE_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

/// Holds the values of one `agent.toml` to what can be.
///
/// # Errors
/// The first one that cannot, with its key, its line and a remedy.
pub(super) fn check(source: Source<'_>, toml: &Toml) -> Result<(), InputError> {
    let at = |key: &str, held: Result<(), Trouble>| held.map_err(|(problem, help)| source.wrong(key, problem, help));
    let every = |key: &str, value: &Option<String>, held: fn(&str) -> Result<(), Trouble>| {
        at(key, value.as_deref().map_or(Ok(()), held))
    };
    every("name", &toml.name, agent_name)?;
    every("version", &toml.version, release)?;
    every("edition", &toml.edition, edition)?;
    every("image", &toml.image, image)?;
    every("leader_key", &toml.leader_key, etcd_key)?;
    every("sync_key", &toml.sync_key, etcd_key)?;
    every("data_volume", &toml.data_volume, folder_of_a_node)?;
    if let Some(ports) = &toml.ports {
        at("ports.postgres", port(ports.postgres))?;
    }
    if let Some(credentials) = &toml.credentials {
        at("credentials.user", words(&credentials.user, "write the name of a superuser, such as \"postgres\""))?;
        at("credentials.password", words(&credentials.password, "write the password of that superuser"))?;
    }
    if toml.build.as_ref().is_some_and(|build| build.len() > MOST_FILES) {
        at("build", no(format!("has more than {MOST_FILES} arguments"), "call a script of your own"))?;
    }
    for (index, sql) in toml.remote.iter().flat_map(|remote| &remote.sql).enumerate() {
        if sql.trim().is_empty() || sql.contains('\0') {
            at(&format!("remote.sql[{index}]"), no("is no statement", "write SQL, or leave it out"))?;
        }
    }
    for (index, feature) in toml.claims.iter().flat_map(|claims| &claims.features).enumerate() {
        if let Some(problem) = features::trouble(feature) {
            at(&format!("claims.features[{index}]"), Err((problem, features::help())))?;
        }
    }
    let recovers_s = toml.claims.as_ref().and_then(|claims| claims.recovers_s);
    if let Some(seconds) = recovers_s {
        let of = "seconds within which a cluster recovers";
        at("claims.recovers_s", input::within(seconds, 1, 3600, of).map(drop))?;
    }
    for (key, value) in &toml.env {
        at(&format!("env.{}", quoted(key)), environment(key, value))?;
    }
    for (name, followed) in &toml.releases {
        let key = format!("releases.{}", quoted(name));
        at(&key, release(name))?;
        at(&key, edition(followed))?;
    }
    for name in toml.variables.keys() {
        at(&format!("variables.{}", quoted(name)), variable(name))?;
    }
    Ok(())
}

/// A key as paths of keys write it.
pub(super) fn quoted(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    if bare { key.to_owned() } else { format!("\"{}\"", shown(key)) }
}

fn no(problem: impl Into<String>, help: impl Into<String>) -> Result<(), Trouble> {
    Err((problem.into(), help.into()))
}

/// Words on one line, of which something is seen.
pub(super) fn words(value: &str, help: &str) -> Result<(), Trouble> {
    if value.trim().is_empty() {
        return no("is empty", help);
    }
    if let Some(odd) = value.chars().find(|c| c.is_control()) {
        return no(format!("holds the control character {odd:?}"), help);
    }
    match value.len() > LONGEST {
        true => no(format!("is longer than {LONGEST} bytes"), help),
        false => Ok(()),
    }
}

fn agent_name(value: &str) -> Result<(), Trouble> {
    let help = "write a name such as \"my-agent\", or \"group/my-agent\"";
    let parts: Vec<&str> = value.split('/').collect();
    match parts.iter().find_map(|part| name::trouble(part)) {
        Some(trouble) if value.is_empty() => no(trouble, help),
        Some(trouble) => no(format!("`{}` {trouble}", shown(value)), help),
        None if parts.len() > 2 => no(format!("`{}` has more than two parts", shown(value)), help),
        None => Ok(()),
    }
}

/// A release: a part of the image's tag, and of the names of containers.
pub(super) fn release(value: &str) -> Result<(), Trouble> {
    let help = "write a release such as \"4.1.5\"";
    match name::trouble(value) {
        Some(trouble) if value.is_empty() => no(trouble, help),
        Some(trouble) => no(format!("`{}` {trouble}", shown(value)), help),
        None => Ok(()),
    }
}

/// An edition of the specification.
pub(super) fn edition(value: &str) -> Result<(), Trouble> {
    let all = Edition::ALL.map(Edition::id);
    match Edition::from_id(value) {
        Some(_) => Ok(()),
        None => no(
            unknown("edition", value, all),
            format!("use one of: {}; `pghaspec list editions` says what they are", all.join(", ")),
        ),
    }
}

pub(super) fn image(value: &str) -> Result<(), Trouble> {
    let help = "write a reference such as \"my-agent:{{version}}\", or \"registry:5000/group/agent:1.0\"";
    words(value, help)?;
    // An unknown variable is told when it is filled in.
    let filled = render(value, |_| Some("1".to_owned())).unwrap_or_else(|_| value.to_owned());
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | ':' | '@');
    if let Some(odd) = filled.chars().find(|c| !plain(*c)) {
        return no(format!("`{}` is no image: it holds {odd:?}", shown(value)), help);
    }
    let repository = filled.split('@').next().unwrap_or_default();
    let repository = match repository.rsplit_once(':') {
        Some((before, tag)) if !tag.contains('/') => {
            if tag.is_empty() || tag.starts_with(['.', '-']) || tag.len() > 128 {
                return no(format!("`{}` is no image: its tag is none", shown(value)), help);
            }
            before
        }
        _ => repository,
    };
    let path = repository.split_once('/').map_or(repository, |(host, path)| {
        if host.contains(['.', ':']) || host == "localhost" { path } else { repository }
    });
    if path.split('/').any(|part| part.is_empty() || part.starts_with(['.', '-', '_', ':'])) {
        return no(format!("`{}` is no image: a part of its name is none", shown(value)), help);
    }
    match path.chars().any(|c| c.is_ascii_uppercase()) {
        true => no(format!("`{}` is no image: its name has capitals", shown(value)), help),
        false => Ok(()),
    }
}

fn etcd_key(value: &str) -> Result<(), Trouble> {
    let help = "write the key as the agent does, such as \"/service/{{scope}}/leader\"";
    words(value, help)?;
    if value.trim() != value {
        return no("begins or ends with a blank", help);
    }
    match value.starts_with("/pghaspec/") {
        true => no(format!("`{}` is one of the lab's own keys", shown(value)), help),
        false => Ok(()),
    }
}

/// An absolute path in a node that leads nowhere else.
fn absolute(value: &str, help: &str) -> Result<(), Trouble> {
    words(value, help)?;
    if !value.starts_with('/') {
        return no(format!("`{}` is not absolute: it does not begin with `/`", shown(value)), help);
    }
    if value.contains("{{") {
        return no(format!("`{}` holds a variable, and none is filled in here", shown(value)), help);
    }
    if value.split('/').any(|part| part == "..") {
        return no(format!("`{}` holds `..`", shown(value)), help);
    }
    let normal = normal(value);
    if normal == "/" {
        return no(format!("`{}` is the root of all", shown(value)), help);
    }
    let below = |folder: &&str| normal == **folder || normal.starts_with(&format!("{folder}/"));
    match OF_THE_KERNEL.iter().find(|folder| below(folder)) {
        Some(folder) => no(format!("`{}` lies in {folder}, which is the kernel's", shown(value)), help),
        None => Ok(()),
    }
}

/// A path without empty parts and `.`.
fn normal(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    format!("/{}", parts.collect::<Vec<_>>().join("/"))
}

pub(super) fn folder_of_a_node(value: &str) -> Result<(), Trouble> {
    absolute(value, "write a folder of the node, such as \"/var/lib/postgresql\"")
}

fn port(value: u16) -> Result<(), Trouble> {
    match value {
        0 => no("0 is no port", "write a number from 1 to 65535, such as `postgres = 5432`"),
        _ => Ok(()),
    }
}

pub(super) fn environment(key: &str, value: &str) -> Result<(), Trouble> {
    let help = "write NAME = \"value\" below `[env]`, with letters, digits and `_` in the name";
    if key.is_empty() {
        return no("a variable without a name", help);
    }
    if let Some(odd) = key.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_') {
        return no(format!("the name of a variable holds {odd:?}"), help);
    }
    if key.starts_with(|c: char| c.is_ascii_digit()) {
        return no("the name of a variable begins with a digit", help);
    }
    if LABS.iter().any(|lab| key == *lab || lab.ends_with('_') && key.starts_with(lab)) {
        return no("is set by the lab", "leave it out");
    }
    if value.contains('\0') {
        return no("its value holds a NUL", help);
    }
    if value.contains("{{") {
        let help = "variables are filled in in files with `template = true`";
        return no("its value holds `{{`, and no variable is filled in here", help);
    }
    match value.len() > LONGEST {
        true => no(format!("its value is longer than {LONGEST} bytes"), "put it into a file"),
        false => Ok(()),
    }
}

/// The name of a variable of the manifest's own.
fn variable(name: &str) -> Result<(), Trouble> {
    let help = "write a name with letters, digits and `_`, such as `start_timeout`";
    let odd = name.chars().find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-'));
    if let Some(odd) = odd {
        return no(format!("the name of a variable holds {odd:?}"), help);
    }
    if name.is_empty() {
        return no("a variable without a name", help);
    }
    match VARIABLES.contains(&name) {
        true => no(format!("`{name}` is a variable of the lab's"), "choose another name"),
        false => Ok(()),
    }
}

/// The variables of releases older than one; their names are those of `[variables]`.
pub(super) fn checked_older(
    source: Source<'_>,
    index: usize,
    (than, own): (&str, &BTreeMap<String, String>),
    variables: &BTreeMap<String, String>,
) -> Result<Release, InputError> {
    if let Some(name) = own.keys().find(|name| !variables.contains_key(*name)) {
        let problem = unknown("variable", name, variables.keys().map(String::as_str));
        let help = "give it a value for newer releases below `[variables]`";
        return Err(source.wrong(&format!("older[{index}].variables.{}", quoted(name)), problem, help));
    }
    Release::parse(than).ok_or_else(|| {
        let problem = format!("`{}` is no release", shown(than));
        source.wrong(&format!("older[{index}].than"), problem, "write numbers and dots: than = \"3.0.0\"")
    })
}

/// The file that is copied into each node, if it is there and its variables are known.
pub(super) fn checked_file(
    source: Source<'_>,
    home: &Home,
    place: &str,
    one: &TomlFile,
    variables: &[&str],
) -> Result<File, InputError> {
    let key = |part: &str| format!("{place}.{part}");
    let at = |part: &'static str| move |(problem, help): Trouble| source.wrong(&key(part), problem, help);
    let from = home.file(&one.from).map_err(at("from"))?;
    absolute(&one.to, "write the file's path in the node, such as \"/etc/agent.yml\"").map_err(at("to"))?;
    if one.to.ends_with('/') {
        let help = "write the file's own path in the node, such as \"/etc/agent.yml\"".to_owned();
        return Err(at("to")((format!("`{}` is a folder", shown(&one.to)), help)));
    }
    if one.template {
        let content = input::read(&from)?;
        render(&content, |name| variables.contains(&name).then(String::new)).map_err(|name| {
            let line = content.find("{{").map_or(1, |_| line_of(&content, &name));
            unknown_variable(&from, &name, variables).at_key(format!("{{{{{}}}}}", shown(&name))).at_line(line)
        })?;
    }
    Ok(File { name: home.shown(&from), from, to: normal(&one.to), template: one.template })
}

/// The line on which a variable stands that is not known.
fn line_of(content: &str, name: &str) -> usize {
    let has = |line: &str| line.split("{{").skip(1).any(|rest| rest.trim_start().starts_with(name));
    content.lines().position(has).map_or(1, |index| index + 1)
}

/// The meaning of a message, if the pattern and the branch are right.
pub(super) fn checked_says(source: Source<'_>, index: usize, one: &TomlSays) -> Result<Says, InputError> {
    let key = |part: &str| format!("says[{index}].{part}");
    let pattern = regex(source, &key("pattern"), &one.pattern)?;
    let meaning = match (&one.branch, &one.name) {
        (Some(branch), None) => match Branch::from_id(branch) {
            Some(branch) => Meaning::Branch(branch),
            None => {
                let known = Branch::ALL.map(Branch::id);
                let problem = unknown("branch of recover", branch, known);
                let help = format!("use one of: {}; or give it a `name`", known.join(", "));
                return Err(source.wrong(&key("branch"), problem, help));
            }
        },
        (None, Some(name)) => {
            let help = "write a name for what the agent says, such as \"promoted\"";
            words(name, help).map_err(|(problem, help)| source.wrong(&key("name"), problem, help))?;
            Meaning::Name(name.clone())
        }
        (both, _) => {
            let problem = match both {
                Some(_) => "has a `branch` and a `name`: it means one thing",
                None => "has neither a `branch` nor a `name`",
            };
            return Err(source.wrong(&format!("says[{index}]"), problem, "write one of the two"));
        }
    };
    Ok(Says { pattern, meaning })
}

/// The error about a `{{variable}}` that is not known.
pub(super) fn unknown_variable(file: &std::path::Path, name: &str, known: &[&str]) -> InputError {
    let near =
        input::nearest(name, known.iter().copied()).map_or(String::new(), |near| format!("; the nearest is `{near}`"));
    let problem = format!("`{{{{{}}}}}` is no variable{near}", shown(name));
    InputError::of_file(file, problem, format!("use one of: {}", known.join(", ")))
}
