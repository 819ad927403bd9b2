//! Checks of single values of `agent.toml`; each error names file, line, key and remedy.

use std::path::Path;

use pghaspec_model::recover::branch::Branch;
use regex::Regex;
use toml::Spanned;

use super::agent_toml::{TomlFile, TomlSays};
use super::{File, Meaning, Says, render};
use crate::input;
use crate::input::InputError;

/// The file that is copied into each node, if it is there and its variables are known.
pub(super) fn checked_file(
    file: &Path,
    text: &str,
    folder: &Path,
    index: usize,
    one: TomlFile,
    variables: &[&str],
) -> Result<File, InputError> {
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
        render(&content, |name| variables.contains(&name).then(String::new))
            .map_err(|name| unknown_variable(&from, &name, variables))?;
    }
    Ok(File { from, to: one.to, template: one.template })
}

/// The meaning of a message, if the pattern and the branch are right.
pub(super) fn checked_says(file: &Path, text: &str, index: usize, one: &TomlSays) -> Result<Says, InputError> {
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

/// The regular expression at a key.
pub(super) fn regex(file: &Path, text: &str, key: &str, pattern: &Spanned<String>) -> Result<Regex, InputError> {
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

/// The error about a `{{variable}}` that is not known.
pub(super) fn unknown_variable(file: &Path, name: &str, known: &[&str]) -> InputError {
    InputError::of_file(file, format!("`{{{{{name}}}}}` is no variable"), format!("use one of: {}", known.join(", ")))
}
