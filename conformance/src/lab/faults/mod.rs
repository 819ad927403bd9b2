//! Faults made real: each with what shows that it took effect, and an end.
//!
//! A step awaits its event, finds its target, and does what it says; [`Faults::heal`] ends what was left open. What a step did is recorded
//! at the time of its effect; an effect that nothing shows is recorded as `None`.

mod agent;
mod awaited;
mod children;
mod clock;
mod cuts;
mod dcs;
mod disk;
mod link;
mod node;
mod orphans;
mod signals;
mod targets;
mod traps;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{Event, GapReason, Kind, Process, Source, Watchdog};
use pghaspec_model::vocabulary::fault::Fault;
use tokio::task::JoinSet;

use super::cluster::Node;
use super::cluster::dcs::Dcs;
use super::cluster::remote::Remote;
use super::error::LabError;
use super::observer::Observer;
use super::power::Power;
use super::sandbox::Lane;
use super::wait::{Seen, until};
use crate::observe::recorder::Recorder;
use crate::observe::view::View;
use crate::progress;
use crate::scenario::{Action, Outage, Scenario, Step};

pub use clock::Faketime;

use awaited::Roles;
use cuts::Rule;
use traps::Stopped;

/// How long a fault may take to show its effect, on a machine with much else to do.
const EFFECT: Duration = Duration::from_secs(60);

/// What a fault did: when, in nanoseconds of the run, and what shows it.
type Done = ([u64; 2], Option<String>);

/// What steps work with.
pub struct Faults<'run> {
    /// Where the containers belong.
    pub lane: &'run Lane,
    /// Sees and signals processes.
    pub observer: &'run Observer,
    /// Where events go.
    pub recorder: &'run Recorder,
    /// Where progress is told.
    pub report: &'run progress::Lane,
    /// The scenario.
    pub scenario: &'run Scenario,
    /// Starts nodes again.
    pub power: &'run Power<'run>,
    /// etcd.
    pub dcs: &'run Dcs,
    /// The primary elsewhere that a standby cluster follows.
    pub remote: Option<&'run Remote>,
    /// Folder of the nodes that the lab has put on a small file system.
    pub volume: Option<&'run str>,
    nodes: &'run [Node],
    open: Vec<Open>,
    /// Nodes without power.
    powerless: BTreeSet<String>,
    outage: Option<Outage>,
    /// Rules in each node's network.
    cuts: BTreeMap<String, Vec<Rule>>,
    /// Containers that change them, by node and its first process.
    helpers: BTreeMap<(String, i64), String>,
    /// How many traps were laid.
    laid: usize,
    /// Names, nodes and faults of the traps that strike once.
    once: Vec<(String, String, Fault)>,
    /// Tell of the traps that strike once.
    traps: JoinSet<()>,
    /// Tell of those that strike every time.
    standing: JoinSet<()>,
    stopped: Stopped,
    batches: JoinSet<()>,
}

/// A fault that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    /// An agent is frozen: its node, and its id on the host.
    Frozen(String, u32),
    /// An agent, or its whole node, is dead.
    Dead(String),
    /// A node does not reach the DCS, or is not reached by it.
    CutFromDcs(String),
    /// A node and others do not reach each other.
    CutFromNodes(String),
    /// The DCS answers nobody.
    DcsDown,
    /// A node's disk is full.
    DiskFull(String),
    /// A node's link to the DCS is slow.
    Slowed(String),
    /// A node's clock is wrong.
    Skewed(String),
    /// A node's orphan is stopped: its id on the host, and the name of its program.
    OrphanStopped(String, u32, String),
    /// A trap is laid for a node, and strikes every time.
    Trap(Fault, String, String),
}

impl<'run> Faults<'run> {
    /// Nothing is broken yet.
    pub fn new(
        (lane, observer, recorder): (&'run Lane, &'run Observer, &'run Recorder),
        report: &'run progress::Lane,
        scenario: &'run Scenario,
        power: &'run Power<'run>,
        (dcs, remote): (&'run Dcs, Option<&'run Remote>),
        volume: Option<&'run str>,
    ) -> Faults<'run> {
        Faults {
            lane,
            observer,
            recorder,
            report,
            scenario,
            power,
            dcs,
            remote,
            volume,
            nodes: power.nodes,
            open: Vec::new(),
            powerless: BTreeSet::new(),
            outage: None,
            cuts: BTreeMap::new(),
            helpers: BTreeMap::new(),
            laid: 0,
            once: Vec::new(),
            traps: JoinSet::new(),
            standing: JoinSet::new(),
            stopped: Stopped::default(),
            batches: JoinSet::new(),
        }
    }

