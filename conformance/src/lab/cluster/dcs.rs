//! The DCS of the cluster: the members of etcd, or the service that is the authority, as the lab starts and reaches
//! them.

use std::net::IpAddr;
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};
use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::event::Source;

use super::builder::{Builder, Networks};
use super::services::Running;
use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::lab::testbed::Testbed;
use crate::manifest::Service;
use crate::observe::leaders::LeaderWatch;

/// Image of etcd.
pub const ETCD_IMAGE: &str = "pghaspec/etcd:3";

/// The part of a single member in the sandbox; of several, `etcd1`, `etcd2` and so on.
const ETCD: &str = "etcd";

pub(super) const ETCD_PORT: u16 = 2379;
const ETCD_PEER_PORT: u16 = 2380;

/// The time that etcd may take to come up.
const UP: Duration = Duration::from_secs(30);

/// The time that a request may take. etcd itself gives up on a proposal after 7 s at the latest.
const LIMIT: Duration = Duration::from_secs(2);

/// A file in a member's container that keeps etcd from being started again.
const DOWN: &str = "/run/pghaspec-down";

/// Ends all that runs in a service's container but for its first process, the supervisor and this, and keeps the
/// supervisor from starting it again.
const STOP_SERVICE: &str = "touch /run/pghaspec-down; supervisor=$(cat /run/pghaspec-supervisor); \
    for p in /proc/[0-9]*; do p=${p#/proc/}; \
    case $p in 1|$$|$supervisor) ;; *) kill -9 $p 2>/dev/null ;; esac; done; true";

/// The DCS. The watch on the leader key is at its first member. Where nodes agree on the leader without one, it has no
/// members.
pub struct Dcs {
    /// Its members.
    pub members: Vec<Member>,
}

/// A member of the DCS.
pub struct Member {
    /// Its part in the sandbox, which is also its name in etcd.
    pub part: String,
    /// Its container.
    pub container: String,
    /// The way in which it is asked whether it answers.
    pub(super) asked: Asked,
    /// Its address in the cluster network.
    pub address: IpAddr,
}

/// The way in which a member is asked whether it answers.
pub(super) enum Asked {
    /// It is etcd, at this address for the lab, `http://…`.
    Etcd(String),
    /// It is a service: this command in it ends well.
    Command(Vec<String>),
}

impl Builder<'_> {
    /// Starts etcd and watches it from its first revision on, at its first member.
    ///
    /// # Errors
    /// etcd does not answer.
    pub async fn etcd(&self, networks: &Networks) -> Result<(Dcs, LeaderWatch), LabError> {
        let parts = self.etcd_parts();
        let members = try_join_all(parts.iter().map(|part| self.start_member(part, networks))).await?;
        let leader_key = self.filled(self.bed.manifest.leader_observer.etcd_key().unwrap_or_default(), "")?;
        let endpoint = members.first().and_then(Member::endpoint).unwrap_or_default().to_owned();
        let watch = LeaderWatch::prepare(self.bed.recorder.clone(), &endpoint, leader_key, UP).await;
        let watch = watch
            .map_err(|last| LabError::harness(format!("waited {} s for etcd; last seen: {last}", UP.as_secs())))?;
        Ok((Dcs { members }, watch))
    }

    /// The key that names the synchronous standby, if the agent has one.
    ///
    /// # Errors
    /// The manifest's key names an unknown variable.
    pub fn sync_key(&self) -> Result<Option<String>, LabError> {
        self.bed.manifest.sync_key.as_ref().map(|key| self.filled(key, "")).transpose()
    }

    /// Parts of etcd's members in the sandbox.
    pub(super) fn etcd_parts(&self) -> Vec<String> {
        match self.bed.scenario.etcd {
            1 => vec![ETCD.to_owned()],
            members => (1..=members).map(|number| format!("{ETCD}{number}")).collect(),
        }
    }

    async fn start_member(&self, part: &str, networks: &Networks) -> Result<Member, LabError> {
        let sandbox = self.bed.sandbox;
        let url = |part: &str, port: u16| format!("http://{}:{port}", sandbox.name(part));
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
            // Agents write there: what they fill it with must not fill the machine's disk.
            ("quota-backend-bytes", "268435456"),
        ];
        // It is killed and started again inside of its container, which keeps its addresses.
        let again = format!("while :; do [ -e {DOWN} ] || /usr/bin/etcd \"$@\"; sleep 0.1; done");
        let command = ["sh", "-c", &again, "etcd"].map(str::to_owned).into_iter();
        let plan = ContainerPlan {
            command: command.chain(flags.iter().map(|(flag, value)| format!("--{flag}={value}"))).collect(),
            ..ContainerPlan::of(part, ETCD_IMAGE, Place::Network(&networks.cluster))
        };
        let container = sandbox.start(plan).await?;
        self.bed.follow(part, Source::Etcd, |_, _| {});
        let address = sandbox.address(&container, &networks.cluster).await?;
        let endpoint = format!("http://{}:{ETCD_PORT}", in_url(sandbox.connect(&container, &networks.control).await?));
        Ok(Member { part: part.to_owned(), container, asked: Asked::Etcd(endpoint), address })
    }

    /// The service that is the authority, as the DCS.
    pub(super) fn member_of(service: &Service, running: &Running) -> Member {
        let (part, container, address) = (service.name.clone(), running.container.clone(), running.address);
        Member { part, container, asked: Asked::Command(running.ready.clone()), address }
    }
}

