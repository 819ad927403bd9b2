//! The whole path on real containers: real Postgres, etcd and Patroni, a real SIGKILL. Needs Docker and the images of
//! `ci/setup`, and runs with `PGHASPEC_DOCKER=1`.

mod opt_in;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

const RESTART: &str = "leader-postmaster-killed";
const STANDBY: &str = "standby-postmaster-killed";
const FAILOVER: &str = "leader-postmaster-killed-start-timeout-0";

/// Tests on containers are asked for; otherwise it is said that this one was left out.
fn has_docker() -> bool {
    opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup")
}

fn pghaspec() -> Command {
    Command::new(env!("CARGO_BIN_EXE_pghaspec"))
}

/// The turn of a test on the machine. `certify` sizes the number of its lanes to the machine: two runs at a time would
/// starve each other's agents, whose leases go on running.
fn machine() -> MutexGuard<'static, ()> {
    static MACHINE: Mutex<()> = Mutex::new(());
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Certified {
    code: i32,
    document: Value,
    said: String,
}

fn certify(agent: &str, out: &Path, more: &[&str]) -> Certified {
    let _turn = machine();
    let output = pghaspec().args(["certify", agent, "--json", "--out"]).arg(out).args(more).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}\n{said}", String::from_utf8_lossy(&output.stdout)));
    Certified { code: output.status.code().unwrap(), document, said }
}

impl Certified {
    fn check(&self, id: &str) -> &Value {
        let checks = self.document["scenarios"][0]["checks"].as_array().unwrap();
        checks.iter().find(|check| check["id"] == id).unwrap_or_else(|| panic!("no check {id}: {:#}", self.document))
    }

    /// The agent failed, by these checks at least, and the model names this broken rule.
    fn assert_fails(&self, checks: &[&str], rule: &str) {
        assert_eq!(self.code, 1, "{:#}\n{}", self.document, self.said);
        assert_eq!(self.document["verdict"], "fail");
        for id in checks {
            assert_eq!(self.check(id)["verdict"], "fail", "{id}: {:#}", self.document);
        }
        let why = self.check("allowed-by-the-model")["why"].as_str().unwrap();
        assert!(why.contains(&format!("[{rule}]")), "{why}");
    }
}

#[test]
fn patroni_is_certified() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let certified = certify("patroni@4.1.5", out.path(), &["--profile", "smoke"]);
    let took = begun.elapsed();
    assert_eq!(certified.code, 0, "{:#}\n{}", certified.document, certified.said);
    assert_eq!(certified.document["verdict"], "pass");
    let scenarios = certified.document["scenarios"].as_array().unwrap();
    assert_eq!(scenarios.len(), 3);
    let latest = out.path().join("latest");
    let written: Value = serde_json::from_slice(&std::fs::read(latest.join("results.json")).unwrap()).unwrap();
    assert_eq!(written, certified.document);
    // The evidence alone gives the same verdict.
    let judged = pghaspec().args(["judge", "--json"]).arg(&latest).output().unwrap();
    assert_eq!(judged.status.code(), Some(0), "{}", String::from_utf8_lossy(&judged.stdout));
    for scenario in scenarios {
        let id = scenario["id"].as_str().unwrap();
        let nodes = if id == STANDBY { 2 } else { 3 };
        let logs = latest.join(id).join("logs");
        assert_eq!(
            std::fs::read_dir(&logs).unwrap().count(),
            nodes + 2,
            "{id}: etcd, observer and all nodes have logs"
        );
    }
    let begun = Instant::now();
    let requirements = ["--require", "pass", "--require-profile", "smoke"];
    let verified = pghaspec().arg("verify").arg(&latest).args(requirements).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
    assert!(begun.elapsed() < took / 10, "{:?} of {took:?}", begun.elapsed());
    let certificate: Value = serde_json::from_slice(&std::fs::read(latest.join("certificate.json")).unwrap()).unwrap();
    let packages = certificate["agent"]["image"]["packages"].as_array().unwrap();
    for (from, name) in [("dpkg", "postgresql-17"), ("python", "patroni")] {
        assert!(packages.iter().any(|one| one["from"] == from && one["name"] == name), "{packages:?}");
    }
}

#[test]
fn an_agent_in_an_ordinary_image_is_held_to_its_claims() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    // The second one leaves a backend behind, which this agent ends.
    let certified = certify("shell", out.path(), &["--scenario", RESTART, "--scenario", "orphan-writer"]);
    assert_eq!(certified.code, 0, "{:#}\n{}", certified.document, certified.said);
    assert_eq!(certified.check("leader")["verdict"], "pass");
    assert_eq!(certified.check("allowed-by-the-model")["verdict"], "unsupported");
    let verified = pghaspec().arg("verify").arg(out.path().join("latest")).output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn an_old_release_follows_its_own_edition_and_no_other() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let own = certify("patroni@2.1.2", out.path(), &["--scenario", RESTART]);
    assert_eq!(own.code, 0, "{:#}\n{}", own.document, own.said);
    assert_eq!(own.document["spec"]["edition"], "2.1.2");
    assert_eq!(own.document["scenarios"][0]["branches"], serde_json::json!(["crash-recovery", "start-read-only"]));
    // A prepared cluster had a leader before, so the leader has been promoted once; a fresh one begins on timeline 1.
    assert_eq!(own.check("timeline")["why"], "timeline 2 before, 3 in the end");
    let newest = certify("patroni@2.1.2", out.path(), &["--fresh", "--edition", "4.1", "--scenario", RESTART]);
    newest.assert_fails(&["takes-branch", "timeline", "single-user", "allowed-by-the-model"], "always-single-user");
    assert_eq!(newest.check("timeline")["why"], "timeline 1 before, 2 in the end; no promotion was called for");
}