    /// Takes all steps, one after the other, and waits until each trap that strikes once has struck. A step whose event does not come is
    /// recorded as a gap, and those after it are not taken: the run then proves nothing, but ends as any other.
    ///
    /// # Errors
    /// The lab could not do a step.
    pub async fn run(&mut self) -> Result<(), LabError> {
        let mut roles = Roles { first_hit: Vec::new(), since: self.recorder.clock().now(), effect_at: 0 };
        for (index, step) in self.scenario.steps.iter().enumerate() {
            let limit = Duration::from_secs(self.scenario.settings.settle_s.into());
            let what = format!("what step {index} awaits");
            let hold = u64::from(self.scenario.settings.loop_wait_s + 1) * 1_000_000_000;
            let ttl = u64::from(self.scenario.settings.ttl_s) * 1_000_000_000;
            let clock = self.recorder.clock();
            let found = self
                .until(&what, limit, |view| {
                    match awaited::met(step.when.as_ref(), view, &roles, hold, ttl, clock.now()) {
                        Seen::Yes(()) => targets::find(step.target, view, &roles).into(),
                        Seen::NotYet(last) => Seen::NotYet(last),
                        Seen::Never(why) => Seen::Never(why),
                    }
                })
                .await;
            let targets = match found {
                Ok(targets) => targets,
                Err(error) => {
                    let why =
                        format!("step {index} ({}) and all after it were not taken: {}", step.name(), error.message);
                    let gap = Kind::Gap { of: Source::Harness, why, reason: Some(GapReason::StepNotTaken) };
                    self.recorder.record(None, Source::Harness, [roles.since, clock.now()], gap);
                    return self.disarm().await;
                }
            };
            roles.since = clock.now();
            self.report.doing(&format!("step {index}: {}", step.name()));
            self.take(step, &targets).await?;
            roles.effect_at = clock.now();
            if roles.first_hit.is_empty() {
                roles.first_hit = targets;
            }
        }
        self.until_struck().await
    }

    /// Does what a step says to each of its targets.
    async fn take(&mut self, step: &Step, targets: &[String]) -> Result<(), LabError> {
        match step.action {
            Action::Await => {}
            Action::Lift(fault) => {
                for target in targets {
                    self.lift(fault, target).await?;
                }
            }
            Action::Disturbance(Disturbance::EtcdLeaderMoved) => {
                let done = self.move_etcd_leader().await?;
                self.disturbed(None, Disturbance::EtcdLeaderMoved, done);
            }
            Action::Disturbance(Disturbance::EtcdCompacted) => {
                let done = self.compact_etcd().await?;
                self.disturbed(None, Disturbance::EtcdCompacted, done);
            }
            Action::Disturbance(Disturbance::RemoteFailover) => {
                let remote = self.remote.ok_or_else(|| cannot(step))?;
                let since = self.recorder.clock().now();
                let effect = format!("the primary elsewhere is another now, {}", remote.fail_over(self.lane).await?);
                let done = ([since, self.recorder.clock().now()], Some(effect));
                self.disturbed(None, Disturbance::RemoteFailover, done);
            }
            Action::Disturbance(disturbance) => {
                for target in targets {
                    let done = match disturbance {
                        Disturbance::ClockSkewed => self.skew_clock(target, step.how.skew_s.unwrap_or(0)).await?,
                        Disturbance::ClockRestored => self.restore_clock(target).await?,
                        Disturbance::LinkSlowed => self.slow_link(target, step.how.delay_ms.unwrap_or(0)).await?,
                        Disturbance::LinkRestored => self.restore_link(target).await?,
                        Disturbance::OrphansContinued => self.continue_orphans(target).await?,
                        Disturbance::EtcdLeaderMoved | Disturbance::EtcdCompacted | Disturbance::RemoteFailover => {
                            return Err(cannot(step));
                        }
                    };
                    self.disturbed(Some(target), disturbance, done);
                }
            }
            Action::Fault(Fault::DcsDown) => {
                let done = self.dcs_goes_down(step.how.outage).await?;
                self.broken(None, Fault::DcsDown, done);
            }
            Action::Fault(Fault::DcsUp) => {
                let done = self.dcs_comes_up().await?;
                self.broken(None, Fault::DcsUp, done);
            }
            Action::Fault(fault) => {
                for target in targets {
                    self.inflict(fault, step, target).await?;
                }
            }
        }
        Ok(())
    }

    async fn inflict(&mut self, fault: Fault, step: &Step, node: &str) -> Result<(), LabError> {
        let how = &step.how;
        if crate::scenario::is_trap(fault, how) {
            return self.lay_trap(fault, how, node).await;
        }
        let done = match fault {
            Fault::PostmasterKilled => self.kill_postmaster(node).await?,
            Fault::OrphansLeft => self.leave_orphans(node, how).await?,
            Fault::BackendCrashed => self.kill_child(node, how.process).await?,
            Fault::AgentKilled => self.kill_agent(node).await?,
            Fault::AgentRestarted => self.restart_agent(node).await?,
            Fault::AgentFrozen => self.freeze_agent(node).await?,
            Fault::AgentThawed => self.thaw_agent(node).await?,
            Fault::NodeKilled => self.kill_node(node).await?,
            Fault::DiskFull => self.fill_disk(node).await?,
            Fault::DiskFreed => self.free_disk(node).await?,
            Fault::RequestsLost | Fault::RepliesLost => self.cut_from_dcs(node, fault).await?,
            Fault::DcsReached => self.reach_dcs(node).await?,
            Fault::NodesCut => self.cut_from_nodes(node, how.direction).await?,
            Fault::NodesJoined => self.join_nodes(node).await?,
            Fault::LeaseLost => self.revoke_lease(node).await?,
            _ => return Err(cannot(step)),
        };
        self.broken(Some(node), fault, done);
        Ok(())
    }

