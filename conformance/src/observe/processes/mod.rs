//! Starts and exits of processes on the nodes, as a helper container on the host reports them.
//!
//! The helper sees every process of the machine. Its PID namespace tells to which node a process belongs; the namespace
//! of a node is known only some moments after the node was started, so reports that come in before are kept until then.
//! Agents on one host are told apart in this way only: all process ids are those of the host.

pub mod kind;
pub mod report;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Process, Source};
use regex::Regex;
use tokio::sync::mpsc;

use self::kind::{agent_names, classify, may_count};
use self::report::Report;
use super::recorder::Recorder;
use super::silence::Silence;

/// Reports that may wait for their namespace to be known.
const KEPT: usize = 10_000;

/// The time for which the helper may report nothing.
const SILENCE: Duration = Duration::from_secs(5);

/// The reason for the gap that the helper's silence leaves.
pub const SILENT: &str = "the helper did not say that it was there";

/// A process that lived shorter than this was no server and recovered nothing, whatever it is called.
///
/// Measured from exec to exit on an idle machine of two cores: `postgres --single` that fails at once lives 12.9 ms and
/// more, one that recovers 44 ms and more; even `pg_rewind --help` lives 5.5 ms. So a process that is gone after 4 ms
/// did none of that on a machine three times as fast either. A busy machine only makes lives longer. Tools that agents
/// call all the time, such as `pg_controldata`, live 1.6 ms.
const BRIEF: Duration = Duration::from_millis(4);

/// A pg_rewind that succeeded sooner than this was only asked for its options: one that found nothing to rewind lived
/// 43.7 ms, so it takes more than this on a machine three times as fast, and one that rewound takes much longer. On a
/// busy machine `pg_rewind --help` lives for 10 ms.
const ASKED: Duration = Duration::from_millis(14);

/// A `postgres` that succeeded and was on a CPU for less than this only answered a question such as `--version`: on a
/// slow and busy machine that took 9 to 13 ms, `--single` with nothing to recover 34 ms, and with something 88 ms and
/// more.
const ASKED_OF_POSTGRES: Duration = Duration::from_millis(20);

/// A pg_rewind that succeeded and was on a CPU for less than this has written nothing: on a busy machine `--help` took
/// 4 to 10 ms, one that found nothing to rewind as long, and one that rewound the smallest cluster that has diverged
/// 134 ms and more.
const REWOUND_NOTHING: Duration = Duration::from_millis(40);

/// The inputs of [`Processes::run`].
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
        /// A moment of the run before the node was started.
        since: u64,
    },
    /// All nodes are known: processes in other namespaces are not recorded.
    AllKnown,
    /// All processes of a node were killed, the first of its namespace among them: nothing starts there any more, and
    /// the kernel may give the number of the namespace away.
    Dead {
        /// The node's name.
        node: String,
    },
    /// A node is about to be started again, in a namespace that is not known yet.
    Expected,
}

/// Turns the helper's reports into events.
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
    /// The time when recording began.
    since: u64,
    /// The time since the helper last reported that it is there.
    silence: Silence,
}

impl Processes {
    /// Events go to `recorder`; `agent` finds the agent's command line.
    pub fn new(recorder: Recorder, agent: Regex) -> Processes {
        let since = recorder.clock().now();
        Processes::since(recorder, agent, since)
    }

