//! The postmaster, killed, and another process of the server, killed: then the postmaster ends all others and recovers,
//! or ends itself.

use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::event::{Kind, Process};
use tokio::time::Instant;

use crate::lab::cluster::Node;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::observe::postgres::query_once;
use crate::scenario::{Child, How};

const LIMIT: Duration = Duration::from_secs(2);
/// The time that a server may take to answer at all: its processes may get no CPU for a while.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(20);

const CHECKPOINTER: &str = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'";
/// The oldest session of a client: one that was opened before any fault.
const BACKEND: &str = "SELECT pid FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name = 'pghaspec'
    ORDER BY backend_start LIMIT 1";

/// `postmaster-killed`
pub struct Kill;

#[async_trait]
impl Inject for Kill {
    fn made(&self) -> &'static str {
        "SIGKILL to the postmaster, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that the process ended by signal 9"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        Ok(Begun::over(tools.signals.kill(at, Process::Postmaster).await?))
    }
}

/// `backend-crashed`
pub struct KillChild;

#[async_trait]
impl Inject for KillChild {
    fn made(&self) -> &'static str {
        "SIGKILL to the backend of a client's oldest session, or to the checkpointer (`process`)"
    }

    fn evidence(&self) -> &'static str {
        "the postmaster has started another checkpointer, or it has ended"
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        let (query, what) = match how.process {
            Some(Child::Checkpointer) => (CHECKPOINTER, "the checkpointer"),
            Some(Child::Backend) | None => (BACKEND, "a client's backend"),
        };
        let node = tools.node(at)?;
        let (postmaster, program) = tools.signals.running(at, Process::Postmaster)?;
        let before = process_id(node, CHECKPOINTER, "the checkpointer").await?;
        let pid = process_id(node, query, what).await?;
        let since = tools.bed.now();
        let (sent, at) = tools.signals.send("KILL", at, &program, &[&pid, &postmaster.to_string()]).await?;
        let killed = format!("{what}, process {}, was killed", sent.pid);
        // A postmaster that recovers by itself starts another checkpointer; one that may not ends.
        let deadline = Instant::now() + EFFECT;
        while Instant::now() < deadline {
            if has_ended(tools, &node.name, postmaster, since) {
                let shown_by = Some(format!("{killed}, and postmaster {postmaster} ended"));
                return Ok(Begun::over(Effect { at, shown_by }));
            }
            if answer(node, CHECKPOINTER).await.is_some_and(|now| now != before) {
                let shown_by = Some(format!("{killed}, and postmaster {postmaster} started all of its processes anew"));
                return Ok(Begun::over(Effect { at, shown_by }));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Begun::over(Effect { at, shown_by: None }))
    }
}

fn has_ended(tools: &Toolbox<'_>, node: &str, pid: u32, since: u64) -> bool {
    let view = tools.bed.recorder.view();
    let view = view.borrow();
    let ends = |kind: &Kind| matches!(kind, Kind::ProcessExited { pid: ended, .. } if *ended == pid);
    view.events_since(since).any(|event| event.node.as_deref() == Some(node) && ends(&event.kind))
}

/// The process id that a query returns, in the node's own namespace.
///
/// # Errors
/// The server does not answer in time.
pub(super) async fn process_id(node: &Node, query: &str, what: &str) -> Result<String, LabError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(pid) = answer(node, query).await {
            return Ok(pid);
        }
        if Instant::now() >= deadline {
            return Err(LabError::node(format!("{} does not say which process {what} is", node.name)));
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The answer to one query for a process id, if there is one.
async fn answer(node: &Node, query: &str) -> Option<String> {
    let rows = query_once(&node.config, query, LIMIT).await.ok()?;
    rows.into_iter().flatten().flatten().next()
}
