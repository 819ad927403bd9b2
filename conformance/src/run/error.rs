//! What did not work about the folder of a run, and what mends it.

use std::path::Path;
use std::{fmt, fs, io};

/// Something about the run's folder did not work.
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
                write!(out, "{}: the disk is full; make room, or choose another disk with --out", self.doing)
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                write!(out, "{}: {}; choose a folder that can be written to with --out", self.doing, self.source)
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

/// Writes a file.
pub(super) fn write(file: &Path, text: &str) -> Result<(), RunDirError> {
    fs::write(file, text).map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
}
