//! Templates: clusters that were bootstrapped once and stopped cleanly, so that a run need not wait for another
//! bootstrap.
//!
//! A template is one image for each node, made of the node's stopped container, and the keys that etcd held without a
//! lease, in a label of these images. Keys with a lease died with their owner, but for the leader key: it names the
//! node that led, as after an outage that is shorter than a lease. From there on it is the agents' business: they find
//! their data directories and a cluster that knows them, one of them takes the lock up, the others stream. No client
//! ever wrote to a template: it is made for its own sake, and never of a run.
//!
//! Images carry the label `org.pghaspec.template`, the digest of all that the template depends on. No sweep removes
//! them, unless their making was cut short: such a template nobody can use.
//! `docker image rm $(docker image ls --quiet --filter label=org.pghaspec.template)` removes all.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{ContainerConfig, ImageSummary};
use bollard::query_parameters::{
    CommitContainerOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder, StopContainerOptionsBuilder,
};
use etcd_client::{Client, GetOptions};
use futures_util::future::{join_all, try_join_all};
use pghaspec_model::vocabulary::event::Phase;
use pghaspec_model::vocabulary::fault::Fault;
use sha2::{Digest, Sha256};

use super::cluster::{Builder, ETCD_IMAGE, Prepared, come_up};
use super::docker::agent_image::remedy;
use super::docker::sandbox::Sandbox;
use super::docker::sweep::is_dead;
use super::docker::{asked, failed, image_digest, own_image_digest};
use super::error::LabError;
use super::observer::Observer;
use super::tasks::{Ends, Tasks};
use super::testbed::Testbed;
use super::wait::{interrupted, unless_interrupted};
use crate::manifest::Manifest;
use crate::observe::clock::RunClock;
use crate::observe::leaders::etcd::TICK_KEY;
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
/// Label with the names of all nodes, with blanks between them.
const NODES: &str = "org.pghaspec.template.nodes";
/// Label with the agent's image.
const AGENT: &str = "org.pghaspec.template.agent";
/// Label with that image's digest.
const AGENT_DIGEST: &str = "org.pghaspec.template.agent-digest";
/// Label with the node that led.
const LEADER: &str = "org.pghaspec.template.leader";
/// Label with the keys of etcd, a JSON object.
const KEYS: &str = "org.pghaspec.template.keys";

/// Name of all these images.
const REPOSITORY: &str = "pghaspec/template";

/// Counted up when templates are made in another way.
const RECIPE: u32 = 2;

/// The time that a cluster may take to come up.
const UP: Duration = Duration::from_secs(90);
/// Seconds that a node may take to stop.
const STOP_S: i32 = 60;

/// The time that the making of an image may take: as long as a slow disk takes for a data directory.
const KEEP: Duration = Duration::from_secs(300);

/// The time that a request to etcd may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Held while a template is made: another scenario that wants one waits, and may find it then.
static MAKING_ONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// The cluster that a template is made for, and the digest by which it is found.
struct Wanted<'run> {
    docker: Docker,
    manifest: &'run Manifest,
    scenario: Scenario,
    agent_digest: String,
    digest: String,
}

/// The prepared cluster for a scenario, made if there is none yet; `None` for a scenario whose cluster cannot be
/// prepared.
///
/// # Errors
/// The template cannot be made.
pub async fn prepared(
    docker: &Docker,
    scenario: &Scenario,
    manifest: &Manifest,
    dir: &RunDir,
    progress: &Progress,
) -> Result<Option<Prepared>, LabError> {
    // A standby cluster follows a primary that is another one in every run, and a file system that is made to be filled
    // begins empty. The data of services is not kept, and neither is the state of an authority that is no etcd.
    let has_others = !manifest.services.is_empty() || manifest.leader_observer.etcd_key().is_none();
    if scenario.settings.standby_cluster || scenario.breaks(Fault::DiskFull) || has_others {
        return Ok(None);
    }
    let manifest = manifest.prepared_by.as_deref().unwrap_or(manifest);
    let looked = unless_interrupted(async {
        let wanted = Wanted::of(docker, scenario, manifest).await?;
        if let Some(found) = wanted.find().await? {
            return Ok(Err(found));
        }
        let making = MAKING_ONE.lock().await;
        match wanted.find().await? {
            Some(found) => Ok(Err(found)),
            None => Ok(Ok((wanted, making))),
        }
    });
    match looked.await? {
        Ok((wanted, _making)) => wanted.make(dir, progress).await.map(Some),
        Err(found) => Ok(Some(found)),
    }
}

