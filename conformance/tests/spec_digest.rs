//! The digest of the specification changes with its rules, and with nothing else.

#[path = "../build/spec_digest.rs"]
mod spec_digest;

use std::fs;
use std::path::{Path, PathBuf};

use pghaspec::run::spec::SPEC_SHA256;

fn model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../model/src")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The digest of the model after a change of one of its files.
fn after(file: &str, change: impl FnOnce(&str) -> String) -> String {
    let folder = tempfile::tempdir().unwrap();
    copy(&model(), folder.path());
    let path = folder.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(&text);
    assert_ne!(changed, text, "{file} is changed");
    fs::write(path, changed).unwrap();
    spec_digest::of(folder.path(), &spec_digest::FOLDERS).unwrap()
}

#[test]
fn the_program_bears_the_digest_of_its_sources() {
    assert_eq!(spec_digest::of(&model(), &spec_digest::FOLDERS).unwrap(), SPEC_SHA256);
}

#[test]
fn a_comment_leaves_the_digest() {
    for comment in ["//", "///", "//!"] {
        let reworded = |text: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{comment} ")));
            let line = line.unwrap_or_else(|| panic!("there is a comment that begins with {comment}"));
            text.replacen(line, &format!("{line} More words.\n{line}"), 1)
        };
        assert_eq!(after("recover/mod.rs", reworded), SPEC_SHA256, "{comment}");
    }
    assert_eq!(after("rules/edition.rs", |text| format!("{text}\n/* The end. */\n")), SPEC_SHA256);
}

#[test]
fn another_line_break_and_a_test_leave_the_digest() {
    assert_eq!(after("recover/mod.rs", |text| text.replacen(" {\n", "\n{\n\n", 1)), SPEC_SHA256);
    let tested = |text: &str| format!("{text}\n#[cfg(test)]\nmod more_tests {{\n    fn nothing() {{}}\n}}\n");
    assert_eq!(after("rules/switch.rs", tested), SPEC_SHA256);
}

#[test]
fn what_is_no_specification_leaves_the_digest() {
    for file in ["engine/mod.rs", "belief/mod.rs", "mutants/mod.rs", "lib.rs"] {
        assert_eq!(after(file, |text| format!("{text}\npub fn another() {{}}\n")), SPEC_SHA256, "{file}");
    }
}

#[test]
fn a_rule_changes_the_digest() {
    let turned = |text: &str| {
        let line = text.lines().find(|line| line.contains("true") && !line.contains("//"));
        let line = line.expect("some rule is true");
        text.replacen(line, &line.replace("true", "false"), 1)
    };
    assert_ne!(after("rules/edition.rs", turned), SPEC_SHA256);
    for folder in spec_digest::FOLDERS {
        let file = if folder.ends_with(".rs") { folder.to_owned() } else { format!("{folder}/mod.rs") };
        assert_ne!(after(&file, |text| format!("{text}\npub fn another() {{}}\n")), SPEC_SHA256, "{file}");
    }
}

/// The digest of one file with this text.
fn of_text(name: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules").join(name), text).unwrap();
    spec_digest::of(folder.path(), &["rules"]).unwrap()
}

#[test]
fn every_token_counts() {
    let base = of_text("a.rs", "fn f(a: u8) -> bool { a & 1 == 0 && a < 2 }");
    for same in [
        "fn f(a: u8) -> bool {\n    // even\n    a & 1 == 0 && a < 2\n}",
        "//! Rules.\n\n/// Even.\nfn f(a: u8) -> bool { a & 1 == 0 && a < 2 }",
        "fn f(a: u8) -> bool { a & 1 == 0 && a < 2 }\n#[cfg(test)]\nmod tests { fn g() {} }",
    ] {
        assert_eq!(of_text("a.rs", same), base, "{same}");
    }
    for other in [
        "fn f(a: u8) -> bool { a & 1 == 0 & & a < 2 }",
        "fn f(a: u8) -> bool { a & 1 == 0 && a < 3 }",
        "fn f(a: u8) -> bool { a & 1 == 0 && (a < 2) }",
        "fn f(b: u8) -> bool { a & 1 == 0 && a < 2 }",
        "fn f(a: u8) -> bool { a & 1 == 0 && a < 2 };",
        "#[inline] fn f(a: u8) -> bool { a & 1 == 0 && a < 2 }",
        "#[cfg(test)]\nfn f(a: u8) -> bool { a & 1 == 0 && a < 2 }",
        "fn f(a: u8) -> bool { a & 1 == 0 && a < 2 }\nmod tests { fn g() {} }",
    ] {
        assert_ne!(of_text("a.rs", other), base, "{other}");
    }
    assert_ne!(of_text("b.rs", "fn f(a: u8) -> bool { a & 1 == 0 && a < 2 }"), base);
    // A text that a macro reads is a token, and what is no Rust counts byte by byte.
    assert_ne!(of_text("a.rs", "words! { A \"one\" }"), of_text("a.rs", "words! { A \"two\" }"));
    assert_ne!(of_text("a.md", "one"), of_text("a.md", "one "));
}

#[test]
fn what_is_no_rust_source_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rules")).unwrap();
    fs::write(folder.path().join("rules/a.rs"), "fn f( {").unwrap();
    let trouble = spec_digest::of(folder.path(), &["rules"]).unwrap_err();
    assert!(trouble.contains("rules/a.rs: is no Rust source"), "{trouble}");
    assert!(spec_digest::of(folder.path(), &["nowhere"]).unwrap_err().contains("nowhere"));
}
