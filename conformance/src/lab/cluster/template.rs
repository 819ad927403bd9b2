//! Templates: clusters that were bootstrapped once and stopped cleanly, so that a run need not wait for another bootstrap.
//!
//! A template is one image for each node, made of the node's stopped container, and the keys that etcd held without a lease, in a label of
//! these images. What had a lease died with its owner, but for the leader key: it names who led, as after an outage that is shorter than
//! a lease. From there on it is the agents' business: they find their data directories and a cluster that knows them, one of them takes the
//! lock up, the others stream. No client ever wrote to a template: it is made for its own sake, not of a run.
//!
//! Images carry the label `org.pghaspec.template`, the digest of all that the template depends on. No sweep removes them; that is done by
//! `docker image rm $(docker image ls --quiet --filter label=org.pghaspec.template)`.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerConfig, ImageSummary};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder, StopContainerOptionsBuilder,
};
use etcd_client::{Client, GetOptions, PutOptions};
use futures_util::future::{join_all, try_join_all};
use pghaspec_model::vocabulary::event::Phase;
use pghaspec_model::vocabulary::fault::Fault;
use sha2::{Digest, Sha256};

use super::{Builder, ETCD_IMAGE};
use crate::lab::docker::{failed, image_digest};
use crate::lab::error::LabError;
use crate::lab::runner::up;
use crate::lab::sandbox::Lane;
use crate::lab::tasks::{Ends, Tasks};
use crate::lab::wait::until;
use crate::manifest::Manifest;
use crate::observe::clock::RunClock;
use crate::observe::etcd::TICK_KEY;
use crate::observe::probe;
use crate::observe::recorder::Recorder;
use crate::observe::view::Healthy;
use crate::progress::Progress;
use crate::run::folder::RunDir;
use crate::scenario::{Scenario, WatchdogMode};

/// Label with the digest.
const LABEL: &str = "org.pghaspec.template";
/// Label with a name that the images of one making share.
const MAKING: &str = "org.pghaspec.template.making";
/// Label with the node's name.
const NODE: &str = "org.pghaspec.template.node";
/// Label with the agent's image.
const AGENT: &str = "org.pghaspec.template.agent";
/// Label with that image's digest.
const AGENT_DIGEST: &str = "org.pghaspec.template.agent-digest";
/// Label with who led.
const LEADER: &str = "org.pghaspec.template.leader";
/// Label with the keys of etcd, a JSON object.
const KEYS: &str = "org.pghaspec.template.keys";

/// Name of all these images.
const REPOSITORY: &str = "pghaspec/template";

/// Counted up when templates are made in another way.
const RECIPE: u32 = 2;

/// How long a cluster may take to come up, and a node to stop.
const UP: Duration = Duration::from_secs(90);
const STOP_S: i32 = 60;

/// Seconds that the restored leader key lives unless its owner takes it up. Longer than any lease, since a loaded machine takes its time
/// to start an agent; the owner replaces the lease by one of its own.
const LEADER_TTL_S: i64 = 90;

/// How long a request to etcd may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Held while a template is made: whoever else wants one waits, and may find it then.
static MAKING_ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A prepared cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Image of each node.
    images: BTreeMap<String, String>,
    /// Who led.
    leader: String,
    /// What etcd held without a lease.
    keys: BTreeMap<String, String>,
}

/// What a template is made for, and by what it is found.
struct Wanted<'run> {
    docker: Docker,
    manifest: &'run Manifest,
    scenario: Scenario,
    agent_digest: String,
    digest: String,
}

/// The template for a scenario; it is made if there is none. Nothing for a scenario whose cluster cannot be prepared.
///
/// # Errors
/// It cannot be made.
pub async fn provide(
    docker: &Docker,
    scenario: &Scenario,
    manifest: &Manifest,
    dir: &RunDir,
    progress: &Progress,
) -> Result<Option<Template>, LabError> {
    // A standby cluster follows a primary that is another one in every run, and a file system that is made to be filled begins empty.
    if scenario.settings.standby_cluster || scenario.breaks(Fault::DiskFull) {
        return Ok(None);
    }
    let manifest = manifest.prepared_by.as_deref().unwrap_or(manifest);
    let wanted = Wanted::of(docker, scenario, manifest).await?;
    if let Some(found) = wanted.find().await? {
        return Ok(Some(found));
    }
    let _making = MAKING_ONE.lock().await;
    match wanted.find().await? {
        Some(found) => Ok(Some(found)),
        None => wanted.make(dir, progress).await.map(Some),
    }
}

impl Template {
    /// The image of a node.
    pub fn image(&self, node: &str) -> Option<&str> {
        self.images.get(node).map(String::as_str)
    }

