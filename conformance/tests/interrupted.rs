//! A run that is ended from outside: by signals, by a Docker Engine that stalls or goes away, and before it has begun.
//! The engine is a fake one, so neither Docker nor images are needed.

mod fake_engine;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fake_engine::{Answer, Engine};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A manifest of somebody else, whose image is missing and built by `script` beside it.
fn foreign(folder: &Path, script: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let build = folder.join("build");
    fs::write(&build, format!("#!/bin/bash\n{script}\n")).unwrap();
    fs::set_permissions(&build, fs::Permissions::from_mode(0o755)).unwrap();
    let manifest = folder.join("agent.toml");
    let text = "extends = 'patroni'\nname = 'strange'\nversion = '4.1.5'\nimage = 'strange:1'\nbuild = ['build']\n";
    fs::write(&manifest, text).unwrap();
    manifest
}

fn certify(engine: &str, agent: &Path, out: &Path, more: &[&str]) -> Child {
    // Whoever runs this test under nohup has made SIGHUP be ignored.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_pghaspec")]);
    command.env("DOCKER_HOST", engine).arg("certify").arg(agent).args(["--profile", "smoke", "--out"]).arg(out);
    command.args(more).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn patroni() -> PathBuf {
    PathBuf::from("patroni@4.1.5")
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < Duration::from_secs(30), "waited for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

struct Ended {
    code: Option<i32>,
    said: String,
    seconds: f64,
}

fn ended(child: Child) -> Ended {
    let started = Instant::now();
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    Ended { code: status.code(), said, seconds: started.elapsed().as_secs_f64() }
}

/// True if a process that wrote its id into a file lives.
fn lives(file: &Path) -> bool {
    let id = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    // One that nobody has buried yet is dead.
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    test_kill_process(Pid::from_raw(id).unwrap()).is_ok() && !stat.contains(") Z ")
}

#[test]
fn an_engine_that_stalls_from_the_start_is_told_within_seconds() {
    let engine = Engine::new(|_| Answer::Stalls);
    let out = tempfile::tempdir().unwrap();
    let ended = ended(certify(&engine.host(), &patroni(), out.path(), &[]));
    assert_eq!(ended.code, Some(3), "{}", ended.said);
    assert!(ended.said.contains("does not answer: no answer within 5 s"), "{}", ended.said);
    assert!(ended.seconds < 15.0, "{} s", ended.seconds);
    // It never started, so it is not the latest; but what it set out to do is there.
    assert!(!out.path().join("latest").exists() && ended.said.contains("--resume"), "{}", ended.said);
}

#[test]
fn a_start_that_failed_leaves_latest_where_it_was() {
    let out = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("an-earlier-run", out.path().join("latest")).unwrap();
    let nowhere = format!("unix://{}", out.path().join("no.sock").display());
    let gone = ended(certify(&nowhere, &patroni(), out.path(), &[]));
    assert_eq!(gone.code, Some(3), "{}", gone.said);
    // Docker is there, but not the image.
    let engine = Engine::empty(|_| None);
    let folder = tempfile::tempdir().unwrap();
    let refused = ended(certify(&engine.host(), &foreign(folder.path(), "exit 0"), out.path(), &[]));
    assert_eq!(refused.code, Some(3), "{}", refused.said);
    assert_eq!(fs::read_link(out.path().join("latest")).unwrap(), Path::new("an-earlier-run"));
}

#[test]
fn every_signal_ends_a_run_whose_engine_stalls() {
    for (name, number) in [("Ctrl-C", Signal::INT), ("SIGTERM", Signal::TERM), ("SIGHUP", Signal::HUP)] {
        let out = tempfile::tempdir().unwrap();
        let asked = out.path().join("asked");
        let note = asked.clone();
        let engine = Engine::empty(move |request| {
            request.contains("/containers/json").then(|| {
                fs::write(&note, "").unwrap();
                Answer::Stalls
            })
        });
        let child = certify(&engine.host(), &patroni(), out.path(), &[]);
        until("a request that stalls", || asked.exists());
        signal(&child, number);
        let ended = ended(child);
        assert_eq!(ended.code, Some(4), "{name}: {}", ended.said);
        assert!(ended.said.contains(&format!("ended by {name}")) && ended.said.contains("--resume"), "{}", ended.said);
        assert!(ended.seconds < 10.0, "{name}: {} s", ended.seconds);
    }
}

#[test]
fn a_hang_up_that_is_ignored_from_the_start_stays_ignored() {
    let out = tempfile::tempdir().unwrap();
    let engine = Engine::empty(|request| request.contains("/containers/json").then_some(Answer::Stalls));
    let mut nohup = Command::new("sh");
    let script = r#"trap '' HUP; exec "$0" certify patroni@4.1.5 --profile smoke --out "$1""#;
    nohup.env("DOCKER_HOST", engine.host()).args(["-c", script, env!("CARGO_BIN_EXE_pghaspec")]).arg(out.path());
    let child = nohup.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let has_plan = || fs::read_dir(out.path()).unwrap().flatten().any(|run| run.path().join("plan.json").is_file());
    until("a plan", has_plan);
    signal(&child, Signal::HUP);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::TERM);
    let ended = ended(child);
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    assert!(ended.said.contains("ended by SIGTERM"), "{}", ended.said);
}

#[test]
fn a_foreign_build_is_not_run_unasked() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::empty(|_| None);
    let mark = folder.path().join("ran");
    let manifest =
        foreign(folder.path(), &format!("touch {}; printf 'no \\033[31mway\\n' >&2; exit 5", mark.display()));
    let refused = ended(certify(&engine.host(), &manifest, out.path(), &[]));
    assert_eq!(refused.code, Some(3), "{}", refused.said);
    for word in ["strange:1", "/build", "--allow-build"] {
        assert!(refused.said.contains(word), "{word}: {}", refused.said);
    }
    assert!(!mark.exists() && !refused.said.contains("ci/setup"), "{}", refused.said);
    let allowed = ended(certify(&engine.host(), &manifest, out.path(), &["--allow-build"]));
    assert_eq!(allowed.code, Some(3), "{}", allowed.said);
    assert!(mark.exists() && allowed.said.contains("building it: ") && allowed.said.contains("way"));
    assert!(!allowed.said.contains('\u{1b}'), "{}", allowed.said);
}

