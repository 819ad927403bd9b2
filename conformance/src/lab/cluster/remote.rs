//! The primary elsewhere that a standby cluster follows: a Postgres in a container of its own, which no agent manages and no fault of the
//! cluster hits. Somebody writes there all the time, but no rows that are read back.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Source;
use serde_json::json;
use tokio::time::Instant;

use super::{Builder, Networks, Node};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::lab::sandbox::{Lane, Place, Plan};
use crate::lab::tasks::Ends;
use crate::observe::postgres::query_once;

/// Its image: Postgres as the agents' own.
pub const REMOTE_IMAGE: &str = "pghaspec/postgres:17";

/// Its part in the lane.
pub const REMOTE: &str = "remote";

/// The program in it.
const PROGRAM: &str = "/etc/pghaspec/remote";

/// How long it may take to come up.
const UP: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// How long a statement may take.
const LIMIT: Duration = Duration::from_secs(5);
/// What somebody does there. A standby that replays that a table is gone notes in pg_control how far it must recover, and that is what is
/// known of it when it was killed.
const WRITES: &str =
    "DROP TABLE IF EXISTS pghaspec_elsewhere; CREATE TABLE pghaspec_elsewhere AS SELECT pg_current_wal_insert_lsn()";
/// Time between two of its commits.
const TICK: Duration = Duration::from_millis(300);

/// A primary elsewhere.
#[derive(Clone)]
pub struct Remote {
    /// How it is reached.
    pub node: Node,
    container: String,
}

impl Builder<'_> {
    /// Starts the primary elsewhere, if the scenario's cluster follows one, and waits until it is what the agent wants of one.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn remote(&self, networks: &Networks) -> Result<Option<Remote>, LabError> {
        if !self.scenario.settings.standby_cluster {
            return Ok(None);
        }
        let credentials = &self.manifest.credentials;
        let env = [
            ("REMOTE_USER", credentials.user.clone()),
            ("REMOTE_PASSWORD", credentials.password.clone()),
            ("PGPORT", self.manifest.ports.postgres.to_string()),
        ];
        let plan = Plan {
            part: REMOTE,
            image: REMOTE_IMAGE,
            place: Place::Network(&networks.cluster),
            command: ["bash", PROGRAM, "serve"].map(str::to_owned).into(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            files: vec![(PROGRAM.to_owned(), include_bytes!("remote.sh").to_vec())],
            in_memory: None,
        };
        let container = self.lane.start(plan).await?;
        self.follow(REMOTE, Source::Harness, |_, _| {});
        let address = self.lane.address(&container, &networks.cluster).await?;
        let control = self.lane.connect(&container, &networks.control).await?;
        let config = self.postgres_at(control);
        let remote = Remote { node: Node { name: REMOTE.to_owned(), config, address, control }, container };
        remote.is_up().await?;
        for sql in &self.manifest.remote_sql {
            let told = query_once(&remote.node.config, sql, LIMIT).await;
            told.map_err(|failure| LabError::harness(format!("`{sql}` at the remote primary: {}", failure.words())))?;
        }
        let writing = remote.clone();
        self.tasks.spawn("writing at the remote primary", Ends::WhenStopped, async move { writing.write().await });
        Ok(Some(remote))
    }

    /// What the agents are told of it, a JSON object; `null` if there is none.
    pub fn remote_for_agents(&self) -> String {
        match self.scenario.settings.standby_cluster {
            false => "null".to_owned(),
            true => json!({ "host": self.lane.name(REMOTE), "port": self.manifest.ports.postgres }).to_string(),
        }
    }
}

impl Remote {
    async fn is_up(&self) -> Result<(), LabError> {
        let deadline = Instant::now() + UP;
        loop {
            match query_once(&self.node.config, "SELECT", LIMIT).await {
                Ok(_) => return Ok(()),
                Err(failure) if Instant::now() > deadline => {
                    let message = format!("the remote primary does not come up: {}", failure.words());
                    return Err(LabError::harness(message));
                }
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    /// Commits again and again, so that whoever follows it has something to follow. It may be down meanwhile.
    async fn write(&self) {
        loop {
            let _ = query_once(&self.node.config, WRITES, LIMIT).await;
            tokio::time::sleep(TICK).await;
        }
    }

    /// From now on there is a standby of it that falls behind.
    ///
    /// # Errors
    /// There is none.
    pub async fn copy(&self, lane: &Lane) -> Result<(), LabError> {
        self.run(lane, "copy").await.map(drop)
    }

    /// It ends, and the standby that fell behind takes over; returns what that says of itself.
    ///
    /// # Errors
    /// It does not.
    pub async fn fail_over(&self, lane: &Lane) -> Result<String, LabError> {
        self.run(lane, "fail-over").await
    }

    async fn run(&self, lane: &Lane, what: &str) -> Result<String, LabError> {
        let answer = exec(&lane.docker, &self.container, &["bash", PROGRAM, what]).await?;
        match answer.code {
            0 => Ok(answer.stdout.trim().to_owned()),
            code => Err(LabError::harness(format!("remote {what} failed ({code}): {}", answer.stderr))),
        }
    }
}
