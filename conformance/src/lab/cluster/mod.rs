//! Bringing a cluster up: networks, etcd and the nodes.

pub mod dcs;
pub mod remote;
pub mod synchronous;
pub mod template;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::Source;
use pghaspec_model::vocabulary::fault::Fault;
use tokio_postgres::Config;

use super::error::LabError;
use super::faults::Faketime;
use super::observer::Observer;
use super::sandbox::{Lane, Place, Plan};
use super::tasks::{Ends, Tasks};
use crate::manifest::{Manifest, VARIABLES, render};
use crate::observe::agent_log;
use crate::observe::container_log;
use crate::observe::container_log::{ContainerLog, Speaker};
use crate::observe::etcd::LeaderWatch;
use crate::observe::processes::Input;
use crate::observe::recorder::Recorder;
use crate::scenario::Scenario;
use dcs::{DOWN, Dcs, Member};
use template::Template;

/// Image of etcd.
pub const ETCD_IMAGE: &str = "pghaspec/etcd:3";

/// Part of the lane: the network in which nodes and etcd know one another.
pub const CLUSTER: &str = "cluster";
/// Part of the lane: the network in which the harness reaches them.
pub const CONTROL: &str = "control";

/// Its part in the lane.
const ETCD: &str = "etcd";

/// Name of the cluster, the same in every lane: each has an etcd of its own.
const SCOPE: &str = "pghaspec";

/// The watchdog's device in a node, if it has one.
pub const WATCHDOG: &str = "/run/pghaspec/watchdog";

const ETCD_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;
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
    /// The prepared cluster that the nodes are made of; without one they bootstrap.
    pub template: Option<&'run Template>,
}

/// The two networks of a lane. Nodes and etcd know one another in the cluster network; the harness reaches each of them in the control
/// network, where they cannot reach one another. So a partition of the cluster never blinds the observer.
pub struct Networks {
    /// Name of the one in which they know one another.
    pub cluster: String,
    /// Name of the one in which the harness reaches them.
    pub control: String,
}

/// A node of the cluster.
#[derive(Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// How its Postgres is reached.
    pub config: Config,
    /// Its address in the cluster network.
    pub address: IpAddr,
    /// Its address in the control network.
    pub control: IpAddr,
}