    /// Ends what is still open, in the order in which it began.
    ///
    /// # Errors
    /// The lab could not.
    pub async fn heal(&mut self) -> Result<(), LabError> {
        while let Some(open) = self.open.first().cloned() {
            self.report.doing("ending the faults");
            match &open {
                // What was frozen or dead may be another by now, or nobody: a watchdog has reset its node, or the node was killed.
                Open::Frozen(node, pid) if self.running(node, Process::Agent).map_or(true, |(now, _)| now != *pid) => {}
                Open::Dead(node) if self.running(node, Process::Agent).is_ok() => {}
                Open::Dead(node) if self.is_coming_back(node) => {
                    let (node, since) = (node.clone(), self.recorder.clock().now());
                    if self.running(&node, Process::Agent).is_err() && self.started(&node, since).await.is_none() {
                        return Err(LabError::harness(format!(
                            "{node} was reset by its watchdog and has not come back"
                        )));
                    }
                }
                Open::Frozen(node, _) => {
                    let done = self.thaw_agent(node).await?;
                    self.broken(Some(node), Fault::AgentThawed, done);
                }
                Open::Dead(node) => {
                    let done = self.restart_agent(node).await?;
                    self.broken(Some(node), Fault::AgentRestarted, done);
                }
                Open::CutFromDcs(node) => {
                    let done = self.reach_dcs(node).await?;
                    self.broken(Some(node), Fault::DcsReached, done);
                }
                Open::CutFromNodes(node) => {
                    let done = self.join_nodes(node).await?;
                    self.broken(Some(node), Fault::NodesJoined, done);
                }
                Open::DcsDown => {
                    let done = self.dcs_comes_up().await?;
                    self.broken(None, Fault::DcsUp, done);
                }
                Open::DiskFull(node) => {
                    let done = self.free_disk(node).await?;
                    self.broken(Some(node), Fault::DiskFreed, done);
                }
                Open::Slowed(node) => {
                    let done = self.restore_link(node).await?;
                    self.disturbed(Some(node), Disturbance::LinkRestored, done);
                }
                Open::Skewed(node) => {
                    let done = self.restore_clock(node).await?;
                    self.disturbed(Some(node), Disturbance::ClockRestored, done);
                }
                Open::OrphanStopped(node, ..) => {
                    let done = self.continue_orphans(node).await?;
                    self.disturbed(Some(node), Disturbance::OrphansContinued, done);
                }
                Open::Trap(fault, node, _) => self.lift(*fault, node).await?,
            }
            self.open.retain(|other| *other != open);
        }
        self.let_go().await?;
        while self.batches.join_next().await.is_some() {}
        Ok(())
    }

    /// A watchdog has reset the node, and its agent was not seen since.
    fn is_coming_back(&self, node: &str) -> bool {
        let view = self.recorder.view();
        let view = view.borrow();
        let newest =
            view.events.iter().rev().filter(|event| event.node.as_deref() == Some(node)).find_map(|event| match event
                .kind
            {
                Kind::Watchdog { change, .. } => (change == Watchdog::Fired).then_some(true),
                Kind::ProcessStarted { what: Process::Agent, .. } => Some(false),
                _ => None,
            });
        newest == Some(true)
    }

    fn opened(&mut self, what: Open) {
        if !self.open.contains(&what) {
            self.open.push(what);
        }
    }

    fn closed(&mut self, what: &Open) {
        self.open.retain(|open| open != what);
    }

    fn broken(&self, node: Option<&str>, fault: Fault, (at, effect): Done) {
        self.recorder.record(node, Source::Harness, at, Kind::Fault { fault, effect });
    }

    fn disturbed(&self, node: Option<&str>, disturbance: Disturbance, (at, effect): Done) {
        self.recorder.record(node, Source::Harness, at, Kind::Disturbance { disturbance, effect });
    }

    async fn until<T>(&self, what: &str, limit: Duration, look: impl FnMut(&View) -> Seen<T>) -> Result<T, LabError> {
        until(self.recorder, self.report, what, limit, look).await
    }

    /// Waits until an event of a node is recorded that began at or after `since`; `None` when none comes in time.
    async fn event_of<T>(
        &self,
        node: Option<&str>,
        what: &str,
        since: u64,
        mut fits: impl FnMut(&Event) -> Option<T>,
    ) -> Option<T> {
        let seen = self.until(what, EFFECT, |view| {
            let mut events = view.events_since(since);
            match events.find_map(|event| (node.is_none() || event.node.as_deref() == node).then(|| fits(event))?) {
                Some(found) => Seen::Yes(found),
                None => Seen::NotYet("nothing yet".to_owned()),
            }
        });
        seen.await.ok()
    }
}

/// The lab does not know how.
fn cannot(step: &Step) -> LabError {
    LabError::harness(format!("the lab cannot make {}", step.name()))
}
