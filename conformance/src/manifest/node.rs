//! The agent's command, for an image that has no entrypoint of the lab's kind: a supervisor that the lab brings along
//! runs it. So an ordinary image serves.

use schemars::JsonSchema;
use serde::Deserialize;

use super::VARIABLES;
use super::paths::Trouble;
use super::template::render;
use super::values::{folder_of_a_node, words};
use crate::input::{InputError, Source, shown, unknown};
use crate::untrusted::name;

/// Most words of a command, and most folders.
const MOST: usize = 100;

/// The command of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeCommand {
    /// The agent's program and its arguments, which may hold `{{variables}}` of the templates.
    pub command: Vec<String>,
    /// The user that it runs as; root if none is named.
    pub user: Option<String>,
    /// Folders that are empty when the container starts, as `/run` is when a machine does.
    pub clear: Vec<String>,
}

/// The command of a node, as it is written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TomlNode {
    /// The agent's program and its arguments, which may hold `{{variables}}` of the templates. The lab's supervisor
    /// runs it, and starts it again when a scenario wants that.
    #[schemars(length(min = 1, max = 100), example = ["/usr/bin/my-agent", "/etc/my-agent.yml"])]
    pub(super) command: Vec<String>,
    /// The user that it runs as; root if none is named. The image has to have `setpriv` then.
    #[schemars(length(min = 1), example = &"postgres")]
    pub(super) user: Option<String>,
    /// Folders of the node that are empty when its container starts, as `/run` is when a machine does.
    #[serde(default)]
    #[schemars(length(max = 100), example = ["/run/postgresql"])]
    pub(super) clear: Vec<String>,
}

impl NodeCommand {
    /// As it is written, with these variables besides those of the lab.
    ///
    /// # Errors
    /// The first value that cannot be, with its key, its line and a remedy.
    pub(super) fn of<'v>(
        source: Source<'_>,
        toml: TomlNode,
        more: impl Iterator<Item = &'v str>,
        data_volume: Option<&str>,
    ) -> Result<NodeCommand, InputError> {
        NodeCommand::at(source, "node.", toml, more, data_volume)
    }

    /// As [`NodeCommand::of`], of keys that begin with `place`.
    ///
    /// # Errors
    /// As of that.
    pub(super) fn at<'v>(
        source: Source<'_>,
        place: &str,
        toml: TomlNode,
        more: impl Iterator<Item = &'v str>,
        data_volume: Option<&str>,
    ) -> Result<NodeCommand, InputError> {
        let wrong = |key: &str, (problem, help): Trouble| source.wrong(key, problem, help);
        let at = |key: &str| format!("{place}{key}");
        let TomlNode { command, user, clear } = toml;
        for (key, all) in [(at("command"), &command), (at("clear"), &clear)] {
            if all.len() > MOST {
                return Err(source.wrong(&key, format!("has more than {MOST} words"), "put a script into the image"));
            }
        }
        if command.is_empty() {
            let help = "write the program and its arguments: command = [\"/usr/bin/my-agent\"]";
            return Err(source.wrong(&at("command"), "is empty", help));
        }
        let known: Vec<&str> = VARIABLES.into_iter().chain(more).collect();
        for (index, word) in command.iter().enumerate() {
            let key = at(&format!("command[{index}]"));
            words(word, "write a word of the command").map_err(|trouble| wrong(&key, trouble))?;
            render(word, |name| known.contains(&name).then(String::new)).map_err(|name| {
                let problem = unknown("variable", &name, known.iter().copied());
                source.wrong(&key, problem, format!("use one of: {}", known.join(", ")))
            })?;
        }
        if let Some(trouble) = user.as_deref().and_then(name::trouble) {
            let problem = format!("`{}` {trouble}", shown(user.as_deref().unwrap_or_default()));
            return Err(source.wrong(&at("user"), problem, "name a user of the image, such as \"postgres\""));
        }
        for (index, folder) in clear.iter().enumerate() {
            let key = at(&format!("clear[{index}]"));
            folder_of_a_node(folder).map_err(|trouble| wrong(&key, trouble))?;
            let holds = |data: &str| data == folder || data.starts_with(&format!("{}/", folder.trim_end_matches('/')));
            if folder.contains(char::is_whitespace)
                || folder.trim_matches('/').is_empty()
                || data_volume.is_some_and(holds)
            {
                let problem = format!("`{}` is no folder that may be emptied", shown(folder));
                return Err(source.wrong(&key, problem, "name one of sockets and locks, such as \"/run/postgresql\""));
            }
        }
        Ok(NodeCommand { command, user, clear })
    }
}
