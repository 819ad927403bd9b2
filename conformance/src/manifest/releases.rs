//! The table of all releases, `releases.json`: the edition that each follows, and the rules in which it differs.
//!
//! `pghaspec diff --write` writes it; a manifest that names it takes the edition of a release from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pghaspec_model::rules::edition::Edition;
use serde::{Deserialize, Serialize};

use crate::input;
use crate::input::{InputError, shown, unknown};
use crate::rules;

/// One release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The release, such as `4.1.5`.
    pub release: String,
    /// The editions whose rules explain it, the newest last; if none does, the nearest.
    pub editions: Vec<String>,
    /// The rules that are not those of the last of these editions, `rule: position` each.
    pub rules: Vec<String>,
    /// Rules that nothing in the compared runs depends on: the release may have them either way.
    pub undecided: Vec<String>,
    /// Number of runs that are compared, by function.
    pub vectors: BTreeMap<String, usize>,
    /// Number of runs that are not compared since the model has no such world, by reason.
    pub outside: BTreeMap<String, usize>,
    /// For each function that is compared by its effects, a digest of all that it asked, did and said. A release does
    /// not change any more: if the digest differs, the harness has changed.
    pub records: BTreeMap<String, String>,
    /// Number of runs that these rules do not explain.
    pub mismatches: usize,
}

/// The whole table.
pub struct Table {
    /// Its file.
    pub file: PathBuf,
    rows: Vec<Row>,
}

impl Table {
    /// Reads a table as `pghaspec diff --write` leaves it.
    ///
    /// # Errors
    /// The file cannot be read, or is no such table.
    pub fn read(file: &Path) -> Result<Table, InputError> {
        let wrong = |problem: String| InputError::of_file(file, problem, "write it with `pghaspec diff --write`");
        let rows: Vec<Row> = serde_json::from_str(&input::read(file)?).map_err(|error| {
            wrong(format!("is no table of releases: {error}")).at_line(error.line().max(1)).caused_by(error)
        })?;
        for (index, row) in rows.iter().enumerate() {
            let edition = row.editions.iter().find(|edition| Edition::from_id(edition).is_none());
            let problem = match (edition, row.rules.iter().find_map(|rule| rules::trouble(rule))) {
                (Some(edition), _) => unknown("edition", edition, Edition::ALL.map(Edition::id)),
                (None, Some(problem)) => problem,
                (None, None) => continue,
            };
            return Err(wrong(problem).at_key(format!("[{index}] ({})", shown(&row.release))));
        }
        Ok(Table { file: file.to_path_buf(), rows })
    }

    /// The edition that a release follows, and the rules in which it differs from that edition; nothing for a release
    /// that is not in the table, or that no rules explain.
    pub fn of(&self, release: &str) -> Option<(String, Vec<String>)> {
        let row = self.rows.iter().find(|row| row.release == release && row.mismatches == 0)?;
        Some((row.editions.last()?.clone(), row.rules.clone()))
    }

    /// The names of all releases, in the order of the table.
    pub fn releases(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(|row| row.release.as_str())
    }
}
