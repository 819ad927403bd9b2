//! The disk of a node's data directory: full, and free again. The lab has put it on a small file system in memory
//! before.

use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::event::{Kind, Process};
use pghaspec_model::vocabulary::fault::Fault;
use serde::Deserialize;

use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::observe::postgres::query_once;
use crate::scenario::{Action, How};

/// The number of WAL segments that may have been kept for use again: those need no room.
const KEPT: usize = 40;
const LIMIT: Duration = Duration::from_secs(5);

/// The statements that make Postgres want a new WAL segment.
const NEXT_SEGMENT: &str = "SELECT pg_logical_emit_message(false, 'pghaspec', 'full'); SELECT pg_switch_wal()";

/// The answer of `fill-disk`.
#[derive(Deserialize)]
struct Filled {
    before_ns: u64,
    after_ns: u64,
    free_bytes: u64,
}

/// `disk-full`
pub struct Fill;

#[async_trait]
impl Inject for Fill {
    fn made(&self) -> &'static str {
        "a file fills the file system of the data directory, and WAL segments are switched until Postgres wants a new \
         one"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that the postmaster ended"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::DiskFreed))
    }

    /// Postgres panics when it needs a new WAL segment, and cannot recover.
    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let (postmaster, _) = tools.signals.running(at, Process::Postmaster)?;
        let (filled_at, _) = disk(tools, "fill", at).await?;
        let node = tools.node(at)?;
        for _ in 0..KEPT {
            if query_once(&node.config, NEXT_SEGMENT, LIMIT).await.is_err() {
                break;
            }
        }
        let what = format!("Postgres of {at} to end");
        let ended = tools.bed.event_of(Some(at), &what, EFFECT, filled_at[0], |event| match event.kind {
            Kind::ProcessExited { what: Process::Postmaster, pid, .. } if pid == postmaster => Some(event.at),
            _ => None,
        });
        let effect = match ended.await {
            // The model's fault is the panic and all that follows from it.
            Some(end) => Effect {
                at: [filled_at[0], end[1]],
                shown_by: Some(format!("no byte is free, and postmaster {postmaster} ended")),
            },
            None => Effect { at: filled_at, shown_by: None },
        };
        Ok(Begun::lasting(effect, Handle::Node))
    }
}

/// `disk-freed`
pub struct Free;

#[async_trait]
impl End for Free {
    fn made(&self) -> &'static str {
        "the file is removed"
    }

    fn evidence(&self) -> &'static str {
        "the file system has free bytes"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let (at, free) = disk(tools, "free", at).await?;
        Ok(Some(Effect { at, shown_by: (free > 0).then(|| format!("{free} bytes are free")) }))
    }
}

/// Fills or frees a node's disk: when, nanoseconds of the run, and how many bytes are free then.
async fn disk(tools: &Toolbox<'_>, what: &str, node: &str) -> Result<([u64; 2], u64), LabError> {
    let bed = tools.bed;
    let folder = tools.volume.ok_or_else(|| LabError::harness("the nodes have no small disk"))?;
    let init = bed.sandbox.process_id(&bed.sandbox.name(node)).await?.to_string();
    let pidns = tools.observer.namespace_of(node)?.to_string();
    let answer = bed.exec(&tools.observer.container, &["fill-disk", what, &init, &pidns, folder]).await?;
    let filled: Filled = serde_json::from_str(&answer.stdout).map_err(|_| {
        LabError::harness(format!("fill-disk {what} at {node} failed ({}): {}", answer.code, answer.stderr))
    })?;
    let clock = bed.recorder.clock();
    Ok(([clock.of_monotonic(filled.before_ns), clock.of_monotonic(filled.after_ns)], filled.free_bytes))
}
