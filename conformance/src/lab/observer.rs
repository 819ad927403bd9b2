//! The observer: a helper container on the host that sees the processes of all nodes, and signals them.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Mechanism, Source};
use tokio::sync::{mpsc, oneshot, watch};

use super::docker::container::{ContainerPlan, Place};
use super::docker::network::{CLUSTER, CONTROL};
use super::error::LabError;
use super::tasks::Ends;
use super::testbed::Testbed;
use crate::observe::processes::report::{Report, TrapReport};
use crate::observe::processes::{Input, Processes};
use crate::run::error::RunDirError;

/// Image of the helper.
pub const OBSERVER_IMAGE: &str = "pghaspec/observer:6";

/// The helper's part in the sandbox.
const OBSERVER: &str = "observer";

/// Rights of the helper: to hear the kernel, to look at processes of others in time, to signal them, and to enter the
/// network of a node, whose fence it makes.
const CAPABILITIES: [&str; 5] = ["NET_ADMIN", "SYS_PTRACE", "SYS_NICE", "KILL", "SYS_ADMIN"];

/// Programs of PostgreSQL that it watches. Those of the agent come from the manifest.
const PROGRAMS: [&str; 5] = ["postgres", "pg_rewind", "pg_basebackup", "pg_ctl", "initdb"];

/// The time that the helper may take to come up.
const LIMIT: Duration = Duration::from_secs(30);

/// The bytes that a run leaves on the disk under the containers: it ends before a node has filled that to the last.
const LEAST_FREE: u64 = 512 << 20;

/// The helper that sees processes.
pub struct Observer {
    /// Its container.
    pub container: String,
    /// The mechanism by which it sees them: `proc-connector` or `polling`.
    pub mechanism: Mechanism,
    /// The way to the task that records processes.
    pub inputs: mpsc::UnboundedSender<Input>,
    /// All reports on traps so far, in the order in which they came in.
    pub traps: watch::Sender<Vec<TrapReport>>,
    /// Expression that finds the agent by its command line, words joined with blanks.
    pub agent_process: String,
    /// Inode of the PID namespace of each node.
    namespaces: Mutex<BTreeMap<String, u64>>,
    /// Reports that came in before the task that records them was started.
    received: Option<mpsc::UnboundedReceiver<Input>>,
}

impl Observer {
    /// Starts the helper and waits until it observes.
    ///
    /// # Errors
    /// The helper does not start, or does not say that it observes.
    pub async fn start(bed: &Testbed<'_>) -> Result<Observer, LabError> {
        let watched: Vec<&str> =
            PROGRAMS.into_iter().chain(bed.manifest.process_names.iter().map(String::as_str)).collect();
        let command = ["observe-processes", "--watch", &watched.join(",")].map(str::to_owned).into();
        let plan = ContainerPlan { command, ..ContainerPlan::of(OBSERVER, OBSERVER_IMAGE, Place::Host(&CAPABILITIES)) };
        let container = bed.sandbox.start(plan).await?;
        let (inputs, received) = mpsc::unbounded_channel();

        let (ready, is_ready) = oneshot::channel();
        let mut ready = Some(ready);
        let reports = inputs.clone();
        let traps = watch::Sender::new(Vec::new());
        let sprung = traps.clone();
        bed.follow(OBSERVER, Source::Process, move |recorder, line| {
            match serde_json::from_str(&line.text) {
                // Nobody listens any more if the run has been ended meanwhile.
                Ok(Report::Ready { mechanism }) => {
                    let _ = ready.take().map(|ready| ready.send(mechanism));
                }
                Ok(Report::Trap(report)) => sprung.send_modify(|all| all.push(report)),
                Ok(report) => {
                    if let Report::Alive { disk_free: Some(free), .. } = report
                        && free < LEAST_FREE
                    {
                        recorder.fail(no_room(free));
                    }
                    drop(reports.send(Input::Report(report)));
                }
                Err(error) => {
                    let why = format!("the helper said `{}`, no report: {error}", line.text);
                    recorder.gap(None, line.received[0], Source::Process, why);
                }
            }
        });
        match tokio::time::timeout(LIMIT, is_ready).await {
            Ok(Ok(mechanism)) => {
                let (namespaces, received) = (Mutex::default(), Some(received));
                let agent_process = bed.manifest.agent_process.to_string();
                Ok(Observer { container, mechanism, inputs, traps, agent_process, namespaces, received })
            }
            _ => Err(LabError::harness("the helper that observes processes did not come up")),
        }
    }

    /// Records what the helper reports from now on, and what it has reported so far.
    pub fn record(&mut self, bed: &Testbed<'_>) {
        let processes = Processes::new(bed.recorder.clone(), bed.manifest.agent_process.clone());
        if let Some(received) = self.received.take() {
            bed.tasks.spawn("recording processes", Ends::WhenStopped, processes.run(received));
        }
    }

    /// Learns the PID namespace of a node that runs and was started after that moment of the run: it tells which
    /// processes are the node's. From then on the node reaches nothing on the machine, whose answers go through.
    ///
    /// # Errors
    /// The node does not run, may not be looked at, or its network cannot be fenced.
    pub async fn meet(&self, bed: &Testbed<'_>, node: &str, since: u64) -> Result<(), LabError> {
        let pidns = self.fence(bed, node).await?;
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), pidns);
        // The task that takes it ends only with the run.
        let _ = self.inputs.send(Input::Namespace { pidns, node: node.to_owned(), since });
        Ok(())
    }

    /// Closes the network of a container of the sandbox towards the machine, and returns its PID namespace.
    ///
    /// # Errors
    /// As of [`Observer::meet`].
    pub async fn fence(&self, bed: &Testbed<'_>, part: &str) -> Result<u64, LabError> {
        let (sandbox, container) = (bed.sandbox, bed.sandbox.name(part));
        let [cluster, control] = [CLUSTER, CONTROL].map(|network| sandbox.name(network));
        let pid = sandbox.process_id(&container);
        let (pid, cluster, control) = tokio::try_join!(pid, sandbox.subnet(&cluster), sandbox.subnet(&control))?;
        let (init, port) = (pid.to_string(), bed.manifest.ports.postgres.to_string());
        let answer = bed.exec(&self.container, &["fence", &init, &cluster, &control, &port]).await?;
        // If the container ended meanwhile its process id may have become another's.
        if sandbox.process_id(&container).await? != pid {
            return Err(LabError::harness(format!("{container} was started anew while it was looked at")));
        }
        answer.stdout.parse().map_err(|_| {
            let message =
                format!("the network of {container} cannot be closed towards this machine: {}", answer.stderr);
            LabError::environment(message, "the kernel needs nf_tables (modprobe nf_tables)")
        })
    }

    /// Notes that nothing starts on this node any more, until it is met again.
    pub fn is_dead(&self, node: &str) {
        // The task that takes it ends only with the run.
        let _ = self.inputs.send(Input::Dead { node: node.to_owned() });
    }

    /// Inode of the PID namespace of a node.
    ///
    /// # Errors
    /// The node was never met.
    pub fn namespace_of(&self, node: &str) -> Result<u64, LabError> {
        let namespaces = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        namespaces.get(node).copied().ok_or_else(|| LabError::harness(format!("{node} was never started")))
    }
}

/// The error that ends a run when hardly anything is left on the disk under the containers.
fn no_room(free: u64) -> RunDirError {
    let why = format!("only {} MiB are left; a node may be filling it, or make room there", free >> 20);
    RunDirError::new("looking after the disk that Docker's containers are on", io::Error::other(why))
}
