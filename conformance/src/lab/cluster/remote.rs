//! The remote primary that a standby cluster follows: a Postgres in a container of its own, which no agent manages and
//! no fault of the cluster hits. The lab writes there all the time, but no rows that are read back.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Source;
use tokio::time::Instant;

use super::builder::{Builder, Networks};
use super::nodes::Node;
use crate::lab::docker::container::{ContainerPlan, Place};
use crate::lab::error::LabError;
use crate::lab::tasks::Ends;
use crate::lab::testbed::Testbed;
use crate::observe::postgres::query_once;

/// Its image: Postgres as the agents' own.
pub const REMOTE_IMAGE: &str = "pghaspec/postgres:17";

/// Its part in the sandbox.
pub const REMOTE: &str = "remote";

/// The program in it.
const PROGRAM: &str = "/etc/pghaspec/remote";

/// The time that the remote primary may take to come up.
const UP: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(100);
/// The time that a statement may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The statements that the lab repeats there. A standby that replays the removal of a table notes in pg_control how far
/// it must recover, and that is what is known of it when it was killed.
const WRITES: &str =
    "DROP TABLE IF EXISTS pghaspec_elsewhere; CREATE TABLE pghaspec_elsewhere AS SELECT pg_current_wal_insert_lsn()";
/// Time between two of its commits.
const TICK: Duration = Duration::from_millis(300);

/// A remote primary.
#[derive(Clone)]
pub struct Remote {
    /// Its addresses and its connection.
    pub node: Node,
    container: String,
}

impl Builder<'_> {
    /// Starts the remote primary, if the scenario's cluster follows one, waits until it answers, and makes there what
    /// the agent wants besides, by the manifest.
    ///
    /// # Errors
    /// The remote primary does not come up, or refuses a statement of the manifest.
    pub async fn remote(&self, networks: &Networks) -> Result<Option<Remote>, LabError> {
        if !self.bed.scenario.settings.standby_cluster {
            return Ok(None);
        }
        let (sandbox, manifest) = (self.bed.sandbox, self.bed.manifest);
        let credentials = &manifest.credentials;
        let env = [
            ("REMOTE_USER", credentials.user.clone()),
            ("REMOTE_PASSWORD", credentials.password.clone()),
            ("PGPORT", manifest.ports.postgres.to_string()),
        ];
        let plan = ContainerPlan {
            command: ["bash", PROGRAM, "serve"].map(str::to_owned).into(),
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            files: vec![(PROGRAM.to_owned(), include_bytes!("remote.sh").to_vec())],
            ..ContainerPlan::of(REMOTE, REMOTE_IMAGE, Place::Network(&networks.cluster))
        };
        let container = sandbox.start(plan).await?;
        self.bed.follow(REMOTE, Source::Harness, |_, _| {});
        let address = sandbox.address(&container, &networks.cluster).await?;
        let control = sandbox.connect(&container, &networks.control).await?;
        let config = self.postgres_at(control);
        let remote = Remote { node: Node { name: REMOTE.to_owned(), config, address, control }, container };
        remote.is_up().await?;
        for sql in &manifest.remote_sql {
            let told = query_once(&remote.node.config, sql, LIMIT).await;
            told.map_err(|failure| LabError::harness(format!("`{sql}` at the remote primary: {}", failure.words())))?;
        }
        let writing = remote.clone();
        let writing = async move { writing.write().await };
        self.bed.tasks.spawn("writing at the remote primary", Ends::WhenStopped, writing);
        Ok(Some(remote))
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

    /// Commits again and again, so that standbys have something to replay. The primary may be down meanwhile.
    async fn write(&self) {
        loop {
            let _ = query_once(&self.node.config, WRITES, LIMIT).await;
            tokio::time::sleep(TICK).await;
        }
    }

    /// Makes a standby of it that falls behind from now on.
    ///
    /// # Errors
    /// The command fails in the container.
    pub async fn copy(&self, bed: &Testbed<'_>) -> Result<(), LabError> {
        self.run(bed, "copy").await.map(drop)
    }

    /// Ends the primary, and promotes the standby that fell behind; returns what that says of itself.
    ///
    /// # Errors
    /// The command fails in the container.
    pub async fn fail_over(&self, bed: &Testbed<'_>) -> Result<String, LabError> {
        self.run(bed, "fail-over").await
    }

    async fn run(&self, bed: &Testbed<'_>, what: &str) -> Result<String, LabError> {
        let answer = bed.exec(&self.container, &["bash", PROGRAM, what]).await?;
        match answer.code {
            0 => Ok(answer.stdout.trim().to_owned()),
            code => Err(LabError::harness(format!("remote {what} failed ({code}): {}", answer.stderr))),
        }
    }
}