    /// Puts into an empty etcd what the template's had; the leader key with a lease.
    ///
    /// # Errors
    /// etcd does not answer.
    pub async fn restore(&self, mut etcd: Client, leader_key: &str) -> Result<(), LabError> {
        let put = async {
            for (key, value) in &self.keys {
                etcd.put(key.as_str(), value.as_str(), None).await?;
            }
            let lease = etcd.lease_grant(LEADER_TTL_S, None).await?.id();
            etcd.put(leader_key, self.leader.as_str(), Some(PutOptions::new().with_lease(lease))).await
        };
        match tokio::time::timeout(LIMIT, put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(LabError::harness(format!("putting the template's keys into etcd: {error}"))),
            Err(_) => Err(LabError::harness("putting the template's keys into etcd: no answer in time")),
        }
    }
}

impl<'run> Wanted<'run> {
    async fn of(docker: &Docker, scenario: &Scenario, manifest: &'run Manifest) -> Result<Wanted<'run>, LabError> {
        // What a node is told anew at each start, and what is done to the cluster afterwards, is no part of it.
        let mut scenario = Scenario { steps: Vec::new(), etcd: 1, ..scenario.clone() };
        scenario.settings.watchdog = WatchdogMode::Off;
        scenario.settings.watchdog_present = true;
        scenario.settings.settle_s = 0;
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(&RECIPE.to_be_bytes());
        let agent_digest = image_digest(docker, &manifest.image).await?;
        add(agent_digest.as_bytes());
        add(image_digest(docker, ETCD_IMAGE).await?.as_bytes());
        add(scenario.node_names().join(" ").as_bytes());
        add(format!("{:?}", scenario.settings).as_bytes());
        add(format!("{:?} {:?} {}", manifest.env, manifest.variables, manifest.leader_key).as_bytes());
        for file in &manifest.files {
            let content = std::fs::read(&file.from)
                .map_err(|error| LabError::harness(format!("reading {}: {error}", file.from.display())))?;
            add(file.to.as_bytes());
            add(&content);
        }
        let digest = digest.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Ok(Wanted { docker: docker.clone(), manifest, scenario, agent_digest, digest })
    }

    /// A whole template that is there. Of two that were made at the same time either will do.
    async fn find(&self) -> Result<Option<Template>, LabError> {
        let mut makings: BTreeMap<String, Vec<ImageSummary>> = BTreeMap::new();
        for image in images(&self.docker, &format!("{LABEL}={}", self.digest)).await? {
            let making = image.labels.get(MAKING).cloned().unwrap_or_default();
            makings.entry(making).or_default().push(image);
        }
        let nodes = self.scenario.node_names();
        Ok(makings.into_values().find_map(|images| {
            let by_node: BTreeMap<String, String> = images
                .iter()
                .filter_map(|image| Some((image.labels.get(NODE)?.clone(), image.repo_tags.first()?.clone())))
                .collect();
            let labels = &images.first()?.labels;
            nodes.iter().all(|node| by_node.contains_key(node)).then_some(())?;
            Some(Template {
                leader: labels.get(LEADER)?.clone(),
                keys: serde_json::from_str(labels.get(KEYS)?).ok()?,
                images: by_node,
            })
        }))
    }

    /// Bootstraps a cluster, stops it cleanly, and keeps what is left of it.
    async fn make(&self, dir: &RunDir, progress: &Progress) -> Result<Template, LabError> {
        let report = progress.lane(&format!("template {}", &self.digest[..6]));
        report.say(&format!("bootstrapping a cluster of {} {} once", self.manifest.name, self.manifest.version));
        let folder = dir.template(&self.digest)?;
        let recorder = Recorder::create(&folder.events, RunClock::start(), &self.scenario.node_names())?;
        let lane = Lane::new(self.docker.clone(), dir, &format!("template-{}", self.digest), &folder.logs);
        let tasks = Tasks::new();
        let builder = Builder {
            lane: &lane,
            scenario: &self.scenario,
            manifest: self.manifest,
            recorder: &recorder,
            tasks: &tasks,
            template: None,
        };
        let making = async {
            let (observer, (networks, watch)) = tokio::try_join!(builder.observer(), async {
                let networks = builder.networks().await?;
                let (_, watch) = builder.etcd(&networks).await?;
                Ok((networks, watch))
            })?;
            recorder.phase(Phase::Bootstrap);
            let etcd = watch.client();
            let nodes = builder.nodes(&networks, &observer).await?;
            tasks.spawn("putting ticks into etcd", Ends::WhenStopped, watch.ticks());
            tasks.spawn("watching the leader key", Ends::WhenStopped, watch.run());
            for node in &nodes {
                let probes = probe::watch(recorder.clone(), node.name.clone(), node.config.clone());
                tasks.spawn(format!("probing {}", node.name), Ends::WhenStopped, probes);
            }
            let healthy = until(&recorder, &report, "the cluster to come up", UP, up).await?;
            report.doing("stopping it cleanly");
            self.stop(&lane, &healthy).await?;
            report.doing("keeping it");
            self.keep(&lane, &healthy.leader, lasting_keys(etcd).await?).await
        };
        let made = tokio::select! {
            biased;
            lost = tasks.lost() => Err(lost),
            message = recorder.failed() => Err(LabError::harness(message)),
            error = crate::lab::interrupted() => Err(error),
            made = making => made,
        };
        tasks.stop().await;
        let cleaned = lane.remove().await;
        report.done();
        if made.is_ok() {
            self.remove_stale().await?;
        }
        made.and_then(|template| cleaned.map(|()| template)).map_err(|error| {
            let message = format!("making a template (--fresh does without): {}", error.message);
            LabError { message, ..error }.with_logs(folder.logs)
        })
    }

    /// Stops the standbys and then the leader: nobody is promoted, and the leader alone has the last word in its WAL.
    async fn stop(&self, lane: &Lane, healthy: &Healthy) -> Result<(), LabError> {
        let nodes = self.scenario.node_names();
        let (leader, standbys): (Vec<_>, Vec<_>) = nodes.iter().partition(|name| **name == healthy.leader);
        for nodes in [standbys, leader] {
            try_join_all(nodes.into_iter().map(|name| self.stop_node(lane, name))).await?;
        }
        Ok(())
    }

    async fn stop_node(&self, lane: &Lane, name: &str) -> Result<(), LabError> {
        /// Exit code of what Docker killed since it did not stop in time.
        const KILLED: i64 = 137;
        let container = lane.name(name);
        let doing = format!("stopping {container}");
        let options = StopContainerOptionsBuilder::new().t(STOP_S).build();
        self.docker.stop_container(&container, Some(options)).await.map_err(failed(&doing))?;
        let ended = self.docker.inspect_container(&container, None).await.map_err(failed(&doing))?;
        match ended.state.and_then(|state| state.exit_code) {
            Some(KILLED) => Err(LabError::harness(format!("{doing}: it did not stop within {STOP_S} s of SIGTERM"))),
            _ => Ok(()),
        }
    }

    /// Makes an image of each node's container.
    async fn keep(&self, lane: &Lane, leader: &str, keys: BTreeMap<String, String>) -> Result<Template, LabError> {
        let making = lane.name("template");
        let keys_label = serde_json::to_string(&keys).map_err(|error| LabError::harness(error.to_string()))?;
        let images = try_join_all(self.scenario.node_names().into_iter().map(async |node| {
            let tag = format!("{making}-{node}");
            let labels = [
                (LABEL, self.digest.as_str()),
                (MAKING, &making),
                (NODE, &node),
                (AGENT, &self.manifest.image),
                (AGENT_DIGEST, &self.agent_digest),
                (LEADER, leader),
                (KEYS, &keys_label),
            ];
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let options = CommitContainerOptionsBuilder::new().container(&lane.name(&node)).repo(REPOSITORY).tag(&tag);
            let config = ContainerConfig { labels: Some(HashMap::from(labels)), ..ContainerConfig::default() };
            let kept = self.docker.commit_container(options.build(), config).await;
            kept.map_err(failed(format!("keeping {node} as an image")))?;
            Ok::<_, LabError>((node, format!("{REPOSITORY}:{tag}")))
        }))
        .await?;
        Ok(Template { images: images.into_iter().collect(), leader: leader.to_owned(), keys })
    }

    /// Removes the templates of this agent's image as it was before: nothing finds them any more.
    async fn remove_stale(&self) -> Result<(), LabError> {
        let of_agent = images(&self.docker, &format!("{AGENT}={}", self.manifest.image)).await?;
        let stale = of_agent.iter().filter(|image| image.labels.get(AGENT_DIGEST) != Some(&self.agent_digest));
        let options = RemoveImageOptionsBuilder::new().build();
        // One that a running lane still uses stays until the next making.
        join_all(stale.map(|image| self.docker.remove_image(&image.id, Some(options.clone()), None))).await;
        Ok(())
    }
}

/// All images with a label.
async fn images(docker: &Docker, label: &str) -> Result<Vec<ImageSummary>, LabError> {
    let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    docker.list_images(Some(options)).await.map_err(failed("listing templates"))
}

/// What etcd holds without a lease, but for what the lab itself put there.
async fn lasting_keys(mut etcd: Client) -> Result<BTreeMap<String, String>, LabError> {
    let all = tokio::time::timeout(LIMIT, etcd.get("", Some(GetOptions::new().with_all_keys()))).await;
    let all = match all {
        Ok(Ok(all)) => all,
        Ok(Err(error)) => return Err(LabError::harness(format!("reading etcd's keys: {error}"))),
        Err(_) => return Err(LabError::harness("reading etcd's keys: no answer in time")),
    };
    let lasting = all.kvs().iter().filter(|kv| kv.lease() == 0 && kv.key() != TICK_KEY.as_bytes());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(lasting.map(|kv| (text(kv.key()), text(kv.value()))).collect())
}
