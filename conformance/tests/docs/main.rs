//! The documentation beside the program: what is generated is up to date, what is shown can be read, commands do what
//! is said, links lead somewhere.
//!
//! `UPDATE_EXPECT=1 cargo test -p pghaspec --test docs` writes anew what is generated.

mod agents;
mod cli;
mod commands;
mod events;
mod findings;
mod links;
mod markdown;
mod picture;
mod readme;
mod verdicts;

use std::path::Path;

/// Compares a generated file with what is committed, or writes it if `UPDATE_EXPECT` says so.
#[track_caller]
fn assert_generated(file: &str, text: &str) {
    let path = markdown::root().join(file);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        std::fs::write(&path, text).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = committed.lines().zip(text.lines()).position(|(one, other)| one != other);
    assert!(
        committed == text,
        "{file} is not what is generated, from line {} on; help: UPDATE_EXPECT=1 cargo test -p pghaspec --test docs",
        differs.unwrap_or(committed.lines().count().min(text.lines().count())) + 1
    );
}

/// The text of a file, by its path from the repository's root.
fn read(file: impl AsRef<Path>) -> String {
    let path = markdown::root().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
