//! Data flows one way, scenario → lab → events → judge → report: the imports between the folders of the program.

use std::fs;
use std::path::{Path, PathBuf};

/// Every file and folder at the top of `src`: each imports only those before it, so no circle is possible.
const ORDER: [&str; 20] = [
    "fixtures",
    "input",
    "rules",
    "progress",
    "manifest",
    "scenario",
    "run",
    "observe",
    "lab",
    "history",
    "judge",
    "simulate",
    "picture",
    "coverage",
    "known",
    "report",
    "patroni_oracle",
    "cli",
    "lib",
    "main",
];

/// Imports that the order would allow, and that must not be: the judge knows no Docker, and is fed by files alone.
const NEVER: [(&str, &[&str]); 8] = [
    ("history", &["lab", "observe"]),
    ("judge", &["lab", "observe", "run", "progress"]),
    ("simulate", &["lab", "observe", "run"]),
    ("picture", &["lab", "observe", "run"]),
    ("coverage", &["lab", "observe"]),
    ("known", &["lab", "observe", "coverage"]),
    ("report", &["lab", "observe"]),
    ("patroni_oracle", &["lab", "observe", "judge", "history", "report"]),
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names that follow `crate::` in the code of a text, comments left out.
fn imports(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let after = code.flat_map(|line| line.split("crate::").skip(1));
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    after.map(|rest| &rest[..rest.find(|character| !is_name(character)).unwrap_or(rest.len())]).collect()
}

#[test]
fn folders_import_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let mut wrong = Vec::new();
    for file in files {
        let below = file.strip_prefix(&root).unwrap();
        let first = Path::new(below.iter().next().unwrap()).with_extension("");
        let folder = first.to_str().unwrap();
        let Some(own) = place(folder) else { panic!("where does {folder} stand in the order?") };
        let never = NEVER.iter().find(|(name, _)| *name == folder).map_or(&[][..], |(_, never)| *never);
        for import in imports(&fs::read_to_string(&file).unwrap()) {
            let allowed = import == folder || !never.contains(&import) && place(import).is_some_and(|at| at < own);
            if !allowed {
                wrong.push(format!("{}: crate::{import}", below.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "these imports go back:\n{}", wrong.join("\n"));
}
