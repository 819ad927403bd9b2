//! Errors about the folder of a run, with their remedies.

use std::path::Path;
use std::{fmt, fs, io};

use crate::untrusted::folder::Folder;

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

/// Writes a file of the run, whole or not at all: a process that is killed meanwhile leaves the old file, and so does a
/// machine that loses its power.
pub(crate) fn write(file: &Path, text: &str) -> Result<(), RunDirError> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let written = || {
        let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        Folder::open(folder)?.write(&name, text.as_bytes())?;
        // The name is as lasting as the content.
        fs::File::open(folder)?.sync_all()
    };
    written().map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
}

/// Says whether a file of that name is one that a killed process was writing.
pub(super) fn is_draft(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".part")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_written_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("outcome.json");
        write(&file, "first").unwrap();
        write(&file, "second").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
        assert!(write(&folder.path().join("gone").join("x"), "text").is_err());
        // A link is replaced, and what it points to is not written.
        let target = folder.path().join("target");
        fs::write(&target, "kept").unwrap();
        fs::remove_file(&file).unwrap();
        std::os::unix::fs::symlink(&target, &file).unwrap();
        write(&file, "third").unwrap();
        assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    }
}
