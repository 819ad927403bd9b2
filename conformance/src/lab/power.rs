//! The power of the nodes: the restart of a node that lost it, and the watchdog that takes it away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Event, Kind, Process, Source, Watchdog};
use pghaspec_model::vocabulary::fault::Fault;
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cluster::{Node, WATCHDOG};
use super::docker::container::{ContainerPlan, Place};
use super::docker::network::{CLUSTER, CONTROL};
use super::error::{LabError, Trouble};
use super::observer::{OBSERVER_IMAGE, Observer};
use super::tasks::Ends;
use super::testbed::Testbed;
use crate::observe::container_log::{ContainerLog, Ended, Speaker};
use crate::observe::processes::Input;
use crate::observe::recorder::Recorder;

/// The time that a killed container may take to be gone.
const GONE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// Rights of a watchdog: to look into the node, and to end it.
const CAPABILITIES: [&str; 2] = ["SYS_PTRACE", "KILL"];

/// The switches of the nodes' power.
pub struct Power<'run> {
    bed: Testbed<'run>,
    observer: &'run Observer,
    /// The nodes.
    pub nodes: &'run [Node],
    /// Nodes that were cut from their power. Docker may be slow to notice that a container has ended.
    off: Mutex<BTreeSet<String>>,
    fired: mpsc::UnboundedSender<String>,
    /// The number of watchdogs that each node has had.
    watchdogs: Mutex<BTreeMap<String, usize>>,
}

/// One line of `fake-watchdog`.
#[derive(Deserialize)]
struct Line {
    change: String,
    at: Option<[u64; 2]>,
    timeout_s: Option<u32>,
}

impl<'run> Power<'run> {
    /// The switches of nodes that all have power. The receiver yields nodes that a watchdog has reset.
    pub fn new(
        bed: Testbed<'run>,
        observer: &'run Observer,
        nodes: &'run [Node],
    ) -> (Power<'run>, mpsc::UnboundedReceiver<String>) {
        let (fired, nodes_reset) = mpsc::unbounded_channel();
        let (off, watchdogs) = (Mutex::default(), Mutex::default());
        (Power { bed, observer, nodes, off, fired, watchdogs }, nodes_reset)
    }

    /// Notes that a node was cut from its power.
    pub fn note_cut(&self, node: &str) {
        self.off.lock().unwrap_or_else(PoisonError::into_inner).insert(node.to_owned());
    }

    /// Starts a node again if it has no power; returns whether it had none.
    ///
    /// # Errors
    /// As of [`Power::revive`].
    pub async fn revive_if_off(&self, node: &str) -> Result<bool, LabError> {
        let cut = self.off.lock().unwrap_or_else(PoisonError::into_inner).remove(node);
        let off = cut || !self.bed.sandbox.runs(&self.bed.sandbox.name(node)).await?;
        if off {
            self.revive(node).await?;
        }
        Ok(off)
    }

    /// Gives a node its watchdog, if the scenario wants one.
    ///
    /// # Errors
    /// The watchdog does not start, or the node does not run.
    pub async fn watch(&self, node: &str) -> Result<(), LabError> {
        if !self.bed.scenario.settings.has_watchdog() {
            return Ok(());
        }
        let number = {
            let mut watchdogs = self.watchdogs.lock().unwrap_or_else(PoisonError::into_inner);
            let number = watchdogs.entry(node.to_owned()).or_default();
            *number += 1;
            *number
        };
        let part = format!("{node}-watchdog-{number}");
        let init = self.bed.sandbox.process_id(&self.bed.sandbox.name(node)).await?;
        let pidns = self.observer.namespace_of(node)?.to_string();
        let plan = ContainerPlan {
            command: vec!["fake-watchdog".to_owned(), init.to_string(), pidns, WATCHDOG.to_owned()],
            ..ContainerPlan::of(&part, OBSERVER_IMAGE, Place::Host(&CAPABILITIES))
        };
        let container = self.bed.sandbox.start(plan).await?;
        let (docker, recorder) = (self.bed.sandbox.docker.clone(), self.bed.recorder.clone());
        let guarded = (docker.clone(), self.bed.sandbox.name(node));
        let fired = self.fired.clone();
        let speaker = Speaker { container, node: Some(node.to_owned()), of: Source::Watchdog, most_mib: None };
        let (file, node) = (self.bed.sandbox.log_file(&part), node.to_owned());
        let name = format!("the helper that is the watchdog of {node}");
        self.bed.tasks.spawn(name, Ends::WhenStopped, async move {
            let followed = async {
                let mut log = ContainerLog::new(docker, recorder.clone(), speaker, &file)?;
                log.follow(|line| take(&recorder, &node, &fired, &line.text)).await?;
                Ok(log.how_it_ended().await)
            };
            match followed.await {
                Ok(Some(Ended { code: Some(0), .. })) => {}
                // A helper that died by itself guards nothing any more.
                Ok(_) => {
                    let found = guarded.0.inspect_container(&guarded.1, None).await;
                    if found.ok().and_then(|found| found.state).and_then(|state| state.running) == Some(true) {
                        return;
                    }
                }
                Err(error) => recorder.fail(error),
            }
            // It has ended with its node, as it should, or the run ends by another error.
            std::future::pending().await
        });
        Ok(())
    }

