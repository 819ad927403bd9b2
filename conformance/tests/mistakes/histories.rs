//! Histories that are none, and folders in which some are: each is refused with words, and stops nothing else.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pghaspec::fixtures;
use serde_json::Value;

/// Judges with a bound on time and on memory.
fn judge(args: &[&OsStr]) -> Output {
    let bounded = "ulimit -v 1500000; exec timeout 20 \"$@\"";
    Command::new("sh").args(["-c", bounded, "sh", env!("CARGO_BIN_EXE_pghaspec"), "judge"]).args(args).output().unwrap()
}

#[track_caller]
fn refused(file: &Path, words: &str) {
    let output = judge(&[file.as_os_str()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{}: {said}", file.display());
    assert!(said.contains(words), "{words} is missing in: {said}");
}

/// A recorded history that passes.
fn sound() -> String {
    fs::read_to_string(fixtures::root().join("traces/patroni-4.1.5/leader-postmaster-killed.jsonl")).unwrap()
}

#[test]
fn what_is_no_history_is_refused_in_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let long = folder.path().join("long.jsonl");
    fs::File::create(&long).unwrap().set_len(1 << 30).unwrap();
    refused(&long, "line 1: is longer than 16 MiB");
    let lists = format!("{{\"v\":5,\"kind\":\"run\",\"x\":[{}0]}}\n", "[],".repeat(5 << 20));
    refused(&file("lists.jsonl", lists.as_bytes()), "line 1: is not an event");
    let deep = format!("{{\"v\":5,\"x\":{}\n", "[".repeat(1 << 20));
    refused(&file("deep.jsonl", deep.as_bytes()), "line 1: is not a JSON object");
    refused(&file("binary.jsonl", &[0xff, 0xfe, 0, 1, b'\n']), "line 1: is not a JSON object");
    refused(&file("newlines.jsonl", &b"\n".repeat(1 << 20)), "line 1: is not a JSON object");
    let pipe = folder.path().join("pipe.jsonl");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(&pipe, "a named pipe, no regular file");
    refused(Path::new("/dev/zero"), "a device, no regular file");
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.jsonl");
    let run = sound();
    let (first, rest) = run.split_once('\n').unwrap();
    let nodes: Vec<String> = (0..200).map(|number| format!("\"{number}\"")).collect();
    let many = format!("\"nodes\":[{}]", nodes.join(","));
    let write = |first: &str, second: &str| fs::write(&path, format!("{first}\n{second}\n{rest}")).unwrap();
    for (from, to, words) in [
        ("\"ttl_s\":20", "\"ttl_s\":4294967295", "ttl_s: 4294967295 seconds are more than a week"),
        ("\"loop_wait_s\":1", "\"loop_wait_s\":4294967295", "loop_wait_s: 4294967295 seconds"),
        ("\"nodes\":[\"n1\",\"n2\",\"n3\"]", many.as_str(), "nodes: are more than 100"),
    ] {
        assert!(first.contains(from), "{from} is not in {first}");
        write(&first.replace(from, to), "");
        refused(&path, words);
    }
    let event = |at: &str, more: &str| format!("{{\"v\":1,\"seq\":1,\"at\":{at},\"node\":\"n1\",{more}}}");
    let write_of = |id: &str| {
        format!("\"source\":\"writer\",\"kind\":\"write\",\"id\":{id},\"session\":\"held\",\"result\":\"ok\"")
    };
    for (event, words) in [
        (event("[18446744073709551614,18446744073709551615]", &write_of("1")), "more than ten years after the start"),
        (event("[5,4]", &write_of("1")), "ends before it begins"),
        (event("[4,5]", &write_of("18446744073709551615")), "is no number of a row"),
        (
            event(
                "[4,5]",
                "\"source\":\"writer\",\"kind\":\"batch\",\"rows\":[0,18446744073709551615],\"result\":\"ok\"",
            ),
            "is no number of a row",
        ),
        (
            event("[4,5]", "\"source\":\"postgres\",\"kind\":\"read-back\",\"rows\":[[0,18446744073709551615]]"),
            "is no number of a row",
        ),
        (
            event(
                "[4,5]",
                "\"source\":\"postgres\",\"kind\":\"server\",\"state\":\"primary\",\"timeline\":1,\
                 \"lsn\":18446744073709551615,\"streaming\":null",
            ),
            "lsn: no WAL is as long",
        ),
    ] {
        write(first, &event);
        refused(&path, words);
    }
}

#[test]
fn what_cannot_be_read_stops_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // A name that is no text, and a mark before the first line.
    let odd = path.join(OsStr::from_bytes(b"odd-\xff.jsonl"));
    fs::write(&odd, format!("\u{feff}{}", sound())).unwrap();
    let mut deep = path.to_path_buf();
    for _ in 0..40 {
        deep.push("in");
        fs::create_dir(&deep).unwrap();
    }
    fs::write(deep.join("too-deep.jsonl"), sound()).unwrap();
    fs::write(path.join("in/in/damaged.jsonl"), "{}\n").unwrap();
    symlink(".", path.join("again")).unwrap();
    symlink("/etc/hostname", path.join("elsewhere.jsonl")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, path.join("pipe.jsonl"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let missing = path.join("missing.jsonl");
    let output = judge(&[OsStr::new("--json"), path.as_os_str(), missing.as_os_str()]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    let document: Value = serde_json::from_slice(&output.stdout).unwrap();
    let files = |key: &str| -> Vec<String> {
        let all = document[key].as_array().unwrap().iter();
        all.map(|one| one["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()).collect()
    };
    assert_eq!(files("histories"), ["odd-\u{fffd}.jsonl"]);
    assert_eq!(document["verdict"], "pass");
    let mut refused = files("refused");
    refused.sort();
    assert_eq!(refused, ["damaged.jsonl", "in", "missing.jsonl"]);
}

#[test]
fn a_history_names_no_file_as_its_scenario() {
    let folder = tempfile::tempdir().unwrap();
    let demand = folder.path().join("demand.toml");
    fs::copy(fixtures::scenarios().join("leader-postmaster-killed.toml"), &demand).unwrap();
    let absolute = folder.path().join("demand").display().to_string();
    for name in [absolute.as_str(), "../scenarios/leader-postmaster-killed", "..", "", "leader-postmaster-killed/../x"]
    {
        let history = folder.path().join("events.jsonl");
        let text = sound();
        let scenario = "\"scenario\":\"leader-postmaster-killed\"";
        assert!(text.contains(scenario));
        fs::write(&history, text.replace(scenario, &format!("\"scenario\":{name:?}"))).unwrap();
        let output = judge(&[OsStr::new("--json"), history.as_os_str()]);
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let checks = document["histories"][0]["checks"].as_array().unwrap();
        let demands = checks.iter().find(|check| check["id"] == "scenario-demands").unwrap();
        assert_eq!(demands["verdict"], "skipped", "{name}");
    }
}
