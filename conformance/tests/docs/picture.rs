//! The picture in the README is the one that `pghaspec judge` draws of a recorded history.

use std::process::Command;

use super::{assert_generated, markdown};

#[test]
fn the_picture_of_the_readme_is_redrawn() {
    let folder = tempfile::tempdir().unwrap();
    let history = markdown::root().join("fixtures/traces/patroni-4.1.5/orphan-writer-watchdog.jsonl");
    let output = Command::new(env!("CARGO_BIN_EXE_pghaspec"))
        .arg("judge")
        .arg(history.canonicalize().unwrap())
        .args(["--all", "--svg"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let drawn = std::fs::read_to_string(folder.path().join("patroni-4.1.5-orphan-writer-watchdog.svg")).unwrap();
    assert_generated("conformance/docs/orphan-writer-watchdog.svg", &drawn);
}
