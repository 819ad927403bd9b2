//! Writes the results of a run into a folder, in the forms for programs and for people.

use std::path::Path;

use super::results::FILE;
use super::{Results, html, junit};
use crate::run::error::{RunDirError, write as write_whole};

/// Writes `results.json`, `junit.xml` and `report.html`, each whole or not at all.
///
/// # Errors
/// A file cannot be written, for instance because the disk is full.
pub fn write(results: &Results, folder: &Path) -> Result<(), RunDirError> {
    for (name, text) in made(results, folder)? {
        write_whole(&folder.join(name), &text)?;
    }
    Ok(())
}

/// The names and the texts of these files, `results.json` last. The page holds the pictures that are in the folder.
///
/// # Errors
/// The results cannot be written as JSON.
pub fn made(results: &Results, folder: &Path) -> Result<[(&'static str, String); 3], RunDirError> {
    let json = serde_json::to_string_pretty(results)
        .map_err(|error| RunDirError::new(format!("writing {}", folder.join(FILE).display()), error.into()))?;
    Ok([("junit.xml", junit::document(results)), ("report.html", html::page(results, folder)), (FILE, json + "\n")])
}
