//! Starts and exits of processes on the nodes, as a helper container on the host reports them.
//!
//! The helper sees every process of the machine. A PID namespace tells to which node one belongs; which namespace is whose is known only
//! some moments after a node was started, so what came in before is kept until then.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use pghaspec_model::event::{Kind, Process, Source};
use regex::Regex;
use tokio::sync::mpsc;

use super::process_kind::{agent_names, classify, may_count};
use super::process_report::Report;
use super::recorder::Recorder;
use super::silence::Silence;

/// Reports that may wait for their namespace to be known.
const KEPT: usize = 10_000;

/// How long the helper may say nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// What lived shorter than this was no server and recovered nothing, whatever it is called.
///
/// Measured from exec to exit on an idle machine of two cores: `postgres --single` that fails at once lives 12.9 ms and more, one that
/// recovers 44 ms and more; even `pg_rewind --help` lives 5.5 ms. So what is gone after 4 ms did none of that on a machine three times as
/// fast either. A busy machine only makes lives longer. Tools that agents call all the time, such as `pg_controldata`, live 1.6 ms.
const BRIEF: Duration = Duration::from_millis(4);

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
    /// All processes of a node were killed, the first of its namespace among them: nothing starts there any more, and its number may become
    /// anybody's.
    Dead {
        /// The node's name.
        node: String,
    },
    /// A node is about to be started again, in a namespace that nobody knows yet.
    Expected,
}

/// Turns reports into events.
pub struct Processes {
    recorder: Recorder,
    agent: Regex,
    /// Names under which the agent may show once only its name is left; empty until one was seen.
    agent_names: BTreeSet<String>,
    nodes: HashMap<u64, String>,
    /// Namespaces of nodes that are dead: only ends are still reported from there.
    dead: BTreeSet<u64>,
    all_known: bool,
    kept: Vec<Report>,
    /// Processes whose start was recorded, by process id.
    running: HashMap<u32, Process>,
    /// When recording began.
    since: u64,
    /// Since the helper last said that it is there.
    silence: Silence,
}

impl Processes {
    /// Events go to `recorder`; `agent` finds the agent's command line.
    pub fn new(recorder: Recorder, agent: Regex) -> Processes {
        let silence =
            Silence::new(recorder.clone(), None, Source::Process, SILENCE, "the helper did not say that it was there");
        Processes {
            since: recorder.clock().now(),
            silence,
            recorder,
            agent,
            agent_names: BTreeSet::new(),
            nodes: HashMap::new(),
            dead: BTreeSet::new(),
            all_known: false,
            kept: Vec::new(),
            running: HashMap::new(),
        }
    }

