//! Writes the results of a run into a folder, in the forms for programs and for people.

use std::fs;
use std::path::Path;

use super::results::FILE;
use super::{Results, html, junit};
use crate::run::error::RunDirError;

/// Writes `results.json`, `junit.xml` and `report.html`, each whole or not at all.
///
/// # Errors
/// A file cannot be written, for instance because the disk is full.
pub fn write(results: &Results, folder: &Path) -> Result<(), RunDirError> {
    let json = serde_json::to_string_pretty(results)
        .map_err(|error| RunDirError::new(format!("writing {}", folder.join(FILE).display()), error.into()))?;
    write_whole(&folder.join("junit.xml"), &junit::document(results))?;
    write_whole(&folder.join("report.html"), &html::page(results, folder))?;
    write_whole(&folder.join(FILE), &(json + "\n"))
}

fn write_whole(file: &Path, text: &str) -> Result<(), RunDirError> {
    let mut draft = file.as_os_str().to_owned();
    draft.push(".part");
    fs::write(&draft, text)
        .and_then(|()| fs::rename(&draft, file))
        .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error))
}
