//! The whole node: it loses its power, and comes back with its disk.

use pghaspec_model::vocabulary::event::Process;

use super::{Done, Faults, Open};
use crate::lab::error::LabError;

impl Faults<'_> {
    /// Kills the first process of the node's PID namespace: the kernel ends all others in it at once.
    pub(super) async fn kill_node(&mut self, node: &str) -> Result<Done, LabError> {
        let init = self.lane.process_id(&self.lane.name(node)).await?;
        let (pid, _) = self.running(node, Process::Agent)?;
        let (_, at) = self.signal("KILL", &["docker-init", &init.to_string()]).await?;
        self.opened(Open::Dead(node.to_owned()));
        // Docker may be slow to notice, and must not be asked.
        self.powerless.insert(node.to_owned());
        let effect = self.killed(node, pid).await;
        self.observer.is_dead(node);
        Ok((at, effect.map(|agent| format!("all of its processes were killed: of the agent, {agent}"))))
    }

    pub(super) async fn node_is_dead(&mut self, node: &str) -> Result<bool, LabError> {
        Ok(self.powerless.remove(node) || !self.lane.runs(&self.lane.name(node)).await?)
    }
}
