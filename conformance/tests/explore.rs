//! `pghaspec explore` over HTTP: states, steps and diagrams in words.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);

/// A behaviour of these faults is short and does not depend on what is explored by default.
const FEW: [&str; 2] = ["--faults", "postmaster-killed,agent-killed,agent-restarted,lease-expires"];

/// A running `pghaspec explore`; it ends with the test.
struct Explorer {
    child: Child,
    port: u16,
}

impl Explorer {
    fn start(args: &[&str]) -> Explorer {
        // Between this and the child's own bind another process may take the port: rare enough for a test.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let mut child = explore(port).args(args).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
            assert!(started.elapsed() < DEADLINE, "nobody listens on port {port}");
            std::thread::yield_now();
        }
        Explorer { child, port }
    }

    /// The status code and the body.
    fn request(&self, method: &str, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // HTTP 1.0 has no chunks, and the connection ends with the body.
        write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: 0\r\n\r\n").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn get(&self, path: &str) -> Value {
        let (code, body) = self.request("GET", path);
        assert_eq!(code, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }

    /// Walks from the initial state of this number: at each state takes the step of these words. The path and the last
    /// step.
    fn walk(&self, init: u64, steps: &[&str]) -> (String, Value) {
        let mut path = format!("/.states/{init}");
        let mut last = Value::Null;
        for words in steps {
            let choices = self.get(&path);
            let choices = choices.as_array().unwrap();
            let known: Vec<_> = choices.iter().map(|choice| &choice["action"]).collect();
            // A question of recover() is followed by the line of the original that asks it.
            let says = |action: &str| action.split("  [").next() == Some(words);
            let taken = choices.iter().find(|choice| choice["action"].as_str().is_some_and(says));
            last = taken.unwrap_or_else(|| panic!("no `{words}` among {known:?}")).clone();
            path = format!("{path}/{}", last["actionIndex"]);
        }
        (path, last)
    }
}

impl Drop for Explorer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn explore(port: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pghaspec"));
    command.args(["explore", "--port", &port.to_string()]);
    command
}

fn says(shown: &Value, words: &[&str]) {
    let shown = shown.as_str().unwrap();
    for word in words {
        assert!(shown.contains(word), "should say {word:?}: {shown}");
    }
}

#[test]
fn states_steps_and_paths_are_readable() {
    let explorer = Explorer::start(&FEW);
    let inits = explorer.get("/.states/");
    assert_eq!(inits.as_array().unwrap().len(), 2);
    says(&inits[0]["state"], &["leader key: n1, its agent keeps the lease alive", "primary_start_timeout: positive"]);
    says(&inits[0]["state"], &["\nfaults left: of processes "]);
    says(
        &inits[0]["state"],
        &["\n\nn1\n  Postgres: writable primary on timeline 1, shared WAL only\n", "\n  watchdog: armed\n"],
    );
    says(
        &inits[0]["state"],
        &[
            "\n\nn2\n  Postgres: standby on timeline 1, shared WAL only\n",
            "believes: Postgres runs, its role is replica",
        ],
    );
    says(&inits[1]["state"], &["primary_start_timeout: zero"]);

    let (path, step) = explorer.walk(
        1,
        &[
            "n1: FAULT postmaster-killed",
            "n1: agent reads the cluster from etcd and acts on it",
            "n1: recover(): update_lock() → yes",
            "n1: recover(): is_failover_possible() → yes",
            "n1: recover(): demote('immediate') → done",
        ],
    );
    says(&step["outcome"], &["n1: recover(): demote('immediate') → done  [4.1.5 ha.py 641]\n", "\n  leader key: none"]);
    says(&step["state"], &["leader key: none\n", "\n  Postgres: down\n", "\n  watchdog: off\n"]);
    says(&step["svg"], &["<svg", ">etcd</text>", ">n1</text>", ">n2</text>", "FAULT postmaster-killed"]);
    let svg = step["svg"].as_str().unwrap();
    assert_eq!(svg.matches("<circle").count(), 5);
    assert!(!svg.contains(RED), "this path breaks nothing: {svg}");
    for choice in explorer.get(&path).as_array().unwrap() {
        says(&choice["action"], &["n", ": "]);
        assert!(choice["outcome"].as_str().unwrap().lines().count() > 1, "{choice}");
        for packed in ["State {", "Some(", "Recover("] {
            assert!(!choice.to_string().contains(packed), "{choice}");
        }
    }
    assert_eq!(explorer.request("GET", "/.states/9").0, 404);
}

/// The colour of the step that breaks a property.
const RED: &str = "#c62828";

/// Nothing but what is looked at is computed until the button is pressed, and what is found then can be walked to.
#[test]
fn a_search_runs_only_if_asked_for() {
    let explorer = Explorer::start(&["--no-watchdog", "--faults", "agent-killed,lease-expires"]);
    explorer.get("/.states/0");
    let status = explorer.get("/.status");
    assert_eq!((&status["done"], &status["unique_state_count"]), (&json!(false), &json!(2)));
    let names: Vec<_> = status["properties"].as_array().unwrap().iter().map(|property| &property[1]).collect();
    // Safety, without what needs a watchdog, synchronous mode or a standby cluster.
    assert_eq!(
        names,
        [
            "one-writable-leader",
            "writable-needs-lock",
            "crash-recovery-once",
            "crash-recovery-alone",
            "clean-before-rewind",
            "no-silent-divergence",
            "bounded-async-loss",
            "data-directory-kept",
            "key-released-after-stop",
            "single-lock-owner"
        ]
    );

    assert_eq!(explorer.request("POST", "/.runtocompletion").0, 200);
    let started = Instant::now();
    let found = loop {
        let status = explorer.get("/.status");
        if status["done"] == true {
            break status["properties"][0][2].as_str().expect("two primaries can be found").to_owned();
        }
        assert!(started.elapsed() < DEADLINE, "{status}");
    };
    let (before, last) = found.rsplit_once('/').unwrap();
    let choices = explorer.get(&format!("/.states/{before}"));
    let broken = &choices[last.parse::<usize>().unwrap()];
    says(&broken["outcome"], &["BROKEN: one-writable-leader: no two nodes can commit"]);
    says(&broken["state"], &["BROKEN: one-writable-leader"]);
    says(&broken["svg"], &[RED]);
}

#[test]
fn only_the_loopback_address_is_bound() {
    let explorer = Explorer::start(&["--nodes", "3"]);
    says(&explorer.get("/.states/")[0]["svg"], &[">etcd</text>", ">n1</text>", ">n2</text>", ">n3</text>"]);
    // Whatever is bound to all addresses answers on this one too.
    assert!(TcpStream::connect((Ipv4Addr::new(127, 0, 0, 2), explorer.port)).is_err());
}

#[test]
fn a_port_that_it_cannot_have_is_refused() {
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    for (port, code, words) in [(port, 3, format!("127.0.0.1:{port}")), (0, 2, "--port 0".to_owned())] {
        let output = explore(port).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(&words) && !said.contains("panicked"), "{said}");
    }
}
