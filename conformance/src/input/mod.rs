//! Errors about the files that people write: which file, where in it, what is wrong, and what would be right.
//! Manifests, scenarios and lists of known deviations are read with them.
//!
//! | file | what |
//! | --- | --- |
//! | `explain.rs` | errors of the TOML reader in words |
//! | `syntax.rs` | errors of TOML's syntax in words |
//! | `place.rs` | paths of keys, and where they stand |
//! | `shape.rs` | the shape that a file must have, by its schema |
//! | `nearest.rs` | the known name that is nearest to a word |

mod explain;
mod nearest;
mod place;
mod shape;
mod syntax;

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;
use toml::de::DeTable;

use crate::untrusted::file;

pub use nearest::{nearest, shown, unknown};

/// A file that cannot be used.
#[derive(Clone, Debug)]
pub struct InputError {
    /// The file.
    pub file: PathBuf,
    /// Line in it, from 1, when the trouble has a place.
    pub line: Option<usize>,
    /// The key that the trouble is with, for instance `says[2].pattern`.
    pub key: Option<String>,
    /// The problem.
    pub problem: String,
    /// The remedy.
    pub help: Box<str>,
    /// The error that told of it, if one did; the problem has its words.
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl InputError {
    /// Trouble with a whole file.
    pub fn of_file(file: &Path, problem: impl Into<String>, help: impl Into<String>) -> InputError {
        InputError {
            file: file.to_path_buf(),
            line: None,
            key: None,
            problem: problem.into(),
            help: help.into().into_boxed_str(),
            source: None,
        }
    }

    /// Adds the key.
    pub fn at_key(mut self, key: impl Into<String>) -> InputError {
        self.key = Some(key.into());
        self
    }

    /// Adds the line, from 1.
    pub fn at_line(mut self, line: usize) -> InputError {
        self.line = Some(line);
        self
    }

    /// Adds the line on which the byte range `span` of `text` begins.
    pub fn at_span(mut self, text: &str, span: Range<usize>) -> InputError {
        let before = text.get(..span.start).unwrap_or(text);
        self.line = Some(before.matches('\n').count() + 1);
        self
    }

    /// Adds the error that told of it.
    pub fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> InputError {
        self.source = Some(Arc::new(source));
        self
    }
}

impl fmt::Display for InputError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(out, ":{line}")?;
        }
        write!(out, ": ")?;
        if let Some(key) = &self.key {
            write!(out, "{key}: ")?;
        }
        write!(out, "{}; help: {}", self.problem.trim_end(), self.help)
    }
}

impl Error for InputError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

/// Reads a whole text file that people write, of at most 4 MiB. A byte order mark is left out.
///
/// # Errors
/// The file cannot be read, is no regular file, is longer, or is no UTF-8.
pub fn read(file: &Path) -> Result<String, InputError> {
    read_up_to(file, file::WRITTEN)
}

/// Reads a whole text file of at most `most` bytes. A byte order mark is left out.
///
/// # Errors
/// As of [`read`].
pub fn read_up_to(file: &Path, most: u64) -> Result<String, InputError> {
    let bytes = file::read(file, most).map_err(|error| {
        InputError::of_file(file, format!("cannot be read: {error}"), unreadable_help(error.kind())).caused_by(error)
    })?;
    text(file, bytes)
}

/// The remedy for a file that cannot be read.
fn unreadable_help(kind: io::ErrorKind) -> &'static str {
    match kind {
        io::ErrorKind::NotFound => "name a file that is there",
        io::ErrorKind::PermissionDenied => "name a file that you may read, or change its permissions",
        io::ErrorKind::FileTooLarge => "name a file that somebody wrote; none is as long",
        _ => "name a readable, regular file",
    }
}

/// A number that a file may hold: from `least` to `most`, for the reason `why`.
///
/// # Errors
/// It is out of range: the problem, and the remedy.
pub fn within<N>(value: N, least: N, most: N, why: &str) -> Result<N, (String, String)>
where
    N: Copy + PartialOrd + fmt::Display,
{
    match (least..=most).contains(&value) {
        true => Ok(value),
        false => Err((format!("{value} is out of range"), format!("write a number from {least} to {most}: {why}"))),
    }
}

/// The text of a file's bytes, without a byte order mark.
///
/// # Errors
/// They are no UTF-8; the error names the line.
pub fn text(file: &Path, bytes: Vec<u8>) -> Result<String, InputError> {
    let mut text = String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
        let problem = format!("is no UTF-8: byte {valid} is {:#04x}", error.as_bytes()[valid]);
        InputError::of_file(file, problem, "save it as UTF-8").at_line(line).caused_by(error)
    })?;
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(text)
}

