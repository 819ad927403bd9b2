//! Campaigns of kills: harnesses that die by SIGKILL at random moments, and what becomes of their runs and of others'.
//! They take minutes, and need Docker and the images of `ci/setup`:
//!
//! ```sh
//! PGHASPEC_KILLS=8 PGHASPEC_SEED=1 cargo test -p pghaspec --test killed -- --ignored --nocapture
//! ```
//!
//! `PGHASPEC_OTHER_USER=UID:GID` lets the second campaign's short-lived runs be those of another user, who must be
//! allowed to talk to Docker.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest life of a harness that is killed, milliseconds, unless `PGHASPEC_LIFE_MS` says otherwise.
const LIFE_MS: u64 = 40_000;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// Random numbers that a seed gives again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn say(words: &str) {
    let _ = writeln!(std::io::stderr(), "{words}");
}

fn certify(args: &[&str], log: &Path) -> Child {
    let log = fs::File::options().create(true).append(true).open(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
    command.args(["certify", "patroni@4.1.5"]).args(args).stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

/// Waits for an end, at most for so long; kills by SIGKILL then. Returns the exit code, if it ended by itself.
fn ended_within(child: &mut Child, limit: Duration) -> Option<i32> {
    let started = Instant::now();
    while started.elapsed() < limit {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker client runs");
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Containers and networks of a run.
fn left_over(run: &str) -> String {
    let filter = format!("label=org.pghaspec.run={run}");
    docker(&["ps", "--all", "--format", "{{.Names}}", "--filter", &filter])
        + &docker(&["network", "ls", "--format", "{{.Name}}", "--filter", &filter])
}

/// The only run below a folder.
fn run_in(out: &Path) -> Option<PathBuf> {
    let runs = fs::read_dir(out).ok()?.flatten().map(|entry| entry.path());
    runs.filter(|path| !path.is_symlink()).find(|path| path.join("plan.json").is_file())
}

fn verdicts(run: &Path) -> BTreeMap<String, String> {
    let results: Value = serde_json::from_slice(&fs::read(run.join("results.json")).unwrap()).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let scenarios = results["scenarios"].as_array().unwrap();
    scenarios.iter().map(|one| (text(&one["id"]), text(&one["verdict"]))).collect()
}

/// The histories in a run's folder, by what does not change when they are moved.
fn histories(run: &Path) -> BTreeSet<u64> {
    let folders = fs::read_dir(run).unwrap().flatten().map(|entry| entry.path());
    folders.filter_map(|folder| Some(fs::metadata(folder.join("events.jsonl")).ok()?.ino())).collect()
}

#[test]
#[ignore = "takes minutes: a harness is killed again and again"]
fn a_run_that_is_killed_again_and_again_comes_to_the_same_verdicts() {
    let (kills, seed) = (number("PGHASPEC_KILLS", 8), number("PGHASPEC_SEED", 1));
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    let out = tempfile::tempdir().unwrap();
    let (calm, stormy, log) = (out.path().join("calm"), out.path().join("stormy"), out.path().join("log"));
    let volumes = docker(&["volume", "ls", "--quiet"]);
    let begin = |out: &Path| certify(&["--profile", "smoke", "--out", &out.display().to_string()], &log);
    begin(&calm).wait().unwrap();
    let expected = verdicts(&run_in(&calm).unwrap());

    let mut recorded = BTreeSet::new();
    let mut killed = 0;
    let code = loop {
        let run = run_in(&stormy);
        let mut child = match &run {
            Some(run) => certify(&["--resume", &run.display().to_string()], &log),
            None => begin(&stormy),
        };
        let life = if killed < kills { random.below(number("PGHASPEC_LIFE_MS", LIFE_MS)) } else { 3_600_000 };
        let ended = ended_within(&mut child, Duration::from_millis(life));
        recorded.extend(run_in(&stormy).map(|run| histories(&run)).unwrap_or_default());
        match ended {
            Some(code) => break code,
            None => {
                killed += 1;
                let left = run_in(&stormy).map_or(0, |run| {
                    let name = run.file_name().unwrap().to_string_lossy().into_owned();
                    left_over(&name).lines().count()
                });
                say(&format!("kill {killed} after {life} ms: {left} containers and networks are left"));
            }
        }
    };
    let said = fs::read_to_string(&log).unwrap();
    let run = run_in(&stormy).unwrap();
    assert!(matches!(code, 0 | 1), "exit code {code}\n{said}");
    assert_eq!(verdicts(&run), expected, "{said}");
    assert_eq!(left_over(&run.file_name().unwrap().to_string_lossy()), "", "{said}");
    assert_eq!(docker(&["volume", "ls", "--quiet"]), volumes, "volumes");
    assert!(recorded.is_subset(&histories(&run)), "a recording was lost\n{said}");
    say(&format!("{killed} kills, {} recordings kept, verdicts as without: {expected:?}", recorded.len()));
}

#[test]
#[ignore = "takes minutes: two checkouts at once, and one of them is killed again and again"]
fn a_run_is_not_touched_by_others_that_are_started_and_killed() {
    let (kills, seed) = (number("PGHASPEC_KILLS", 8), number("PGHASPEC_SEED", 1));
    let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
    let out = tempfile::tempdir().unwrap();
    fs::set_permissions(out.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (mine, others, log) = (out.path().join("mine"), out.path().join("others"), out.path().join("log"));
    fs::create_dir(&others).unwrap();
    fs::set_permissions(&others, fs::Permissions::from_mode(0o777)).unwrap();
    let scenario = ["--scenario", "standby-postmaster-killed", "--jobs", "1", "--out"];
    let other_user = std::env::var("PGHASPEC_OTHER_USER").ok();
    let mut killed = 0;
    while killed < kills {
        let mut living = certify(&[&scenario[..], &[&mine.display().to_string()]].concat(), &log);
        let ended = loop {
            if let Some(status) = living.try_wait().unwrap() {
                break status.code();
            }
            let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
            command.args(["certify", "patroni@4.1.5"]).args(scenario).arg(&others);
            if let Some((user, group)) = other_user.as_ref().and_then(|text| text.split_once(':')) {
                command.uid(user.parse().unwrap()).gid(group.parse().unwrap());
            }
            let mut other = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            ended_within(&mut other, Duration::from_millis(random.below(8_000)));
            killed += 1;
        };
        let latest = mine.join("latest").canonicalize().unwrap();
        let verdict = verdicts(&latest).into_values().collect::<Vec<_>>();
        say(&format!("{killed} others were killed so far; the living run: {verdict:?}, exit code {ended:?}"));
        // A starved machine makes a verdict inconclusive. An error would be ours.
        assert!(!verdict.iter().any(|verdict| verdict == "error" || verdict == "fail"), "{verdict:?}\n{}", {
            fs::read_to_string(&log).unwrap()
        });
        assert_eq!(left_over(&latest.file_name().unwrap().to_string_lossy()), "");
    }
    // One more run removes what the last of the others left.
    certify(&[&scenario[..], &[&mine.display().to_string()]].concat(), &log).wait().unwrap();
    for run in fs::read_dir(&others).unwrap().flatten() {
        let name = run.file_name().to_string_lossy().into_owned();
        assert_eq!(left_over(&name), "", "{name}");
    }
}
