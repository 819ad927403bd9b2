//! Strangers on real containers: a `kill -9` and a kernel's kill for want of memory are no failures of the agent. Needs
//! Docker and the images of `ci/setup`, and runs with `PGHASPEC_DOCKER=1`.

mod opt_in;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

const SCENARIO: &str = "standby-postmaster-killed";

/// One run at a time: two would starve each other's agents.
static MACHINE: Mutex<()> = Mutex::new(());

/// Runs the scenario, and has a stranger do something as soon as the cluster is ready; he is told the run's folder.
/// Returns the results, and what the run said.
fn run_with_a_stranger(stranger: impl FnOnce(&Path)) -> (Value, String) {
    let _turn = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
    command.args(["certify", "patroni@4.1.5", "--json", "--scenario", SCENARIO, "--out"]).arg(out.path());
    let mut run = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let latest = out.path().join("latest");
    let events = latest.join(SCENARIO).join("events.jsonl");
    let started = Instant::now();
    while !std::fs::read_to_string(&events).is_ok_and(|text| text.contains(r#""phase":"ready""#)) {
        assert!(run.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(180), "it is not ready");
        std::thread::sleep(Duration::from_millis(20));
    }
    stranger(&latest);
    let output = run.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4), "{said}");
    (serde_json::from_slice(&output.stdout).unwrap(), said)
}

/// Name of a node's container.
fn container(latest: &Path, node: &str) -> String {
    let run = std::fs::read_link(latest).unwrap();
    let label = format!("label=org.pghaspec.run={}", run.file_name().unwrap().display());
    let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &label]);
    names.lines().find(|name| name.ends_with(&format!("-{node}"))).expect("the node runs").to_owned()
}

/// The node that held the leader key last.
fn leader_of(run: &Path) -> &'static str {
    let events = std::fs::read_to_string(run.join(SCENARIO).join("events.jsonl")).unwrap();
    if events.rfind(r#""holder":"n1""#) > events.rfind(r#""holder":"n2""#) { "n1" } else { "n2" }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker client runs");
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The run is inconclusive, and no check fails; returns what is said of who died.
fn spoiled((document, said): &(Value, String)) -> String {
    assert_eq!(document["verdict"], "inconclusive", "{document:#}\n{said}");
    let checks = document["scenarios"][0]["checks"].as_array().unwrap();
    assert!(checks.iter().all(|check| check["verdict"] != "fail" && check["verdict"] != "error"), "{document:#}");
    let alive = checks.iter().find(|check| check["id"] == "observers-alive").unwrap();
    assert_eq!(alive["verdict"], "inconclusive", "{document:#}\n{said}");
    alive["why"].as_str().unwrap().to_owned()
}

fn has_docker() -> bool {
    opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup")
}

#[test]
fn a_strangers_kill_of_a_postmaster_is_not_the_agents_failure() {
    if !has_docker() {
        return;
    }
    let mut leader = "";
    let run = run_with_a_stranger(|run| {
        // The scenario itself kills the other one's.
        leader = leader_of(run);
        let node = &container(run, leader);
        // The first line of its lock file is the postmaster's process id, there.
        let kill = "kill -9 $(head -n 1 $(find /var/lib/postgresql -maxdepth 3 -name postmaster.pid))";
        docker(&["exec", node, "sh", "-c", kill]);
    });
    let why = spoiled(&run);
    assert!(why.contains(&format!("postmaster of {leader}")) && why.contains("ended by signal 9"), "{why}");
}

#[test]
fn a_kernels_kill_for_want_of_memory_is_not_the_agents_failure() {
    if !has_docker() {
        return;
    }
    let run = run_with_a_stranger(|run| {
        let node = &container(run, "n1");
        docker(&["update", "--memory", "300m", "--memory-swap", "300m", node]);
        // It takes all memory that the node may have, and no more.
        let eats = Command::new("docker").args(["exec", node, "tail", "/dev/zero"]).output().unwrap();
        assert!(!eats.status.success());
    });
    let why = spoiled(&run);
    assert!(why.contains("of n1 for want of memory") && why.contains("oom_kill rose by"), "{why}");
}

/// The node that the scenario is about to hit ends. Nobody waits for it, and that it cannot be hit is no error.
#[test]
fn a_node_that_is_gone_for_good_is_not_waited_for() {
    if !has_docker() {
        return;
    }
    let started = Instant::now();
    let run = run_with_a_stranger(|run| {
        docker(&["kill", &container(run, if leader_of(run) == "n1" { "n2" } else { "n1" })]);
    });
    let why = spoiled(&run);
    assert!(why.contains("the whole node n") || why.contains("agent of n"), "{why}");
    let checks = run.0["scenarios"][0]["checks"].as_array().unwrap();
    let took = checks.iter().find(|check| check["id"] == "fault-took-effect").unwrap();
    // On a busy machine the fault may have come before the stranger, and then it had its effect.
    let hit = took["why"].as_str().is_some_and(|why| why.contains("ended by signal 9"));
    assert_eq!(took["verdict"], if hit { "pass" } else { "inconclusive" }, "{took:#}");
    assert!(started.elapsed() < Duration::from_secs(120), "{:?}", started.elapsed());
}

/// A file system of its own that is full stands for the disk under the containers.
#[test]
fn the_observer_tells_that_the_disk_is_full() {
    if !has_docker() {
        return;
    }
    let full = |size: &str| {
        let disk = format!("/var/tmp:size={size}");
        let args = ["run", "--detach", "--rm", "--tmpfs", &disk, "pghaspec/observer:6"];
        let container = docker(&args).trim().to_owned();
        let told = |kind: &str| docker(&["logs", &container]).contains(&format!(r#""kind":"{kind}""#));
        let started = Instant::now();
        let found = loop {
            // It looks once before each of these.
            let alive = docker(&["logs", &container]).matches(r#""kind":"alive""#).count();
            if told("full") || alive > 2 {
                break told("full");
            }
            assert!(started.elapsed() < Duration::from_secs(30), "the observer says nothing");
            std::thread::sleep(Duration::from_millis(100));
        };
        docker(&["rm", "--force", &container]);
        found
    };
    assert!(full("4m"));
    assert!(!full("64m"));
}