    /// As [`Processes::new`], of a recording that began at that time of the run.
    pub fn since(recorder: Recorder, agent: Regex, since: u64) -> Processes {
        let silence = Silence::new(recorder.clone(), None, Source::Process, SILENCE, SILENT);
        Processes {
            since,
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

    /// Takes one input.
    pub fn take(&mut self, input: Input) {
        match input {
            Input::Report(report) => self.report(report),
            Input::Namespace { pidns, node, since } => {
                // A node that was started again is in a new namespace, and the kernel may give the old number away.
                self.nodes.retain(|_, known| *known != node);
                self.nodes.insert(pidns, node);
                self.dead.remove(&pidns);
                // Before the node was started its number was that of another namespace, of any container: the kernel
                // gives a number away again at once.
                let clock = self.recorder.clock();
                let earlier = |(of, at): (u64, u64)| of == pidns && clock.of_monotonic(at) < since;
                self.kept.retain(|report| !report.place().is_some_and(earlier));
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
            // Not even the namespace of an ancestor could be read: the process may be of any node.
            Report::Unread { pidns: None, .. } => self.unread(None, report),
            // Before the run began there was no node yet, and nothing of a node to miss.
            Report::Gap { at, .. } | Report::Stalled { at } | Report::Full { at } if run_time(at)[1] <= self.since => {}
            Report::Gap { at, why, pidns: None } => self.gap(None, at, why),
            Report::Exec { pidns, .. }
            | Report::Exit { pidns, .. }
            | Report::Unread { pidns, .. }
            | Report::Starved { pidns, .. }
            | Report::Killed { pidns, .. }
            | Report::Oom { pidns, .. }
            | Report::Gap { pidns, .. } => {
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
            Report::Full { at } => {
                let [from, to] = run_time(at);
                self.recorder.record(None, Source::Process, [from.max(self.since), to], Kind::NoSpace);
            }
            Report::Stalled { at } => {
                let [from, to] = run_time(at);
                self.recorder.record(None, Source::Process, [from.max(self.since), to], Kind::DiskStalled);
            }
            // By the helper's own clock: a report that Docker passed on late was not missed.
            Report::Alive { monotonic_ns, .. } => self.silence.heard(clock.of_monotonic(monotonic_ns)),
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
            Report::Starved { at, pid, waited_ns, .. } => {
                let Some(what) = self.running.get(&pid).copied() else { return };
                let [from, to] = at.map(|edge| clock.of_monotonic(edge));
                // A wait from before the run is no wait of the run.
                let waited_ns = waited_ns.min(to.saturating_sub(from));
                if waited_ns == 0 {
                    return;
                }
                (at, Kind::Starved { what, pid, waited_ns })
            }
            Report::Killed { at, pid, parent, signal, .. } => {
                if self.running.get(&parent) != Some(&Process::Postmaster) {
                    return;
                }
                (at, Kind::ChildKilled { postmaster: parent, pid, signal })
            }
            Report::Oom { at, kills, .. } => (at, Kind::OutOfMemory { kills }),
            Report::Unread { .. } => return self.unread(Some(node), report),
            Report::Gap { at, why, .. } => return self.gap(Some(node), at, why),
            _ => return,
        };
        let at = at.map(|edge| clock.of_monotonic(edge));
        self.recorder.record(Some(node), Source::Process, at, kind);
    }

    /// A process that could not be read is a gap if it may have been one that counts.
    fn unread(&mut self, node: Option<&str>, report: Report) {
        let Report::Unread { at, exit_at, pid, comm, lived_ns, ran_ns, code, signal, .. } = report else { return };
        let lived = Duration::from_nanos(lived_ns);
        let asked = code == Some(0)
            && match (comm.as_deref(), ran_ns) {
                (Some("pg_rewind"), Some(ran)) => Duration::from_nanos(ran) < REWOUND_NOTHING,
                (Some("pg_rewind"), None) => lived < ASKED,
                (Some("postgres"), Some(ran)) => Duration::from_nanos(ran) < ASKED_OF_POSTGRES,
                _ => false,
            };
        if lived < BRIEF || asked || !may_count(comm.as_deref(), &self.agent_names) {
            return;
        }
        let name = comm.map_or_else(|| "a process of unknown name".to_owned(), |comm| format!("`{comm}`"));
        let end = match (code, signal) {
            (_, Some(signal)) => format!("signal {signal}"),
            (Some(code), _) => format!("exit code {code}"),
            _ => "unknown end".to_owned(),
        };
        let [lived, ran] = [lived_ns, ran_ns.unwrap_or_default()].map(|ns| ns as f64 / 1e6);
        let ran = ran_ns.map_or_else(String::new, |_| format!(" and ran for {ran:.1} ms"));
        let why = format!("{name} (pid {pid}) was gone before it could be read: it lived {lived:.1} ms{ran}, {end}");
        self.gap(node, [at[0], exit_at[1]], why);
    }

    fn gap(&self, node: Option<&str>, at: [u64; 2], why: String) {
        let at = at.map(|edge| self.recorder.clock().of_monotonic(edge));
        self.recorder.record(node, Source::Harness, at, Kind::Gap { of: Source::Process, why, reason: None });
    }
}

#[cfg(test)]
mod tests;
