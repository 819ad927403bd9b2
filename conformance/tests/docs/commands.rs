//! Commands in the documentation, run as they are written there.
//!
//! A fenced block of `sh` is run line by line from the repository's root; a comment `# exit code N` says with what a
//! line ends, else it ends with 0. A word behind `sh` says what a block needs that is not to be had here: `docker`,
//! `network`, `build` (cargo itself), `bench` (minutes).

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::markdown::{documents, fences, root};
use super::read;

const NEEDS: [&str; 4] = ["docker", "network", "build", "bench"];

#[test]
fn every_command_that_needs_nothing_else_does_what_is_said() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name();
        if !["target", "runs", ".git"].iter().any(|other| name == *other) {
            symlink(root().canonicalize().unwrap().join(&name), folder.path().join(&name)).unwrap();
        }
    }
    let mut ran = 0;
    // What measures takes minutes.
    for file in documents().into_iter().filter(|file| !file.contains("/benches/")) {
        for fence in fences(&read(&file)) {
            let mut words = fence.info.split(' ');
            if words.next() != Some("sh") {
                continue;
            }
            let needs: Vec<&str> = words.collect();
            let unknown = needs.iter().find(|need| !NEEDS.contains(need));
            assert_eq!(unknown, None, "{file}:{}: only {NEEDS:?} may be needed", fence.line);
            if needs.is_empty() {
                for command in lines(&fence.text) {
                    run(&command, folder.path(), &format!("{file}:{}", fence.line));
                    ran += 1;
                }
            }
        }
    }
    assert!(ran >= 8, "only {ran} commands were found");
    assert!(folder.path().join("pictures/patroni-4.1.5-orphan-writer-watchdog.svg").is_file());
}

/// The commands of a block: continued lines are put together.
fn lines(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn run(command: &str, folder: &Path, place: &str) {
    let program = Path::new(env!("CARGO_BIN_EXE_pghaspec")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh").args(["-c", command]).current_dir(folder).env("PATH", path).output().unwrap();
    let expected = match command.split_once("# exit code ") {
        Some((_, code)) => code.trim().parse().unwrap_or_else(|_| panic!("{place}: `{code}` is no exit code")),
        None => 0,
    };
    assert_eq!(
        output.status.code(),
        Some(expected),
        "{place}: {command}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