impl<'run> Wanted<'run> {
    async fn of(docker: &Docker, scenario: &Scenario, manifest: &'run Manifest) -> Result<Wanted<'run>, LabError> {
        // A node learns some settings anew at each start, and the steps come later: neither is part of the template.
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
        let agent_digest = image_digest(docker, &manifest.image, &remedy(manifest)).await?;
        add(agent_digest.as_bytes());
        add(own_image_digest(docker, ETCD_IMAGE).await?.as_bytes());
        add(scenario.node_names().join(" ").as_bytes());
        add(format!("{:?}", scenario.settings).as_bytes());
        add(format!("{:?} {:?} {:?}", manifest.env, manifest.variables, manifest.leader_observer).as_bytes());
        if let Some(node) = &manifest.node {
            add(format!("{node:?}").as_bytes());
        }
        for file in &manifest.files {
            let content = std::fs::read(&file.from)
                .map_err(|error| LabError::harness(format!("reading {}: {error}", file.from.display())))?;
            add(file.to.as_bytes());
            add(&content);
        }
        let digest = digest.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Ok(Wanted { docker: docker.clone(), manifest, scenario, agent_digest, digest })
    }

    /// Looks for a complete template. Of two that were made at the same time either will do.
    async fn find(&self) -> Result<Option<Prepared>, LabError> {
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
            Some(Prepared {
                leader: labels.get(LEADER)?.clone(),
                keys: serde_json::from_str(labels.get(KEYS)?).ok()?,
                images: by_node,
            })
        }))
    }

    /// Bootstraps a cluster, stops it cleanly, and keeps its nodes as images.
    async fn make(&self, dir: &RunDir, progress: &Progress) -> Result<Prepared, LabError> {
        let report = progress.lane(&format!("template {}", &self.digest[..6]));
        report.say(&format!("bootstrapping a cluster of {} {} once", self.manifest.name, self.manifest.version));
        let folder = dir.template(&self.digest)?;
        let recorder = Recorder::create(&folder.events, RunClock::start(), &self.scenario.node_names())?;
        let name = format!("template-{}", self.digest);
        let sandbox = Sandbox::new(self.docker.clone(), dir, &name, &folder.logs);
        let tasks = Tasks::new();
        let bed = Testbed {
            scenario: &self.scenario,
            manifest: self.manifest,
            sandbox: &sandbox,
            recorder: &recorder,
            report: &report,
            tasks: &tasks,
        };
        let builder = Builder { bed, prepared: None };
        let making = async {
            let (observer, (networks, watch)) = tokio::try_join!(Observer::start(&bed), async {
                let networks = builder.networks().await?;
                let (_, watch) = builder.authority(&networks).await?;
                Ok((networks, watch))
            })?;
            recorder.phase(Phase::Bootstrap);
            let etcd = watch.client();
            let nodes = builder.nodes(&networks, &observer).await?;
            watch.spawn(&bed);
            for node in &nodes {
                let probes = probe::watch(recorder.clone(), node.name.clone(), node.config.clone());
                tasks.spawn(format!("probing {}", node.name), Ends::WhenStopped, probes);
            }
            let healthy = come_up(&bed, etcd.clone(), UP).await?;
            report.doing("stopping it cleanly");
            self.stop(&sandbox, &healthy).await?;
            report.doing("keeping it");
            let etcd = etcd.ok_or_else(|| LabError::harness("a template needs etcd"))?;
            self.keep(&sandbox, &healthy.leader, lasting_keys(etcd).await?).await
        };
        let made = tokio::select! {
            biased;
            lost = tasks.lost() => Err(lost),
            message = recorder.failed() => Err(LabError::harness(message)),
            error = interrupted() => Err(error),
            made = making => made,
        };
        tasks.stop().await;
        let cleaned = sandbox.remove().await;
        report.done();
        if made.is_ok() {
            self.remove_stale().await?;
        }
        if let (Err(_), Err(left)) = (&made, &cleaned) {
            report.say(&left.to_string());
        }
        made.and_then(|prepared| cleaned.map(|()| prepared)).map_err(|error| {
            let message = format!("making a template (--fresh does without): {}", error.message);
            LabError { message, ..error }.with_logs(folder.logs)
        })
    }

    /// Stops the standbys and then the leader: no standby is promoted, and the leader alone writes the last WAL record.
    async fn stop(&self, sandbox: &Sandbox, healthy: &Healthy) -> Result<(), LabError> {
        let nodes = self.scenario.node_names();
        let (leader, standbys): (Vec<_>, Vec<_>) = nodes.iter().partition(|name| **name == healthy.leader);
        for nodes in [standbys, leader] {
            try_join_all(nodes.into_iter().map(|name| self.stop_node(sandbox, name))).await?;
        }
        Ok(())
    }

    async fn stop_node(&self, sandbox: &Sandbox, name: &str) -> Result<(), LabError> {
        /// Exit code of a container that Docker killed since it did not stop in time.
        const KILLED: i64 = 137;
        let container = sandbox.name(name);
        let doing = format!("stopping {container}");
        let options = StopContainerOptionsBuilder::new().t(STOP_S).build();
        // It takes as long as the node takes, and no longer than that limit.
        let stopping = self.docker.clone().with_timeout(Duration::from_secs(2 * u64::from(STOP_S.unsigned_abs())));
        stopping.stop_container(&container, Some(options)).await.map_err(failed(&doing))?;
        let ended = asked(&doing, self.docker.inspect_container(&container, None)).await?;
        match ended.state.and_then(|state| state.exit_code) {
            Some(KILLED) => Err(LabError::harness(format!("{doing}: it did not stop within {STOP_S} s of SIGTERM"))),
            _ => Ok(()),
        }
    }

    /// Makes an image of each node's container.
    async fn keep(
        &self,
        sandbox: &Sandbox,
        leader: &str,
        keys: BTreeMap<String, String>,
    ) -> Result<Prepared, LabError> {
        let making = sandbox.name("template");
        let keys_label = serde_json::to_string(&keys).map_err(|error| LabError::harness(error.to_string()))?;
        let all = self.scenario.node_names().join(" ");
        let images = try_join_all(self.scenario.node_names().into_iter().map(async |node| {
            let tag = format!("{making}-{node}");
            let labels = [
                (LABEL, self.digest.as_str()),
                (MAKING, &making),
                (NODE, &node),
                (NODES, &all),
                (AGENT, &self.manifest.image),
                (AGENT_DIGEST, &self.agent_digest),
                (LEADER, leader),
                (KEYS, &keys_label),
            ];
            let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
            // Also whose they are: if their making is cut short, that tells whether they may be removed.
            let labels = labels.into_iter().chain(sandbox.labels().clone()).collect();
            let options =
                CommitContainerOptionsBuilder::new().container(&sandbox.name(&node)).repo(REPOSITORY).tag(&tag);
            let config = ContainerConfig { labels: Some(labels), ..ContainerConfig::default() };
            let kept = self.docker.clone().with_timeout(KEEP).commit_container(options.build(), config).await;
            kept.map_err(failed(format!("keeping {node} as an image")))?;
            Ok::<_, LabError>((node, format!("{REPOSITORY}:{tag}")))
        }))
        .await?;
        Ok(Prepared { images: images.into_iter().collect(), leader: leader.to_owned(), keys })
    }

    /// Removes the templates that were made of an earlier image of this agent: no digest finds them any more.
    async fn remove_stale(&self) -> Result<(), LabError> {
        let of_agent = images(&self.docker, &format!("{AGENT}={}", self.manifest.image)).await?;
        let stale = of_agent.iter().filter(|image| image.labels.get(AGENT_DIGEST) != Some(&self.agent_digest));
        let options = RemoveImageOptionsBuilder::new().build();
        // Docker keeps an image that a running container still uses; it goes when the next template is made.
        join_all(stale.map(|image| self.docker.remove_image(&image.id, Some(options.clone()), None))).await;
        Ok(())
    }
}

