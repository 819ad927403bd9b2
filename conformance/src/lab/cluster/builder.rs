//! The builder of a cluster, and the two networks that it begins with.

use std::net::IpAddr;

use etcd_client::Client;
use pghaspec_model::vocabulary::fault::Fault;
use tokio_postgres::Config;

use super::prepared::Prepared;
use crate::lab::docker::network::{CLUSTER, CONTROL};
use crate::lab::error::LabError;
use crate::lab::testbed::Testbed;

/// The watchdog's device in a node, if it has one.
pub const WATCHDOG: &str = "/run/pghaspec/watchdog";

/// Brings a cluster up on a testbed. Its methods stand beside the parts that they start.
#[derive(Clone, Copy)]
pub struct Builder<'run> {
    /// The testbed of the scenario.
    pub bed: Testbed<'run>,
    /// The prepared cluster that the nodes are made of; without one they bootstrap.
    pub prepared: Option<&'run Prepared>,
}

/// The two networks of a sandbox. Nodes and etcd know one another in the cluster network; the harness reaches each of
/// them in the control network, where they cannot reach one another. So a partition of the cluster never blinds the
/// observer.
pub struct Networks {
    /// Name of the cluster network.
    pub cluster: String,
    /// Name of the control network.
    pub control: String,
}

impl Builder<'_> {
    /// Makes the networks.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn networks(&self) -> Result<Networks, LabError> {
        // Docker looks names up in a container's networks in alphabetical order: `cluster` must come first.
        let pinned = self.bed.scenario.kills_several_nodes();
        let (cluster, control) = tokio::try_join!(
            self.bed.sandbox.make_network(CLUSTER, true, pinned),
            self.bed.sandbox.make_network(CONTROL, false, pinned)
        )?;
        Ok(Networks { cluster, control })
    }

    /// Puts into the empty etcd what the prepared cluster's held, if there is one.
    ///
    /// # Errors
    /// etcd does not answer.
    pub async fn restore(&self, etcd: Option<Client>) -> Result<(), LabError> {
        let (Some(prepared), Some(etcd)) = (self.prepared, etcd) else { return Ok(()) };
        let leader_key = self.bed.manifest.leader_observer.etcd_key().unwrap_or_default();
        prepared.restore(etcd, &self.filled(leader_key, "")?).await
    }

    /// The connection to the Postgres at that address, as the superuser of the manifest.
    pub fn postgres_at(&self, control: IpAddr) -> Config {
        let manifest = self.bed.manifest;
        let mut config = Config::new();
        config
            .host(control.to_string())
            .port(manifest.ports.postgres)
            .user(&manifest.credentials.user)
            .password(&manifest.credentials.password)
            .dbname("postgres")
            .application_name("pghaspec");
        config
    }

    /// The folder of each node that is a small file system, when the scenario fills one.
    pub fn volume(&self) -> Option<&str> {
        self.bed.manifest.data_volume.as_deref().filter(|_| self.bed.scenario.breaks(Fault::DiskFull))
    }
}