#[test]
fn a_foreign_image_that_nobody_builds_is_not_to_be_had_from_ci_setup() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::empty(|_| None);
    let manifest = foreign(folder.path(), "");
    let text = fs::read_to_string(&manifest).unwrap().replace("build = ['build']\n", "");
    fs::write(&manifest, text).unwrap();
    let missing = ended(certify(&engine.host(), &manifest, out.path(), &[]));
    assert_eq!(missing.code, Some(3), "{}", missing.said);
    assert!(missing.said.contains("docker pull strange:1") && missing.said.contains("`build = "), "{}", missing.said);
    assert!(!missing.said.contains("ci/setup"), "{}", missing.said);
}

#[test]
fn the_first_ctrl_c_ends_a_build_with_all_that_it_started() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::empty(|_| None);
    let ids = ["child", "grandchild"].map(|name| folder.path().join(name));
    let script = format!(
        "(trap '' TERM; echo $BASHPID >{1}.new; mv {1}.new {1}; sleep 600) & echo $$ >{0}; wait",
        ids[0].display(),
        ids[1].display()
    );
    let child = certify(&engine.host(), &foreign(folder.path(), &script), out.path(), &["--allow-build"]);
    until("the build", || ids.iter().all(|id| id.exists()));
    assert!(ids.iter().all(|id| lives(id)));
    signal(&child, Signal::INT);
    let ended = ended(child);
    assert_eq!(ended.code, Some(4), "{}", ended.said);
    assert!(ended.seconds < 15.0, "{} s", ended.seconds);
    until("the end of all processes", || !ids.iter().any(|id| lives(id)));
}

#[test]
fn a_second_ctrl_c_ends_at_once() {
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let engine = Engine::empty(|_| None);
    let id = folder.path().join("id");
    // The grace that such a build is given is long enough for a second signal.
    let script = format!("trap '' TERM; echo $$ >{0}.new; mv {0}.new {0}; while :; do sleep 0.1; done", id.display());
    let child = certify(&engine.host(), &foreign(folder.path(), &script), out.path(), &["--allow-build"]);
    until("the build", || id.exists());
    signal(&child, Signal::INT);
    std::thread::sleep(Duration::from_millis(300));
    signal(&child, Signal::INT);
    let ended = ended(child);
    assert_eq!(ended.code, Some(130), "{}", ended.said);
    assert!(ended.seconds < 2.0 && ended.said.contains("at once"), "{} s: {}", ended.seconds, ended.said);
    let left = fs::read_to_string(&id).unwrap().trim().parse().unwrap();
    let _ = kill_process(Pid::from_raw(left).unwrap(), Signal::KILL);
}

