//! Orphans: backends that outlive their postmaster. A busy one never waits, so it does not notice and goes on
//! committing; or it is stopped when the postmaster is killed, and goes on when the cluster has moved on.

use std::time::Duration;

use async_trait::async_trait;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::event::Process;

use super::postmaster::process_id;
use crate::lab::cluster::Node;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::lab::writers::batch_numbers;
use crate::observe::batch::{Batch, CALLING};
use crate::scenario::{Action, How};

/// Seconds that the backend goes on when the scenario does not say.
const LASTS_S: u32 = 20;

/// `orphans-left`
pub struct Leave;

#[async_trait]
impl Inject for Leave {
    fn made(&self) -> &'static str {
        "a client calls a procedure that commits row after row; then SIGKILL to the postmaster. With `stopped`, \
         SIGSTOP to the backend before"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that the postmaster ended by signal 9, and the backend reports a later commit or is in \
         state T"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Disturbance(Disturbance::OrphansContinued))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        let node = tools.node(at)?;
        let lasts = Duration::from_secs(how.lasts_s.unwrap_or(LASTS_S).into());
        let first = batch_numbers(tools.nodes().len(), tools.batches.len());
        let batch = Batch::call(tools.bed.recorder.clone(), at, &node.config, first, lasts).await;
        let (batch, task) = batch.map_err(|failure| {
            LabError::node(format!("{at} does not run a procedure that commits: {}", failure.words()))
        })?;
        tools.batches.spawn(task);
        if batch.committed_after(0, EFFECT).await.is_none() {
            return Err(LabError::node(format!("the procedure at {at} commits nothing")));
        }
        let stopped = if how.stopped { Some(stop_backend(tools, node).await?) } else { None };
        let killed = tools.signals.kill(at, Process::Postmaster).await?;
        let orphan = match &stopped {
            Some((pid, _)) => Some(format!("its orphan, process {pid}, is stopped")),
            None => {
                let committed = batch.committed_after(killed.at[1], EFFECT).await;
                committed.map(|row| format!("its orphan committed row {row} after that"))
            }
        };
        let shown_by = killed.shown_by.zip(orphan).map(|(killed, orphan)| format!("postmaster: {killed}; {orphan}"));
        let lasts = stopped.map(|(pid, program)| Handle::Process(pid, program));
        Ok(Begun { effect: Some(Effect { at: killed.at, shown_by }), lasts })
    }
}

/// Stops the backend that runs the procedure: its id on the host, and the name of its program.
async fn stop_backend(tools: &Toolbox<'_>, node: &Node) -> Result<(u32, String), LabError> {
    let (postmaster, program) = tools.signals.running(&node.name, Process::Postmaster)?;
    let pid = process_id(node, CALLING, "the backend that runs the procedure").await?;
    let (sent, _) = tools.signals.send("STOP", &node.name, &program, &[&pid, &postmaster.to_string()]).await?;
    if sent.state.as_deref() != Some("T") {
        return Err(LabError::harness(format!("process {} of {} does not stop", sent.pid, node.name)));
    }
    Ok((sent.pid, program))
}

/// `orphans-continued`
pub struct Continue;

#[async_trait]
impl End for Continue {
    fn made(&self) -> &'static str {
        "SIGCONT to the stopped backend. An orphan that has been ended meanwhile is the work of a careful agent"
    }

    fn evidence(&self) -> &'static str {
        "the signal was sent, or there is no such process any more"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, open: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let before = tools.bed.now();
        let mut words = Vec::new();
        for handle in &open {
            let Handle::Process(pid, program) = handle else { continue };
            words.push(match tools.signals.send_if_there("CONT", at, program, *pid).await? {
                0 => format!("process {pid} goes on"),
                1 => format!("process {pid} had been ended"),
                code => {
                    return Err(LabError::harness(format!("`kill-one CONT {program} {pid}` failed ({code})")));
                }
            });
        }
        let at = [before, tools.bed.now()];
        Ok(Some(Effect { at, shown_by: (!words.is_empty()).then(|| words.join(", ")) }))
    }
}
