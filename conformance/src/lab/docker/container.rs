//! The plan of a container: its image, where it lives, and what it is given at its start.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerCreateBody, HostConfig};
use tokio_tar::{Builder, Header};

/// CPU shares of what observes; 1024 is what everybody else has.
const OBSERVER_SHARES: i64 = 16_384;

/// Options of a small file system: room for a cluster and the WAL of a scenario.
const SMALL: &str = "rw,size=768m,mode=0755";

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

    /// The request to Docker for such a container.
    pub(super) fn request(&self, labels: &BTreeMap<String, String>) -> ContainerCreateBody {
        let mut host = HostConfig {
            // Without an init that reaps, an agent takes a killed postmaster for a living one.
            init: Some(true),
            publish_all_ports: Some(false),
            ..HostConfig::default()
        };
        let mut hostname = None;
        match self.place {
            Place::Network(network) => {
                hostname = Some(self.part.to_owned());
                host.network_mode = Some(network.to_owned());
                host.tmpfs = self.in_memory.map(|folder| HashMap::from([(folder.to_owned(), SMALL.to_owned())]));
            }
            Place::NetworkOf(container) => {
                host.network_mode = Some(format!("container:{container}"));
                host.cap_add = Some(vec!["NET_ADMIN".to_owned()]);
            }
            Place::Host(capabilities) => {
                host.pid_mode = Some("host".to_owned());
                host.network_mode = Some("host".to_owned());
                host.cap_add = Some(capabilities.iter().map(|&name| name.to_owned()).collect());
                // A process may live for milliseconds only: an observer that looks at it late does not see it.
                host.cpu_shares = Some(OBSERVER_SHARES);
            }
        }
        let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
        ContainerCreateBody {
            image: Some(self.image.to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            hostname,
            cmd: some(self.command.clone()),
            env: some(self.env.iter().map(|(key, value)| format!("{key}={value}")).collect()),
            host_config: Some(host),
            ..ContainerCreateBody::default()
        }
    }

    /// An archive of its files, to be unpacked at the root of the container; none if it has no files.
    ///
    /// # Errors
    /// A path is too long for an archive.
    pub(super) async fn archive(&self) -> std::io::Result<Option<Vec<u8>>> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut archive = Builder::new(Vec::new());
        for (path, content) in &self.files {
            let mut header = Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            let path = path.trim_start_matches('/');
            archive.append_data(&mut header, path, content.as_slice()).await?;
        }
        archive.into_inner().await.map(Some)
    }
}
