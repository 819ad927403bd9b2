//! Injecting faults, each with what shows that it took effect.

use std::time::Duration;

use pghaspec_model::event::{Kind, Process, Source};
use pghaspec_model::fault::Fault;
use serde::Deserialize;

use super::docker::exec;
use super::error::LabError;
use super::lane::Lane;
use super::observer::Observer;
use super::wait::{Seen, until};
use crate::observe::recorder::Recorder;
use crate::progress;
use crate::scenario::{Action, Scenario, Step, Target};

/// How long a killed process may take to be seen ending.
const EFFECT: Duration = Duration::from_secs(10);

const SIGKILL: i32 = 9;

/// What `kill-one` says: CLOCK_MONOTONIC just before and after the signal was sent.
#[derive(Deserialize)]
struct Sent {
    before_ns: u64,
    after_ns: u64,
}

/// Whether the lab can do all that a scenario asks for.
///
/// # Errors
/// It cannot inject one of the faults.
pub fn can_inject(scenario: &Scenario) -> Result<(), LabError> {
    match scenario.steps.iter().find(|step| step.action != Action::Fault(Fault::PostmasterKilled)) {
        None => Ok(()),
        Some(step) => Err(LabError::harness(format!("{}: the lab cannot inject {}", scenario.id, step.name()))),
    }
}

/// Injects a fault, records it, and returns the node that it hit.
///
/// # Errors
/// It could not be injected. That it had no effect is no error: the event says so.
pub async fn inject(
    lane: &Lane,
    observer: &Observer,
    recorder: &Recorder,
    report: &progress::Lane,
    step: &Step,
) -> Result<String, LabError> {
    report.doing(&format!("injecting {}", step.name()));
    let node = match step.target {
        Target::Leader => recorder.view().borrow().leader.clone(),
        _ => None,
    };
    let node = node.ok_or_else(|| LabError::harness("there is no leader to hit any more"))?;
    let Action::Fault(fault @ Fault::PostmasterKilled) = step.action else {
        return Err(LabError::harness(format!("the lab cannot inject {}", step.name())));
    };
    let (at, effect) = kill(lane, observer, recorder, report, &node, Process::Postmaster, "postgres").await?;
    recorder.record(Some(&node), Source::Harness, at, Kind::Fault { fault, effect });
    Ok(node)
}

/// Kills the one process of that kind on a node, by the id that was recorded at its start, and waits to see it end.
async fn kill(
    lane: &Lane,
    observer: &Observer,
    recorder: &Recorder,
    report: &progress::Lane,
    node: &str,
    what: Process,
    program: &str,
) -> Result<([u64; 2], Option<String>), LabError> {
    let running: Vec<u32> = match recorder.view().borrow().nodes.get(node) {
        Some(seen) => seen.processes.iter().filter(|(_, kind)| **kind == what).map(|(pid, _)| *pid).collect(),
        None => Vec::new(),
    };
    let [pid] = running[..] else {
        return Err(LabError::harness(format!("{node} has {} processes of kind {what:?}, not one", running.len())));
    };
    let answer = exec(&lane.docker, &observer.container, &["kill-one", "KILL", program, &pid.to_string()]).await?;
    let sent: Sent = serde_json::from_str(&answer.stdout).map_err(|_| {
        LabError::harness(format!("killing {what:?} {pid} of {node} failed ({}): {}", answer.code, answer.stderr))
    })?;
    let ended = until(recorder, report, &format!("{what:?} {pid} of {node} to end"), EFFECT, |view| {
        let exits = view.nodes.get(node).into_iter().flat_map(|seen| &seen.exits);
        match exits.into_iter().find(|(_, ended, _)| *ended == pid) {
            Some((_, _, signal)) => Seen::Yes(*signal),
            None => Seen::NotYet("it still runs".to_owned()),
        }
    })
    .await;
    let effect = match ended {
        Ok(Some(SIGKILL)) => Some(format!("process {pid} ended by signal {SIGKILL}")),
        // Polling does not see how a process ends.
        Ok(None) if observer.mechanism == "polling" => Some(format!("process {pid} ended")),
        Ok(_) | Err(_) => None,
    };
    let clock = recorder.clock();
    Ok(([clock.of_monotonic(sent.before_ns), clock.of_monotonic(sent.after_ns)], effect))
}
