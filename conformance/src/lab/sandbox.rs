//! A lane: the containers and networks of one scenario, named and labelled so that they are found again.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};
use bollard::query_parameters::KillContainerOptionsBuilder;
use futures_util::future::join_all;
use testcontainers::CopyTargetOptions;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, ContainerRequest, GenericImage, ImageExt};

use super::docker::sweep;
use super::docker::{failed, failed_with};
use super::error::LabError;
use crate::run::folder::RunDir;

/// Label with the run's name.
pub const RUN_LABEL: &str = "org.pghaspec.run";
/// Label with the absolute path of the run's folder, whose lock says whether the run lives.
pub const DIR_LABEL: &str = "org.pghaspec.dir";
/// Label with the scenario's name.
pub const LANE_LABEL: &str = "org.pghaspec.lane";

/// CPU shares of what observes; 1024 is what everybody else has.
const OBSERVER_SHARES: i64 = 16_384;

/// Options of a small file system: room for a cluster and the WAL of a scenario.
const SMALL: &str = "rw,size=768m,mode=0755";

/// How often a subnet may be taken by somebody else between two requests.
const SUBNETS: usize = 5;

/// How long Docker may take to start a container.
const START: Duration = Duration::from_secs(60);

/// The containers and networks of one scenario.
pub struct Lane {
    /// Docker Engine.
    pub docker: Docker,
    prefix: String,
    labels: BTreeMap<String, String>,
    logs: PathBuf,
    containers: Mutex<Vec<ContainerAsync<GenericImage>>>,
}

/// A container to be started.
pub struct Plan<'plan> {
    /// Its part in the lane, which is also its host name.
    pub part: &'plan str,
    /// Image and tag.
    pub image: &'plan str,
    /// Where it lives.
    pub place: Place<'plan>,
    /// Command; empty for that of the image.
    pub command: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Files: path in the container and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// A folder that is a small file system in memory, so that it can be filled.
    pub in_memory: Option<&'plan str>,
}

/// Where a container lives.
pub enum Place<'plan> {
    /// In a network of the lane, with namespaces of its own.
    Network(&'plan str),
    /// Among the processes and networks of the host, with these capabilities.
    Host(&'plan [&'plan str]),
    /// In the network of that container, whose rules it may change.
    NetworkOf(&'plan str),
}

impl Lane {
    /// A lane without containers yet. Its containers' logs go to the folder `logs`.
    pub fn new(docker: Docker, run: &RunDir, scenario: &str, logs: &Path) -> Lane {
        let labels = [
            (RUN_LABEL, run.id().to_owned()),
            (DIR_LABEL, run.path().display().to_string()),
            (LANE_LABEL, scenario.to_owned()),
        ];
        Lane {
            docker,
            prefix: format!("pghaspec-{}-{}", run.short_id(), run.next_lane()),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            logs: logs.to_path_buf(),
            containers: Mutex::new(Vec::new()),
        }
    }

    /// Name of the container or network with that part in the lane.
    pub fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// File of a container's log.
    pub fn log_file(&self, part: &str) -> PathBuf {
        self.logs.join(format!("{}.log", self.name(part)))
    }

    /// Makes a network that leads nowhere else; `mutual` says whether containers may talk to one another in it, or only to the host, and
    /// `pinned` whether [`Lane::pin`] is to work there.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn make_network(&self, part: &str, mutual: bool, pinned: bool) -> Result<String, LabError> {
        let name = self.name(part);
        let doing = format!("making network {name}");
        let option = ("com.docker.network.bridge.enable_icc".to_owned(), mutual.to_string());
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            options: Some(HashMap::from([option])),
            labels: Some(self.labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let mut last = String::new();
        for _ in 0..SUBNETS {
            self.docker.create_network(request.clone()).await.map_err(failed(&doing))?;
            if !pinned {
                return Ok(name);
            }
            // Docker lets nobody choose an address where it has chosen the subnet. So it has chosen one that is free, and that is asked for now;
            // another network may be quicker.
            let ipam = self.docker.inspect_network(&name, None).await.map_err(failed(&doing))?.ipam;
            self.docker.remove_network(&name).await.map_err(failed(&doing))?;
            match self.docker.create_network(NetworkCreateRequest { ipam, ..request.clone() }).await {
                Ok(_) => return Ok(name),
                Err(error) => last = error.to_string(),
            }
        }
        Err(failed_with(&doing, &last))
    }

