//! The nemesis: takes the steps of a scenario, one after the other, and ends afterwards what is still broken.
//!
//! A step awaits its event ([`awaited`]), finds its targets ([`targets`]), and then makes or ends a fault. Its effect
//! is recorded with the time at which it showed; an effect that nothing shows is recorded as `None`.

mod awaited;
mod targets;

use std::time::Duration;

use pghaspec_model::vocabulary::event::{GapReason, Kind, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::error::{LabError, Trouble};
use super::faults::{Act, Effect, Handle, Open, OpenFaults, Toolbox, act_of};
use super::wait::Seen;
use crate::scenario::catalogue::Hits;
use crate::scenario::{Action, How, Step};
use targets::Roles;

const SECOND: u64 = 1_000_000_000;

/// Breaks a cluster as a scenario says, and mends it.
pub struct Nemesis<'run> {
    tools: Toolbox<'run>,
    open: OpenFaults,
}

impl<'run> Nemesis<'run> {
    /// Nothing is broken yet.
    pub fn new(tools: Toolbox<'run>) -> Nemesis<'run> {
        Nemesis { tools, open: OpenFaults::default() }
    }

    /// Takes all steps, one after the other, and waits until each trap that strikes once has struck. A step whose event
    /// does not come is recorded as a gap, and the steps after it are not taken: the run then proves nothing, but ends
    /// as any other.
    ///
    /// # Errors
    /// The lab could not do what a step says.
    pub async fn run(&mut self) -> Result<(), LabError> {
        let bed = self.tools.bed;
        let settings = &bed.scenario.settings;
        let limit = Duration::from_secs(settings.settle_s.into());
        let hold = u64::from(settings.loop_wait_s + 1) * SECOND;
        let ttl = u64::from(settings.ttl_s) * SECOND;
        let mut roles = Roles { first_hit: Vec::new(), since: bed.now(), effect_at: 0 };
        for (index, step) in bed.scenario.steps.iter().enumerate() {
            let what = format!("what step {index} awaits");
            let found = bed.until(&what, limit, |view| {
                match awaited::met(step.when.as_ref(), view, &roles, hold, ttl, bed.now()) {
                    Seen::Yes(()) => targets::find(step.target, view, &roles).into(),
                    Seen::NotYet(last) => Seen::NotYet(last),
                    Seen::Never(why) => Seen::Never(why),
                }
            });
            let targets = match found.await {
                Ok(targets) => targets,
                Err(error) => {
                    let why =
                        format!("step {index} ({}) and all after it were not taken: {}", step.name(), error.message);
                    let gap = Kind::Gap { of: Source::Harness, why, reason: Some(GapReason::StepNotTaken) };
                    bed.recorder.record(None, Source::Harness, [roles.since, bed.now()], gap);
                    let agentless = self.tools.traps.disarm().await?;
                    self.note_dead_agents(agentless);
                    return Ok(());
                }
            };
            roles.since = bed.now();
            bed.report.doing(&format!("step {index}: {}", step.name()));
            self.take(step, &targets).await?;
            roles.effect_at = bed.now();
            if roles.first_hit.is_empty() {
                roles.first_hit = targets;
            }
        }
        bed.report.doing("waiting for the traps to strike");
        let agentless = self.tools.traps.until_struck(limit).await?;
        self.note_dead_agents(agentless);
        Ok(())
    }

    /// Does what a step says to each of its targets.
    async fn take(&mut self, step: &Step, targets: &[String]) -> Result<(), LabError> {
        match step.target.hits() {
            Hits::Dcs => self.act(step.action, "etcd", &step.how).await,
            Hits::Remote => self.act(step.action, "remote", &step.how).await,
            Hits::Nodes => {
                for node in targets {
                    self.act(step.action, node, &step.how).await?;
                }
                Ok(())
            }
        }
    }

    /// Makes or ends a fault at a node, or at what else a step names, and records the effect. A node that does not run,
    /// or whose agent or Postgres does not, is no error: the fault had no effect, and a gap says why.
    async fn act(&mut self, action: Action, at: &str, how: &How) -> Result<(), LabError> {
        let since = self.tools.bed.now();
        let effect = match self.effect(action, at, how).await {
            Ok(effect) => effect,
            Err(error) if self.is_of_the_node(&error, at).await => {
                let bed = self.tools.bed;
                let span = [since, bed.now()];
                let why = format!("{} could not be done at {at}: {}", action.name(), error.message);
                bed.recorder.gap_within(None, span, Source::Harness, why);
                Some(Effect { at: span, shown_by: None })
            }
            Err(error) => return Err(error),
        };
        self.record(action, at, effect);
        Ok(())
    }

    async fn effect(&mut self, action: Action, at: &str, how: &How) -> Result<Option<Effect>, LabError> {
        match act_of(action, how) {
            Act::Wait => Ok(None),
            Act::Begin(inject) => {
                let begun = inject.begin(&mut self.tools, at, how).await?;
                if let (Some(handle), Some(ended_by)) = (begun.lasts, inject.ended_by()) {
                    self.open.push(Open { ended_by, at: at.to_owned(), handle });
                }
                Ok(begun.effect)
            }
            Act::End(end) => {
                let open = self.open.close(action, at);
                end.end(&mut self.tools, at, open).await
            }
            Act::Never(reason) => Err(LabError::harness(format!("the lab cannot do that: {}", reason.why))),
        }
    }

    /// The error is the node's: it says so, or the node does not run, which no tool can bear.
    async fn is_of_the_node(&self, error: &LabError, at: &str) -> bool {
        let sandbox = self.tools.bed.sandbox;
        match error.trouble {
            Trouble::Node => true,
            Trouble::Harness if self.tools.node(at).is_ok() => !sandbox.runs(&sandbox.name(at)).await.unwrap_or(true),
            _ => false,
        }
    }

    fn record(&self, action: Action, at: &str, effect: Option<Effect>) {
        let Some(Effect { at: time, shown_by: effect }) = effect else { return };
        let kind = match action {
            Action::Fault(fault) => Kind::Fault { fault, effect },
            Action::Disturbance(disturbance) => Kind::Disturbance { disturbance, effect },
            Action::Lift(_) | Action::Await => return,
        };
        let node = self.tools.nodes().iter().find(|node| node.name == at).map(|node| node.name.as_str());
        self.tools.bed.recorder.record(node, Source::Harness, time, kind);
    }

    /// Notes nodes whose agents a trap may have killed: they are started again in the end if they do not run.
    fn note_dead_agents(&mut self, nodes: Vec<String>) {
        for at in nodes {
            let ended_by = Action::Fault(Fault::AgentRestarted);
            self.open.push(Open { ended_by, at, handle: Handle::Node });
        }
    }

    /// Ends what is still open, in the order in which it began.
    ///
    /// # Errors
    /// The lab could not end a fault.
    pub async fn heal(&mut self) -> Result<(), LabError> {
        while let Some(open) = self.open.first().cloned() {
            self.tools.bed.report.doing("ending the faults");
            let how = How::default();
            match act_of(open.ended_by, &how) {
                Act::End(end) if end.is_over(&mut self.tools, &open).await.unwrap_or(false) => self.open.drop_first(),
                _ => self.act(open.ended_by, &open.at, &how).await?,
            }
        }
        self.tools.traps.end_stopped().await?;
        while self.tools.batches.join_next().await.is_some() {}
        Ok(())
    }
}