impl Builder<'_> {
    /// Makes the networks.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn networks(&self) -> Result<Networks, LabError> {
        // Docker looks names up in a container's networks in alphabetical order: `cluster` must come first.
        let pinned = self.scenario.kills_several_nodes();
        let (cluster, control) = tokio::try_join!(
            self.lane.make_network(CLUSTER, true, pinned),
            self.lane.make_network(CONTROL, false, pinned)
        )?;
        Ok(Networks { cluster, control })
    }

    /// Starts etcd and watches it from its first revision on, at its first member.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn etcd(&self, networks: &Networks) -> Result<(Dcs, LeaderWatch), LabError> {
        let parts = self.etcd_parts();
        let members = try_join_all(parts.iter().map(|part| self.start_member(part, networks))).await?;
        let leader_key = self.filled(&self.manifest.leader_key, "")?;
        let endpoint = members.first().map(|member| member.endpoint.clone()).unwrap_or_default();
        let watch = LeaderWatch::prepare(self.recorder.clone(), &endpoint, leader_key, ETCD_LIMIT).await;
        let watch = watch.map_err(|last| {
            LabError::harness(format!("waited {} s for etcd; last seen: {last}", ETCD_LIMIT.as_secs()))
        })?;
        Ok((Dcs { members }, watch))
    }

    /// The key that names the synchronous standby, if the agent has one.
    ///
    /// # Errors
    /// It holds an unknown variable.
    pub fn sync_key(&self) -> Result<Option<String>, LabError> {
        self.manifest.sync_key.as_ref().map(|key| self.filled(key, "")).transpose()
    }

    /// Parts of etcd's members in the lane.
    fn etcd_parts(&self) -> Vec<String> {
        match self.scenario.etcd {
            1 => vec![ETCD.to_owned()],
            members => (1..=members).map(|number| format!("{ETCD}{number}")).collect(),
        }
    }

    async fn start_member(&self, part: &str, networks: &Networks) -> Result<Member, LabError> {
        let url = |part: &str, port: u16| format!("http://{}:{port}", self.lane.name(part));
        let (client, peer) = (url(part, ETCD_PORT), url(part, ETCD_PEER_PORT));
        let all: Vec<String> =
            self.etcd_parts().iter().map(|part| format!("{part}={}", url(part, ETCD_PEER_PORT))).collect();
        let flags = [
            ("name", part),
            ("data-dir", "/var/lib/etcd/pghaspec"),
            ("listen-client-urls", "http://0.0.0.0:2379"),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", "http://0.0.0.0:2380"),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &all.join(",")),
            // This etcd never outlives its machine, so nothing hangs on its disk.
            ("unsafe-no-fsync", "true"),
        ];
        // It is killed and started again inside of its container, which keeps its addresses.
        let again = format!("while :; do [ -e {DOWN} ] || /usr/bin/etcd \"$@\"; sleep 0.1; done");
        let command = ["sh", "-c", &again, "etcd"].map(str::to_owned).into_iter();
        let plan = Plan {
            part,
            image: ETCD_IMAGE,
            place: Place::Network(&networks.cluster),
            command: command.chain(flags.iter().map(|(flag, value)| format!("--{flag}={value}"))).collect(),
            env: Default::default(),
            files: Vec::new(),
            in_memory: None,
        };
        let container = self.lane.start(plan).await?;
        self.follow(part, Source::Etcd, |_, _| {});
        let address = self.lane.address(&container, &networks.cluster).await?;
        let endpoint =
            format!("http://{}:{ETCD_PORT}", in_url(self.lane.connect(&container, &networks.control).await?));
        Ok(Member { part: part.to_owned(), container, endpoint, address })
    }

    /// Puts into the empty etcd what the prepared cluster's held, if there is one.
    ///
    /// # Errors
    /// etcd does not answer.
    pub async fn restore(&self, watch: &LeaderWatch) -> Result<(), LabError> {
        let Some(template) = self.template else { return Ok(()) };
        let leader_key = self.filled(&self.manifest.leader_key, "")?;
        template.restore(watch.client(), &leader_key).await
    }

    /// Starts all nodes at once.
    ///
    /// # Errors
    /// One does not start.
    pub async fn nodes(&self, networks: &Networks, observer: &Observer) -> Result<Vec<Node>, LabError> {
        let names = self.scenario.node_names();
        let faketime = match self.scenario.disturbs(Disturbance::ClockSkewed) {
            true => Some(Faketime::from(self.lane, observer).await?),
            false => None,
        };
        let since = self.recorder.clock().now();
        try_join_all(names.iter().map(|name| self.start_node(name, networks, faketime.as_ref()))).await?;
        for name in &names {
            let (manifest, node) = (self.manifest.clone(), name.clone());
            self.follow(name, Source::AgentLog, move |recorder, line| {
                agent_log::take(recorder, &manifest, &node, &line)
            });
        }
        let nodes = try_join_all(names.iter().map(|name| self.reach_node(name, networks, observer, since))).await?;
        // The task ends only with the run.
        let _ = observer.inputs.send(Input::AllKnown);
        Ok(nodes)
    }

    async fn start_node(&self, name: &str, networks: &Networks, faketime: Option<&Faketime>) -> Result<(), LabError> {
        let mut files = Vec::new();
        let mut env = self.manifest.env.clone();
        if self.scenario.settings.has_watchdog() {
            env.insert("PGHASPEC_WATCHDOG".to_owned(), WATCHDOG.to_owned());
        }
        if let Some(faketime) = faketime {
            files.clone_from(&faketime.files);
            env.extend(faketime.env.clone());
        }
        for file in &self.manifest.files {
            let read = std::fs::read(&file.from)
                .map_err(|error| LabError::harness(format!("reading {}: {error}", file.from.display())))?;
            let content =
                if file.template { self.filled(&String::from_utf8_lossy(&read), name)?.into_bytes() } else { read };
            files.push((file.to.clone(), content));
        }
        let plan = Plan {
            part: name,
            image: self.template.and_then(|template| template.image(name)).unwrap_or(&self.manifest.image),
            place: Place::Network(&networks.cluster),
            command: Vec::new(),
            env,
            files,
            in_memory: self.volume(),
        };
        self.lane.start(plan).await.map(drop)
    }

    /// Finds out how a node that was started after that moment of the run is reached, and which processes are its.
    async fn reach_node(
        &self,
        name: &str,
        networks: &Networks,
        observer: &Observer,
        since: u64,
    ) -> Result<Node, LabError> {
        let container = self.lane.name(name);
        let (control, address, ()) = tokio::try_join!(
            self.lane.connect(&container, &networks.control),
            self.lane.address(&container, &networks.cluster),
            observer.meet(self.lane, name, since)
        )?;
        Ok(Node { name: name.to_owned(), config: self.postgres_at(control), address, control })
    }

    /// How the Postgres at that address is reached.
    pub fn postgres_at(&self, control: IpAddr) -> Config {
        let mut config = Config::new();
        config
            .host(control.to_string())
            .port(self.manifest.ports.postgres)
            .user(&self.manifest.credentials.user)
            .password(&self.manifest.credentials.password)
            .dbname("postgres")
            .application_name("pghaspec");
        config
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

    /// The folder of each node that is a small file system, when the scenario fills one.
    pub fn volume(&self) -> Option<&str> {
        self.manifest.data_volume.as_deref().filter(|_| self.scenario.breaks(Fault::DiskFull))
    }

    /// Fills the variables of a template in for a node.
    fn filled(&self, template: &str, node: &str) -> Result<String, LabError> {
        let settings = &self.scenario.settings;
        let value = |name: &str| {
            Some(match name {
                "scope" => SCOPE.to_owned(),
                "name" => node.to_owned(),
                "address" => self.lane.name(node),
                "etcd" => {
                    let members = self.etcd_parts();
                    let members = members.iter().map(|part| format!("{}:{ETCD_PORT}", self.lane.name(part)));
                    members.collect::<Vec<_>>().join(",")
                }
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
                "standby_cluster" => self.remote_for_agents(),
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
