//! A process of the server that is not the postmaster is killed: the postmaster ends all others and recovers, or ends itself.

use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Process};
use tokio::time::Instant;

use super::{Done, EFFECT, Faults};
use crate::lab::error::LabError;
use crate::observe::postgres::query_once;
use crate::scenario::Child;

const LIMIT: Duration = Duration::from_secs(2);
/// How long a server may take to answer at all: its processes may get no CPU for a while.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

const CHECKPOINTER: &str = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
/// The oldest session of a client: one that was opened before any fault.
const BACKEND: &str = "SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name = 'pghaspec' ORDER BY backend_start LIMIT 1";

impl Faults<'_> {
    pub(super) async fn kill_child(&self, node: &str, which: Option<Child>) -> Result<Done, LabError> {
        let (query, what) = match which {
            Some(Child::Checkpointer) => (CHECKPOINTER, "the checkpointer"),
            Some(Child::Backend) | None => (BACKEND, "a client's backend"),
        };
        let (postmaster, program) = self.running(node, Process::Postmaster)?;
        let before = self.pid(node, CHECKPOINTER, "the checkpointer").await?;
        let pid = self.pid(node, query, what).await?;
        let since = self.recorder.clock().now();
        let (sent, at) = self.signal("KILL", &[&program, &pid, &postmaster.to_string()]).await?;
        let killed = format!("{what}, process {}, was killed", sent.pid);
        // A postmaster that recovers by itself starts another checkpointer; one that may not ends.
        let deadline = Instant::now() + EFFECT;
        while Instant::now() < deadline {
            if self.has_ended(node, postmaster, since) {
                return Ok((at, Some(format!("{killed}, and postmaster {postmaster} ended"))));
            }
            if self.answer(node, CHECKPOINTER).await.is_some_and(|now| now != before) {
                let words = format!("{killed}, and postmaster {postmaster} started all of its processes anew");
                return Ok((at, Some(words)));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok((at, None))
    }

    fn has_ended(&self, node: &str, pid: u32, since: u64) -> bool {
        let view = self.recorder.view();
        let view = view.borrow();
        let ends = |kind: &Kind| matches!(kind, Kind::ProcessExited { pid: ended, .. } if *ended == pid);
        view.events_since(since).any(|event| event.node.as_deref() == Some(node) && ends(&event.kind))
    }

    /// The process id that a query is for, in the node's own namespace.
    ///
    /// # Errors
    /// The server does not tell in time.
    pub(super) async fn pid(&self, node: &str, query: &str, what: &str) -> Result<String, LabError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(pid) = self.answer(node, query).await {
                return Ok(pid);
            }
            if Instant::now() >= deadline {
                return Err(LabError::harness(format!("{node} does not say which process {what} is")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// What one query for a process id answers, if it does.
    async fn answer(&self, node: &str, query: &str) -> Option<String> {
        let node = self.nodes.iter().find(|one| one.name == node)?;
        let rows = query_once(&node.config, query, LIMIT).await.ok()?;
        rows.into_iter().flatten().flatten().next()
    }
}
