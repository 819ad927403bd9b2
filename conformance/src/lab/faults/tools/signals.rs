//! Signals to processes of the nodes, sent by the observer, which knows their ids on the host.

use pghaspec_model::cluster::sight::process_text;
use pghaspec_model::vocabulary::event::{Kind, Mechanism, Process};
use serde::Deserialize;

use crate::lab::error::{LabError, Trouble};
use crate::lab::faults::effect::Effect;
use crate::lab::faults::tools::EFFECT;
use crate::lab::observer::Observer;
use crate::lab::testbed::Testbed;
use crate::lab::wait::Seen;

/// SIGKILL.
pub const SIGKILL: i32 = 9;

/// The answer of `kill-one`.
#[derive(Deserialize)]
pub struct Sent {
    before_ns: u64,
    after_ns: u64,
    /// The process, its id on the host.
    pub pid: u32,
    /// Its state afterwards, `T` for stopped.
    pub state: Option<String>,
}

/// Sends signals to processes of the nodes.
#[derive(Clone, Copy)]
pub struct Signals<'run> {
    /// The testbed of the scenario.
    pub bed: Testbed<'run>,
    /// The helper that sends them.
    pub observer: &'run Observer,
}

impl Signals<'_> {
    /// The one running process of that kind on a node: its id on the host, and the name of its program.
    ///
    /// # Errors
    /// There is none, or there are several.
    pub fn running(&self, node: &str, what: Process) -> Result<(u32, String), LabError> {
        let mut all = self.all_running(node, what);
        match (all.pop(), all.len()) {
            (Some(one), 0) => Ok(one),
            (found, more) => {
                let (count, kind) = (more + usize::from(found.is_some()), process_text(what));
                Err(LabError::node(format!("{node} has {count} running processes of kind {kind}, not one")))
            }
        }
    }

    /// All processes of an agent that run on a node, the oldest first: an agent may be several.
    ///
    /// # Errors
    /// There is none.
    pub fn agents(&self, node: &str) -> Result<Vec<(u32, String)>, LabError> {
        let all = self.all_running(node, Process::Agent);
        match all.is_empty() {
            true => Err(LabError::node(format!("{node} has no running process of an agent"))),
            false => Ok(all),
        }
    }

    fn all_running(&self, node: &str, what: Process) -> Vec<(u32, String)> {
        let view = self.bed.recorder.view();
        let view = view.borrow();
        let processes = view.nodes.get(node).into_iter().flat_map(|seen| &seen.processes);
        let running: Vec<u32> = processes.filter(|(_, kind)| **kind == what).map(|(pid, _)| *pid).collect();
        let starts = view.events.iter().filter_map(|event| match &event.kind {
            Kind::ProcessStarted { pid, argv, .. } if running.contains(pid) => Some((*pid, argv.first())),
            _ => None,
        });
        let mut found: Vec<(u32, String)> = Vec::new();
        for (pid, program) in starts {
            let name = program.and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
            found.retain(|(known, _)| *known != pid);
            found.push((pid, name));
        }
        found
    }

    /// Sends a signal to a process of a node, by the name of its program and its id on the host, or else by its id in
    /// the node and that of its parent on the host. Returns also when it was sent, nanoseconds of the run.
    ///
    /// # Errors
    /// There is no such process in the node, or it may not be signalled.
    pub async fn send(
        &self,
        signal: &str,
        node: &str,
        program: &str,
        process: &[&str],
    ) -> Result<(Sent, [u64; 2]), LabError> {
        let pidns = self.observer.namespace_of(node)?.to_string();
        let command = [&["kill-one", signal, program, &pidns], process].concat();
        let answer = self.bed.exec(&self.observer.container, &command).await?;
        let sent: Sent = serde_json::from_str(&answer.stdout).map_err(|_| {
            let why = format!("`{}` failed ({}): {}", command.join(" "), answer.code, answer.stderr);
            // The process ended just now, or is another one.
            if answer.code == 1 { LabError::node(why) } else { LabError::harness(why) }
        })?;
        let clock = self.bed.recorder.clock();
        let at = [clock.of_monotonic(sent.before_ns), clock.of_monotonic(sent.after_ns)];
        Ok((sent, at))
    }

    /// Sends a signal to a process that may be gone; returns the exit code of `kill-one`: 0 if it was sent, 1 if there
    /// is no such process.
    ///
    /// # Errors
    /// The command cannot be run.
    pub async fn send_if_there(&self, signal: &str, node: &str, program: &str, pid: u32) -> Result<i64, LabError> {
        let pidns = self.observer.namespace_of(node)?.to_string();
        let command = ["kill-one", signal, program, &pidns, &pid.to_string()];
        Ok(self.bed.exec(&self.observer.container, &command).await?.code)
    }

    /// Kills the one process of that kind on a node, and waits to see it end.
    ///
    /// # Errors
    /// There is not one such process, or it may not be signalled.
    pub async fn kill(&self, node: &str, what: Process) -> Result<Effect, LabError> {
        let (pid, program) = self.running(node, what)?;
        let (_, at) = self.send("KILL", node, &program, &[&pid.to_string()]).await?;
        Ok(Effect { at, shown_by: self.killed(node, pid).await })
    }

    /// Kills all processes of an agent on a node, the oldest first, so that none is started again by another; and waits
    /// to see them end.
    ///
    /// # Errors
    /// There is none, or one may not be signalled.
    pub async fn kill_agent(&self, node: &str) -> Result<Effect, LabError> {
        let (mut at, mut shown): (Option<[u64; 2]>, Vec<Option<String>>) = (None, Vec::new());
        let mut all = self.agents(node)?;
        while !all.is_empty() {
            for (pid, program) in &all {
                match self.send("KILL", node, program, &[&pid.to_string()]).await {
                    Ok((_, [from, to])) => at = Some([at.map_or(from, |at| at[0]), to]),
                    // It ended with its parent.
                    Err(error) if error.trouble != Trouble::Node || at.is_none() => return Err(error),
                    Err(_) => {}
                }
            }
            for (pid, _) in &all {
                shown.push(self.killed(node, *pid).await);
            }
            // One may have started another just before it ended.
            let left = self.all_running(node, Process::Agent);
            all = left.into_iter().filter(|one| !all.contains(one)).collect();
        }
        let shown_by = shown.into_iter().collect::<Option<Vec<String>>>().map(|all| all.join(", "));
        Ok(Effect { at: at.unwrap_or_default(), shown_by })
    }

    /// Waits until a process is seen to end of SIGKILL; the evidence, or `None` if it ends otherwise or not in time.
    pub async fn killed(&self, node: &str, pid: u32) -> Option<String> {
        let what = format!("process {pid} of {node} to end");
        let ended = self.bed.until(&what, EFFECT, |view| {
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
}
