//! Errors about the folder of a run, with their remedies.

use std::path::Path;
use std::{fmt, fs, io};

/// An operation on the run's folder that failed.
#[derive(Debug)]
pub struct RunDirError {
    doing: String,
    source: io::Error,
}

impl RunDirError {
    /// An operation that failed, for instance `"writing runs/x/events.jsonl"`.
    pub fn new(doing: impl Into<String>, source: io::Error) -> RunDirError {
        RunDirError { doing: doing.into(), source }
    }
}

impl fmt::Display for RunDirError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                write!(out, "{}: the disk is full; help: make room, or choose another disk with --out", self.doing)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                write!(out, "{}: {}; help: choose a folder that can be written to with --out", self.doing, self.source)
            }
            _ => write!(out, "{}: {}", self.doing, self.source),
        }
    }
}

impl std::error::Error for RunDirError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes a file of the run.
pub(super) fn write(file: &Path, text: &str) -> Result<(), RunDirError> {
    fs::write(file, text).map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
}
