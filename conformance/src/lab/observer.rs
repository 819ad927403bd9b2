//! The observer: a helper container on the host that sees the processes of all nodes, and signals them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Mechanism, Source};
use tokio::sync::{mpsc, oneshot, watch};

use super::docker::container::{ContainerPlan, Place};
use super::error::LabError;
use super::tasks::Ends;
use super::testbed::Testbed;
use crate::observe::processes::report::{Report, TrapReport};
use crate::observe::processes::{Input, Processes};

/// Image of the helper.
pub const OBSERVER_IMAGE: &str = "pghaspec/observer:6";

/// The helper's part in the sandbox.
const OBSERVER: &str = "observer";

/// Rights of the helper: to hear the kernel, to look at processes of others in time, to signal them.
const CAPABILITIES: [&str; 4] = ["NET_ADMIN", "SYS_PTRACE", "SYS_NICE", "KILL"];

/// The time that the helper may take to come up.
const LIMIT: Duration = Duration::from_secs(30);

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
        let container =
            bed.sandbox.start(ContainerPlan::of(OBSERVER, OBSERVER_IMAGE, Place::Host(&CAPABILITIES))).await?;
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
                Ok(report) => drop(reports.send(Input::Report(report))),
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
    /// processes are the node's.
    ///
    /// # Errors
    /// The node does not run, or may not be looked at.
    pub async fn meet(&self, bed: &Testbed<'_>, node: &str, since: u64) -> Result<(), LabError> {
        let container = bed.sandbox.name(node);
        let pid = bed.sandbox.process_id(&container).await?.to_string();
        let answer = bed.exec(&self.container, &["pidns", &pid]).await?;
        let pidns = answer.stdout.parse().map_err(|_| {
            LabError::harness(format!("the PID namespace of {container} is not known: {}", answer.stderr))
        })?;
        self.namespaces.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned(), pidns);
        // The task that takes it ends only with the run.
        let _ = self.inputs.send(Input::Namespace { pidns, node: node.to_owned(), since });
        Ok(())
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
