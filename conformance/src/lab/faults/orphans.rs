//! A postmaster is killed while one of its backends is busy: it never waits, so it does not notice, and goes on committing.

use std::time::Duration;

use super::{Done, EFFECT, Faults};
use crate::lab::error::LabError;
use crate::observe::batch::Batch;

/// Seconds that the backend goes on when the scenario does not say.
const LASTS_S: u32 = 20;

impl Faults<'_> {
    pub(super) async fn leave_orphans(&mut self, name: &str, lasts_s: Option<u32>) -> Result<Done, LabError> {
        let node = self.nodes.iter().find(|one| one.name == name);
        let node = node.ok_or_else(|| LabError::harness(format!("there is no node {name}")))?;
        let lasts = Duration::from_secs(lasts_s.unwrap_or(LASTS_S).into());
        let first = super::super::course::batch_numbers(self.nodes.len(), self.batches.len());
        let batch = Batch::call(self.recorder.clone(), name, &node.config, first, lasts).await;
        let (batch, task) = batch.map_err(|failure| {
            LabError::harness(format!("{name} does not run a procedure that commits: {}", failure.words()))
        })?;
        self.batches.spawn(task);
        if batch.committed_after(0, EFFECT).await.is_none() {
            return Err(LabError::harness(format!("the procedure at {name} commits nothing")));
        }
        let (at, killed) = self.kill_postmaster(name).await?;
        let committed = batch.committed_after(at[1], EFFECT).await;
        let effect = killed
            .zip(committed)
            .map(|(killed, row)| format!("postmaster: {killed}; its orphan committed row {row} after that"));
        Ok((at, effect))
    }
}