    /// Gives a container that does not run the address in a network that it has when it runs again: else Docker gives it any that is free, and
    /// that of another node is, as long as that does not run either.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn pin(&self, container: &str, network: &str, address: IpAddr) -> Result<(), LabError> {
        let doing = format!("keeping the address of {container} in {network}");
        let leave = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        self.docker.disconnect_network(network, leave).await.map_err(failed(&doing))?;
        let own = EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
        let endpoint = EndpointSettings { ipam_config: Some(own), ..EndpointSettings::default() };
        let join = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        self.docker.connect_network(network, join).await.map_err(failed(&doing))
    }

    /// Starts a container and returns its name. It is not waited for beyond its start.
    ///
    /// # Errors
    /// Docker refuses, or takes longer than a minute.
    pub async fn start(&self, plan: Plan<'_>) -> Result<String, LabError> {
        let name = self.name(plan.part);
        let (image, tag) = plan.image.rsplit_once(':').unwrap_or((plan.image, "latest"));
        let mut request = ContainerRequest::from(GenericImage::new(image, tag))
            .with_container_name(&name)
            .with_labels(&self.labels)
            .with_startup_timeout(START)
            .with_cmd(plan.command);
        for (key, value) in plan.env {
            request = request.with_env_var(key, value);
        }
        for (path, content) in plan.files {
            request = request.with_copy_to(CopyTargetOptions::new(path).with_mode(0o644), content);
        }
        let in_memory = plan.in_memory.map(str::to_owned);
        request = match plan.place {
            Place::Network(network) => {
                request.with_hostname(plan.part).with_network(network).with_host_config_modifier(move |host| {
                    // Without an init that reaps, an agent takes a killed postmaster for a living one.
                    host.init = Some(true);
                    host.publish_all_ports = Some(false);
                    host.tmpfs = in_memory.clone().map(|folder| HashMap::from([(folder, SMALL.to_owned())]));
                })
            }
            Place::NetworkOf(container) => {
                let container = format!("container:{container}");
                request.with_host_config_modifier(move |host| {
                    host.init = Some(true);
                    host.publish_all_ports = Some(false);
                    host.network_mode = Some(container.clone());
                    host.cap_add = Some(vec!["NET_ADMIN".to_owned()]);
                })
            }
            Place::Host(capabilities) => {
                let capabilities: Vec<String> = capabilities.iter().map(|&name| name.to_owned()).collect();
                request.with_host_config_modifier(move |host| {
                    host.init = Some(true);
                    host.publish_all_ports = Some(false);
                    host.pid_mode = Some("host".to_owned());
                    host.network_mode = Some("host".to_owned());
                    host.cap_add = Some(capabilities.clone());
                    // A process may live for milliseconds only: who looks at it late does not see it.
                    host.cpu_shares = Some(OBSERVER_SHARES);
                })
            }
        };
        let started = request.start().await;
        let container = started.map_err(|error| failed_with(&format!("starting {name}"), &error.to_string()))?;
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).push(container);
        Ok(name)
    }

    /// Connects a container to one more network and returns its address there.
    ///
    /// # Errors
    /// Docker refuses, or gives no address.
    pub async fn connect(&self, container: &str, network: &str) -> Result<IpAddr, LabError> {
        let doing = format!("connecting {container} to {network}");
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: None };
        self.docker.connect_network(network, request).await.map_err(failed(&doing))?;
        let found = self.docker.inspect_container(container, None).await.map_err(failed(&doing))?;
        let address = found
            .network_settings
            .and_then(|settings| settings.networks)
            .and_then(|mut networks| networks.remove(network))
            .and_then(|endpoint| endpoint.ip_address)
            .and_then(|address| address.parse().ok());
        address.ok_or_else(|| LabError::harness(format!("{doing}: it has no address there; did it end?")))
    }

    /// Addresses of a container in all of its networks.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn addresses(&self, container: &str) -> Result<Vec<IpAddr>, LabError> {
        let doing = format!("looking for the addresses of {container}");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(doing))?;
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let addresses = networks.into_values().filter_map(|endpoint| endpoint.ip_address?.parse().ok());
        Ok(addresses.collect())
    }

    /// Address of a container in one of its networks.
    ///
    /// # Errors
    /// It has none there.
    pub async fn address(&self, container: &str, network: &str) -> Result<IpAddr, LabError> {
        let doing = format!("looking for the address of {container} in {network}");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(&doing))?;
        let mut networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let address = networks.remove(network).and_then(|endpoint| endpoint.ip_address?.parse().ok());
        address.ok_or_else(|| LabError::harness(format!("{doing}: it has none; did it end?")))
    }

    /// Whether a container runs.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn runs(&self, container: &str) -> Result<bool, LabError> {
        let doing = format!("looking whether {container} runs");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(doing))?;
        Ok(found.state.and_then(|state| state.running).unwrap_or(false))
    }

    /// Starts a container again that has ended.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn start_again(&self, container: &str) -> Result<(), LabError> {
        let doing = format!("starting {container} again");
        self.docker.start_container(container, None).await.map_err(failed(doing))
    }

    /// Sends a signal to the first process of the container with that part; an init passes it on to its child.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn signal(&self, part: &str, signal: &str) -> Result<(), LabError> {
        let container = self.name(part);
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = self.docker.kill_container(&container, Some(options)).await;
        sent.map_err(failed(format!("sending {signal} to {container}")))
    }

    /// Freezes all processes of a container.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn pause(&self, container: &str) -> Result<(), LabError> {
        self.docker.pause_container(container).await.map_err(failed(format!("freezing {container}")))
    }

    /// Lets the processes of a container go on.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn unpause(&self, container: &str) -> Result<(), LabError> {
        self.docker.unpause_container(container).await.map_err(failed(format!("thawing {container}")))
    }

    /// Process id on the host of a container's first process.
    ///
    /// # Errors
    /// It does not run.
    pub async fn process_id(&self, container: &str) -> Result<i64, LabError> {
        let doing = format!("looking for the first process of {container}");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(&doing))?;
        let pid = found.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        pid.ok_or_else(|| LabError::harness(format!("{doing}: it does not run")))
    }

    /// Removes all containers and networks of the lane, also those whose start was cut short.
    ///
    /// # Errors
    /// Something is still there in the end.
    pub async fn remove(&self) -> Result<(), LabError> {
        let started = std::mem::take(&mut *self.containers.lock().unwrap_or_else(PoisonError::into_inner));
        // What fails here is found again by its label.
        join_all(started.into_iter().map(ContainerAsync::rm)).await;
        let labels = [RUN_LABEL, LANE_LABEL].map(|key| format!("{key}={}", self.labels[key]));
        sweep::remove(&self.docker, &labels).await.map(drop)
    }

    /// Leaves all containers and networks behind.
    pub fn leave(&self) {
        let started = std::mem::take(&mut *self.containers.lock().unwrap_or_else(PoisonError::into_inner));
        // testcontainers removes what it drops.
        started.into_iter().for_each(std::mem::forget);
    }
}
