//! The power of the nodes: starting one again after it lost it, and the watchdog that takes it away.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Source, Watchdog};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::cluster::{CLUSTER, CONTROL, Node, WATCHDOG};
use super::error::LabError;
use super::observer::{OBSERVER_IMAGE, Observer};
use super::sandbox::{Lane, Place, Plan};
use super::tasks::{Ends, Tasks};
use crate::observe::container_log::{ContainerLog, Speaker};
use crate::observe::processes::Input;
use crate::observe::recorder::Recorder;
use crate::scenario::Scenario;

/// How long a killed container may take to be gone.
const GONE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// What a watchdog needs: to look into the node, and to end it.
const CAPABILITIES: [&str; 2] = ["SYS_PTRACE", "KILL"];

/// Who starts nodes again.
pub struct Power<'run> {
    /// Where the containers belong.
    pub lane: &'run Lane,
    /// Sees processes.
    pub observer: &'run Observer,
    /// Where events go.
    pub recorder: &'run Recorder,
    /// Tasks that end with the run.
    pub tasks: &'run Tasks,
    /// The scenario.
    pub scenario: &'run Scenario,
    /// The nodes.
    pub nodes: &'run [Node],
    fired: mpsc::UnboundedSender<String>,
    /// How many watchdogs each node has had.
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
    /// All nodes have power. What comes out of the receiver are nodes that a watchdog has reset.
    pub fn new(
        (lane, observer, recorder): (&'run Lane, &'run Observer, &'run Recorder),
        tasks: &'run Tasks,
        scenario: &'run Scenario,
        nodes: &'run [Node],
    ) -> (Power<'run>, mpsc::UnboundedReceiver<String>) {
        let (fired, nodes_reset) = mpsc::unbounded_channel();
        let power = Power { lane, observer, recorder, tasks, scenario, nodes, fired, watchdogs: Mutex::default() };
        (power, nodes_reset)
    }

    /// Gives a node its watchdog, if the scenario wants one.
    ///
    /// # Errors
    /// It does not start.
    pub async fn watch(&self, node: &str) -> Result<(), LabError> {
        if !self.scenario.settings.has_watchdog() {
            return Ok(());
        }
        let number = {
            let mut watchdogs = self.watchdogs.lock().unwrap_or_else(PoisonError::into_inner);
            let number = watchdogs.entry(node.to_owned()).or_default();
            *number += 1;
            *number
        };
        let part = format!("{node}-watchdog-{number}");
        let init = self.lane.process_id(&self.lane.name(node)).await?;
        let plan = Plan {
            part: &part,
            image: OBSERVER_IMAGE,
            place: Place::Host(&CAPABILITIES),
            command: vec!["fake-watchdog".to_owned(), init.to_string(), WATCHDOG.to_owned()],
            env: Default::default(),
            files: Vec::new(),
            in_memory: None,
        };
        let container = self.lane.start(plan).await?;
        let (docker, recorder, fired) = (self.lane.docker.clone(), self.recorder.clone(), self.fired.clone());
        let speaker = Speaker { container, node: Some(node.to_owned()), of: Source::Watchdog };
        let (file, node) = (self.lane.log_file(&part), node.to_owned());
        // It ends with its node.
        self.tasks.spawn(format!("following the watchdog of {node}"), Ends::Anytime, async move {
            let followed = async {
                let mut log = ContainerLog::new(docker, recorder.clone(), speaker, &file)?;
                log.follow(|line| take(&recorder, &node, &fired, &line.text)).await
            };
            if let Err(error) = followed.await {
                recorder.fail(error);
            }
        });
        Ok(())
    }

    /// Starts a node again whose container has ended, or is about to.
    ///
    /// # Errors
    /// It does not start, or came up under other addresses.
    pub async fn revive(&self, name: &str) -> Result<(), LabError> {
        let container = self.lane.name(name);
        self.observer.is_dead(name);
        let deadline = Instant::now() + GONE;
        while self.lane.runs(&container).await? {
            if Instant::now() > deadline {
                return Err(LabError::harness(format!("{container} does not end")));
            }
            tokio::time::sleep(LOOK).await;
        }
        if self.scenario.kills_several_nodes() {
            for node in self.nodes.iter().filter(|node| node.name == name) {
                self.lane.pin(&container, &self.lane.name(CLUSTER), node.address).await?;
                self.lane.pin(&container, &self.lane.name(CONTROL), node.control).await?;
            }
        }
        // The observer ends with the run only.
        let _ = self.observer.inputs.send(Input::Expected);
        let since = self.recorder.clock().now();
        self.lane.start_again(&container).await?;
        self.observer.meet(self.lane, name, since).await?;
        let _ = self.observer.inputs.send(Input::AllKnown);
        self.watch(name).await?;
        let addresses = self.lane.addresses(&container).await?;
        for node in self.nodes.iter().filter(|node| node.name == name) {
            if !addresses.contains(&node.address) || !addresses.contains(&node.control) {
                let message =
                    format!("{container} came up at {addresses:?}, not at {} and {}", node.address, node.control);
                return Err(LabError::harness(message));
            }
        }
        Ok(())
    }

    /// Starts each node again that a watchdog has reset, as the hardware would; returns only with an error.
    ///
    /// A machine takes longer to come up than what is left of its lease. A container would be quicker now and then, and lead again.
    pub async fn revive_reset(&self, mut reset: mpsc::UnboundedReceiver<String>) -> LabError {
        while let Some(node) = reset.recv().await {
            let mut view = self.recorder.view();
            let lease = Duration::from_secs(self.scenario.settings.ttl_s.into());
            let lost = view.wait_for(|view| view.leader.as_deref() != Some(&*node));
            // Nobody changes the view any more when the run is ending; and where the lease does not end, it is kept by somebody else's doing.
            drop(tokio::time::timeout(lease, lost).await);
            let since = self.recorder.clock().now();
            if let Err(error) = self.revive(&node).await {
                return error;
            }
            self.record_restart(&node, since);
        }
        // `self` holds a sender.
        std::future::pending().await
    }

    /// Records that the agent runs again, as soon as that is seen.
    fn record_restart(&self, node: &str, since: u64) {
        let (recorder, node) = (self.recorder.clone(), node.to_owned());
        self.tasks.spawn(format!("waiting for the agent of {node}"), Ends::Anytime, async move {
            let started = |event: &pghaspec_model::vocabulary::event::Event| match event.kind {
                Kind::ProcessStarted { what: pghaspec_model::vocabulary::event::Process::Agent, pid, .. } => {
                    Some((event.at, pid))
                }
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
                    let fault = pghaspec_model::vocabulary::fault::Fault::AgentRestarted;
                    return recorder.record(Some(&node), Source::Harness, at, Kind::Fault { fault, effect });
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
