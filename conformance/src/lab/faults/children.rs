//! A process of the server that is not the postmaster is killed: the postmaster ends all others and recovers, or ends itself.

use std::time::Duration;

use pghaspec_model::event::{Kind, Process};
use tokio::time::Instant;

use super::{Done, EFFECT, Faults};
use crate::lab::error::LabError;
use crate::observe::postgres::query_once;
use crate::scenario::Child;

const LIMIT: Duration = Duration::from_secs(2);
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
        let before = self.pid(node, CHECKPOINTER).await;
        let Some(pid) = self.pid(node, query).await else {
            return Err(LabError::harness(format!("{node} does not say which process {what} is")));
        };
        let since = self.recorder.clock().now();
        let (sent, at) = self.signal("KILL", &[&program, &pid, &postmaster.to_string()]).await?;
        let killed = format!("{what}, process {}, was killed", sent.pid);
        // A postmaster that recovers by itself starts another checkpointer; one that may not ends.
        let deadline = Instant::now() + EFFECT;
        while Instant::now() < deadline {
            if self.has_ended(node, postmaster, since) {
                return Ok((at, Some(format!("{killed}, and postmaster {postmaster} ended"))));
            }
            let now = self.pid(node, CHECKPOINTER).await;
            if now.is_some() && now != before {
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

    /// What a query for a process id answers, in the node's own namespace.
    pub(super) async fn pid(&self, node: &str, query: &str) -> Option<String> {
        let node = self.nodes.iter().find(|one| one.name == node)?;
        let rows = query_once(&node.config, query, LIMIT).await.ok()?;
        rows.into_iter().flatten().flatten().next()
    }
}
