//! The plan of a container: its image, where it lives, and what it is given at its start.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::{HostConfig, HostConfigLogConfig};
use testcontainers::{ContainerRequest, CopyTargetOptions, GenericImage, ImageExt};

use crate::manifest::Limits;

/// CPU shares of what observes; 1024 is what everybody else has.
const OBSERVER_SHARES: i64 = 16_384;

/// Size of a small file system, MiB: room for a cluster and the WAL of a scenario.
const SMALL_MIB: u32 = 768;

const MIB: i64 = 1 << 20;

/// Docker's own copy of a log in MiB for each MiB that the lab takes of it: JSON makes six bytes of a control
/// character. Docker begins that copy anew when it is full, and whoever follows it misses lines then; so the lab must
/// have had its part before.
const STORED: u32 = 6;

/// Capabilities of a container's first processes beyond those of a common user: to give files and processes to other
/// users, and to end those. Not among them: raw packets (`NET_RAW`), which would pass the fence of a node's network.
const CAPABILITIES: [&str; 7] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID"];

/// The time that Docker may take to start a container.
pub(super) const START: Duration = Duration::from_secs(60);

/// A container to be started.
pub struct ContainerPlan<'plan> {
    /// Its part in the sandbox, which is also its host name.
    pub part: &'plan str,
    /// Image and tag.
    pub image: &'plan str,
    /// The namespaces that it lives in.
    pub place: Place<'plan>,
    /// Entrypoint, with the command as its arguments; without one it is the image's.
    pub entrypoint: Option<&'plan str>,
    /// Command; empty for that of the image.
    pub command: Vec<String>,
    /// Environment.
    pub env: BTreeMap<String, String>,
    /// Files: path in the container and content.
    pub files: Vec<(String, Vec<u8>)>,
    /// A folder that is a small file system in memory, so that it can be filled.
    pub in_memory: Option<&'plan str>,
    /// The most that it may take of the machine, if it is in a network of the sandbox: an agent has its say there.
    pub limits: Limits,
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
            entrypoint: None,
            command: Vec::new(),
            env: BTreeMap::new(),
            files: Vec::new(),
            in_memory: None,
            limits: Limits::default(),
        }
    }

    /// The request to Docker for a container of that name.
    pub(super) fn request(self, name: &str, labels: &BTreeMap<String, String>) -> ContainerRequest<GenericImage> {
        let (image, tag) = self.image.rsplit_once(':').unwrap_or((self.image, "latest"));
        let image = GenericImage::new(image, tag);
        let image = match self.entrypoint {
            Some(entrypoint) => image.with_entrypoint(entrypoint),
            None => image,
        };
        let mut request = ContainerRequest::from(image)
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
        let (in_memory, limits) = (self.in_memory.map(str::to_owned), self.limits);
        match self.place {
            Place::Network(network) => {
                request.with_hostname(self.part).with_network(network).with_host_config_modifier(move |host| {
                    // Without an init that reaps, an agent takes a killed postmaster for a living one.
                    host.init = Some(true);
                    host.publish_all_ports = Some(false);
                    confine(host, limits, in_memory.as_deref());
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

/// Keeps what runs in the container from taking the machine: by limits, and by rights that it does not get.
fn confine(host: &mut HostConfig, limits: Limits, in_memory: Option<&str>) {
    host.tmpfs = in_memory
        .map(|folder| HashMap::from([(folder.to_owned(), format!("rw,nosuid,nodev,size={SMALL_MIB}m,mode=0755"))]));
    // What lies in such a file system counts as memory of whoever wrote it.
    let memory_mib = limits.memory_mib + if in_memory.is_some() { SMALL_MIB } else { 0 };
    host.memory = Some(i64::from(memory_mib) * MIB);
    host.memory_swap = host.memory;
    host.pids_limit = Some(i64::from(limits.pids));
    host.log_config = Some(log_of(limits.log_mib * STORED));
    host.cap_drop = Some(vec!["ALL".to_owned()]);
    host.cap_add = Some(CAPABILITIES.map(str::to_owned).into());
    host.security_opt = Some(vec!["no-new-privileges".to_owned()]);
}

/// The confinement of a container that only looks at its own image: no network, no capability, and nothing that it
/// could write to but the log, of which Docker keeps `log_mib`.
pub(super) fn powerless(limits: Limits, log_mib: u32) -> HostConfig {
    let mut host = HostConfig::default();
    confine(&mut host, limits, None);
    host.cap_add = None;
    host.network_mode = Some("none".to_owned());
    host.readonly_rootfs = Some(true);
    host.log_config = Some(log_of(log_mib));
    host
}

/// Docker's own copy of a log, which has at most so many MiB.
fn log_of(mib: u32) -> HostConfigLogConfig {
    let config = HashMap::from([("max-size".to_owned(), format!("{mib}m"))]);
    HostConfigLogConfig { typ: Some("json-file".to_owned()), config: Some(config) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_in_which_an_agent_has_its_say_is_confined() {
        let mut host = HostConfig::default();
        confine(&mut host, Limits { memory_mib: 300, pids: 70, log_mib: 5 }, None);
        assert_eq!((host.memory, host.memory_swap, host.pids_limit), (Some(300 << 20), Some(300 << 20), Some(70)));
        assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "30m");
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        let kept = host.cap_add.unwrap();
        assert!(["NET_RAW", "NET_ADMIN", "SYS_ADMIN", "MKNOD"].iter().all(|cap| !kept.contains(&(*cap).to_owned())));
        assert_eq!((host.tmpfs, host.security_opt.unwrap()), (None, vec!["no-new-privileges".to_owned()]));
    }

    #[test]
    fn a_container_that_only_looks_at_its_image_has_no_rights() {
        let host = powerless(Limits { memory_mib: 300, pids: 70, log_mib: 5 }, 16);
        assert_eq!((host.memory, host.memory_swap, host.pids_limit), (Some(300 << 20), Some(300 << 20), Some(70)));
        assert_eq!((host.cap_drop.unwrap(), host.cap_add), (vec!["ALL".to_owned()], None));
        assert_eq!((host.network_mode.as_deref(), host.readonly_rootfs), (Some("none"), Some(true)));
        assert_eq!(host.security_opt.unwrap(), ["no-new-privileges"]);
        assert_eq!(host.log_config.unwrap().config.unwrap()["max-size"], "16m");
    }

    #[test]
    fn a_file_system_in_memory_comes_on_top() {
        let mut host = HostConfig::default();
        confine(&mut host, Limits { memory_mib: 300, ..Limits::default() }, Some("/data"));
        assert_eq!(host.memory, Some((300 + 768) << 20));
        assert!(host.tmpfs.unwrap()["/data"].contains("size=768m"));
    }
}
