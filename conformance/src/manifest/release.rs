//! Releases: their order, and what was found out about each.

use std::path::{Path, PathBuf};

use toml::Spanned;

use crate::input;
use crate::input::InputError;
use crate::patroni_oracle::release::Row;

/// The numbers of a release, to be compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(Vec<u32>);

impl Release {
    /// A release such as `4.1.5`; nothing for what has other parts than numbers.
    pub fn parse(text: &str) -> Option<Release> {
        text.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>().map(Release)
    }
}

/// The release that a manifest names at `key`.
///
/// # Errors
/// It is none.
pub fn of(file: &Path, text: &str, key: &str, written: &Spanned<String>) -> Result<Release, InputError> {
    Release::parse(written.get_ref()).ok_or_else(|| {
        InputError::of_file(file, format!("`{}` is no release", written.get_ref()), "write numbers and dots: 3.0.0")
            .at_key(key)
            .at_span(text, written.span())
    })
}

/// What `pghaspec diff` found of each release.
pub struct Table {
    /// Where it is written.
    pub file: PathBuf,
    rows: Vec<Row>,
}

impl Table {
    /// Reads a table as `pghaspec diff --write` leaves it.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn read(file: &Path) -> Result<Table, InputError> {
        let rows = serde_json::from_str(&input::read(file)?).map_err(|error| {
            InputError::of_file(
                file,
                format!("is no table of releases: {error}"),
                "write it with `pghaspec diff --write`",
            )
        })?;
        Ok(Table { file: file.to_path_buf(), rows })
    }

    /// The edition that a release follows, and the rules in which it differs from that; nothing for one that is not in the table, or
    /// that no rules explain.
    pub fn of(&self, release: &str) -> Option<(String, Vec<String>)> {
        let row = self.rows.iter().find(|row| row.release == release && row.mismatches == 0)?;
        Some((row.editions.last()?.clone(), row.rules.clone()))
    }

    /// All releases in it, in its order.
    pub fn releases(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.release.as_str())
    }
}