/// A text that was read, for errors about places in it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'t> {
    /// Its file.
    pub file: &'t Path,
    /// The text.
    pub text: &'t str,
}

impl Source<'_> {
    /// Trouble with a key, by its path, such as `says[2].pattern`; the line is that of the value.
    pub fn wrong(&self, key: &str, problem: impl Into<String>, help: impl Into<String>) -> InputError {
        let error = InputError::of_file(self.file, problem, help).at_key(key);
        let Ok(table) = DeTable::parse(self.text) else { return error };
        match place::span_of(table.get_ref(), &place::Path::parse(key)) {
            Some(span) => error.at_span(self.text, span),
            None => error,
        }
    }
}

/// The JSON Schema of a type that files are read into, as `pghaspec schema` prints it.
pub fn schema<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>().to_value()
}

/// Parses TOML whose keys must all be known.
///
/// # Errors
/// The text is no TOML, lacks a key, or has a key or value that is not known; the error names the line and the key, and
/// a value that would be right.
pub fn parse<T: DeserializeOwned + JsonSchema>(file: &Path, text: &str) -> Result<T, InputError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let source = Source { file, text };
        if text.trim().is_empty() {
            let keys = schema::<T>().get("required").map_or(String::new(), ToString::to_string);
            return InputError::of_file(file, "is empty", format!("write the keys {keys}")).caused_by(error);
        }
        explain::explain(source, &error, &schema::<T>()).caused_by(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        #[allow(dead_code, reason = "only parsed")]
        known: u32,
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = parse::<Sample>(Path::new("x.toml"), "known = 1\nunknown = 2\n").unwrap_err();
        assert_eq!(error.line, Some(2));
        assert_eq!(error.key.as_deref(), Some("unknown"));
        assert!(
            error.to_string().starts_with("x.toml:2: unknown: there is no such key; help: write `known`"),
            "{error}"
        );
    }

    #[test]
    fn what_is_wrong_is_told_with_its_remedy_and_its_cause() {
        let error = read(Path::new("/nowhere/x.toml")).unwrap_err();
        assert!(error.to_string().ends_with("; help: name a file that is there"), "{error}");
        assert!(error.source().is_some());
        let error = text(Path::new("x.toml"), b"title = 1\nwhy = \"\xff\"".to_vec()).unwrap_err();
        assert_eq!(error.to_string(), "x.toml:2: is no UTF-8: byte 17 is 0xff; help: save it as UTF-8");
        assert_eq!(text(Path::new("x.toml"), "\u{feff}a".into()).unwrap(), "a");
    }

    #[test]
    fn a_missing_key_is_named() {
        let error = parse::<Sample>(Path::new("x.toml"), "# nothing\n").unwrap_err();
        let told = "x.toml: known: is missing; help: write `known = 0` at the head of the file, before the first `[`";
        assert_eq!(error.to_string(), told);
        let error = parse::<Sample>(Path::new("x.toml"), " \n").unwrap_err();
        assert!(error.problem.contains("is empty"), "{error}");
    }

    #[test]
    fn a_value_of_another_type_is_told_with_one_that_is_right() {
        let told = |text: &str| parse::<Sample>(Path::new("x.toml"), text).unwrap_err().to_string();
        for (text, words) in [
            (
                "known = \"7\"",
                "x.toml:1: known: a string, where a whole number, 0 or more is wanted; help: write `known = 7`",
            ),
            (
                "\nknown = [7]",
                "x.toml:2: known: a list, where a whole number, 0 or more is wanted; help: write `known = 7`",
            ),
            ("known = \"7 s\"", "help: write `known = 7`"),
            ("known = true", "`true` or `false`, where a whole number"),
            ("known = -1", "known: -1 is out of range: a whole number, 0 or more is wanted; help: write `known = 0`"),
            ("known = 7.5", "a number with a fraction, where a whole number"),
            ("known = 2026-11-30", "a date or a time, where"),
            ("known = seven", "known: a value without quotes; help: write `known = \"seven\"`"),
            ("known = \"seven", "known: a string that is not closed; help: write `known = \"seven\"`"),
            ("known 7", "known: a key without `=`; help: write"),
            ("known: 7", "known: a key without `=`; help: write"),
            ("known =", "known: a key without a value; help: write"),
            ("known = 7\nknown = 8", "x.toml:2: known: is written twice; help: keep one of the two lines"),
            ("known = 07", "known: a number that is none"),
            ("[known\n", "known: a header that is not closed"),
            ("{\"known\": 7}", "is no TOML"),
        ] {
            assert!(told(text).contains(words), "{text}: {}", told(text));
        }
    }
}
