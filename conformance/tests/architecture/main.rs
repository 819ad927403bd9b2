//! The shape of the house: who may know whom, no cycles, no crowded folders, no long lines, no dependency that nobody
//! uses. Each rule is held against the sources, and against a tree that breaks it.

mod dependencies;
mod graph;
mod imports;
mod rules;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use dependencies::unused;
use rules::{CRATES, Tree, broken_nevers, crowded_folders, idle_nevers, import_cycles, long_lines};

/// The repository's root.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file that somebody wrote: Rust, Python, shell, by name or by its first line.
fn sources() -> Tree {
    let mut tree = Tree::new();
    for folder in ["model", "conformance", "fixtures", "ci", ".ci"] {
        read(&root(), folder, &mut tree);
    }
    assert!(tree.len() > 300, "only {} files were found", tree.len());
    for file in ["ci/check", "fixtures/images/observer/observe-processes", "conformance/tests/architecture/main.rs"] {
        assert!(tree.contains_key(file), "{file} was not found");
    }
    tree
}

fn read(root: &Path, folder: &str, tree: &mut Tree) {
    for entry in fs::read_dir(root.join(folder)).unwrap_or_else(|error| panic!("{folder}: {error}")) {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if !matches!(name.as_str(), "target" | "runs" | "__pycache__" | "traces") {
                read(root, &path, tree);
            }
            continue;
        }
        let by_name = [".rs", ".py", ".sh"].iter().any(|ending| name.ends_with(ending));
        if by_name || !name.contains('.') {
            let text = fs::read_to_string(entry.path()).unwrap_or_else(|error| panic!("{path}: {error}"));
            if by_name || text.starts_with("#!") {
                tree.insert(path, text);
            }
        }
    }
}

/// Says something that is seen without `--nocapture`, too.
fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

#[track_caller]
fn assert_none(broken: &[String]) {
    assert!(broken.is_empty(), "{} places:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn nobody_knows_what_it_must_not() {
    let tree = sources();
    assert_eq!(idle_nevers(&tree), Vec::<&str>::new(), "these are not there");
    assert_none(&broken_nevers(&tree));
}

#[test]
fn there_are_no_import_cycles() {
    let tree = sources();
    let mut all = Vec::new();
    for of in CRATES {
        let graph = rules::graph(&tree, of).unwrap();
        let imports: usize = graph.values().map(|to| to.len()).sum();
        let cycles = import_cycles(&tree, of);
        say(&format!("{of}: {} top modules, {imports} imports, {} cycles", graph.len(), cycles.len()));
        all.extend(cycles);
    }
    assert_none(&all);
}

#[test]
fn no_folder_is_crowded() {
    assert_none(&crowded_folders(&sources()));
}

#[test]
fn no_line_is_too_long() {
    assert_none(&long_lines(&sources()));
}

#[test]
fn every_dependency_is_used() {
    let read = |file: &str| fs::read_to_string(root().join(file)).unwrap();
    assert_none(&unused(&sources(), &["model", "conformance"], read));
}

/// The licence that the manifests name, and its texts.
#[test]
fn the_licences_are_there() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("license = \"MIT OR Apache-2.0\""));
    for (file, words) in
        [("LICENSE-MIT", "Permission is hereby granted"), ("LICENSE-APACHE", "Version 2.0, January 2004")]
    {
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(text.contains(words), "{file}");
    }
}

/// A tree of these files.
fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[track_caller]
fn assert_one(broken: &[String], words: &str) {
    assert!(broken.len() == 1 && broken[0].contains(words), "{words}: {broken:?}");
}

/// Each way to write an import that must not be.
#[test]
fn an_import_that_must_not_be_is_found() {
    for (file, text, words) in [
        ("judge/mod.rs", "use crate::lab::Lap;", "judge/mod.rs:1: conformance/src/judge must not name crate::lab"),
        ("judge/checks/one.rs", "\nuse super::super::super::lab;", "one.rs:2: conformance/src/judge must not name"),
        ("judge/mod.rs", "fn f() -> crate::lab::Lap { todo!() }", "must not name crate::lab"),
        ("judge/mod.rs", "fn f() { println!(\"{}\", crate::lab::f()) }", "must not name crate::lab"),
        ("judge/mod.rs", "use crate::{history, lab::{Lap, Part as P}};", "must not name crate::lab"),
        ("judge/mod.rs", "mod inner { use super::super::lab; }", "must not name crate::lab"),
        ("judge/mod.rs", "pub use bollard::Docker;", "must not name bollard"),
        ("history/mod.rs", "#[tokio::main] async fn f() {}", "must not name tokio"),
        ("observe/mod.rs", "use crate::judge::Verdict;", "observers record"),
        ("lab/faults/mod.rs", "use crate::report::Results;", "the lab knows no verdicts"),
        ("run/plan.rs", "use crate::report::SPEC_SHA256;", "conformance/src/run must not name crate::report"),
        ("manifest/release.rs", "use crate::patroni_oracle::release::Row;", "what only Patroni has"),
    ] {
        let broken = broken_nevers(&tree(&[(&format!("conformance/src/{file}"), text)]));
        assert!(!broken.is_empty() && broken[0].contains(words), "{text}: {broken:?}");
    }
    for text in
        ["use std::fs;", "use std::{fmt, net::TcpStream};", "fn f() { std::process::exit(1) }", "use tokio::fs;"]
    {
        assert_one(&broken_nevers(&tree(&[("model/src/engine/path.rs", text)])), "the model is pure");
    }
}

