//! The networks of a sandbox, and the addresses of its containers in them.

use std::collections::HashMap;
use std::net::IpAddr;

use bollard::models::{
    EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest, NetworkDisconnectRequest,
};

use super::sandbox::Sandbox;
use super::{asked, failed_with};
use crate::lab::error::LabError;

/// Part of the sandbox: the network in which nodes and etcd know one another. The machine has no address there.
pub const CLUSTER: &str = "cluster";
/// Part of the sandbox: the network in which the harness reaches them.
pub const CONTROL: &str = "control";

/// The number of times that another process may take the subnet between two requests.
const SUBNETS: usize = 5;

impl Sandbox {
    /// Makes a network that leads nowhere else; `mutual` says whether containers may talk to one another in it, and not
    /// to the host, which has no address there, or only to the host, and `pinned` whether [`Sandbox::pin`] is to work
    /// there.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn make_network(&self, part: &str, mutual: bool, pinned: bool) -> Result<String, LabError> {
        let name = self.name(part);
        let doing = format!("making network {name}");
        let bridge = |option: &str| (format!("com.docker.network.bridge.{option}"), mutual.to_string());
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".to_owned()),
            internal: Some(true),
            options: Some(HashMap::from(["enable_icc", "inhibit_ipv4"].map(bridge))),
            labels: Some(self.labels().clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let docker = self.docker.clone();
        self.to_its_end(async move {
            let mut last = String::new();
            for _ in 0..SUBNETS {
                asked(&doing, docker.create_network(request.clone())).await?;
                if !pinned {
                    return Ok(name);
                }
                // Docker assigns addresses on request only in a subnet that was requested as well. So Docker chooses a
                // free subnet first, and that one is requested; another network may be quicker to take it.
                let ipam = asked(&doing, docker.inspect_network(&name, None)).await?.ipam;
                asked(&doing, docker.remove_network(&name)).await?;
                match docker.create_network(NetworkCreateRequest { ipam, ..request.clone() }).await {
                    Ok(_) => return Ok(name),
                    Err(error) => last = error.to_string(),
                }
            }
            Err(failed_with(&doing, &last))
        })
        .await
    }

    /// Reserves an address for a container that does not run, for when it runs again. Docker would otherwise give it
    /// any address that is free, and the address of another node is free as long as that node does not run either.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn pin(&self, container: &str, network: &str, address: IpAddr) -> Result<(), LabError> {
        let doing = format!("keeping the address of {container} in {network}");
        let leave = NetworkDisconnectRequest { container: container.to_owned(), force: Some(true) };
        asked(&doing, self.docker.disconnect_network(network, leave)).await?;
        let own = EndpointIpamConfig { ipv4_address: Some(address.to_string()), ..EndpointIpamConfig::default() };
        let endpoint = EndpointSettings { ipam_config: Some(own), ..EndpointSettings::default() };
        let join = NetworkConnectRequest { container: container.to_owned(), endpoint_config: Some(endpoint) };
        asked(&doing, self.docker.connect_network(network, join)).await
    }

    /// Connects a container to one more network and returns its address there.
    ///
    /// # Errors
    /// Docker refuses, or gives no address.
    pub async fn connect(&self, container: &str, network: &str) -> Result<IpAddr, LabError> {
        let doing = format!("connecting {container} to {network}");
        let request = NetworkConnectRequest { container: container.to_owned(), endpoint_config: None };
        asked(&doing, self.docker.connect_network(network, request)).await?;
        let address = self.addresses_by_network(container, &doing).await?.remove(network);
        address.ok_or_else(|| LabError::harness(format!("{doing}: it has no address there; did it end?")))
    }

    /// The addresses of a network, `ADDRESS/BITS`.
    ///
    /// # Errors
    /// Docker does not know the network, or its addresses.
    pub async fn subnet(&self, network: &str) -> Result<String, LabError> {
        let doing = format!("looking for the addresses of network {network}");
        let found = asked(&doing, self.docker.inspect_network(network, None)).await?;
        let pools = found.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let subnet = pools.into_iter().filter_map(|pool| pool.subnet).find(|subnet| !subnet.contains(':'));
        subnet.ok_or_else(|| LabError::harness(format!("{doing}: it has none of IPv4")))
    }

    /// Addresses of a container in all of its networks.
    ///
    /// # Errors
    /// Docker does not know the container.
    pub async fn addresses(&self, container: &str) -> Result<Vec<IpAddr>, LabError> {
        let doing = format!("looking for the addresses of {container}");
        Ok(self.addresses_by_network(container, &doing).await?.into_values().collect())
    }

    /// Address of a container in one of its networks.
    ///
    /// # Errors
    /// Docker does not know the container, or it has no address there.
    pub async fn address(&self, container: &str, network: &str) -> Result<IpAddr, LabError> {
        let doing = format!("looking for the address of {container} in {network}");
        let address = self.addresses_by_network(container, &doing).await?.remove(network);
        address.ok_or_else(|| LabError::harness(format!("{doing}: it has none; did it end?")))
    }

    async fn addresses_by_network(&self, container: &str, doing: &str) -> Result<HashMap<String, IpAddr>, LabError> {
        let found = asked(doing, self.docker.inspect_container(container, None)).await?;
        let networks = found.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let address = |(name, endpoint): (String, EndpointSettings)| Some((name, endpoint.ip_address?.parse().ok()?));
        Ok(networks.into_iter().filter_map(address).collect())
    }
}