    /// Starts a node again whose container has ended, or is about to.
    ///
    /// # Errors
    /// The node does not start, or came up under other addresses.
    pub async fn revive(&self, name: &str) -> Result<(), LabError> {
        let container = self.bed.sandbox.name(name);
        self.observer.is_dead(name);
        let deadline = Instant::now() + GONE;
        while self.bed.sandbox.runs(&container).await? {
            if Instant::now() > deadline {
                return Err(LabError::harness(format!("{container} does not end")));
            }
            tokio::time::sleep(LOOK).await;
        }
        if self.bed.scenario.kills_several_nodes() {
            for node in self.nodes.iter().filter(|node| node.name == name) {
                self.bed.sandbox.pin(&container, &self.bed.sandbox.name(CLUSTER), node.address).await?;
                self.bed.sandbox.pin(&container, &self.bed.sandbox.name(CONTROL), node.control).await?;
            }
        }
        // The observer ends with the run only.
        let _ = self.observer.inputs.send(Input::Expected);
        let since = self.bed.now();
        self.bed.sandbox.start_again(&container).await?;
        self.observer.meet(&self.bed, name, since).await?;
        let _ = self.observer.inputs.send(Input::AllKnown);
        self.watch(name).await?;
        let addresses = self.bed.sandbox.addresses(&container).await?;
        for node in self.nodes.iter().filter(|node| node.name == name) {
            if !addresses.contains(&node.address) || !addresses.contains(&node.control) {
                let message =
                    format!("{container} came up at {addresses:?}, not at {} and {}", node.address, node.control);
                // Docker gives an address away only while its node does not run. That another one ended meanwhile was
                // not to be expected.
                let other = self
                    .bed
                    .recorder
                    .view()
                    .borrow()
                    .nodes
                    .iter()
                    .any(|(other, seen)| other != name && seen.container_ended);
                return Err(if other { LabError::node(message) } else { LabError::harness(message) });
            }
        }
        Ok(())
    }

    /// Starts each node again that a watchdog has reset, as the hardware would; returns only with an error.
    ///
    /// A machine takes longer to come up than its lease lasts. A container would be quicker now and then, and lead
    /// again: it is started only when the leader key names another node or none, or `ttl` is over.
    pub async fn revive_reset(&self, mut reset: mpsc::UnboundedReceiver<String>) -> LabError {
        while let Some(node) = reset.recv().await {
            let mut view = self.bed.recorder.view();
            let lease = Duration::from_secs(self.bed.scenario.settings.ttl_s.into());
            let lost = view.wait_for(|view| view.leader.as_deref() != Some(&*node));
            // The view does not change any more when the run is ending; and a lease that does not end is kept alive by
            // something else.
            drop(tokio::time::timeout(lease, lost).await);
            let since = self.bed.now();
            match self.revive(&node).await {
                Ok(()) => self.record_restart(&node, since),
                // It has ended again at once.
                Err(error) if error.trouble == Trouble::Node => {
                    let why = format!("{node} was reset by its watchdog and did not come back: {}", error.message);
                    self.bed.recorder.gap(Some(&node), since, Source::Harness, why);
                }
                Err(error) => return error,
            }
        }
        // `self` holds a sender.
        std::future::pending().await
    }

    /// Records that the agent runs again, as soon as that is seen.
    fn record_restart(&self, node: &str, since: u64) {
        let (recorder, node) = (self.bed.recorder.clone(), node.to_owned());
        self.bed.tasks.spawn(format!("waiting for the agent of {node}"), Ends::Anytime, async move {
            let started = |event: &Event| match event.kind {
                Kind::ProcessStarted { what: Process::Agent, pid, .. } => Some((event.at, pid)),
                _ => None,
            };
            let mut view = recorder.view();
            loop {
                let found = view
                    .borrow_and_update()
                    .events_since(since)
                    .find_map(|event| (event.node.as_deref() == Some(&*node)).then(|| started(event))?);
                if let Some((at, pid)) = found {
                    let effect = Some(format!("the node was reset, and its agent is process {pid} now"));
                    let kind = Kind::Fault { fault: Fault::AgentRestarted, effect };
                    return recorder.record(Some(&node), Source::Harness, at, kind);
                }
                if view.changed().await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Records what a watchdog says.
fn take(recorder: &Recorder, node: &str, fired: &mpsc::UnboundedSender<String>, line: &str) {
    let now = recorder.clock().now();
    let line: Line = match serde_json::from_str(line) {
        Ok(line) => line,
        Err(_) => return recorder.gap(Some(node), now, Source::Watchdog, format!("the watchdog said `{line}`")),
    };
    let change = match line.change.as_str() {
        "armed" => Watchdog::Armed,
        "disarmed" => Watchdog::Disarmed,
        "abandoned" => Watchdog::Abandoned,
        "fired" => Watchdog::Fired,
        _ => return,
    };
    let at = line.at.map_or([now, now], |at| at.map(|edge| recorder.clock().of_monotonic(edge)));
    recorder.record(Some(node), Source::Watchdog, at, Kind::Watchdog { change, timeout_s: line.timeout_s });
    if change == Watchdog::Fired {
        // Nobody listens any more when the run is ending.
        let _ = fired.send(node.to_owned());
    }
}
