//! Bringing a cluster up: networks, etcd and the nodes.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use pghaspec_model::event::Source;
use tokio_postgres::Config;

use super::docker::exec;
use super::error::LabError;
use super::lane::{Lane, Place, Plan};
use super::observer::Observer;
use super::tasks::{Ends, Tasks};
use crate::manifest::{Manifest, VARIABLES, render};
use crate::observe::agent_log;
use crate::observe::container_log::{self, ContainerLog, Speaker};
use crate::observe::etcd::LeaderWatch;
use crate::observe::processes::Input;
use crate::observe::recorder::Recorder;
use crate::scenario::Scenario;

/// Image of etcd.
pub const ETCD_IMAGE: &str = "pghaspec/etcd:3";

/// Its part in the lane.
const ETCD: &str = "etcd";

/// Name of the cluster, the same in every lane: each has an etcd of its own.
const SCOPE: &str = "pghaspec";

/// The watchdog's device in a node, if it has one.
const WATCHDOG: &str = "/run/pghaspec/watchdog";

const ETCD_PORT: u16 = 2379;
const ETCD_LIMIT: Duration = Duration::from_secs(30);

/// What is brought up for a scenario, and whom it reports to.
pub struct Builder<'run> {
    /// Where the containers belong.
    pub lane: &'run Lane,
    /// The scenario.
    pub scenario: &'run Scenario,
    /// The agent.
    pub manifest: &'run Manifest,
    /// Where events go.
    pub recorder: &'run Recorder,
    /// Tasks that end with the run.
    pub tasks: &'run Tasks,
}

/// The two networks of a lane. Nodes and etcd know one another in the cluster network; the harness reaches each of them in the control
/// network, where they cannot reach one another. So a partition of the cluster never blinds the observer.
pub struct Networks {
    cluster: String,
    control: String,
}

/// A node of the cluster.
#[derive(Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How its Postgres is reached.
    pub config: Config,
}