/// Near misses: words that only look like an import, and imports of tests.
#[test]
fn an_import_that_may_be_is_left_alone() {
    for text in [
        "// use crate::lab::Lap;",
        "//! See [`crate::lab`].\n/// And [`lab`](crate::lab).\nfn f() {}",
        "/* use crate::lab; */",
        "fn f() -> &'static str { \"crate::lab::Lap\" }",
        "use crate::history::lab;",
        "use crate::laboratory::Lap;",
        "#[cfg(test)]\nmod tests {\n    use crate::lab::Lap;\n}",
        "#[cfg(test)]\nuse crate::lab::Lap;\n",
        "mod inner { use super::lab; }",
    ] {
        assert_none(&broken_nevers(&tree(&[("conformance/src/judge/mod.rs", text)])));
    }
    let with_tests = tree(&[
        ("conformance/src/judge/mod.rs", "#[cfg(test)]\nmod tests;"),
        ("conformance/src/judge/tests.rs", "use crate::lab::Lap;"),
    ]);
    assert_none(&broken_nevers(&with_tests));
}

#[test]
fn a_cycle_is_found_with_its_path() {
    let files = [
        ("conformance/src/lib.rs", "pub mod a; pub mod b; pub mod c; pub mod d;"),
        ("conformance/src/a/mod.rs", "use crate::b::X;\nuse crate::d::Y;"),
        ("conformance/src/b/inner/deep.rs", "\nuse super::super::super::c;"),
        ("conformance/src/c.rs", "pub struct C;"),
        ("conformance/src/d.rs", "use crate::c::C;"),
    ];
    assert_none(&import_cycles(&tree(&files), "conformance/src"));
    let mut circle = tree(&files);
    circle.insert("conformance/src/c.rs".to_owned(), "pub fn f() { crate::a::f() }".to_owned());
    assert_one(
        &import_cycles(&circle, "conformance/src"),
        "a → b (conformance/src/a/mod.rs:1) → c (conformance/src/b/inner/deep.rs:2) → a (conformance/src/c.rs:1)",
    );
    let pair = tree(&[("model/src/x/mod.rs", "use crate::y;"), ("model/src/y.rs", "use crate::x;")]);
    assert_one(&import_cycles(&pair, "model/src"), "x → y");
}

#[test]
fn a_crowded_folder_is_found() {
    let with = |count: usize, folder: &str| -> Tree {
        (0..count).map(|number| (format!("{folder}/f{number}.rs"), String::new())).collect()
    };
    for folder in ["model/src/engine", "model/tests/engine", "conformance/src", "conformance/tests"] {
        assert_none(&crowded_folders(&with(14, folder)));
        assert_one(&crowded_folders(&with(15, folder)), &format!("{folder}: 15 source files"));
    }
    assert_none(&crowded_folders(&with(8, "conformance/src/judge")));
    assert_one(&crowded_folders(&with(9, "conformance/src/judge")), "9 files and folders");
}

#[test]
fn a_long_line_is_found() {
    let of = |width: usize| tree(&[("ci/test", &format!("#!/bin/sh\n{}\n", "ü".repeat(width)))]);
    assert_none(&long_lines(&of(120)));
    assert_one(&long_lines(&of(121)), "ci/test:2: 121 columns");
}

#[test]
fn an_unused_dependency_is_found() {
    let manifest = |_: &str| {
        "[dependencies]\nserde-json = \"1\"\nanyhow = \"1\"\n[dev-dependencies]\ninsta = \"1\"\nproptest = \"1\""
            .to_owned()
    };
    let files = tree(&[
        ("x/src/lib.rs", "// anyhow::Error\nfn f() -> serde_json::Value { todo!() }"),
        ("x/tests/one.rs", "use proptest;\n#[test] fn t() { anyhow::bail!(\"insta::x\") }"),
    ]);
    let unused = unused(&files, &["x"], manifest);
    assert_eq!(unused.len(), 2, "{unused:?}");
    assert!(unused[0].contains("`anyhow` of [dependencies]") && unused[1].contains("`insta` of [dev-dependencies]"));
}
