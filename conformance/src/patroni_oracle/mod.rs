//! The specification beside the released code: the same questions, effects, messages and decisions, or a difference by name.
//!
//! | file | what |
//! | --- | --- |
//! | `environment.rs` | Python, a release and what it imports, installed once and kept |
//! | `oracle.rs` | runs the released functions under the harness of `fixtures/oracle/` |
//! | `record.rs` | what a run of a released function asked, did and said |
//! | `compare.rs` | the same run through our function |
//! | `world.rs` | functions that are compared by what they make of the world |
//! | `rewinds.rs` | the comparison of two data directories |
//! | `vector.rs` | what they have in common |
//! | `explain.rs` | which rules explain a release |
//! | `release.rs` | one release, from its installation to its explanation |
//! | `table.rs` | what changed in which release |

pub mod compare;
pub mod environment;
pub mod explain;
pub mod oracle;
pub mod record;
pub mod release;
pub mod rewinds;
pub mod table;
pub mod vector;
pub mod world;

/// A difference or an error that is worth telling says this much about where it was.
#[derive(Debug)]
pub struct DiffError {
    /// What is wrong, where, and how to mend it.
    pub message: String,
    /// The environment lacks something, or the user asked for what there is not.
    pub kind: ErrorKind,
}

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such release.
    Usage,
    /// Python, the package index, the disk.
    Environment,
    /// The harness met code that it does not know.
    Harness,
}

impl DiffError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        DiffError { message: message.into(), kind }
    }
}

impl std::fmt::Display for DiffError {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.message)
    }
}

impl std::error::Error for DiffError {}
