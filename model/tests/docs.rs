//! The pages and tables about the model, held to what they are about.
//!
//! A table of files that is kept by hand drifts, and so does a generated page that nobody generates again.
//! `UPDATE_EXPECT=1 cargo test -p pghaspec-model --test docs` writes the generated pages from their committed rows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use pghaspec_model::timed::table;
use pghaspec_model::verify::matrix;

/// The modules that must have a table of their files: each has more than a newcomer can guess from the names.
const WITH_TABLES: [&str; 11] = [
    "belief",
    "cluster",
    "cluster/agent",
    "cluster/properties",
    "cluster/state",
    "cluster/world",
    "derive",
    "engine",
    "engine/liveness",
    "engine/search",
    "timed",
];

/// The most source files at one level of a folder.
const MOST_FILES: usize = 14;

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The folders at and below `folder`.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(folders(&path));
        }
    }
    all
}

/// The names of the files and folders beside `mod.rs`, folders with a slash behind.
fn siblings(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() { name + "/" } else { name }
    };
    entries.map(name).filter(|name| name != "mod.rs").collect()
}

/// The names in the first column of the table of files in a module's head; `None` if there is no such table.
fn listed(module: &str) -> Option<Vec<String>> {
    let head = module.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let mut rows = head.skip_while(|line| !line.starts_with("| file |"));
    rows.next()?;
    let cell = |row: &str| row.split('|').nth(1).unwrap().trim().trim_matches('`').to_owned();
    Some(rows.skip(1).take_while(|line| line.starts_with('|')).map(cell).collect())
}

#[test]
fn each_table_of_files_lists_the_files_that_exist() {
    let mut with_table = BTreeSet::new();
    for folder in folders(&sources()) {
        let Ok(module) = fs::read_to_string(folder.join("mod.rs")) else { continue };
        let Some(listed) = listed(&module) else { continue };
        let module = folder.strip_prefix(sources()).unwrap().to_string_lossy().replace('\\', "/");
        let names: BTreeSet<String> = listed.iter().cloned().collect();
        let siblings = siblings(&folder);
        let missing: Vec<_> = siblings.difference(&names).collect();
        let gone: Vec<_> = names.difference(&siblings).collect();
        assert!(missing.is_empty(), "the table of {module}/mod.rs lacks {missing:?}");
        assert!(gone.is_empty(), "the table of {module}/mod.rs names {gone:?}, which do not exist");
        assert_eq!(listed.len(), names.len(), "the table of {module}/mod.rs names a file twice");
        with_table.insert(module);
    }
    for module in WITH_TABLES {
        assert!(with_table.contains(module), "{module}/mod.rs has no table of its files");
    }
}

#[test]
fn no_folder_has_more_source_files_than_one_can_survey() {
    for folder in folders(Path::new(env!("CARGO_MANIFEST_DIR"))) {
        let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).count();
        assert!(sources <= MOST_FILES, "{} has {sources} source files at one level", folder.display());
    }
}

/// Compares a page with what is generated, or writes it if `UPDATE_EXPECT` is set.
fn is_as_generated(page: &str, generated: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(page);
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&file, generated).unwrap();
    }
    let committed = fs::read_to_string(&file).unwrap();
    assert!(
        committed == generated,
        "docs/{page} is not what its rows say; help: UPDATE_EXPECT=1 cargo test -p pghaspec-model --test docs"
    );
}

#[test]
fn the_assumption_matrix_shows_the_committed_rows() {
    let rows: Vec<matrix::Row> = serde_json::from_str(include_str!("../assumptions.json")).unwrap();
    is_as_generated("ASSUMPTIONS.md", &matrix::markdown(&rows));
}

#[test]
fn the_answers_about_time_show_the_committed_rows() {
    let rows: Vec<table::Row> = serde_json::from_str(include_str!("../timing.json")).unwrap();
    is_as_generated("TIMING.md", &table::markdown(&rows));
}
