//! The runner of a scenario: its phases, in their order, from the first container to the read-back.

use std::collections::BTreeSet;
use std::time::Duration;

use etcd_client::Client;
use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::{GapReason, Kind, Mechanism, Phase, Run, ServerState, Source, WriteResult};

use super::cluster::{Builder, Node, Prepared, REMOTE, Remote, come_up, has_synchronous, is_named};
use super::error::LabError;
use super::faults::Toolbox;
use super::nemesis::Nemesis;
use super::observer::Observer;
use super::power::Power;
use super::read_back::{only_primary, read_back};
use super::stopwatch::Stopwatch;
use super::tasks::Ends;
use super::testbed::Testbed;
use super::wait::Seen;
use super::writers::Writers;
use crate::features;
use crate::observe::probe;
use crate::observe::view::{Healthy, NodeView, View};
use crate::run::lap::Part;

/// The time that a cluster may take to come up.
const UP: Duration = Duration::from_secs(90);
/// The time that a probe of every node may take.
const PROBES: Duration = Duration::from_secs(15);

const SECOND: u64 = 1_000_000_000;

/// Runs a scenario on its testbed.
pub struct Runner<'run> {
    /// The testbed of the scenario.
    pub bed: Testbed<'run>,
    /// Name of the run.
    pub run: &'run str,
    /// The prepared cluster that the scenario begins with; without one the agents bootstrap one.
    pub prepared: Option<&'run Prepared>,
    /// The times of the parts of the run.
    pub stopwatch: &'run Stopwatch,
}

