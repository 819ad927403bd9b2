//! A prepared cluster: what nodes and etcd begin with, instead of a bootstrap.

use std::collections::BTreeMap;
use std::time::Duration;

use etcd_client::{Client, PutOptions};

use crate::lab::error::LabError;

/// Seconds that the restored leader key lives unless its owner takes it up. Longer than any lease, since a loaded
/// machine takes its time to start an agent; the owner replaces the lease by one of its own.
const LEADER_TTL_S: i64 = 90;

/// The time that all requests to etcd may take.
const LIMIT: Duration = Duration::from_secs(5);

/// A prepared cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Image of each node.
    pub images: BTreeMap<String, String>,
    /// The node that led.
    pub leader: String,
    /// The keys of etcd that had no lease, with their values.
    pub keys: BTreeMap<String, String>,
}

impl Prepared {
    /// The image of a node.
    pub fn image(&self, node: &str) -> Option<&str> {
        self.images.get(node).map(String::as_str)
    }

    /// Puts the keys into an empty etcd; the leader key with a lease.
    ///
    /// # Errors
    /// etcd does not answer.
    pub async fn restore(&self, mut etcd: Client, leader_key: &str) -> Result<(), LabError> {
        let put = async {
            for (key, value) in &self.keys {
                etcd.put(key.as_str(), value.as_str(), None).await?;
            }
            let lease = etcd.lease_grant(LEADER_TTL_S, None).await?.id();
            etcd.put(leader_key, self.leader.as_str(), Some(PutOptions::new().with_lease(lease))).await
        };
        match tokio::time::timeout(LIMIT, put).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(LabError::harness(format!("putting the template's keys into etcd: {error}"))),
            Err(_) => Err(LabError::harness("putting the template's keys into etcd: no answer in time")),
        }
    }
}
