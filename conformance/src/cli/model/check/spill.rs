//! The file of `--spill`: what a search seldom needs is moved there from memory.

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use pghaspec_model::engine::Spill;

use crate::cli::Failure;

/// A file whose name was removed, so that nothing is left over however the program ends.
pub struct SpillFile {
    file: File,
    /// The number of bytes written.
    end: Mutex<u64>,
    folder: PathBuf,
}

impl SpillFile {
    /// Makes the file, and the folder if it is missing.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn in_folder(folder: &Path) -> std::result::Result<SpillFile, Failure> {
        let path = folder.join(format!("pghaspec-spill-{}", std::process::id()));
        let made = std::fs::create_dir_all(folder)
            .and_then(|()| OpenOptions::new().read(true).write(true).create_new(true).open(&path))
            .and_then(|file| std::fs::remove_file(&path).map(|()| file));
        let file = made.map_err(|error| Failure::environment(format!("--spill {}: {error}", folder.display())))?;
        Ok(SpillFile { file, end: Mutex::new(0), folder: folder.to_owned() })
    }

    fn explained(&self, error: &Error) -> Error {
        Error::new(error.kind(), format!("{}: {error}", self.folder.display()))
    }
}

impl Spill for SpillFile {
    fn append(&self, bytes: &[u8]) -> Result<u64> {
        let mut end = self.end.lock().expect("nobody panics while writing");
        self.file.write_all_at(bytes, *end).map_err(|error| self.explained(&error))?;
        let offset = *end;
        *end += bytes.len() as u64;
        Ok(offset)
    }

    fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact_at(bytes, offset).map_err(|error| self.explained(&error))
    }
}
