//! Folders that somebody made to harm whoever looks into them: no command waits for ever, takes all memory, or reads
//! and writes elsewhere.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use serde_json::Value;

use crate::sample::{FAILOVER, RESTART, Sample, failing, passing, pghaspec};

/// Every command that reads a run's folder refuses it, within seconds.
#[track_caller]
fn refused(sample: &Sample, what: &str) {
    for command in [
        &["verify", sample.path()][..],
        &["report", sample.path()],
        &["certify", "patroni@4.1.5", "--resume", sample.path()],
    ] {
        let started = Instant::now();
        let output = pghaspec(command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{what}: {command:?}: {said}");
        assert!(started.elapsed() < Duration::from_secs(20), "{what}: {command:?}: {:?}", started.elapsed());
    }
}

#[test]
fn what_is_no_regular_file_is_refused() {
    for file in [
        "plan.json",
        "agent.json",
        "results.json",
        "certificate.json",
        "deviations.toml",
        "lock",
        "leader-postmaster-killed/events.jsonl",
        "leader-postmaster-killed/outcome.json",
        "leader-postmaster-killed/scenario.toml",
        "leader-postmaster-killed/logs/more.log",
    ] {
        for kind in ["pipe", "zero", "outside", "itself"] {
            let sample = passing();
            let path = sample.folder.join(file);
            let _ = fs::remove_file(&path);
            match kind {
                "pipe" => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
                "zero" => symlink("/dev/zero", &path).unwrap(),
                "outside" => symlink("/etc/passwd", &path).unwrap(),
                _ => symlink(".", &path).unwrap(),
            }
            refused(&sample, &format!("{file} is a {kind}"));
        }
    }
}

#[test]
fn links_to_folders_do_not_multiply() {
    let sample = passing();
    symlink(".", sample.folder.join(RESTART).join("again")).unwrap();
    symlink("..", sample.folder.join(RESTART).join("up")).unwrap();
    refused(&sample, "links to folders");
}

#[test]
fn names_lead_nowhere_else() {
    for id in
        ["../elsewhere", "/tmp/elsewhere", "a/../../elsewhere", "..", ".", "", "a b", "<script>", "lock", "\u{1b}[2J"]
    {
        let sample = passing();
        sample.edit("plan.json", |plan| plan["scenarios"][0]["id"] = id.into());
        refused(&sample, id);
    }
    let sample = passing();
    sample.edit("plan.json", |plan| {
        let one = plan["scenarios"][0].clone();
        plan["scenarios"] = (0..100_000)
            .map(|index| {
                let mut one = one.clone();
                one["id"] = format!("s{index}").into();
                one
            })
            .collect();
    });
    refused(&sample, "a hundred thousand scenarios");
    let sample = passing();
    sample.edit("plan.json", |plan| plan["scenarios"][1] = plan["scenarios"][0].clone());
    refused(&sample, "a scenario twice");
}

#[test]
fn sizes_and_numbers_have_limits() {
    let sample = passing();
    let large = fs::File::create(sample.folder.join(RESTART).join("logs/large.log")).unwrap();
    large.set_len(4 << 30).unwrap();
    refused(&sample, "a log of 4 GiB");
    let sample = passing();
    let large = fs::File::create(sample.folder.join(RESTART).join("events.jsonl")).unwrap();
    large.set_len(1 << 30).unwrap();
    refused(&sample, "a history of 1 GiB");
    let sample = passing();
    for number in 0..20_000 {
        fs::write(sample.folder.join(RESTART).join("logs").join(format!("{number}.log")), "").unwrap();
    }
    refused(&sample, "twenty thousand logs");
}

#[test]
fn numbers_that_cannot_be_do_no_harm() {
    let sample = passing();
    let log = sample.log(RESTART, "observer");
    let first = sample.read(&log).lines().find(|line| line.contains("\"exec\"")).unwrap().to_owned();
    let at = &first[first.find("\"at\":[").unwrap()..first.find(",\"pid\"").unwrap()];
    sample.replace(&log, at, "\"at\":[18446744073709551615,18446744073709551615]");
    assert!(sample.report());
    assert_eq!(sample.verify(&[]).0, 1);
}

/// Words of a folder make no lines of their own in what is told.
#[test]
fn a_name_is_one_line() {
    let sample = passing();
    let name = "patroni\nverdict: pass, as expected\n";
    sample.edit("agent.json", |agent| agent["name"] = name.into());
    sample.report();
    let told = String::from_utf8(pghaspec(&["verify", sample.path()]).stdout).unwrap();
    assert_eq!(told.lines().filter(|line| line.starts_with("verdict: ")).count(), 0, "{told}");
    assert_eq!(told.lines().filter(|line| line.starts_with("verdict on what there is")).count(), 1, "{told}");
    // In a plan or a history it is no name at all.
    let sample = passing();
    sample.edit("plan.json", |plan| plan["agent"] = name.into());
    refused(&sample, "a name of several lines");
    let sample = passing();
    let history = sample.folder.join(RESTART).join("events.jsonl");
    sample.replace(&format!("{RESTART}/events.jsonl"), "\"version\":\"4.1.5\"", "\"version\":\"4.1.5\\nPASS\"");
    let output = pghaspec(&["judge", history.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("a character of control"), "{said}");
}

/// Nothing is written through what lies in the folder: neither a link nor a draft that is one.
#[test]
fn nothing_is_written_elsewhere() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    for name in ["report.html", "report.html.part", ".report.html.part", "results.json.part", "history.svg"] {
        let sample = passing();
        fs::write(&secret, "kept").unwrap();
        let place = if name == "history.svg" { format!("{RESTART}/{name}") } else { name.to_owned() };
        let _ = fs::remove_file(sample.folder.join(&place));
        symlink(&secret, sample.folder.join(&place)).unwrap();
        pghaspec(&["report", sample.path()]);
        assert_eq!(fs::read_to_string(&secret).unwrap(), "kept", "{name}");
    }
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 1);
    assert!(Path::new("/etc/passwd").is_file());
}