#[test]
fn defects_go_on_where_they_were_ended() {
    let out = tempfile::tempdir().unwrap();
    let engine = Engine::new(|_| Answer::Stalls);
    let defects = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
        command.env("DOCKER_HOST", engine.host()).arg("defects").args(args);
        ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let begun = defects(&["--agent", "patroni-defects/keeps-lock", "--out", &out.path().display().to_string()]);
    assert_eq!(begun.code, Some(3), "{}", begun.said);
    let run = fs::read_dir(out.path()).unwrap().flatten().next().unwrap().path();
    assert!(!out.path().join("latest").exists() && begun.said.contains("--resume"), "{}", begun.said);
    let resumed = defects(&["--resume", &run.display().to_string()]);
    assert_eq!(resumed.code, Some(3), "{}", resumed.said);
    assert!(resumed.said.contains("does not answer"), "{}", resumed.said);
    // Killed before all of its plans were written: not taken for a smaller run.
    fs::remove_file(run.join("groups.json")).unwrap();
    let refused = defects(&["--resume", &run.display().to_string()]);
    assert_eq!(refused.code, Some(2), "{}", refused.said);
}

/// A run that goes on removes first what it has left itself.
#[test]
fn defects_that_go_on_begin_with_what_they_have_left() {
    let out = tempfile::tempdir().unwrap();
    let defects = |engine: &Engine, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
        command.env("DOCKER_HOST", engine.host()).arg("defects").args(args);
        ended(command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let stalls = Engine::new(|_| Answer::Stalls);
    defects(&stalls, &["--agent", "patroni-defects/keeps-lock", "--out", &out.path().display().to_string()]);
    let run = fs::read_dir(out.path()).unwrap().flatten().next().unwrap().path();
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    let labels = format!(r#"{{"org.pghaspec.run":"{name}","org.pghaspec.dir":"{}"}}"#, run.display());
    let list = format!(r#"[{{"Id":"left","Labels":{labels},"Created":1}}]"#);
    let requests = Arc::new(Mutex::new(Vec::<String>::new()));
    let log = Arc::clone(&requests);
    let engine = Engine::empty(move |request| {
        let mut log = log.lock().unwrap();
        log.push(request.to_owned());
        let removed = log.iter().any(|request| request.starts_with("DELETE") && request.contains("left"));
        match request {
            request if request.starts_with("DELETE") => Some(Answer::Says(204, String::new())),
            request if request.contains("/containers/json") && !removed => Some(Answer::Says(200, list.clone())),
            _ => None,
        }
    });
    let resumed = defects(&engine, &["--resume", &run.display().to_string()]);
    let requests = requests.lock().unwrap();
    let removed = requests.iter().position(|request| request.starts_with("DELETE") && request.contains("left"));
    assert!(removed.is_some(), "{requests:#?}\n{}", resumed.said);
    let made = requests.iter().position(|request| request.starts_with("POST") && request.contains("/create"));
    assert!(made.is_none_or(|made| Some(made) > removed), "{requests:#?}");
}

/// What is labelled with a run of another machine is left, and that is said.
#[test]
fn what_cannot_be_known_is_left_and_said() {
    let owner = r#"{\"host\":\"elsewhere\",\"boot\":\"other\",\"machine\":\"other\",\"pid\":7,\"user\":1000}"#;
    let labels = format!(r#"{{"org.pghaspec.run":"r1","org.pghaspec.dir":"/gone/r1","org.pghaspec.owner":"{owner}"}}"#);
    let list = format!(r#"[{{"Id":"c1","Labels":{labels},"Created":1}}]"#);
    let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let removed = out.path().join("removed");
    let note = removed.clone();
    let engine = Engine::empty(move |request| {
        if request.starts_with("DELETE") {
            fs::write(&note, request).unwrap();
        }
        request.contains("/containers/json").then(|| Answer::Says(200, list.clone()))
    });
    let ended = ended(certify(&engine.host(), &foreign(folder.path(), ""), out.path(), &[]));
    assert!(!removed.exists(), "{}", ended.said);
    for part in ["left alone", "elsewhere", "another machine", "docker rm"] {
        assert!(ended.said.contains(part), "{part}: {}", ended.said);
    }
}
