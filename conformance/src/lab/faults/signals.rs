//! Signals to processes of the nodes, sent by the observer, which knows their ids on the host.

use pghaspec_model::vocabulary::event::{Kind, Mechanism, Process};
use serde::Deserialize;

use super::{Done, EFFECT, Faults};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::lab::wait::Seen;

/// SIGKILL.
pub const SIGKILL: i32 = 9;

/// What `kill-one` says.
#[derive(Deserialize)]
pub struct Sent {
    before_ns: u64,
    after_ns: u64,
    /// The process, its id on the host.
    pub pid: u32,
    /// Its state afterwards, `T` for stopped.
    pub state: Option<String>,
}

impl Faults<'_> {
    /// The one running process of that kind on a node: its id on the host, and the name of its program.
    pub(super) fn running(&self, node: &str, what: Process) -> Result<(u32, String), LabError> {
        let view = self.recorder.view();
        let view = view.borrow();
        let processes = view.nodes.get(node).into_iter().flat_map(|seen| &seen.processes);
        let running: Vec<u32> = processes.filter(|(_, kind)| **kind == what).map(|(pid, _)| *pid).collect();
        let [pid] = running[..] else {
            return Err(LabError::harness(format!("{node} has {} processes of kind {what:?}, not one", running.len())));
        };
        let program = view.events.iter().rev().find_map(|event| match &event.kind {
            Kind::ProcessStarted { pid: started, argv, .. } if *started == pid => argv.first(),
            _ => None,
        });
        let name = program.and_then(|path| path.rsplit('/').next()).unwrap_or_default();
        Ok((pid, name.to_owned()))
    }

    /// Sends a signal to a process by its id on the host; `arguments` are those of `kill-one` after the signal.
    pub(super) async fn signal(&self, signal: &str, arguments: &[&str]) -> Result<(Sent, [u64; 2]), LabError> {
        let command = [&["kill-one", signal], arguments].concat();
        let answer = exec(&self.lane.docker, &self.observer.container, &command).await?;
        let sent: Sent = serde_json::from_str(&answer.stdout).map_err(|_| {
            LabError::harness(format!("`{}` failed ({}): {}", command.join(" "), answer.code, answer.stderr))
        })?;
        let clock = self.recorder.clock();
        let at = [clock.of_monotonic(sent.before_ns), clock.of_monotonic(sent.after_ns)];
        Ok((sent, at))
    }

    /// Kills the one process of that kind, and waits to see it end.
    pub(super) async fn kill(&self, node: &str, what: Process) -> Result<Done, LabError> {
        let (pid, program) = self.running(node, what)?;
        let (_, at) = self.signal("KILL", &[&program, &pid.to_string()]).await?;
        Ok((at, self.killed(node, pid).await))
    }

    /// That a process is seen to end of SIGKILL.
    pub(super) async fn killed(&self, node: &str, pid: u32) -> Option<String> {
        let what = format!("process {pid} of {node} to end");
        let ended = self.until(&what, EFFECT, |view| {
            let exits = view.nodes.get(node).into_iter().flat_map(|seen| &seen.exits);
            match exits.into_iter().find(|(_, ended, _)| *ended == pid) {
                Some((_, _, signal)) => Seen::Yes(*signal),
                None => Seen::NotYet("it still runs".to_owned()),
            }
        });
        match ended.await {
            Ok(Some(SIGKILL)) => Some(format!("process {pid} ended by signal {SIGKILL}")),
            // Polling does not see how a process ends.
            Ok(None) if self.observer.mechanism == Mechanism::Polling => Some(format!("process {pid} ended")),
            Ok(_) | Err(_) => None,
        }
    }

    pub(super) async fn kill_postmaster(&self, node: &str) -> Result<Done, LabError> {
        self.kill(node, Process::Postmaster).await
    }
}