    /// Takes inputs until there are no more.
    pub async fn run(mut self, mut inputs: mpsc::UnboundedReceiver<Input>) {
        while let Some(input) = inputs.recv().await {
            self.take(input);
        }
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Report(report) => self.report(report),
            Input::Namespace { pidns, node } => {
                // A node that was started again is in a new namespace, and the number of the old one may become anybody's.
                self.nodes.retain(|_, known| *known != node);
                self.nodes.insert(pidns, node);
                self.dead.remove(&pidns);
                for report in std::mem::take(&mut self.kept) {
                    self.report(report);
                }
            }
            Input::AllKnown => {
                self.all_known = true;
                self.kept.clear();
            }
            Input::Dead { node } => {
                self.dead.extend(self.nodes.iter().filter(|(_, known)| **known == node).map(|(pidns, _)| *pidns));
            }
            Input::Expected => self.all_known = false,
        }
    }

    fn report(&mut self, report: Report) {
        let clock = self.recorder.clock();
        let run_time = |at: [u64; 2]| at.map(|edge| clock.of_monotonic(edge));
        match report {
            // Not even its ancestors' namespace could be read: it may be of any node.
            Report::Unread { pidns: None, .. } => self.unread(None, report),
            Report::Exec { pidns, .. } | Report::Exit { pidns, .. } | Report::Unread { pidns, .. } => {
                let starts = matches!(report, Report::Exec { .. });
                let alive = pidns.filter(|pidns| !starts || !self.dead.contains(pidns));
                let Some(node) = alive.and_then(|pidns| self.nodes.get(&pidns)).cloned() else {
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
            // By its own clock: what Docker passed on late was not missed.
            Report::Alive { monotonic_ns } => self.silence.heard(clock.of_monotonic(monotonic_ns)),
            Report::Ready { .. } | Report::Trap(_) => {}
        }
    }

    fn of_node(&mut self, node: &str, report: Report) {
        let clock = self.recorder.clock();
        let (at, kind) = match report {
            Report::Exec { at, pid, exe, argv, .. } => {
                let Some(what) = classify(exe.as_deref(), &argv, &self.agent) else { return };
                if what == Process::Agent {
                    self.agent_names.extend(agent_names(exe.as_deref(), &argv));
                }
                // A program that executes itself anew goes on as what it was.
                if self.running.insert(pid, what) == Some(what) {
                    return;
                }
                (at, Kind::ProcessStarted { what, pid, argv })
            }
            Report::Exit { at, pid, code, signal, control, .. } => {
                let Some(what) = self.running.remove(&pid) else { return };
                (at, Kind::ProcessExited { what, pid, code, signal, control })
            }
            Report::Unread { .. } => return self.unread(Some(node), report),
            _ => return,
        };
        let at = at.map(|edge| clock.of_monotonic(edge));
        self.recorder.record(Some(node), Source::Process, at, kind);
    }

    /// A process that could not be read is a gap if it may have been one that counts.
    fn unread(&mut self, node: Option<&str>, report: Report) {
        let Report::Unread { at, exit_at, pid, comm, lived_ns, code, signal, .. } = report else { return };
        let lived = Duration::from_nanos(lived_ns);
        if lived < BRIEF || !may_count(comm.as_deref(), &self.agent_names) {
            return;
        }
        let name = comm.map_or_else(|| "a process of unknown name".to_owned(), |comm| format!("`{comm}`"));
        let end = match (code, signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(code), _) => format!("exit code {code}"),
            _ => "unknown end".to_owned(),
        };
        let lived = lived.as_secs_f64() * 1000.0;
        let why = format!("{name} (pid {pid}) was gone before it could be read: it lived {lived:.1} ms, {end}");
        let clock = self.recorder.clock();
        let at = [at[0], exit_at[1]].map(|edge| clock.of_monotonic(edge));
        self.recorder.record(node, Source::Harness, at, Kind::Gap { of: Source::Process, why });
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::event::Event;

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
    fn only_a_helper_that_was_silent_by_its_own_clock_leaves_a_gap() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        let clock = processes.recorder.clock();
        // The host's clock when the run began.
        let begun = (1 << 62) - clock.of_monotonic(1 << 62);
        let seconds = |seconds: u64| {
            format!(r#"{{"kind":"alive","unread":0,"monotonic_ns":{}}}"#, begun + seconds * 1_000_000_000)
        };
        let gaps = |processes: &Processes| {
            let is_gap = |event: &&Event| matches!(event.kind, Kind::Gap { of: Source::Process, .. });
            processes.recorder.view().borrow().events.iter().filter(is_gap).count()
        };
        for second in 1..10 {
            processes.take(report(&seconds(second)));
        }
        assert_eq!(gaps(&processes), 0);
        processes.take(report(&seconds(15)));
        assert_eq!(gaps(&processes), 1);
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
    fn the_namespace_of_a_dead_node_may_become_anybodys() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned() });
        processes.take(report(EXEC));
        processes.take(Input::AllKnown);
        processes.take(Input::Dead { node: "n1".to_owned() });
        processes.take(report(EXIT));
        processes.take(report(&EXEC.replace("70", "80")));
        processes.take(Input::Expected);
        processes.take(report(&EXEC.replace("111", "222").replace("70", "90")));
        processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned() });
        let seen = processes.recorder.view().borrow().nodes["n1"].clone();
        assert_eq!(seen.exits, [(Process::Postmaster, 70, Some(9))]);
        assert_eq!(seen.processes.keys().copied().collect::<Vec<_>>(), [90]);
        // The number may be the node's own again.
        processes.take(Input::Dead { node: "n1".to_owned() });
        processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned() });
        processes.take(report(&EXEC.replace("111", "222").replace("70", "91")));
        assert!(processes.recorder.view().borrow().nodes["n1"].processes.contains_key(&91));
    }

    #[test]
    fn a_node_that_is_started_again_is_known_by_its_new_namespace() {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned() });
        processes.take(Input::AllKnown);
        processes.take(Input::Expected);
        processes.take(report(&EXEC.replace("111", "222").replace("70", "80")));
        processes.take(Input::Namespace { pidns: 222, node: "n1".to_owned() });
        processes.take(Input::AllKnown);
        processes.take(report(EXEC));
        let found = processes.recorder.view().borrow().nodes["n1"].processes.clone();
        assert_eq!(found.into_keys().collect::<Vec<_>>(), [80]);
    }

    /// What is recorded of unread processes of namespace 111, which is node n1's: (node, why) of each gap.
    fn gaps(unread: &[String]) -> Vec<(Option<String>, String)> {
        let folder = tempfile::tempdir().unwrap();
        let mut processes = processes(folder.path());
        processes.agent = Regex::new("^python3 /opt/agent/bin/patroni ").unwrap();
        processes.take(report(
            r#"{"kind":"exec","at":[5,5],"pid":60,"nspid":8,"pidns":111,"exe":"/usr/bin/python3.13","argv":["python3","/opt/agent/bin/patroni","x"]}"#,
        ));
        for line in unread {
            processes.take(report(line));
        }
        processes.take(Input::Namespace { pidns: 111, node: "n1".to_owned() });
        processes.take(Input::AllKnown);
        for line in unread {
            processes.take(report(line));
        }
        let text = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Event>(line).unwrap())
            .filter_map(|event| match event.kind {
                Kind::Gap { of: Source::Process, why } => Some((event.node, why)),
                _ => None,
            })
            .collect()
    }

    fn unread(pidns: &str, comm: &str, lived_ns: u64) -> String {
        format!(
            r#"{{"kind":"unread","at":[7,7],"exit_at":[9,9],"pid":70,"parent":60,"pidns":{pidns},"comm":{comm},"lived_ns":{lived_ns},"code":1,"signal":null}}"#
        )
    }

    #[test]
    fn an_unread_process_is_a_gap_of_its_node_if_it_may_count() {
        for comm in
            [r#""postgres""#, r#""pg_rewind""#, r#""pg_basebackup""#, r#""python3""#, r#""python3.13""#, r#""patroni""#]
        {
            let found = gaps(&[unread("111", comm, 4_000_000)]);
            assert_eq!(found.len(), 2, "{comm}: once of what was kept, once at once");
            assert_eq!(found[0].0.as_deref(), Some("n1"));
            let name = comm.trim_matches('"');
            assert_eq!(
                found[0].1,
                format!("`{name}` (pid 70) was gone before it could be read: it lived 4.0 ms, exit code 1")
            );
        }
        assert!(
            gaps(&[unread("111", "null", 5_000_000)])[0].1.starts_with("a process of unknown name (pid 70) was gone")
        );
    }

    #[test]
    fn an_unread_process_of_another_lane_is_no_gap() {
        assert_eq!(gaps(&[unread("112", r#""postgres""#, 90_000_000)]), []);
        // Whose it was cannot be told.
        assert_eq!(gaps(&[unread("null", r#""postgres""#, 90_000_000)])[0].0, None);
    }

    #[test]
    fn an_unread_process_that_does_nothing_that_counts_is_no_gap() {
        assert_eq!(gaps(&[unread("111", r#""pg_controldata""#, 90_000_000), unread("111", r#""sh""#, 90_000_000)]), []);
        assert_eq!(gaps(&[unread("111", r#""postgres""#, 3_999_999), unread("111", "null", 3_999_999)]), []);
    }

    #[test]
    fn lost_events_are_a_gap_of_all_nodes_and_a_count_of_unread_processes_is_none() {
        // Far in the future: what happened before the run is none of its gaps.
        let lost = r#"{"kind":"gap","at":[9000000000000000000,9000000000000000000],"why":"cpu 1: 3 events lost"}"#;
        let found =
            gaps(&[lost.to_owned(), r#"{"kind":"alive","unread":9000,"names_lost":2,"monotonic_ns":1}"#.to_owned()]);
        assert_eq!(found, [(None, "cpu 1: 3 events lost".to_owned()), (None, "cpu 1: 3 events lost".to_owned())]);
    }

    #[test]
    fn all_lines_of_the_helper_are_understood() {
        for line in [
            r#"{"kind":"ready","mechanism":"proc-connector","clock":"monotonic","names_of_exited":null,"names_why":"?","monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#,
            r#"{"kind":"alive","unread":0,"names_lost":null,"monotonic_ns":1,"boottime_ns":1,"realtime_ns":1}"#,
            r#"{"kind":"gap","at":[1,2],"why":"lost"}"#,
        ] {
            serde_json::from_str::<Report>(line).unwrap();
        }
    }
}
