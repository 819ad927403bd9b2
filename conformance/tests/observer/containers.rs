//! The helpers on containers: a node that puts links, pipes and processes in their way, and one that calls the machine.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::opt_in;

const IMAGE: &str = "pghaspec/observer:6";

/// Containers and networks of one test, removed at its end.
pub struct Lab {
    name: String,
    /// One test at a time: agents that get no CPU lose their leases.
    _turn: MutexGuard<'static, ()>,
}

static MACHINE: Mutex<()> = Mutex::new(());

impl Lab {
    /// `None` if tests on containers are not asked for.
    pub fn new(test: &str) -> Option<Lab> {
        let asked = opt_in::is_asked_for("PGHASPEC_DOCKER", "Docker and the images of ci/setup");
        let turn = || MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
        asked.then(|| Lab { name: format!("pghaspec-test-{}-{test}", std::process::id()), _turn: turn() })
    }

    fn part(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }

    fn run(&self, part: &str, options: &[&str], script: &str) {
        let name = self.part(part);
        let ready = format!("{script}; touch /run/ready; exec sleep 600");
        let head = ["run", "--detach", "--init", "--name", &name];
        docker(&[&head, options, &["--entrypoint", "sh", IMAGE, "-c", &ready]].concat());
        while !tried(&["exec", &name, "test", "-e", "/run/ready"]).status.success() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// A helper as the lab runs it; `/canary` in it is a small file system with a file that must stay as it is. A link
    /// of a node that a helper followed in its own root would lead there.
    pub fn observer(&self) {
        let rights = ["NET_ADMIN", "SYS_PTRACE", "KILL", "SYS_ADMIN"].map(|right| format!("--cap-add={right}"));
        let mut options = vec!["--pid=host", "--network=host", "--tmpfs=/canary:size=1m"];
        options.extend(rights.iter().map(String::as_str));
        self.run("observer", &options, "echo alive >/canary/file");
    }

    fn node(&self, script: &str) {
        self.run("node", &["--network=none", "--tmpfs=/data:size=4m"], script);
    }

    fn in_node(&self, script: &str) {
        docker(&["exec", &self.part("node"), "sh", "-c", script]);
    }

    /// A helper's exit code and what it said, which is not waited for longer than a minute.
    fn helper(&self, command: &[&str]) -> (Option<i32>, String) {
        let name = self.part("observer");
        let answer = tried(&[&["exec", &name, "timeout", "60"], command].concat());
        let said = [answer.stdout, answer.stderr].concat();
        (answer.status.code(), String::from_utf8_lossy(&said).into_owned())
    }

    /// The id on the host of a container's first process.
    pub fn host_pid(&self, part: &str) -> String {
        docker(&["inspect", "--format", "{{.State.Pid}}", &self.part(part)])
    }

    fn init(&self) -> String {
        self.host_pid("node")
    }

    /// The PID namespace of a process.
    fn namespace(&self, pid: &str) -> String {
        let (_, link) = self.helper(&["readlink", &format!("/proc/{pid}/ns/pid")]);
        link.trim().trim_start_matches("pid:[").trim_end_matches(']').to_owned()
    }

    pub fn assert_canary_lives(&self) {
        assert_eq!(self.helper(&["sh", "-c", "ls /canary && cat /canary/file"]).1, "file\nalive\n");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for part in ["node", "observer"] {
            tried(&["rm", "--force", "--volumes", &self.part(part)]);
        }
        for network in ["cluster", "control"] {
            tried(&["network", "rm", &self.part(network)]);
        }
    }
}

fn tried(args: &[&str]) -> Output {
    Command::new("docker").args(args).output().expect("the docker client runs")
}

fn docker(args: &[&str]) -> String {
    let output = tried(args);
    assert!(output.status.success(), "docker {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_full_disk_is_the_nodes_own_whatever_it_puts_in_the_way() {
    let Some(lab) = Lab::new("disk") else { return };
    lab.observer();
    lab.node("true");
    let (init, own) = (lab.init(), lab.namespace(&lab.init()));
    let fill = |what: &str, pidns: &str, folder: &str| lab.helper(&["fill-disk", what, &init, pidns, folder]);
    for in_the_way in [
        "ln -s /canary/file /data/.pghaspec-filler",
        "ln -s /proc/1/root/canary/new /data/.pghaspec-filler",
        "mkfifo /data/.pghaspec-filler",
        "mkdir /data/.pghaspec-filler",
        "echo mine >/data/other && ln /data/other /data/.pghaspec-filler",
    ] {
        lab.in_node(in_the_way);
        let (code, said) = fill("fill", &own, "/data");
        assert_eq!(code, Some(1), "{in_the_way}: {said}");
        assert!(said.contains("the node has put something at .pghaspec-filler"), "{in_the_way}: {said}");
        lab.assert_canary_lives();
        lab.in_node("rm -rf /data/.pghaspec-filler /data/other");
    }
    // Other folders than the small file system, and other namespaces than the node's.
    lab.in_node("ln -s /canary /link; ln -s /data /into; mkdir /data/below");
    let nobody = lab.namespace("self");
    for (pidns, folder) in [
        (&own, "/"),
        (&own, "/etc"),
        (&own, "/proc"),
        (&own, "/link"),
        (&own, "/into"),
        (&own, "/data/below"),
        (&own, "/nowhere"),
        (&nobody, "/data"),
    ] {
        let (code, said) = fill("fill", pidns, folder);
        assert_eq!(code, Some(1), "{folder}: {said}");
    }
    let (code, said) = fill("fill", &own, "/data");
    assert_eq!((code, said.contains(r#""free_bytes": 0"#)), (Some(0), true), "{said}");
    // What is freed is the name, and not what it leads to.
    lab.in_node("rm /data/.pghaspec-filler; ln -s /canary/file /data/.pghaspec-filler");
    let (code, said) = fill("free", &own, "/data");
    assert_eq!((code, said.contains(r#""free_bytes": 0"#)), (Some(0), false), "{said}");
    lab.assert_canary_lives();
}

#[test]
fn a_signal_and_a_watchdog_are_for_the_node_that_is_meant() {
    let Some(lab) = Lab::new("signals") else { return };
    lab.observer();
    lab.node("mkfifo /run/pipe; ln -s /run/pipe /run/link; echo >/run/file; sleep 601 & echo $! >/run/pid");
    let (init, own) = (lab.init(), lab.namespace(&lab.init()));
    let children = lab.helper(&["cat", &format!("/proc/{init}/task/{init}/children")]).1;
    let child = children.split_whitespace().next().unwrap();
    let (code, said) = lab.helper(&["kill-one", "KILL", "sh", &lab.namespace("self"), child]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("not in PID namespace"), "{said}");
    assert_eq!(lab.helper(&["kill-one", "CONT", "docker-init", &own, &init]).0, Some(0));
    // A pipe of the node is a watchdog's device; nothing else is, and none holds it up for longer than it waits anyway.
    let watchdog = |device: &str| lab.helper(&["fake-watchdog", &init, &own, device]);
    let (_, said) = lab.helper(&["timeout", "3", "fake-watchdog", &init, &own, "/run/pipe"]);
    assert!(said.contains("ready"), "{said}");
    std::thread::scope(|scope| {
        for device in ["/run/link", "/run/file", "/proc/1/root/run/pipe"] {
            scope.spawn(move || {
                // It waits for a device for a while, and ends by itself with words.
                let (code, said) = watchdog(device);
                assert_eq!(code, Some(1), "{device}: {said}");
                assert!(!said.contains("ready") && said.contains(device), "{device}: {said}");
            });
        }
    });
}

/// A service of the machine that listens on all addresses is reached without the fence, so that the test would notice
/// if it never was.
#[test]
fn a_node_behind_its_fence_reaches_nothing_on_the_machine_and_is_reached() {
    let Some(lab) = Lab::new("fence") else { return };
    lab.observer();
    let service = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = service.local_addr().unwrap().port();
    let [cluster, control] = ["cluster", "control"].map(|network| lab.part(network));
    let bridge = "com.docker.network.bridge";
    let make = |name: &str, option: &str| {
        docker(&["network", "create", "--internal", "--opt", &format!("{bridge}.{option}"), name]);
        docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Subnet}}", name])
    };
    let (near, far) = (make(&cluster, "inhibit_ipv4=true"), make(&control, "enable_icc=false"));
    let gateway = docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &control]);
    let caps = ["--cap-drop=ALL", "--security-opt=no-new-privileges"];
    let network = format!("--network={cluster}");
    lab.run("node", &[&[network.as_str()], &caps[..]].concat(), "true");
    // The machine's other addresses are tried as well, past the routes of the node.
    let calls = format!(
        "import socket, sys
for device in (None, b'eth0', b'eth1'):
    for address in ('{gateway}', '172.17.0.1'):
        call = socket.socket(); call.settimeout(1)
        try:
            if device: call.setsockopt(1, 25, device); call.setsockopt(1, 5, 1)
            call.connect((address, {port})); sys.exit('reached')
        except OSError: pass"
    );
    let reaches = || !tried(&["exec", &lab.part("node"), "python3", "-c", &calls]).status.success();
    assert!(!reaches(), "in the cluster network the machine has no address");
    docker(&["network", "connect", &control, &lab.part("node")]);
    assert!(reaches(), "without a fence it is reached through the control network");
    let init = lab.init();
    let (code, said) = lab.helper(&["fence", &init, &near, &far, "5432"]);
    assert_eq!((code, said.trim()), (Some(0), &*lab.namespace(&init)), "{said}");
    assert!(!reaches(), "behind its fence");
    docker(&["exec", "--detach", &lab.part("node"), "python3", "-m", "http.server", "5432"]);
    let format = format!("{{{{(index .NetworkSettings.Networks \"{control}\").IPAddress}}}}");
    let address = format!("{}:5432", docker(&["inspect", "--format", &format, &lab.part("node")]));
    let reached = (0..100).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::net::TcpStream::connect(&address).is_ok()
    });
    assert!(reached, "the lab reaches the node");
    // Neither the machine itself nor its first process is a node.
    assert_eq!(lab.helper(&["fence", "1", &near, &far, "5432"]).0, Some(1));
}
