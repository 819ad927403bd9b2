//! The agent's process: killed, started again, stopped and continued.

use pghaspec_model::vocabulary::event::{Kind, Process};

use super::{Done, Faults, Open};
use crate::lab::error::LabError;

impl Faults<'_> {
    pub(super) async fn kill_agent(&mut self, node: &str) -> Result<Done, LabError> {
        let done = self.kill(node, Process::Agent).await?;
        self.opened(Open::Dead(node.to_owned()));
        Ok(done)
    }

    /// Starts a dead agent again: with its whole node, if that is dead, too; else by SIGUSR1 to what watches over it.
    pub(super) async fn restart_agent(&mut self, node: &str) -> Result<Done, LabError> {
        self.closed(&Open::Dead(node.to_owned()));
        let since = self.recorder.clock().now();
        if self.node_is_dead(node).await? {
            self.power.revive(node).await?;
        } else {
            self.lane.signal(node, "SIGUSR1").await?;
        }
        let started = self.started(node, since).await;
        let after = self.recorder.clock().now();
        Ok(match started {
            Some((at, pid)) => (at, Some(format!("the agent is process {pid}"))),
            None => ([since, after], None),
        })
    }

    /// When an agent of that node was seen to start, and its process id.
    pub(super) async fn started(&self, node: &str, since: u64) -> Option<([u64; 2], u32)> {
        let what = format!("the agent of {node} to start");
        let started = self.event_of(Some(node), &what, since, |event| match event.kind {
            Kind::ProcessStarted { what: Process::Agent, pid, .. } => Some((event.at, pid)),
            _ => None,
        });
        started.await
    }

    pub(super) async fn freeze_agent(&mut self, node: &str) -> Result<Done, LabError> {
        let (pid, program) = self.running(node, Process::Agent)?;
        let (sent, at) = self.signal("STOP", &[&program, &pid.to_string()]).await?;
        self.opened(Open::Frozen(node.to_owned(), pid));
        let stopped = sent.state.as_deref() == Some("T");
        Ok((at, stopped.then(|| format!("process {pid} is stopped"))))
    }

    pub(super) async fn thaw_agent(&mut self, node: &str) -> Result<Done, LabError> {
        let (pid, program) = self.running(node, Process::Agent)?;
        let (sent, at) = self.signal("CONT", &[&program, &pid.to_string()]).await?;
        self.closed(&Open::Frozen(node.to_owned(), pid));
        let runs = sent.state.as_deref().is_some_and(|state| state != "T" && state != "Z");
        Ok((at, runs.then(|| format!("process {pid} goes on"))))
    }
}
