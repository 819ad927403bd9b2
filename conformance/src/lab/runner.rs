//! The course of a scenario: its phases, in their order.

use std::time::Duration;

use etcd_client::Client;
use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{
    Event, GapReason, Kind, Mechanism, Phase, Process, Run, Session as Through, Source, WriteResult,
};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::cluster::remote::Remote;
use super::cluster::synchronous::{has_synchronous, is_named};
use super::cluster::template::Template;
use super::cluster::{Builder, Node};
use super::error::LabError;
use super::faults::Faults;
use super::power::Power;
use super::read_back::{caught_up, only_primary, read_back};
use super::sandbox::Lane;
use super::stopwatch::Stopwatch;
use super::tasks::{Ends, Tasks};
use super::wait::{Seen, until};
use crate::manifest::Manifest;
use crate::observe::postgres::{Failure, Session};
use crate::observe::probe;
use crate::observe::recorder::Recorder;
use crate::observe::view::{Healthy, View};
use crate::observe::writer::{Writer, make_table};
use crate::progress;
use crate::run::lap::Part;
use crate::scenario::Scenario;

/// How long a cluster may take to come up.
const UP: Duration = Duration::from_secs(90);
/// How long writers may take to have their first write acknowledged, and to stop.
const WRITERS: Duration = Duration::from_secs(15);

const SECOND: u64 = 1_000_000_000;

/// Row numbers that each writer has for itself, so that what one writes in a row stays a range.
const NUMBERS: u64 = 1_000_000;

/// All that the phases share.
pub struct Course<'run> {
    /// Name of the run.
    pub run: &'run str,
    /// Where the containers belong.
    pub lane: &'run Lane,
    /// The scenario.
    pub scenario: &'run Scenario,
    /// The agent.
    pub manifest: &'run Manifest,
    /// Where events go.
    pub recorder: &'run Recorder,
    /// Where progress is told.
    pub report: &'run progress::Lane,
    /// The prepared cluster that it begins with; without one the agents bootstrap one.
    pub template: Option<&'run Template>,
    /// Where the time goes.
    pub stopwatch: &'run Stopwatch,
}

