//! The agent's process: killed and started again, frozen and thawed.

use async_trait::async_trait;
use pghaspec_model::vocabulary::event::{Kind, Process};
use pghaspec_model::vocabulary::fault::Fault;

use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Open, Toolbox};
use crate::lab::faults::tools::EFFECT;
use crate::scenario::{Action, How};

/// `agent-killed`
pub struct Kill;

#[async_trait]
impl Inject for Kill {
    fn made(&self) -> &'static str {
        "SIGKILL to the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that the process ended by signal 9"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::AgentRestarted))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        Ok(Begun::lasting(tools.signals.kill(at, Process::Agent).await?, Handle::Node))
    }
}

/// `agent-restarted`
pub struct Restart;

#[async_trait]
impl End for Restart {
    fn made(&self) -> &'static str {
        "SIGUSR1 to the first process of the node's container, which starts the agent again; the whole container is \
         started if the node has no power"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports the start of an agent"
    }

    async fn is_over(&self, tools: &mut Toolbox<'_>, open: &Open) -> Result<bool, LabError> {
        let node = &open.at;
        if tools.signals.running(node, Process::Agent).is_ok() {
            return Ok(true);
        }
        if !is_coming_back(tools, node) {
            return Ok(false);
        }
        let since = tools.bed.now();
        if tools.signals.running(node, Process::Agent).is_err() && started(tools, node, since).await.is_none() {
            // It was reset by its watchdog and has not come back: that is tried once more, and seen.
            return Ok(false);
        }
        Ok(true)
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let since = tools.bed.now();
        if !tools.power.revive_if_off(at).await? {
            tools.bed.sandbox.signal(at, "SIGUSR1").await?;
        }
        let started = started(tools, at, since).await;
        let after = tools.bed.now();
        Ok(Some(match started {
            Some((at, pid)) => Effect { at, shown_by: Some(format!("the agent is process {pid}")) },
            None => Effect { at: [since, after], shown_by: None },
        }))
    }
}

/// `agent-frozen`
pub struct Freeze;

#[async_trait]
impl Inject for Freeze {
    fn made(&self) -> &'static str {
        "SIGSTOP to the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "the process is in state T"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::AgentThawed))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let (pid, program) = tools.signals.running(at, Process::Agent)?;
        let (sent, at) = tools.signals.send("STOP", at, &program, &[&pid.to_string()]).await?;
        let stopped = sent.state.as_deref() == Some("T");
        let effect = Effect { at, shown_by: stopped.then(|| format!("process {pid} is stopped")) };
        Ok(Begun::lasting(effect, Handle::Process(pid, program)))
    }
}

/// `agent-thawed`
pub struct Thaw;

#[async_trait]
impl End for Thaw {
    fn made(&self) -> &'static str {
        "SIGCONT to the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "the process is in another state than T"
    }

    /// A frozen agent may be another one by now, or gone: a watchdog has reset its node, or the node was killed.
    async fn is_over(&self, tools: &mut Toolbox<'_>, open: &Open) -> Result<bool, LabError> {
        let Handle::Process(frozen, _) = &open.handle else { return Ok(false) };
        Ok(tools.signals.running(&open.at, Process::Agent).map_or(true, |(pid, _)| pid != *frozen))
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let (pid, program) = tools.signals.running(at, Process::Agent)?;
        let (sent, at) = tools.signals.send("CONT", at, &program, &[&pid.to_string()]).await?;
        let runs = sent.state.as_deref().is_some_and(|state| state != "T" && state != "Z");
        Ok(Some(Effect { at, shown_by: runs.then(|| format!("process {pid} goes on")) }))
    }
}

/// Waits until an agent of that node is seen to start: when, and its process id; `None` if none does in time.
async fn started(tools: &Toolbox<'_>, node: &str, since: u64) -> Option<([u64; 2], u32)> {
    let what = format!("the agent of {node} to start");
    let started = tools.bed.event_of(Some(node), &what, EFFECT, since, |event| match event.kind {
        Kind::ProcessStarted { what: Process::Agent, pid, .. } => Some((event.at, pid)),
        _ => None,
    });
    started.await
}

/// Says whether a watchdog has reset the node, and its agent was not seen since.
fn is_coming_back(tools: &Toolbox<'_>, node: &str) -> bool {
    tools.bed.recorder.view().borrow().is_coming_back(node)
}
