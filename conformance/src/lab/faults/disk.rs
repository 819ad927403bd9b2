//! The disk of a node's data directory: full, and free again. The lab has put it on a small file system in memory before.

use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Process};
use serde::Deserialize;

use super::{Done, Faults, Open};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::observe::postgres::query_once;

/// How many WAL segments may have been kept for use again: those need no room.
const KEPT: usize = 40;
const LIMIT: Duration = Duration::from_secs(5);

/// What `fill-disk` says.
#[derive(Deserialize)]
struct Filled {
    before_ns: u64,
    after_ns: u64,
    free_bytes: u64,
}

impl Faults<'_> {
    /// Fills the disk and makes Postgres want a new WAL segment; it then panics, and cannot recover.
    pub(super) async fn fill_disk(&mut self, node: &str) -> Result<Done, LabError> {
        let (postmaster, _) = self.running(node, Process::Postmaster)?;
        let (at, _) = self.disk("fill", node).await?;
        self.opened(Open::DiskFull(node.to_owned()));
        let config = self.nodes.iter().find(|one| one.name == node).map(|one| &one.config);
        let config = config.ok_or_else(|| LabError::harness(format!("there is no node {node}")))?;
        let next = "SELECT pg_logical_emit_message(false, 'pghaspec', 'full'); SELECT pg_switch_wal()";
        for _ in 0..KEPT {
            if query_once(config, next, LIMIT).await.is_err() {
                break;
            }
        }
        let what = format!("Postgres of {node} to end");
        let ended = self.event_of(Some(node), &what, at[0], |event| match event.kind {
            Kind::ProcessExited { what: Process::Postmaster, pid, .. } if pid == postmaster => Some(event.at),
            _ => None,
        });
        Ok(match ended.await {
            // The model's fault is the panic and all that follows from it.
            Some(end) => ([at[0], end[1]], Some(format!("no byte is free, and postmaster {postmaster} ended"))),
            None => (at, None),
        })
    }

    pub(super) async fn free_disk(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::DiskFull(node.to_owned()));
        let (at, free) = self.disk("free", node).await?;
        Ok((at, (free > 0).then(|| format!("{free} bytes are free"))))
    }

    async fn disk(&self, what: &str, node: &str) -> Result<([u64; 2], u64), LabError> {
        let folder = self.volume.ok_or_else(|| LabError::harness("the nodes have no small disk"))?;
        let init = self.lane.process_id(&self.lane.name(node)).await?.to_string();
        let answer = exec(&self.lane.docker, &self.observer.container, &["fill-disk", what, &init, folder]).await?;
        let said: Filled = serde_json::from_str(&answer.stdout).map_err(|_| {
            LabError::harness(format!("fill-disk {what} at {node} failed ({}): {}", answer.code, answer.stderr))
        })?;
        let clock = self.recorder.clock();
        Ok(([clock.of_monotonic(said.before_ns), clock.of_monotonic(said.after_ns)], said.free_bytes))
    }
}