impl Runner<'_> {
    /// Runs all phases.
    ///
    /// # Errors
    /// The lab could not do its work, or a task that observes ended. An agent that does badly is no error.
    pub async fn run(&self) -> Result<(), LabError> {
        tokio::select! {
            // If both are ready, the lost task counts.
            biased;
            lost = self.bed.tasks.lost() => Err(lost),
            outcome = self.phases() => outcome,
        }
    }

    async fn phases(&self) -> Result<(), LabError> {
        let bed = self.bed;
        let builder = Builder { bed, prepared: self.prepared };
        bed.report.doing("starting the observer and what the nodes need");
        let (mut observer, (networks, (dcs, leader_watch), remote)) = tokio::try_join!(Observer::start(&bed), async {
            let networks = builder.networks().await?;
            let (dcs, remote) = tokio::try_join!(builder.authority(&networks), builder.remote(&networks))?;
            Ok((networks, dcs, remote))
        })?;
        for service in &bed.manifest.services {
            observer.fence(&bed, &service.name).await?;
        }
        if remote.is_some() {
            // An agent is superuser of the Postgres there.
            observer.fence(&bed, REMOTE).await?;
        }
        self.record_run(observer.mechanism);
        bed.recorder.phase(Phase::Bootstrap);
        observer.record(&bed);
        let etcd = leader_watch.client();
        builder.restore(etcd.clone()).await?;
        bed.report.doing("starting the nodes");
        let nodes = builder.nodes(&networks, &observer).await?;
        let (power, reset) = Power::new(bed, &observer, &nodes);
        try_join_all(nodes.iter().map(|node| power.watch(&node.name))).await?;
        leader_watch.spawn(&bed);
        for node in &nodes {
            let probes = probe::watch(bed.recorder.clone(), node.name.clone(), node.config.clone());
            bed.tasks.spawn(format!("probing {}", node.name), Ends::WhenStopped, probes);
        }

        self.stopwatch.lap(Part::Containers);
        let sync_key = builder.sync_key()?;
        let tools = Toolbox::new(bed, &observer, &power, &dcs, remote.as_ref(), builder.volume());
        tokio::select! {
            biased;
            error = power.revive_reset(reset) => Err(error),
            outcome = self.with_nodes(&nodes, (remote.as_ref(), etcd, sync_key), Nemesis::new(tools)) => outcome,
        }
    }

    /// The phases from the moment on when all nodes run.
    async fn with_nodes(
        &self,
        nodes: &[Node],
        (remote, etcd, sync_key): (Option<&Remote>, Option<Client>, Option<String>),
        mut nemesis: Nemesis<'_>,
    ) -> Result<(), LabError> {
        let bed = self.bed;
        let settings = &bed.scenario.settings;
        let healthy = come_up(&bed, etcd.clone(), UP).await?;
        self.stopwatch.lap(Part::ComingUp);
        // The agents need a cycle to learn of one another: a node that has just joined is no candidate yet in the
        // leader's eyes. And an agent that is about to rewind a standby that streams already has said so by then.
        // Another cycle for what a new leader's checkpoint brings about: an agent that asks the leader's Postgres for
        // its timeline just when the nodes are cut waits for an answer as long as they are.
        let (hold, mut since) = (self.hold() + u64::from(settings.loop_wait_s) * SECOND, 0);
        let leader = nodes.iter().find(|node| node.name == healthy.leader);
        if let Some(leader) = leader.filter(|_| settings.synchronous_mode) {
            bed.report.doing("waiting for a synchronous standby");
            has_synchronous(leader, UP).await.map_err(LabError::harness)?;
            if let (Some(key), Some(etcd)) = (sync_key, etcd) {
                let standbys: Vec<&str> =
                    nodes.iter().map(|node| node.name.as_str()).filter(|name| *name != leader.name).collect();
                is_named(etcd, &key, &standbys, UP).await.map_err(LabError::harness)?;
            }
            since = bed.now();
        }
        let steady = |view: &View| view.healthy_for(hold, since).into();
        let healthy = bed.until("the cluster to be steady", UP, steady).await?;
        let writers = match remote {
            Some(remote) => {
                // All nodes have what was there before: what they are to be rewound to is on their disks.
                if bed.scenario.disturbs(Disturbance::RemoteFailover) {
                    remote.copy(&bed).await?;
                }
                Writers::start_refused(&bed, nodes, &remote.node).await?
            }
            None => Writers::start(&bed, nodes, &healthy.leader).await?,
        };
        bed.recorder.phase(Phase::Ready);
        self.until_probed_anew().await;
        self.stopwatch.lap(Part::Steadying);

        bed.recorder.phase(Phase::Fault);
        nemesis.run().await?;
        self.stopwatch.lap(Part::Faults);
        // What the agent itself has to repair, such as a killed postmaster, is not repaired for it.
        bed.recorder.phase(Phase::Heal);
        nemesis.heal().await?;
        let primary = self.settle().await;
        bed.recorder.phase(Phase::Settled);
        self.until_probed_anew().await;
        self.stopwatch.lap(Part::Settling);

        writers.stop().await;
        bed.recorder.phase(Phase::ReadBack);
        bed.report.doing("reading back");
        let primary = primary.and_then(|primary| nodes.iter().find(|node| node.name == primary));
        read_back(bed.recorder, nodes, remote.map(|remote| &remote.node).or(primary)).await;
        // Nothing may be recorded behind the end.
        bed.tasks.stop().await;
        bed.recorder.phase(Phase::End);
        self.stopwatch.lap(Part::ReadingBack);
        Ok(())
    }

    fn record_run(&self, mechanism: Mechanism) {
        let Testbed { scenario, manifest, recorder, .. } = self.bed;
        let settings = &scenario.settings;
        let told_by = manifest.leader_observer.source();
        let mut observed = vec![Source::Harness, told_by, Source::Process, Source::Postgres, Source::Writer];
        if !manifest.says.is_empty() {
            observed.push(Source::AgentLog);
        }
        if settings.has_watchdog() {
            observed.push(Source::Watchdog);
        }
        let run = Run {
            run: self.run.to_owned(),
            scenario: scenario.id.clone(),
            agent: manifest.name.clone(),
            version: manifest.version.clone(),
            edition: manifest.edition.clone(),
            rules: manifest.rules.clone(),
            leadership: manifest.leadership,
            claims: manifest.promises(),
            recovers_s: manifest.recovers_s,
            nodes: scenario.node_names(),
            loop_wait_s: settings.loop_wait_s,
            ttl_s: settings.ttl_s,
            retry_timeout_s: settings.retry_timeout_s,
            primary_start_timeout_s: settings.primary_start_timeout_s,
            configuration: settings.configuration(scenario.etcd),
            process_observation: mechanism,
            observed,
        };
        recorder.record_now(None, Source::Harness, Kind::Run(Box::new(run)));
    }

    /// Waits until all is well again and stays so; returns the primary. The faults' effects were seen before, so what
    /// is seen now is what came of them. Giving up is recorded as a gap.
    async fn settle(&self) -> Option<String> {
        let Testbed { scenario, manifest, recorder, .. } = self.bed;
        let settings = &scenario.settings;
        let limit = Duration::from_secs(settings.settle_s.into());
        let since = self.bed.now();
        // A leader that waits for a standby acknowledges nothing, however well all looks. And while a fault lasted, it
        // may have been impossible to tell that all was not well.
        let settled = |view: &View, gone: &BTreeSet<&str>| {
            let healthy = view.healthy_for_but_for(self.hold(), since, gone)?;
            if settings.standby_cluster {
                return Ok(healthy);
            }
            let wrote = view.events_since(since).any(|event| {
                event.node.as_ref() == Some(&healthy.leader)
                    && matches!(event.kind, Kind::Write { result: WriteResult::Ok, .. })
            });
            if wrote { Ok(healthy) } else { Err(format!("{} has acknowledged no write", healthy.leader)) }
        };
        // An agent that does not bring nodes back is not waited for until it has.
        let rejoins = manifest.promises_to(features::REJOINS);
        // Nobody waits for a node that is gone, but for all others.
        let look = |view: &View| {
            let mut gone = view.gone();
            let down = if rejoins { Vec::new() } else { down(view) };
            gone.extend(&down);
            let found = settled(view, &gone);
            let names = gone.iter().copied().collect::<Vec<_>>().join(", ");
            match found {
                found if gone.is_empty() => found.into(),
                found @ Ok(_) if gone.len() == down.len() => found.into(),
                Ok(Healthy { leader, .. }) => Seen::Never(format!(
                    "the containers of these have ended: {names}; without them all is well, and {leader} leads"
                )),
                Err(_) if gone.len() == view.nodes.len() => Seen::Never("all containers have ended".to_owned()),
                Err(instead) => Seen::NotYet(format!("the containers of these have ended: {names}; {instead}")),
            }
        };
        match self.bed.until("the cluster to settle", limit, look).await {
            Ok(Healthy { leader, .. }) => Some(leader),
            Err(error) => {
                let cannot_tell = recorder.view().borrow().may_be_healthy();
                let (what, reason) = match cannot_tell {
                    true => ("not settled in time to tell", GapReason::SettledTooLateToTell),
                    false => ("not settled", GapReason::NotSettled),
                };
                let why = format!("{what}: {}", error.message);
                let gap = Kind::Gap { of: Source::Harness, why, reason: Some(reason) };
                recorder.record(None, Source::Harness, [since, self.bed.now()], gap);
                only_primary(recorder)
            }
        }
    }

    /// The time for which a cluster must be healthy before it counts, nanoseconds: a cycle of the agent and a second.
    fn hold(&self) -> u64 {
        (u64::from(self.bed.scenario.settings.loop_wait_s) + 1) * SECOND
    }

    /// Waits until every node was probed once more, so that each phase begins with a finding of each node. A node that
    /// was not is recorded as a gap: it may be the node's doing that a probe gets stuck there.
    async fn until_probed_anew(&self) {
        let now = self.bed.now();
        let missing = |view: &View| -> Vec<String> {
            view.nodes.iter().filter(|(_, node)| node.probed_at < now).map(|(name, _)| name.clone()).collect()
        };
        let probed = self.bed.until("a probe of every node", PROBES, |view| match missing(view).first() {
            None => Seen::Yes(()),
            Some(name) => Seen::NotYet(format!("{name} was not probed")),
        });
        if probed.await.is_err() {
            let recorder = self.bed.recorder;
            let missing = missing(&recorder.view().borrow());
            for node in missing {
                recorder.gap(Some(&node), now, Source::Postgres, "no probe came to an end in the time that it had");
            }
        }
    }
}

/// The nodes at which no Postgres listens.
fn down(view: &View) -> Vec<&str> {
    let refused = |node: &NodeView| node.finding.is_some_and(|finding| finding.state == ServerState::Refused);
    view.nodes.iter().filter(|(_, node)| refused(node)).map(|(name, _)| name.as_str()).collect()
}