impl Member {
    /// Its address for the lab, if it is one of etcd's.
    fn endpoint(&self) -> Option<&str> {
        match &self.asked {
            Asked::Etcd(endpoint) => Some(endpoint),
            Asked::Command(_) => None,
        }
    }

    /// A client of this member of etcd only.
    ///
    /// # Errors
    /// The endpoint is no URL.
    pub async fn client(&self) -> Result<Client, Error> {
        let options = ConnectOptions::new().with_connect_timeout(LIMIT).with_timeout(LIMIT);
        Client::connect([self.endpoint().unwrap_or_default()], Some(options)).await
    }

    /// Checks that the member answers a read on which the members must agree.
    ///
    /// # Errors
    /// The reason why it does not, in words.
    pub async fn answers(&self, bed: &Testbed<'_>) -> Result<(), String> {
        if let Asked::Command(command) = &self.asked {
            return is_ready(bed, &self.container, command).await;
        }
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
    /// The command fails in the container.
    pub async fn stop(&self, bed: &Testbed<'_>) -> Result<(), LabError> {
        if self.endpoint().is_none() {
            return self.run(bed, STOP_SERVICE).await;
        }
        let script = format!(
            "touch {DOWN}; for p in /proc/[0-9]*; do [ \"$(cat $p/comm 2>/dev/null)\" = etcd ] \
            && kill -9 ${{p#/proc/}}; done; true"
        );
        self.run(bed, &script).await
    }

    /// Lets etcd be started again.
    ///
    /// # Errors
    /// The command fails in the container.
    pub async fn start(&self, bed: &Testbed<'_>) -> Result<(), LabError> {
        self.run(bed, &format!("rm -f {DOWN}")).await
    }

    async fn run(&self, bed: &Testbed<'_>, script: &str) -> Result<(), LabError> {
        let answer = bed.exec(&self.container, &["sh", "-c", script]).await?;
        match answer.code {
            0 => Ok(()),
            code => Err(LabError::harness(format!("`{script}` in {} failed ({code}): {}", self.part, answer.stderr))),
        }
    }
}

/// Runs the command by which a service says that it is ready.
///
/// # Errors
/// It did not end well, or not in time: its words.
pub(super) async fn is_ready(bed: &Testbed<'_>, container: &str, command: &[String]) -> Result<(), String> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    if words.is_empty() {
        return Ok(());
    }
    match tokio::time::timeout(LIMIT, bed.exec(container, &words)).await {
        Ok(Ok(answer)) if answer.code == 0 => Ok(()),
        Ok(Ok(answer)) => Err(format!("`{}` ended with {}: {}", words.join(" "), answer.code, answer.stderr.trim())),
        Ok(Err(error)) => Err(error.message),
        Err(_) => Err(format!("`{}` did not end in time", words.join(" "))),
    }
}

/// An address as it stands in a URL.
fn in_url(address: IpAddr) -> String {
    match address {
        IpAddr::V4(four) => four.to_string(),
        IpAddr::V6(six) => format!("[{six}]"),
    }
}
