//! The plan of a container: its image, where it lives, and what it is given at its start.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use testcontainers::{ContainerRequest, CopyTargetOptions, GenericImage, ImageExt};

/// CPU shares of what observes; 1024 is what everybody else has.
const OBSERVER_SHARES: i64 = 16_384;

/// Options of a small file system: room for a cluster and the WAL of a scenario.
const SMALL: &str = "rw,size=768m,mode=0755";

/// The time that Docker may take to start a container.
const START: Duration = Duration::from_secs(60);

/// A container to be started.
pub struct ContainerPlan<'plan> {
    /// Its part in the sandbox, which is also its host name.
    pub part: &'plan str,
    /// Image and tag.
    pub image: &'plan str,
    /// The namespaces that it lives in.
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

/// The namespaces that a container lives in.
#[derive(Clone, Copy)]
pub enum Place<'plan> {
    /// In a network of the sandbox, with namespaces of its own.
    Network(&'plan str),
    /// Among the processes and networks of the host, with these capabilities.
    Host(&'plan [&'plan str]),
    /// In the network of that container, whose rules it may change.
    NetworkOf(&'plan str),
}

impl<'plan> ContainerPlan<'plan> {
    /// A container with the image's own command and environment, and nothing else.
    pub fn of(part: &'plan str, image: &'plan str, place: Place<'plan>) -> ContainerPlan<'plan> {
        ContainerPlan {
            part,
            image,
            place,
            command: Vec::new(),
            env: BTreeMap::new(),
            files: Vec::new(),
            in_memory: None,
        }
    }

    /// The request to Docker for a container of that name.
    pub(super) fn request(self, name: &str, labels: &BTreeMap<String, String>) -> ContainerRequest<GenericImage> {
        let (image, tag) = self.image.rsplit_once(':').unwrap_or((self.image, "latest"));
        let mut request = ContainerRequest::from(GenericImage::new(image, tag))
            .with_container_name(name)
            .with_labels(labels)
            .with_startup_timeout(START)
            .with_cmd(self.command);
        for (key, value) in self.env {
            request = request.with_env_var(key, value);
        }
        for (path, content) in self.files {
            request = request.with_copy_to(CopyTargetOptions::new(path).with_mode(0o644), content);
        }
        let in_memory = self.in_memory.map(str::to_owned);
        match self.place {
            Place::Network(network) => {
                request.with_hostname(self.part).with_network(network).with_host_config_modifier(move |host| {
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
                    // A process may live for milliseconds only: an observer that looks at it late does not see it.
                    host.cpu_shares = Some(OBSERVER_SHARES);
                })
            }
        }
    }
}