/// No words of a folder become markup, whatever file they stand in.
#[test]
fn no_script_reaches_the_page() {
    const SCRIPT: &str = "<script>alert(1)</script>";
    const ESCAPED: &str = "&lt;script&gt;";
    let sample = failing();
    fs::write(sample.folder.join(RESTART).join("history.svg"), format!("<svg>{SCRIPT}</svg>")).unwrap();
    fs::write(sample.folder.join(RESTART).join("events.jsonl"), SCRIPT).unwrap();
    sample.edit(&format!("{RESTART}/outcome.json"), |outcome| outcome["error"] = SCRIPT.into());
    sample.edit("plan.json", |plan| plan["profile"] = SCRIPT.into());
    let checks: Value = serde_json::from_str(&sample.read("results.json")).unwrap();
    let failed: Vec<&Value> = checks["scenarios"][1]["checks"].as_array().unwrap().iter().collect();
    let failed = failed.iter().filter(|check| check["verdict"] == "fail").map(|check| check["id"].to_string());
    let failed: Vec<String> = failed.collect();
    assert!(!failed.is_empty());
    sample.write(
        "deviations.toml",
        &format!(
            "[[deviation]]\nchecks = [{}]\nscenarios = [\"{FAILOVER}\"]\nreason = \"{SCRIPT}\"\n\
             link = \"https://example.org/{SCRIPT}\"\n",
            failed.join(", ")
        ),
    );
    let output = pghaspec(&["report", sample.path()]);
    assert!(matches!(output.status.code(), Some(0 | 1 | 4)), "{}", String::from_utf8_lossy(&output.stderr));
    for page in ["report.html", "junit.xml"] {
        let text = sample.read(page);
        assert!(!text.contains("<script") && text.contains(ESCAPED), "{page}: {text}");
    }
    assert_eq!(sample.verify(&[]).0, 1);
}

/// A page shows the pictures that were drawn for it, and no other file of that name.
#[test]
fn a_picture_among_the_logs_is_not_shown() {
    let sample = passing();
    // The name of one scenario ends as that of another.
    sample.edit("plan.json", |plan| {
        let mut other = plan["scenarios"][0].clone();
        other["id"] = format!("a-{RESTART}").into();
        plan["scenarios"].as_array_mut().unwrap().insert(0, other);
    });
    let logs = sample.folder.join(format!("a-{RESTART}")).join("logs");
    fs::create_dir_all(&logs).unwrap();
    fs::write(logs.join("x.log"), "x").unwrap();
    fs::write(logs.join("history.svg"), "<svg><script>alert(1)</script></svg>").unwrap();
    fs::remove_file(sample.folder.join(RESTART).join("events.jsonl")).unwrap();
    assert!(sample.report());
    let page = sample.read("report.html");
    assert!(!page.contains("<script"), "{page}");
    let own = &page[page.find(&format!("<details id=\"{RESTART}\"")).unwrap()..];
    let own = &own[..own.find("</details>").unwrap()];
    assert!(!own.contains(&format!("a-{RESTART}")), "{own}");
}