/// Removes the images of templates whose making was cut short, and whose maker is dead: nobody can use them. Returns
/// how many were removed.
///
/// # Errors
/// Docker does not answer.
pub async fn remove_half_made(docker: &Docker, runs: &[&RunDir]) -> Result<usize, LabError> {
    let half_made = half_made(images(docker, LABEL).await?);
    let dead = half_made.iter().filter(|image| is_dead(&image.labels, runs));
    let options = RemoveImageOptionsBuilder::new().build();
    let removing = dead.map(|image| docker.remove_image(&image.id, Some(options.clone()), None));
    Ok(join_all(removing).await.iter().filter(|done| done.is_ok()).count())
}

/// The images of which some other node's is missing.
fn half_made(images: Vec<ImageSummary>) -> Vec<ImageSummary> {
    let mut makings: BTreeMap<String, Vec<ImageSummary>> = BTreeMap::new();
    for image in images {
        let making = image.labels.get(MAKING).cloned().unwrap_or_default();
        makings.entry(making).or_default().push(image);
    }
    let is_half_made = |images: &Vec<ImageSummary>| {
        let there: Vec<&String> = images.iter().filter_map(|image| image.labels.get(NODE)).collect();
        let wanted = images.iter().find_map(|image| image.labels.get(NODES));
        wanted.is_some_and(|nodes| nodes.split(' ').any(|node| !there.iter().any(|there| *there == node)))
    };
    makings.into_values().filter(is_half_made).flatten().collect()
}

/// All images with a label.
async fn images(docker: &Docker, label: &str) -> Result<Vec<ImageSummary>, LabError> {
    let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    asked("listing templates", docker.list_images(Some(options))).await
}

/// The keys of etcd that have no lease, without the lab's own.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn image(making: &str, node: &str, nodes: Option<&str>) -> ImageSummary {
        let labels = [(MAKING, Some(making)), (NODE, Some(node)), (NODES, nodes)];
        let labels = labels.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned())));
        ImageSummary { id: format!("{making}-{node}"), labels: labels.collect(), ..ImageSummary::default() }
    }

    #[test]
    fn a_template_that_lacks_a_node_is_half_made() {
        let (two, three) = (Some("n1 n2"), Some("n1 n2 n3"));
        let images = vec![
            image("whole", "n1", two),
            image("half", "n1", three),
            image("whole", "n2", two),
            image("half", "n3", three),
            // Made by an older pghaspec: nobody knows how many there should be.
            image("old", "n1", None),
        ];
        let half: Vec<String> = half_made(images).into_iter().map(|image| image.id).collect();
        assert_eq!(half, ["half-n1", "half-n3"]);
    }
}