/// The clients that write.
struct Writers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Course<'_> {
    /// Runs all phases.
    ///
    /// # Errors
    /// The lab could not do its work. An agent that does badly is no error.
    pub async fn run(&self) -> Result<(), LabError> {
        // Tasks that observe end with the course, however it ends, and none of them may end before.
        let tasks = Tasks::new();
        tokio::select! {
            // Should both be so, then what is lost counts.
            biased;
            lost = tasks.lost() => Err(lost),
            outcome = self.phases(&tasks) => outcome,
        }
    }

    async fn phases(&self, tasks: &Tasks) -> Result<(), LabError> {
        let builder = Builder {
            lane: self.lane,
            scenario: self.scenario,
            manifest: self.manifest,
            recorder: self.recorder,
            tasks,
            template: self.template,
        };
        self.report.doing("starting the observer and etcd");
        let (mut observer, (networks, (dcs, leader_watch), remote)) = tokio::try_join!(builder.observer(), async {
            let networks = builder.networks().await?;
            let (etcd, remote) = tokio::try_join!(builder.etcd(&networks), builder.remote(&networks))?;
            Ok((networks, etcd, remote))
        })?;
        self.record_run(observer.mechanism);
        self.recorder.phase(Phase::Bootstrap);
        builder.record_processes(&mut observer);
        builder.restore(&leader_watch).await?;
        self.report.doing("starting the nodes");
        let nodes = builder.nodes(&networks, &observer).await?;
        let (power, reset) = Power::new((self.lane, &observer, self.recorder), tasks, self.scenario, &nodes);
        try_join_all(nodes.iter().map(|node| power.watch(&node.name))).await?;
        let etcd = leader_watch.client();
        tasks.spawn("putting ticks into etcd", Ends::WhenStopped, leader_watch.ticks());
        tasks.spawn("watching the leader key", Ends::WhenStopped, leader_watch.run());
        for node in &nodes {
            let probes = probe::watch(self.recorder.clone(), node.name.clone(), node.config.clone());
            tasks.spawn(format!("probing {}", node.name), Ends::WhenStopped, probes);
        }

        self.stopwatch.lap(Part::Containers);
        let volume = builder.volume();
        let outside = (&dcs, remote.as_ref());
        let faults =
            Faults::new((self.lane, &observer, self.recorder), self.report, self.scenario, &power, outside, volume);
        tokio::select! {
            biased;
            error = power.revive_reset(reset) => Err(error),
            outcome = self.with_nodes(tasks, &nodes, (remote.as_ref(), etcd, builder.sync_key()?), faults) => outcome,
        }
    }

    /// The phases from the moment on when all nodes run.
    async fn with_nodes(
        &self,
        tasks: &Tasks,
        nodes: &[Node],
        (remote, etcd, sync_key): (Option<&Remote>, Client, Option<String>),
        mut faults: Faults<'_>,
    ) -> Result<(), LabError> {
        let healthy = self.until("the cluster to come up", UP, up).await?;
        self.stopwatch.lap(Part::ComingUp);
        // The agents need a cycle to learn of one another: who has just joined is no candidate yet in the leader's eyes. And who is about to
        // rewind a standby that streams already has said so by then. Another cycle for what a new leader's checkpoint brings about: an agent that
        // asks the leader's Postgres for its timeline just when the nodes are cut waits for an answer as long as they are.
        let (hold, mut since) = (self.hold() + u64::from(self.scenario.settings.loop_wait_s) * SECOND, 0);
        let leader = nodes.iter().find(|node| node.name == healthy.leader);
        if let Some(leader) = leader.filter(|_| self.scenario.settings.synchronous_mode) {
            self.report.doing("waiting for a synchronous standby");
            has_synchronous(leader, UP).await.map_err(LabError::harness)?;
            if let Some(key) = sync_key {
                let standbys: Vec<&str> =
                    nodes.iter().map(|node| node.name.as_str()).filter(|name| *name != leader.name).collect();
                is_named(etcd, &key, &standbys, UP).await.map_err(LabError::harness)?;
            }
            since = self.recorder.clock().now();
        }
        let steady = |view: &View| view.healthy_for(hold, since).into();
        let healthy = self.until("the cluster to be steady", UP, steady).await?;
        let writers = match remote {
            Some(remote) => {
                // All nodes have what was there before: what they are to be rewound to is on their disks.
                if self.scenario.disturbs(Disturbance::RemoteFailover) {
                    remote.copy(self.lane).await?;
                }
                self.start_refused_writers(tasks, nodes, &remote.node).await?
            }
            None => self.start_writers(tasks, nodes, &healthy.leader).await?,
        };
        self.recorder.phase(Phase::Ready);
        self.until_probed_anew().await?;
        self.stopwatch.lap(Part::Steadying);

        self.recorder.phase(Phase::Fault);
        faults.run().await?;
        // What an agent has to repair, such as a killed postmaster, is not repaired for it.
        self.stopwatch.lap(Part::Faults);
        self.recorder.phase(Phase::Heal);
        faults.heal().await?;
        let primary = self.settle().await;
        self.recorder.phase(Phase::Settled);
        self.until_probed_anew().await?;
        self.stopwatch.lap(Part::Settling);

        writers.stop().await;
        self.recorder.phase(Phase::ReadBack);
        self.report.doing("reading back");
        let primary = primary.and_then(|primary| nodes.iter().find(|node| node.name == primary));
        read_back(self.recorder, nodes, remote.map(|remote| &remote.node).or(primary)).await;
        // Nothing may be recorded behind the end.
        tasks.stop().await;
        self.recorder.phase(Phase::End);
        self.stopwatch.lap(Part::ReadingBack);
        Ok(())
    }

    fn record_run(&self, mechanism: Mechanism) {
        let settings = &self.scenario.settings;
        let mut observed = vec![Source::Harness, Source::Etcd, Source::Process, Source::Postgres, Source::Writer];
        if !self.manifest.says.is_empty() {
            observed.push(Source::AgentLog);
        }
        if settings.has_watchdog() {
            observed.push(Source::Watchdog);
        }
        let run = Run {
            run: self.run.to_owned(),
            scenario: self.scenario.id.clone(),
            agent: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            edition: self.manifest.edition.clone(),
            rules: self.manifest.rules.clone(),
            nodes: self.scenario.node_names(),
            loop_wait_s: settings.loop_wait_s,
            ttl_s: settings.ttl_s,
            retry_timeout_s: settings.retry_timeout_s,
            primary_start_timeout_s: settings.primary_start_timeout_s,
            configuration: settings.configuration(self.scenario.etcd),
            process_observation: mechanism,
            observed,
        };
        self.recorder.record_now(None, Source::Harness, Kind::Run(Box::new(run)));
    }

    /// Makes the table, opens the held sessions at every node, and waits until writes are acknowledged.
    async fn start_writers(&self, observing: &Tasks, nodes: &[Node], leader: &str) -> Result<Writers, LabError> {
        let primary = nodes.iter().find(|node| node.name == leader);
        let writers = self.open_writers(observing, nodes, primary).await?;
        self.until("the leader to acknowledge writes", WRITERS, |view| {
            let wrote = view.nodes.get(leader).map(|node| &node.wrote);
            let missing = [Through::Held, Through::Fresh]
                .into_iter()
                .find(|through| wrote.is_none_or(|wrote| !wrote.contains(through)));
            match missing {
                None => Seen::Yes(()),
                Some(through) => Seen::NotYet(format!("no write through a {through:?} session")),
            }
        })
        .await?;
        Ok(writers)
    }

    /// The same for a cluster in which no node may acknowledge any: it waits until each has refused one.
    async fn start_refused_writers(
        &self,
        observing: &Tasks,
        nodes: &[Node],
        remote: &Node,
    ) -> Result<Writers, LabError> {
        let since = self.recorder.clock().now();
        let writers = self.open_writers(observing, nodes, Some(remote)).await?;
        self.until("every node to answer a write", WRITERS, |view| {
            let answered = |name: &String| {
                let of_node =
                    |event: &Event| event.node.as_ref() == Some(name) && matches!(event.kind, Kind::Write { .. });
                view.events_since(since).any(of_node)
            };
            match view.nodes.keys().find(|name| !answered(name)) {
                None => Seen::Yes(()),
                Some(name) => Seen::NotYet(format!("no answer of {name}")),
            }
        })
        .await?;
        Ok(writers)
    }

    /// Makes the table at the primary, and opens the held sessions at every node.
    async fn open_writers(
        &self,
        observing: &Tasks,
        nodes: &[Node],
        primary: Option<&Node>,
    ) -> Result<Writers, LabError> {
        self.report.doing("opening the writers' sessions");
        let failed = |what: &str, node: &str, why: &str| LabError::harness(format!("{what} at {node}: {why}"));
        if let Some(primary) = primary {
            let made = make_table(&primary.config).await;
            made.map_err(|failure| failed("making the table", &primary.name, &failure.words()))?;
        }
        // Else a standby would refuse the first writes because it knows no such table.
        caught_up(nodes, primary).await.map_err(LabError::harness)?;
        let held = try_join_all(nodes.iter().map(async |node| {
            let deadline = tokio::time::Instant::now() + WRITERS;
            loop {
                match Session::open(&node.config).await {
                    Ok(session) => return Ok(session),
                    // A busy machine answers late; nothing was done to the cluster yet.
                    Err(Failure::TimedOut) if tokio::time::Instant::now() < deadline => {}
                    Err(failure) => return Err(failed("opening a session", &node.name, &failure.words())),
                }
            }
        }))
        .await?;

        let stop = watch::Sender::new(false);
        let mut next = 0;
        let mut writer = |node: &Node| {
            next += NUMBERS;
            Writer {
                recorder: self.recorder.clone(),
                node: node.name.clone(),
                config: node.config.clone(),
                next,
                stop: stop.subscribe(),
            }
        };
        let mut tasks = JoinSet::new();
        for (node, session) in nodes.iter().zip(held) {
            let name = format!("writing through the held session at {}", node.name);
            // It ends with its session.
            tasks.spawn(observing.guarded(name, Ends::Anytime, stop.subscribe(), writer(node).hold(session)));
            let name = format!("writing through new sessions at {}", node.name);
            tasks.spawn(observing.guarded(name, Ends::WhenStopped, stop.subscribe(), writer(node).renew()));
        }
        Ok(Writers { stop, tasks })
    }

    /// Waits until all is well again and stays so; returns the primary. The faults' effects
    /// were seen before, so what is seen now is what came of them. Giving up is recorded as a gap.
    async fn settle(&self) -> Option<String> {
        let settings = &self.scenario.settings;
        let limit = Duration::from_secs(settings.settle_s.into());
        let since = self.recorder.clock().now();
        // A leader that waits for a standby acknowledges nothing, however well all looks. And as long as a fault lasted, nobody may have been able to
        // tell that all was not well.
        let settled = |view: &View| {
            let healthy = view.healthy_for(self.hold(), since)?;
            if settings.standby_cluster {
                return Ok(healthy);
            }
            let wrote = view.events_since(since).any(|event| {
                event.node.as_ref() == Some(&healthy.leader)
                    && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
            });
            if wrote { Ok(healthy) } else { Err(format!("{} has acknowledged no write", healthy.leader)) }
        };
        match self.until("the cluster to settle", limit, |view| settled(view).into()).await {
            Ok(Healthy { leader, .. }) => Some(leader),
            Err(error) => {
                let cannot_tell = self.recorder.view().borrow().may_be_healthy();
                let (what, reason) = match cannot_tell {
                    true => ("not settled in time to tell", GapReason::SettledTooLateToTell),
                    false => ("not settled", GapReason::NotSettled),
                };
                let why = format!("{what}: {}", error.message);
                let at = [since, self.recorder.clock().now()];
                let gap = Kind::Gap { of: Source::Harness, why, reason: Some(reason) };
                self.recorder.record(None, Source::Harness, at, gap);
                only_primary(self.recorder)
            }
        }
    }

    /// How long all must be well before it counts: a whole cycle of the agent and a second. Nanoseconds.
    fn hold(&self) -> u64 {
        (u64::from(self.scenario.settings.loop_wait_s) + 1) * SECOND
    }

    /// Waits until every node was probed once more, so that each phase begins with a finding of each node.
    async fn until_probed_anew(&self) -> Result<(), LabError> {
        let now = self.recorder.clock().now();
        self.until("a probe of every node", WRITERS, |view| {
            match view.nodes.iter().find(|(_, node)| node.probed_at < now) {
                None => Seen::Yes(()),
                Some((name, _)) => Seen::NotYet(format!("{name} was not probed")),
            }
        })
        .await
    }

    async fn until<T>(&self, what: &str, limit: Duration, look: impl FnMut(&View) -> Seen<T>) -> Result<T, LabError> {
        until(self.recorder, self.report, what, limit, look).await
    }
}

/// Whether a cluster is up that just was started. An agent that ends now, or a container, will not come back.
pub fn up(view: &View) -> Seen<Healthy> {
    for (name, node) in &view.nodes {
        if node.container_ended {
            return Seen::Never(format!("the container of {name} has ended"));
        }
        if node.exits.iter().any(|(what, _, _)| *what == Process::Agent) {
            return Seen::Never(format!("the agent of {name} has ended"));
        }
    }
    view.healthy().into()
}

impl Writers {
    /// Lets each finish the write that it is at.
    async fn stop(mut self) {
        self.stop.send_replace(true);
        // A write has a limit of its own; what passes even this is aborted when dropped.
        let _ = tokio::time::timeout(WRITERS, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

/// The first number of a batch's rows: behind those of all writers.
pub fn batch_numbers(nodes: usize, batches: usize) -> u64 {
    let writers = u64::try_from(2 * nodes + 2).unwrap_or(u64::MAX);
    (writers + u64::try_from(batches).unwrap_or(0)) * NUMBERS
}
