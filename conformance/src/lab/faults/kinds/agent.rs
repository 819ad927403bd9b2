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
        "SIGKILL to each process of the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "the kernel reports that each of them ended by signal 9"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::AgentRestarted))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        Ok(Begun::lasting(tools.signals.kill_agent(at).await?, Handle::Node))
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
        if tools.signals.agents(node).is_ok() {
            return Ok(true);
        }
        if !is_coming_back(tools, node) {
            return Ok(false);
        }
        let since = tools.bed.now();
        if tools.signals.agents(node).is_err() && started(tools, node, since).await.is_none() {
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
        "SIGSTOP to each process of the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "each of them is in state T"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Fault(Fault::AgentThawed))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, _: &How) -> Result<Begun, LabError> {
        let all = tools.signals.agents(at)?;
        let (at, shown_by) = send_all(tools, "STOP", at, &all, |state| state == "T", "is stopped").await?;
        Ok(Begun::lasting(Effect { at, shown_by }, Handle::Processes(all)))
    }
}

/// `agent-thawed`
pub struct Thaw;

#[async_trait]
impl End for Thaw {
    fn made(&self) -> &'static str {
        "SIGCONT to each process of the agent, sent by the observer"
    }

    fn evidence(&self) -> &'static str {
        "each of them is in another state than T"
    }

    /// A frozen agent may be another one by now, or gone: a watchdog has reset its node, or the node was killed.
    async fn is_over(&self, tools: &mut Toolbox<'_>, open: &Open) -> Result<bool, LabError> {
        let Handle::Processes(frozen) = &open.handle else { return Ok(false) };
        let Ok(running) = tools.signals.agents(&open.at) else { return Ok(true) };
        Ok(!running.iter().any(|one| frozen.contains(one)))
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        let all = tools.signals.agents(at)?;
        let runs = |state: &str| state != "T" && state != "Z";
        let (at, shown_by) = send_all(tools, "CONT", at, &all, runs, "goes on").await?;
        Ok(Some(Effect { at, shown_by }))
    }
}

/// Sends a signal to all processes of an agent: when, and the evidence, if each is in a fitting state after that.
async fn send_all(
    tools: &Toolbox<'_>,
    signal: &str,
    node: &str,
    all: &[(u32, String)],
    fits: impl Fn(&str) -> bool,
    words: &str,
) -> Result<([u64; 2], Option<String>), LabError> {
    let (mut at, mut shown): (Option<[u64; 2]>, Vec<Option<String>>) = (None, Vec::new());
    for (pid, program) in all {
        let (sent, [from, to]) = tools.signals.send(signal, node, program, &[&pid.to_string()]).await?;
        at = Some([at.map_or(from, |at| at[0]), to]);
        shown.push(sent.state.as_deref().is_some_and(&fits).then(|| format!("process {pid} {words}")));
    }
    let shown_by = shown.into_iter().collect::<Option<Vec<String>>>().map(|all| all.join(", "));
    Ok((at.unwrap_or_default(), shown_by))
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
