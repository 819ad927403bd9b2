//! The nodes of a cluster, each a container with an agent and its Postgres.

use std::net::IpAddr;

use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::Source;
use tokio_postgres::Config;

use super::builder::{Builder, Networks, WATCHDOG};
use super::faketime::Faketime;
use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::lab::observer::Observer;
use crate::manifest::{File, NodeCommand};
use crate::observe::agent_log::AgentLog;
use crate::observe::processes::Input;

/// The supervisor that the lab brings along for an image that has none, and its place in a node.
pub(super) const SUPERVISOR: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/images/supervise"));
pub(super) const SUPERVISE: &str = "/pghaspec-supervise";

/// A node of the cluster.
#[derive(Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// The connection to its Postgres.
    pub config: Config,
    /// Its address in the cluster network.
    pub address: IpAddr,
    /// Its address in the control network.
    pub control: IpAddr,
}

impl Builder<'_> {
    /// Starts all nodes at once.
    ///
    /// # Errors
    /// A node does not start, or ends before its addresses are known.
    pub async fn nodes(&self, networks: &Networks, observer: &Observer) -> Result<Vec<Node>, LabError> {
        let bed = &self.bed;
        let names = bed.scenario.node_names();
        let faketime = match bed.scenario.disturbs(Disturbance::ClockSkewed) {
            true => Some(Faketime::from(bed, observer).await?),
            false => None,
        };
        let since = bed.now();
        try_join_all(names.iter().map(|name| self.start_node(name, networks, faketime.as_ref()))).await?;
        for name in &names {
            let mut log = AgentLog::new(bed.recorder.clone(), bed.manifest.clone(), name);
            bed.follow(name, Source::AgentLog, move |_, line| log.take(&line));
        }
        let nodes = try_join_all(names.iter().map(|name| self.reach_node(name, networks, observer, since))).await?;
        // The task ends only with the run.
        let _ = observer.inputs.send(Input::AllKnown);
        Ok(nodes)
    }

    async fn start_node(&self, name: &str, networks: &Networks, faketime: Option<&Faketime>) -> Result<(), LabError> {
        let manifest = self.bed.manifest;
        let mut files = Vec::new();
        let mut env = manifest.env.clone();
        if self.bed.scenario.settings.has_watchdog() {
            env.insert("PGHASPEC_WATCHDOG".to_owned(), WATCHDOG.to_owned());
        }
        if let Some(faketime) = faketime {
            files.clone_from(&faketime.files);
            env.extend(faketime.env.clone());
        }
        files.extend(self.filled_files(&manifest.files, name)?);
        let image = self.prepared.and_then(|prepared| prepared.image(name)).unwrap_or(&manifest.image);
        let place = Place::Network(&networks.cluster);
        let (in_memory, limits) = (self.volume(), manifest.limits);
        let (mut entrypoint, mut command) = (None, Vec::new());
        if let Some(node) = &manifest.node {
            files.push((SUPERVISE.to_owned(), SUPERVISOR.as_bytes().to_vec()));
            let own = manifest.data_volume.iter().flat_map(|folder| ["--own".to_owned(), folder.clone()]);
            let own: Vec<String> = own.collect();
            (entrypoint, command) = (Some("/bin/sh"), self.supervised(node, name, &own)?);
        }
        let own = ContainerPlan::of(name, image, place);
        let plan = ContainerPlan { entrypoint, command, env, files, in_memory, limits, ..own };
        self.bed.sandbox.start(plan).await.map(drop)
    }

    /// Files with their contents, in which the variables of a part are filled in.
    pub(super) fn filled_files(&self, all: &[File], part: &str) -> Result<Vec<(String, Vec<u8>)>, LabError> {
        let one = |file: &File| {
            let read = std::fs::read(&file.from)
                .map_err(|error| LabError::harness(format!("reading {}: {error}", file.from.display())))?;
            let content =
                if file.template { self.filled(&String::from_utf8_lossy(&read), part)?.into_bytes() } else { read };
            Ok((file.to.clone(), content))
        };
        all.iter().map(one).collect()
    }

    /// The words with which the supervisor runs a command in a part, with some options of its own.
    pub(super) fn supervised(&self, node: &NodeCommand, name: &str, more: &[String]) -> Result<Vec<String>, LabError> {
        let mut words = vec![SUPERVISE.to_owned()];
        let option = |option: &str, value: &String| [option.to_owned(), value.clone()];
        words.extend(node.user.iter().flat_map(|user| option("--user", user)));
        words.extend(node.clear.iter().flat_map(|folder| option("--clear", folder)));
        words.extend_from_slice(more);
        words.push("--".to_owned());
        for word in &node.command {
            words.push(self.filled(word, name)?);
        }
        Ok(words)
    }

    /// Finds the addresses and the processes of a node that was started after that moment of the run.
    async fn reach_node(
        &self,
        name: &str,
        networks: &Networks,
        observer: &Observer,
        since: u64,
    ) -> Result<Node, LabError> {
        let sandbox = self.bed.sandbox;
        let container = sandbox.name(name);
        // In the cluster network the machine has no address, and from the control network on it is fenced off.
        let reached = async {
            let ((), address) = tokio::try_join!(
                observer.meet(&self.bed, name, since),
                sandbox.address(&container, &networks.cluster)
            )?;
            Ok((address, sandbox.connect(&container, &networks.control).await?))
        };
        let (address, control) = match reached.await {
            Ok(reached) => reached,
            Err(error) => {
                return Err(match sandbox.end_of(&container).await {
                    Some(end) => LabError { message: format!("the container of {name} has ended {end}"), ..error },
                    None => error,
                });
            }
        };
        Ok(Node { name: name.to_owned(), config: self.postgres_at(control), address, control })
    }
}
