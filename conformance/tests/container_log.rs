//! A container's log, followed over restarts and broken streams without a line lost or doubled. Needs Docker and the
//! images of `ci/setup`, and runs with `PGHASPEC_DOCKER=1`.

mod opt_in;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pghaspec::observe::clock::RunClock;
use pghaspec::observe::container_log::{ContainerLog, Speaker};
use pghaspec::observe::recorder::Recorder;
use pghaspec_model::vocabulary::event::Source;

/// A script that writes 40 lines in four seconds, and stays.
const TALKS: &str = "for line in $(seq 40); do echo said $$ $line; sleep 0.1; done; exec sleep 600";

/// Tests on containers are asked for; otherwise it is said that this one was left out.
fn has_docker() -> bool {
    opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup")
}

struct Container(String);

impl Container {
    fn start(script: &str) -> Container {
        let args = ["run", "--detach", "--network", "none", "--entrypoint", "sh", "pghaspec/observer:6", "-c", script];
        Container(docker(&args).trim().to_owned())
    }

    fn log(&self) -> Vec<String> {
        docker(&["logs", &self.0]).lines().map(str::to_owned).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        docker(&["rm", "--force", &self.0]);
    }
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker client runs");
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn log_of(container: &str, folder: &Path, most_mib: Option<u32>) -> ContainerLog {
    let recorder = Recorder::create(&folder.join("events.jsonl"), RunClock::start(), &["n1".to_owned()]).unwrap();
    let speaker =
        Speaker { container: container.to_owned(), node: Some("n1".to_owned()), of: Source::AgentLog, most_mib };
    ContainerLog::new(bollard::Docker::connect_with_defaults().unwrap(), recorder, speaker, &folder.join("raw.log"))
        .unwrap()
}

#[tokio::test]
async fn no_line_is_lost_or_doubled_over_restarts_and_broken_streams() {
    if !has_docker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let container = Container::start(TALKS);
    let mut log = log_of(&container.0, folder.path(), None).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let take = |line: pghaspec::observe::container_log::Line| heard.lock().unwrap().push(line.text);

    // Streams that are broken off in the middle.
    while heard.lock().unwrap().len() < 10 {
        assert!(tokio::time::timeout(Duration::from_millis(330), log.follow(take)).await.is_err(), "it still runs");
    }
    docker(&["kill", &container.0]);
    log.follow(take).await.unwrap();
    let first_life = heard.lock().unwrap().len();
    assert!((10..=40).contains(&first_life), "{first_life} lines");
    docker(&["start", &container.0]);
    tokio::time::timeout(Duration::from_secs(10), log.until_it_runs()).await.expect("it was started again");
    let more = async {
        while heard.lock().unwrap().len() < first_life + 40 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        _ = log.follow(take) => panic!("it still runs"),
        () = more => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("heard {:?}", heard.lock().unwrap()),
    }
    drop(log);
    assert_eq!(*heard.lock().unwrap(), container.log());
    let raw = std::fs::read_to_string(folder.path().join("raw.log")).unwrap();
    assert_eq!(raw.lines().count(), first_life + 40);
    assert_eq!(std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap(), "", "nothing was missed");
}

#[tokio::test]
async fn a_log_that_cannot_be_heard_is_a_gap() {
    if !has_docker() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut log = log_of("pghaspec-no-such-container", folder.path(), None).await;
    assert!(tokio::time::timeout(Duration::from_millis(300), log.follow(|_| ())).await.is_err());
    drop(log);
    let events = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
    assert_eq!(events.lines().count(), 1);
    assert!(events.contains("its stream broke and was not heard again"), "{events}");
}

/// A flood, or a line without an end, is neither kept nor remembered; the end of the container is
/// noticed all the same.
#[tokio::test]
async fn a_log_without_end_is_kept_in_part_and_is_a_gap() {
    if !has_docker() {
        return;
    }
    for flood in ["yes 'pghaspec <script>' | head -c 100000000", "head -c 100000000 /dev/zero"] {
        let folder = tempfile::tempdir().unwrap();
        let container = Container::start(&format!("echo begun; {flood}; echo over"));
        let mut log = log_of(&container.0, folder.path(), Some(4)).await;
        let mut heard = Vec::new();
        let followed = log.follow(|line| heard.push(line.text));
        tokio::time::timeout(Duration::from_secs(100), followed).await.expect("it ends with the container").unwrap();
        // Called again, as after a restart of the node, it stays silent.
        tokio::time::timeout(Duration::from_secs(5), log.follow(|_| panic!("heard again"))).await.unwrap().unwrap();
        drop(log);
        assert_eq!(heard[0], "begun", "{flood}");
        assert!(!heard.contains(&"over".to_owned()), "{flood}");
        let raw = std::fs::metadata(folder.path().join("raw.log")).unwrap().len();
        assert!(raw < 5 << 20, "{flood}: {raw} bytes are kept");
        let events = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        let gaps: Vec<&str> = events.lines().collect();
        assert_eq!(gaps.len(), 2, "{events}");
        assert!(gaps[0].contains(r#""of":"agent-log""#) && gaps[0].contains("limits.log_mib"), "{events}");
        assert!(gaps[1].contains(r#""of":"agent-log""#) && gaps[1].contains("not heard any more"), "{events}");
    }
}