#[test]
fn an_agent_that_keeps_the_lock_fails() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    certify("patroni-defects/keeps-lock", out.path(), &["--fresh", "--scenario", FAILOVER])
        .assert_fails(&["takes-branch", "allowed-by-the-model"], "keeps-lock");
}

#[test]
fn an_agent_that_bumps_the_timeline_fails() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    certify("patroni-defects/always-single-user", out.path(), &["--fresh", "--scenario", RESTART])
        .assert_fails(&["takes-branch", "timeline", "single-user", "allowed-by-the-model"], "always-single-user");
}

#[test]
fn an_agent_that_starts_without_the_lock_fails() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    certify("patroni-defects/starts-without-lock", out.path(), &["--fresh", "--scenario", FAILOVER])
        .assert_fails(&["one-writable-leader", "writable-needs-lock", "allowed-by-the-model"], "starts-without-signal");
}

#[test]
fn a_killed_harness_leaves_evidence_and_nothing_else() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let turn = machine();
    let mut child = pghaspec()
        .args(["certify", "patroni", "--scenario", RESTART, "--out"])
        .arg(out.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let events = out.path().join("latest").join(RESTART).join("events.jsonl");
    wait_for(&mut child, || std::fs::read_to_string(&events).is_ok_and(|text| text.contains(r#""phase":"fault""#)));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    drop(turn);
    let killed = std::fs::read_link(out.path().join("latest")).unwrap();
    let killed = PathBuf::from(killed.file_name().unwrap());
    assert!(!left_over(&killed).is_empty(), "it was killed in the middle of its run");

    let judged = pghaspec().arg("judge").arg(out.path().join(&killed)).output().unwrap();
    assert_eq!(judged.status.code(), Some(4), "{}", String::from_utf8_lossy(&judged.stdout));
    assert!(String::from_utf8_lossy(&judged.stdout).contains("evidence-complete"));

    let next = certify("patroni", out.path(), &["--scenario", RESTART]);
    assert_eq!(next.code, 0, "{:#}\n{}", next.document, next.said);
    assert_eq!(left_over(&killed), "", "the next run removes what the killed one left");
    let run = std::fs::read_link(out.path().join("latest")).unwrap();
    assert_eq!(left_over(&PathBuf::from(run.file_name().unwrap())), "");
}

#[test]
fn a_killed_run_goes_on_at_once() {
    if !has_docker() {
        return;
    }
    let out = tempfile::tempdir().unwrap();
    let turn = machine();
    let mut child = pghaspec()
        .args(["certify", "patroni", "--scenario", STANDBY, "--out"])
        .arg(out.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let latest = out.path().join("latest");
    let recorded = |folder: &Path| std::fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    wait_for(&mut child, || recorded(&latest.join(STANDBY)).contains(r#""phase":"bootstrap""#));
    child.kill().unwrap(); // SIGKILL
    child.wait().unwrap();
    let run = latest.canonicalize().unwrap();
    let name = PathBuf::from(run.file_name().unwrap());
    assert!(!left_over(&name).is_empty(), "it was killed in the middle of its run");
    let history = recorded(&run.join(STANDBY));
    let resumed = pghaspec().args(["certify", "patroni", "--resume"]).arg(&run).output().unwrap();
    drop(turn);
    let said = String::from_utf8_lossy(&resumed.stderr);
    assert_eq!(resumed.status.code(), Some(0), "{said}");
    assert_eq!(left_over(&name), "", "{said}");
    assert_eq!(recorded(&run.join(format!("{STANDBY}.attempt-1"))), history, "what was recorded is kept");
}

/// A run that is asked to end does so in order, in the middle of a fault and while it removes containers: nothing is
/// left, the next scenario is not begun, and what was recorded to its end stays.
#[test]
fn a_run_that_is_asked_to_end_leaves_nothing() {
    if !has_docker() {
        return;
    }
    for (signal, phase, whole) in [(Signal::TERM, "fault", false), (Signal::HUP, "end", true)] {
        let out = tempfile::tempdir().unwrap();
        let turn = machine();
        // Whoever runs the tests may have told them to ignore signals, as nohup does, and children inherit that.
        let mut child = Command::new("env")
            .args(["--default-signal=TERM", "--default-signal=HUP", env!("CARGO_BIN_EXE_pghaspec")])
            .args(["certify", "patroni", "--jobs", "1", "--scenario", RESTART, "--scenario", STANDBY, "--out"])
            .arg(out.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let latest = out.path().join("latest");
        let first = latest.join(RESTART);
        let mark = format!(r#""phase":"{phase}""#);
        wait_for(&mut child, || {
            std::fs::read_to_string(first.join("events.jsonl")).is_ok_and(|text| text.contains(&mark))
        });
        let limits = (phase == "fault").then(|| limits_of_a_node(&latest.canonicalize().unwrap()));
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        drop(turn);
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(4), "{phase}: {said}");
        let run = latest.canonicalize().unwrap();
        assert_eq!(left_over(&PathBuf::from(run.file_name().unwrap())), "", "{phase}: {said}");
        assert!(!run.join(STANDBY).join("events.jsonl").exists(), "{phase}: {said}");
        assert_eq!(run.join(RESTART).join("outcome.json").exists(), whole, "{phase}: {said}");
        // What the run had set out to do and did not is said: it is no smaller run that passed.
        let results: Value = serde_json::from_slice(&std::fs::read(run.join("results.json")).unwrap()).unwrap();
        assert_eq!(results["scenarios"].as_array().unwrap().len(), 2, "{results:#}");
        assert_eq!(results["verdict"], "inconclusive", "{results:#}");
        let verified = pghaspec().arg("verify").arg(&run).output().unwrap();
        assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
        if let Some(limits) = limits {
            assert_eq!(limits, "1073741824 512 [no-new-privileges] [ALL]", "memory, processes, privileges");
        }
    }
}

/// Limits of memory and processes, and the rights that are dropped, of a node of a run, as Docker tells them.
fn limits_of_a_node(run: &Path) -> String {
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    let docker = |args: &[&str]| {
        let output = Command::new("docker").args(args).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let label = format!("label=org.pghaspec.run={name}");
    let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &label]);
    let node = names.lines().find(|name| name.ends_with("-n1")).unwrap_or_else(|| panic!("no node among {names}"));
    let wanted = "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.SecurityOpt}} {{.HostConfig.CapDrop}}";
    docker(&["inspect", "--format", wanted, node])
}

/// Manifests that are wrong about the agent, each told within the time of a start and not as "nobody leads".
#[test]
fn a_manifest_that_is_wrong_about_the_agent_is_told_what_is_wrong() {
    if !has_docker() {
        return;
    }
    let wrong = [
        ("extends = 'patroni'\n[credentials]\nuser = 'postgres'\npassword = 'wrong'\n", "[credentials]", 2),
        ("extends = 'patroni'\n[ports]\npostgres = 5433\n", "[ports] postgres", 2),
        ("extends = 'patroni'\nleader_key = '/service/other/leader'\n", "`leader_key`", 2),
        ("extends = 'patroni'\n[processes]\nagent = 'nobody'\n", "[processes] agent", 2),
        // An image that ends at once.
        ("extends = 'patroni'\nimage = 'pghaspec/base:trixie'\n", "has ended with exit code 0", 4),
    ];
    let out = tempfile::tempdir().unwrap();
    for (manifest, words, code) in wrong {
        let file = out.path().join("agent.toml");
        std::fs::write(&file, manifest).unwrap();
        let started = Instant::now();
        let args = ["--fresh", "--scenario", STANDBY];
        let told = certify(&file.display().to_string(), &out.path().join("runs"), &args);
        assert_eq!(told.code, code, "{manifest}: {}", told.said);
        let all = format!("{}{}", told.said, told.document);
        assert!(all.contains(words), "{manifest}: {words}: {all}");
        assert!(started.elapsed() < Duration::from_secs(60), "{manifest}: {:?}", started.elapsed());
    }
}

fn wait_for(child: &mut Child, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before");
        assert!(started.elapsed() < Duration::from_secs(180), "waited for three minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Names of containers and networks of a run.
fn left_over(run: &Path) -> String {
    let label = format!("label=org.pghaspec.run={}", run.display());
    let list = |args: &[&str]| {
        let output =
            Command::new("docker").args(args).args(["--filter", &label]).output().expect("the docker client runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    list(&["ps", "--all", "--format", "{{.Names}}"]) + &list(&["network", "ls", "--format", "{{.Name}}"])
}

#[test]
fn without_docker_certify_says_what_is_missing_and_check_works() {
    let out = tempfile::tempdir().unwrap();
    let nowhere = format!("unix://{}", out.path().join("no-docker.sock").display());
    let run = |args: &[&str]| -> Output { pghaspec().env("DOCKER_HOST", &nowhere).args(args).output().unwrap() };
    let certify = run(&["certify", "patroni", "--out", &out.path().join("runs").display().to_string()]);
    let said = String::from_utf8_lossy(&certify.stderr);
    assert_eq!(certify.status.code(), Some(3), "{said}");
    assert!(said.contains("Docker") && said.contains("ci/setup"), "{said}");
    let doctor = run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("LACK docker"));
    let check = run(&["check", "--faults", "postmaster-killed"]);
    assert_eq!(check.status.code(), Some(0), "{}", String::from_utf8_lossy(&check.stderr));
}
