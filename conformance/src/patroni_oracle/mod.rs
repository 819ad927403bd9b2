//! The oracle: Patroni's released code beside the specification, function by function. Both have the same questions,
//! effects, messages and decisions, or the difference is told. It finds the rules of each release for `pghaspec diff`.
//!
//! | file | what |
//! | --- | --- |
//! | `environment.rs` | Python, a release and the packages that it imports, installed once and kept |
//! | `oracle.rs` | runs the released functions under the harness of `fixtures/oracle/` |
//! | `stderr.rs` | the words by which pip, Python and the harness say why they failed |
//! | `record.rs` | what a run of a released function asked, did and said |
//! | `compare.rs` | the same run through our function |
//! | `world.rs` | functions that are compared by their effects on the world |
//! | `rewinds.rs` | the comparison of two data directories |
//! | `vector.rs` | one vector of any of these functions |
//! | `explain.rs` | the rules that explain a release |
//! | `release.rs` | one release, from its installation to its explanation |
//! | `table.rs` | the table of all releases, and what changed in each |

pub mod compare;
pub mod environment;
pub mod explain;
pub mod oracle;
pub mod record;
pub mod release;
pub mod rewinds;
mod stderr;
pub mod table;
pub mod vector;
pub mod world;

use std::error::Error;
use std::fmt;

/// A release that could not be compared.
#[derive(Debug)]
pub struct DiffError {
    /// The problem, its place, and the remedy.
    pub message: String,
    /// The kind of trouble, which decides the exit code.
    pub kind: ErrorKind,
    /// The error that told of it, if one did; the message has its words.
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// There is no such release. Exit code 2.
    Usage,
    /// Python, the package index or the disk lacks something. Exit code 3.
    Environment,
    /// The harness failed, or met code that it does not know. Exit code 4.
    Harness,
}

impl DiffError {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        DiffError { message: message.into(), kind, source: None }
    }

    fn caused_by(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl fmt::Display for DiffError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.message)
    }
}

impl Error for DiffError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
