//! The whole node: it loses its power, and comes back with its disk when its agent is started again.

use async_trait::async_trait;
use pghaspec_model::vocabulary::event::Process;
use pghaspec_model::vocabulary::fault::Fault;

use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, Handle, Inject, Toolbox};
use crate::scenario::{Action, How};

/// `node-killed`
pub struct Kill;

#[async_trait]
impl Inject for Kill {
    fn made(&self) -> &'static str {
        "SIGKILL to the first process of the node's PID namespace: the kernel ends all others in it at once"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that the agent, or where there is none the postmaster, ended by signal 9"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::AgentRestarted))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let sandbox = tools.bed.sandbox;
        let init = sandbox.process_id(&sandbox.name(at)).await?;
        // An agent that restarts nothing may have ended; then the server's end is the evidence.
        let agent = tools.signals.agents(at).map(|all| all[0].0);
        let (agent, what) = match agent {
            Ok(agent) => (agent, "agent"),
            Err(_) => (tools.signals.running(at, Process::Postmaster)?.0, "postmaster"),
        };
        let (_, killed_at) = tools.signals.send("KILL", at, "docker-init", &[&init.to_string()]).await?;
        // Docker may be slow to notice, so it is not asked whether the node runs.
        tools.power.note_cut(at);
        let killed = tools.signals.killed(at, agent).await;
        tools.observer.is_dead(at);
        let shown_by = killed.map(|agent| format!("all of its processes were killed: of the {what}, {agent}"));
        Ok(Begun::lasting(Effect { at: killed_at, shown_by }, Handle::Node))
    }
}
