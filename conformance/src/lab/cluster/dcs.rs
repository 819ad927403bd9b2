//! The members of etcd, as the lab reaches them.

use std::net::IpAddr;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};

use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::lab::sandbox::Lane;

/// A file in a member's container that keeps it from being started again.
pub const DOWN: &str = "/run/pghaspec-down";

/// How long a request may take. etcd itself gives up on a proposal after 7 s at the latest.
const LIMIT: Duration = Duration::from_secs(2);

/// The DCS. The watch on the leader key is at its first member.
pub struct Dcs {
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of etcd.
pub struct Member {
    /// Its part in the lane, which is also its name in etcd.
    pub part: String,
    /// Its container.
    pub container: String,
    /// Where the lab reaches it, `http://…`.
    pub endpoint: String,
    /// Its address in the cluster network.
    pub address: IpAddr,
}

impl Member {
    /// A client of this member only.
    ///
    /// # Errors
    /// It cannot be made.
    pub async fn client(&self) -> Result<Client, Error> {
        let options = ConnectOptions::new().with_connect_timeout(LIMIT).with_timeout(LIMIT);
        Client::connect([&self.endpoint], Some(options)).await
    }

    /// Whether it answers a read that all members must agree on.
    ///
    /// # Errors
    /// Why not, in words.
    pub async fn answers(&self) -> Result<(), String> {
        let asked = async {
            let mut client = self.client().await?;
            client.get("/pghaspec/alive", None).await
        };
        match tokio::time::timeout(LIMIT, asked).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no answer in time".to_owned()),
        }
    }

    /// Kills etcd and keeps it from being started. Its container stays, with its addresses.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn stop(&self, lane: &Lane) -> Result<(), LabError> {
        let script = format!(
            "touch {DOWN}; for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = etcd ] && kill -9 ${{p#/proc/}}; done; true"
        );
        self.run(lane, &script).await
    }

    /// Lets etcd be started again.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn start(&self, lane: &Lane) -> Result<(), LabError> {
        self.run(lane, &format!("rm -f {DOWN}")).await
    }

    async fn run(&self, lane: &Lane, script: &str) -> Result<(), LabError> {
        let answer = exec(&lane.docker, &self.container, &["sh", "-c", script]).await?;
        match answer.code {
            0 => Ok(()),
            code => Err(LabError::harness(format!("`{script}` in {} failed ({code}): {}", self.part, answer.stderr))),
        }
    }
}