impl Builder<'_> {
    /// Makes the networks.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn networks(&self) -> Result<Networks, LabError> {
        // Docker looks names up in a container's networks in alphabetical order: `cluster` must come first.
        let (cluster, control) =
            tokio::try_join!(self.lane.make_network("cluster", true), self.lane.make_network("control", false))?;
        Ok(Networks { cluster, control })
    }

    /// Starts etcd and watches it from its first revision on.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn etcd(&self, networks: &Networks) -> Result<LeaderWatch, LabError> {
        let client = format!("http://{}:{ETCD_PORT}", self.lane.name(ETCD));
        let peer = "http://127.0.0.1:2380";
        let flags = [
            ("name", "etcd"),
            ("data-dir", "/var/lib/etcd/pghaspec"),
            ("listen-client-urls", "http://0.0.0.0:2379"),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", peer),
            ("initial-advertise-peer-urls", peer),
            ("initial-cluster", &format!("etcd={peer}")),
            // This etcd never outlives its machine, so nothing hangs on its disk.
            ("unsafe-no-fsync", "true"),
        ];
        let command = std::iter::once("/usr/bin/etcd".to_owned())
            .chain(flags.iter().map(|(flag, value)| format!("--{flag}={value}")))
            .collect();
        let plan = Plan {
            part: ETCD,
            image: ETCD_IMAGE,
            place: Place::Network(&networks.cluster),
            command,
            env: Default::default(),
            files: Vec::new(),
        };
        let container = self.lane.start(plan).await?;
        self.follow(ETCD, Source::Etcd, |_, _| {});
        let address = self.lane.connect(&container, &networks.control).await?;
        let endpoint = format!("http://{}:{ETCD_PORT}", in_url(address));
        let leader_key = self.filled(&self.manifest.leader_key, "")?;
        LeaderWatch::prepare(self.recorder.clone(), &endpoint, leader_key, ETCD_LIMIT)
            .await
            .map_err(|last| LabError::harness(format!("waited {} s for etcd; last seen: {last}", ETCD_LIMIT.as_secs())))
    }

    /// Starts all nodes at once.
    ///
    /// # Errors
    /// One does not start.
    pub async fn nodes(&self, networks: &Networks, observer: &Observer) -> Result<Vec<Node>, LabError> {
        let names = self.scenario.node_names();
        try_join_all(names.iter().map(|name| self.start_node(name, networks))).await?;
        for name in &names {
            let (manifest, node) = (self.manifest.clone(), name.clone());
            self.follow(name, Source::AgentLog, move |recorder, line| {
                agent_log::take(recorder, &manifest, &node, &line)
            });
        }
        let nodes = try_join_all(names.iter().map(|name| self.reach_node(name, networks, observer))).await?;
        // The task ends only with the run.
        let _ = observer.inputs.send(Input::AllKnown);
        Ok(nodes)
    }

    async fn start_node(&self, name: &str, networks: &Networks) -> Result<(), LabError> {
        let mut files = Vec::new();
        for file in &self.manifest.files {
            let read = std::fs::read(&file.from)
                .map_err(|error| LabError::harness(format!("reading {}: {error}", file.from.display())))?;
            let content =
                if file.template { self.filled(&String::from_utf8_lossy(&read), name)?.into_bytes() } else { read };
            files.push((file.to.clone(), content));
        }
        let plan = Plan {
            part: name,
            image: &self.manifest.image,
            place: Place::Network(&networks.cluster),
            command: Vec::new(),
            env: self.manifest.env.clone(),
            files,
        };
        self.lane.start(plan).await.map(drop)
    }

    /// Finds out how a started node is reached and which processes are its.
    async fn reach_node(&self, name: &str, networks: &Networks, observer: &Observer) -> Result<Node, LabError> {
        let container = self.lane.name(name);
        let namespace = async {
            let pid = self.lane.process_id(&container).await?.to_string();
            let answer = exec(&self.lane.docker, &observer.container, &["pidns", &pid]).await?;
            let pidns = answer.stdout.parse().map_err(|_| {
                LabError::harness(format!("the PID namespace of {container} is not known: {}", answer.stderr))
            })?;
            let _ = observer.inputs.send(Input::Namespace { pidns, node: name.to_owned() });
            Ok(())
        };
        let (address, ()) = tokio::try_join!(self.lane.connect(&container, &networks.control), namespace)?;
        let mut config = Config::new();
        config
            .host(address.to_string())
            .port(self.manifest.ports.postgres)
            .user(&self.manifest.credentials.user)
            .password(&self.manifest.credentials.password)
            .dbname("postgres")
            .application_name("pghaspec");
        Ok(Node { name: name.to_owned(), config })
    }

    /// Copies a container's log to the run's folder, and each line to `take`, until the run ends. That of a node goes on after its container
    /// was started again; what the lab itself brought up must last.
    pub fn follow(
        &self,
        part: &str,
        of: Source,
        mut take: impl FnMut(&Recorder, container_log::Line) + Send + 'static,
    ) {
        let (docker, recorder) = (self.lane.docker.clone(), self.recorder.clone());
        let (container, file) = (self.lane.name(part), self.lane.log_file(part));
        let node = self.scenario.node_names().into_iter().find(|name| name == part);
        let speaker = Speaker { container, node: node.clone(), of };
        self.tasks.spawn(format!("following the log of {part}"), Ends::WhenStopped, async move {
            let followed = async {
                let mut log = ContainerLog::new(docker, recorder.clone(), speaker, &file)?;
                loop {
                    log.follow(|line| take(&recorder, line)).await?;
                    let Some(node) = &node else { return Ok(()) };
                    recorder.update(|view| view.container_ended(node, true));
                    log.until_it_runs().await;
                    recorder.update(|view| view.container_ended(node, false));
                }
            };
            if let Err(error) = followed.await {
                recorder.fail(error);
                // That ends the run, and says more than the end of this task would.
                std::future::pending().await
            }
        });
    }

    /// Fills the variables of a template in for a node.
    fn filled(&self, template: &str, node: &str) -> Result<String, LabError> {
        let settings = &self.scenario.settings;
        let value = |name: &str| {
            Some(match name {
                "scope" => SCOPE.to_owned(),
                "name" => node.to_owned(),
                "address" => self.lane.name(node),
                "etcd" => format!("{}:{ETCD_PORT}", self.lane.name(ETCD)),
                "loop_wait" => settings.loop_wait_s.to_string(),
                "ttl" => settings.ttl_s.to_string(),
                "retry_timeout" => settings.retry_timeout_s.to_string(),
                "primary_start_timeout" => settings.primary_start_timeout_s.to_string(),
                "maximum_lag_on_failover" => settings.maximum_lag_on_failover.to_string(),
                "synchronous_mode" => settings.synchronous_mode.to_string(),
                "failsafe_mode" => settings.failsafe_mode.to_string(),
                "check_timeline" => settings.check_timeline.to_string(),
                "use_pg_rewind" => settings.use_pg_rewind.to_string(),
                "remove_data_directory_on_diverged_timelines" => {
                    settings.remove_data_directory_on_diverged_timelines.to_string()
                }
                "restart_after_crash" => if settings.restart_after_crash { "on" } else { "off" }.to_owned(),
                "watchdog_mode" => settings.watchdog.id().to_owned(),
                "watchdog_device" => WATCHDOG.to_owned(),
                "standby_cluster" => "null".to_owned(),
                _ => return self.manifest.variables.get(name).cloned(),
            })
        };
        render(template, value).map_err(|name| {
            LabError::harness(format!("`{{{{{name}}}}}` is no variable; known are: {}", VARIABLES.join(", ")))
        })
    }
}

/// An address as it stands in a URL.
fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    }
}
