//! A postmaster is killed while one of its backends is busy: it never waits, so it does not notice, and goes on committing. Or it is
//! stopped at that moment, and goes on when others think that it is long gone.

use std::time::Duration;

use pghaspec_model::vocabulary::event::Process;

use super::{Done, EFFECT, Faults, Open};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::observe::batch::{Batch, CALLING};
use crate::scenario::How;

/// Seconds that the backend goes on when the scenario does not say.
const LASTS_S: u32 = 20;

impl Faults<'_> {
    pub(super) async fn leave_orphans(&mut self, name: &str, how: &How) -> Result<Done, LabError> {
        let node = self.nodes.iter().find(|one| one.name == name);
        let node = node.ok_or_else(|| LabError::harness(format!("there is no node {name}")))?;
        let lasts = Duration::from_secs(how.lasts_s.unwrap_or(LASTS_S).into());
        let first = crate::lab::runner::batch_numbers(self.nodes.len(), self.batches.len());
        let batch = Batch::call(self.recorder.clone(), name, &node.config, first, lasts).await;
        let (batch, task) = batch.map_err(|failure| {
            LabError::harness(format!("{name} does not run a procedure that commits: {}", failure.words()))
        })?;
        self.batches.spawn(task);
        if batch.committed_after(0, EFFECT).await.is_none() {
            return Err(LabError::harness(format!("the procedure at {name} commits nothing")));
        }
        let stopped = if how.stopped { Some(self.stop_backend(name).await?) } else { None };
        let (at, killed) = self.kill_postmaster(name).await?;
        let orphan = match stopped {
            Some(pid) => Some(format!("its orphan, process {pid}, is stopped")),
            None => {
                let committed = batch.committed_after(at[1], EFFECT).await;
                committed.map(|row| format!("its orphan committed row {row} after that"))
            }
        };
        Ok((at, killed.zip(orphan).map(|(killed, orphan)| format!("postmaster: {killed}; {orphan}"))))
    }

    /// Stops the backend that runs the procedure; its id on the host.
    async fn stop_backend(&mut self, node: &str) -> Result<u32, LabError> {
        let (postmaster, program) = self.running(node, Process::Postmaster)?;
        let pid = self.pid(node, CALLING, "the backend that runs the procedure").await?;
        let (sent, _) = self.signal("STOP", &[&program, &pid, &postmaster.to_string()]).await?;
        if sent.state.as_deref() != Some("T") {
            return Err(LabError::harness(format!("process {} of {node} does not stop", sent.pid)));
        }
        self.opened(Open::OrphanStopped(node.to_owned(), sent.pid, program));
        Ok(sent.pid)
    }

    /// Lets the stopped orphans of a node go on. One that has been ended meanwhile is what a careful agent leaves.
    pub(super) async fn continue_orphans(&mut self, node: &str) -> Result<Done, LabError> {
        let before = self.recorder.clock().now();
        let mine = |open: &Open| matches!(open, Open::OrphanStopped(at, ..) if at == node);
        let stopped: Vec<Open> = self.open.iter().filter(|open| mine(open)).cloned().collect();
        let mut words = Vec::new();
        for open in stopped {
            if let Open::OrphanStopped(_, pid, program) = &open {
                let command = ["kill-one", "CONT", program, &pid.to_string()];
                words.push(match exec(&self.lane.docker, &self.observer.container, &command).await?.code {
                    0 => format!("process {pid} goes on"),
                    1 => format!("process {pid} had been ended"),
                    code => return Err(LabError::harness(format!("`{}` failed ({code})", command.join(" ")))),
                });
            }
            self.closed(&open);
        }
        let at = [before, self.recorder.clock().now()];
        Ok((at, (!words.is_empty()).then(|| words.join(", "))))
    }
}
