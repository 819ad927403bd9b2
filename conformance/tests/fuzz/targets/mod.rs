//! The parsers of what others write, each as a function of bytes. Its outcome in words tells ways through it apart.
//!
//! | file | targets |
//! | --- | --- |
//! | `written.rs` | what people write: manifests, scenarios, lists |
//! | `recorded.rs` | recorded histories, their lines, and the judge on them |
//! | `documents.rs` | JSON documents: plans, results, outcomes, derived items, tables of releases |
//! | `sent.rs` | what comes with a certificate |
//! | `observed.rs` | what containers say: reports on processes, logs, agents' messages |

mod documents;
mod observed;
mod recorded;
mod sent;
mod written;

use std::path::{Path, PathBuf};

/// Makes an input whole again that a change has made trivially wrong.
pub type Repair = fn(&[u8]) -> Vec<u8>;

/// A parser.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its corpus.
    pub name: &'static str,
    /// The parser.
    pub run: fn(&[u8]) -> String,
    /// Inputs of the fixtures.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Words that mean something in inputs.
    pub words: &'static [&'static str],
    /// Makes an input that was changed well-formed in a way that no mutation hits by chance.
    pub repair: Option<Repair>,
}

/// All of them.
pub const ALL: [Target; 19] = [
    written::AGENT,
    written::SCENARIO,
    written::DEVIATIONS,
    written::FAILED_BY,
    written::UNCOVERED,
    recorded::LINE,
    recorded::HISTORY,
    recorded::PARTS,
    documents::PLAN,
    documents::RESULTS,
    documents::OUTCOME,
    documents::DERIVED,
    documents::RELEASES,
    sent::CERTIFICATE,
    sent::SIGNATURE,
    sent::RECORDS,
    observed::REPORTS,
    observed::MESSAGES,
    observed::ORACLE,
];

/// The words of an outcome.
fn outcome<T, E: std::fmt::Display>(outcome: Result<T, E>) -> String {
    match outcome {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// Files of the fixtures below a folder whose names end so, sorted; at most so many bytes of each.
fn files(folder: &Path, ending: &str, most: usize) -> Vec<Vec<u8>> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    let bytes = files.iter().map(|file| std::fs::read(file).unwrap());
    bytes.filter(|bytes| bytes.len() <= most).collect()
}
