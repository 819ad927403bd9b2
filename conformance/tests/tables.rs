//! The tables of files at the head of modules are complete: each names all siblings of its file, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// All module heads, `mod.rs` and `lib.rs`, in a folder.
fn heads(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            heads(&path, found);
        } else if path.ends_with("mod.rs") || path.ends_with("lib.rs") {
            found.push(path);
        }
    }
}

/// The names in the first column of the table of files, `name.rs` or `name/`; nothing if there is no such table.
fn named(text: &str) -> Option<BTreeSet<String>> {
    let rows = text.lines().skip_while(|line| !line.starts_with("//! | file |"));
    let rows = rows.take_while(|line| line.starts_with("//! |")).skip(2);
    let cells = rows.map(|row| row.split('|').nth(1).unwrap_or_default());
    let names: BTreeSet<String> =
        cells.flat_map(|cell| cell.split(',')).map(|name| name.trim().trim_matches('`').to_owned()).collect();
    (!names.is_empty()).then_some(names)
}

/// The files and folders beside a module's head, as tables name them.
fn siblings(head: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(head.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        if path.is_dir() { Some(name + "/") } else { (path != head && name.ends_with(".rs")).then_some(name) }
    };
    entries.filter_map(name).collect()
}

#[test]
fn tables_of_files_are_complete() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    heads(&root, &mut files);
    let mut tables = 0;
    let mut wrong = Vec::new();
    for head in files {
        let Some(named) = named(&fs::read_to_string(&head).unwrap()) else { continue };
        tables += 1;
        let siblings = siblings(&head);
        let place = head.strip_prefix(&root).unwrap().display();
        wrong.extend(siblings.difference(&named).map(|name| format!("{place}: the table lacks {name}")));
        wrong.extend(named.difference(&siblings).map(|name| format!("{place}: there is no {name}")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(tables > 8, "only {tables} tables were found");
}

#[test]
fn a_table_is_read() {
    let text =
        "//! Head.\n//!\n//! | file | what |\n//! | --- | --- |\n//! | `a.rs`, `b.rs` | `c.rs` |\n//! | `d/` | d |\n\n";
    assert_eq!(named(text).unwrap(), ["a.rs", "b.rs", "d/"].map(str::to_owned).into());
    assert_eq!(named("//! | key | meaning |\n//! | --- | --- |\n//! | `a` | b |\n"), None);
}
