//! The wall clock of an agent, by libfaketime: it jumps, and is right again.

use async_trait::async_trait;
use pghaspec_model::vocabulary::disturbance::Disturbance;

use crate::lab::cluster::faketime::OFFSET;
use crate::lab::error::LabError;
use crate::lab::faults::inject::{Begun, Effect, End, Handle, Inject, Toolbox};
use crate::scenario::{Action, How};

/// `clock-skewed`
pub struct Skew;

#[async_trait]
impl Inject for Skew {
    fn made(&self) -> &'static str {
        "the offset of libfaketime, which the node was started with, is set to `skew_s`"
    }

    fn evidence(&self) -> &'static str {
        "a program with the agent's environment is off by as much, to 2 s"
    }

    fn ended_by(&self) -> Option<Action> {
        Some(Action::Disturbance(Disturbance::ClockRestored))
    }

    async fn begin(&self, tools: &mut Toolbox<'_>, at: &str, how: &How) -> Result<Begun, LabError> {
        Ok(Begun::lasting(set_clock(tools, at, how.skew_s.unwrap_or(0)).await?, Handle::Node))
    }
}

/// `clock-restored`
pub struct Restore;

#[async_trait]
impl End for Restore {
    fn made(&self) -> &'static str {
        "the offset is set to 0"
    }

    fn evidence(&self) -> &'static str {
        "a program with the agent's environment is not off, to 2 s"
    }

    async fn end(&self, tools: &mut Toolbox<'_>, at: &str, _: Vec<Handle>) -> Result<Option<Effect>, LabError> {
        set_clock(tools, at, 0).await.map(Some)
    }
}

/// Sets the offset, and reads the clock as the agent does: in its container, with its environment.
async fn set_clock(tools: &Toolbox<'_>, node: &str, seconds: i32) -> Result<Effect, LabError> {
    let bed = tools.bed;
    let before = bed.now();
    let script = format!(
        "echo '{seconds:+}' >{OFFSET}.new && mv {OFFSET}.new {OFFSET} && date +%s && env -u LD_PRELOAD date +%s"
    );
    let answer = bed.exec(&bed.sandbox.name(node), &["sh", "-c", &script]).await?;
    let at = [before, bed.now()];
    let read: Vec<i64> = answer.stdout.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let [faked, real] = read[..] else {
        let message = format!("setting the clock at {node} failed: {} {}", answer.stdout, answer.stderr);
        return Err(LabError::harness(message));
    };
    let off = faked.saturating_sub(real);
    let right = off.saturating_sub(i64::from(seconds)).unsigned_abs() <= 2;
    Ok(Effect { at, shown_by: right.then(|| format!("a program with the agent's environment is {off} s off")) })
}
