//! Starts and exits of processes on the nodes, as a helper container on the host reports them.
//!
//! The helper sees every process of the machine. A PID namespace tells to which node one belongs; which namespace is whose is known only
//! some moments after a node was started, so what came in before is kept until then.

use std::collections::HashMap;
use std::time::Duration;

use pghaspec_model::event::{Kind, Process, Source};
use regex::Regex;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::process_kind::classify;
use super::recorder::Recorder;

/// Reports that may wait for their namespace to be known.
const KEPT: usize = 10_000;

/// How long the helper may say nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// One line of the helper.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Report {
    /// It observes from now on.
    Ready {
        /// `proc-connector`, or `polling` as the worse way.
        mechanism: String,
    },
    /// A program was started.
    Exec {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace, when it could be read.
        pidns: Option<u64>,
        /// Path of the program.
        exe: Option<String>,
        /// Command line.
        argv: Vec<String>,
    },
    /// A process whose start was reported ended.
    Exit {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Process id on the host.
        pid: u32,
        /// Inode of its PID namespace.
        pidns: Option<u64>,
        /// Exit code.
        code: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
    },
    /// Something may have been missed.
    Gap {
        /// CLOCK_MONOTONIC.
        at: [u64; 2],
        /// Why.
        why: String,
    },
    /// It is still there; said each second.
    Alive {},
}

/// What goes into [`Processes::run`].
#[derive(Debug)]
pub enum Input {
    /// The helper reported.
    Report(Report),
    /// A PID namespace is that of a node.
    Namespace {
        /// Its inode.
        pidns: u64,
        /// The node's name.
        node: String,
    },
    /// All nodes are known: whatever is in another namespace is no business of ours.
    AllKnown,
}

/// Turns reports into events.
pub struct Processes {
    recorder: Recorder,
    agent: Regex,
    nodes: HashMap<u64, String>,
    all_known: bool,
    kept: Vec<Report>,
    /// Processes whose start was recorded, by process id.
    running: HashMap<u32, Process>,
    /// When recording began.
    since: u64,
}

impl Processes {
    /// Events go to `recorder`; `agent` finds the agent's command line.
    pub fn new(recorder: Recorder, agent: Regex) -> Processes {
        Processes {
            since: recorder.clock().now(),
            recorder,
            agent,
            nodes: HashMap::new(),
            all_known: false,
            kept: Vec::new(),
            running: HashMap::new(),
        }
    }

    /// Takes inputs until there are no more.
    pub async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        let mut heard = self.recorder.clock().now();
        loop {
            match tokio::time::timeout(SILENCE, inputs.recv()).await {
                Ok(Some(input)) => self.take(input),
                Ok(None) => return,
                Err(_) => {
                    let why = format!("the helper said nothing for {} s", SILENCE.as_secs());
                    self.recorder.gap(None, heard, Source::Process, why);
                }
            }
            heard = self.recorder.clock().now();
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Report(report) => self.report(report),
            Input::Namespace { pidns, node } => {
                self.nodes.insert(pidns, node);
                for report in std::mem::take(&mut self.kept) {
                    self.report(report);
                }
            }
            Input::AllKnown => {
                self.all_known = true;
                self.kept.clear();
            }
        }
    }

    fn report(&mut self, report: Report) {
        let clock = self.recorder.clock();
        let run_time = |at: [u64; 2]| at.map(|edge| clock.of_monotonic(edge));
        match report {
            Report::Exec { pidns, .. } | Report::Exit { pidns, .. } => {
                let Some(node) = pidns.and_then(|pidns| self.nodes.get(&pidns)).cloned() else {
                    if !self.all_known && self.kept.len() < KEPT {
                        self.kept.push(report);
                    }
                    return;
                };
                self.of_node(&node, report);
            }
            // Before the run began there was no node yet, and nothing of a node to miss.
            Report::Gap { at, .. } if run_time(at)[1] < self.since => {}
            Report::Gap { at, why } => {
                self.recorder.record(None, Source::Harness, run_time(at), Kind::Gap { of: Source::Process, why });
            }
            Report::Ready { .. } | Report::Alive {} => {}
        }
    }

    fn of_node(&mut self, node: &str, report: Report) {
        let clock = self.recorder.clock();
        let (at, kind) = match report {
            Report::Exec { at, pid, exe, argv, .. } => {
                let Some(what) = classify(exe.as_deref(), &argv, &self.agent) else { return };
                // A program that executes itself anew goes on as what it was.
                if self.running.insert(pid, what) == Some(what) {
                    return;
                }
                (at, Kind::ProcessStarted { what, pid, argv })
            }
            Report::Exit { at, pid, code, signal, .. } => {
                let Some(what) = self.running.remove(&pid) else { return };
                (at, Kind::ProcessExited { what, pid, code, signal })
            }
            _ => return,
        };
        let at = at.map(|edge| clock.of_monotonic(edge));
        self.recorder.record(Some(node), Source::Process, at, kind);
    }
}

#[cfg(test)]
mod tests {
    use super::super::clock::RunClock;
    use super::*;

    const EXEC: &str = r#"{"kind":"exec","at":[5,5],"pid":70,"nspid":9,"pidns":111,"exe":"/bin/postgres","argv":["postgres","-D","/data"]}"#;
    const EXIT: &str = r#"{"kind":"exit","at":[9,9],"pid":70,"nspid":9,"pidns":111,"code":null,"signal":9}"#;

    fn report(line: &str) -> Input {
        Input::Report(serde_json::from_str(line).unwrap())
    }

    fn processes(folder: &std::path::Path) -> Processes {
        let nodes = ["n1".to_owned()];
        let recorder = Recorder::create(&folder.join("events.jsonl"), RunClock::start(), &nodes).unwrap();
        Processes::new(recorder, Regex::new("^never").unwrap())
    }

    #[test]
    fn what_came_before_its_namespace_was_known_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        processes.take(report(EXEC));
        assert!(processes.recorder.view().borrow().nodes["n1"].processes.is_empty());
        processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned() });
        assert_eq!(processes.recorder.view().borrow().nodes["n1"].processes[&70], Process::Postmaster);
        processes.take(report(EXIT));
        assert_eq!(processes.recorder.view().borrow().nodes["n1"].exits, [(Process::Postmaster, 70, Some(9))]);
    }

    #[test]
    fn other_namespaces_are_no_business_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        processes.take(report(EXEC));
        processes.take(Input::AllKnown);
        processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned() });
        assert!(processes.recorder.view().borrow().nodes["n1"].processes.is_empty());
    }

    #[test]
    fn all_lines_of_the_helper_are_understood() {
        for line in [
            r#"{"kind":"ready","mechanism":"proc-connector","clock":"monotonic","monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#,
            r#"{"kind":"alive","unread":0,"monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#,
            r#"{"kind":"gap","at":[1,2],"why":"lost"}"#,
        ] {
            serde_json::from_str::<Report>(line).unwrap();
        }
    }
}
