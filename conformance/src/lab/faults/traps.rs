//! Traps: what shall strike a process when it starts. A start is over in milliseconds, so the observer strikes by itself.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Mechanism, Process, Source};
use pghaspec_model::vocabulary::fault::Fault;
use serde_json::json;

use super::signals::SIGKILL;
use super::{EFFECT, Faults, Open};
use crate::lab::docker::exec;
use crate::lab::error::LabError;
use crate::observe::processes::report::{Change, TrapReport};
use crate::observe::recorder::Recorder;
use crate::scenario::How;

const SIGSTOP: i32 = 19;

/// Processes that a trap has stopped, by their ids on the host, and what ends them.
#[derive(Clone, Default)]
pub struct Stopped(Arc<Mutex<BTreeSet<(u32, String, Fault)>>>);

/// A trap that is laid.
struct Laid {
    id: String,
    node: String,
    fault: Fault,
    signal: i32,
    every: bool,
    since: u64,
}

/// Which process a trap waits for, and the signal that is sent: to it, or to the agent that has started it.
fn meant_for(fault: Fault) -> (&'static str, i32) {
    match fault {
        Fault::StartHangs => ("postmaster", SIGSTOP),
        Fault::SingleUserFails | Fault::AgentKilled => ("single-user", SIGKILL),
        Fault::SingleUserHangs => ("single-user", SIGSTOP),
        Fault::RewindFails => ("pg-rewind", SIGKILL),
        _ => ("postmaster", SIGKILL),
    }
}

impl Faults<'_> {
    pub(super) async fn lay_trap(&mut self, fault: Fault, how: &How, node: &str) -> Result<(), LabError> {
        if self.observer.mechanism == Mechanism::Polling {
            let message = format!("{} needs the kernel's process connector, which cannot be had here", fault.id());
            return Err(LabError::environment(message, "see `pghaspec doctor`"));
        }
        self.laid += 1;
        let id = format!("{}-{}", fault.id(), self.laid);
        let (process, signal) = meant_for(fault);
        let order = json!({
            "set": id,
            "pidns": self.observer.namespace_of(node)?,
            "process": process,
            "signal": signal,
            "every": how.every,
            "in_crash_recovery": how.during.is_some(),
            "ancestor": (fault == Fault::AgentKilled).then_some(&self.observer.agent_process),
        });
        let laid = Laid {
            id: id.clone(),
            node: node.to_owned(),
            fault,
            signal,
            every: how.every,
            since: self.recorder.clock().now(),
        };
        self.order(&order).await?;
        self.told(&id, Change::Set).await?;
        let task = tell(self.recorder.clone(), self.observer.traps.subscribe(), laid, self.stopped.clone());
        if how.every {
            self.standing.spawn(task);
            self.opened(Open::Trap(fault, node.to_owned(), id));
        } else {
            self.once.push((id, node.to_owned(), fault));
            self.traps.spawn(task);
        }
        Ok(())
    }

    /// Takes the traps for that fault away from a node.
    pub(super) async fn lift(&mut self, fault: Fault, node: &str) -> Result<(), LabError> {
        let mine = |open: &Open| matches!(open, Open::Trap(laid, at, _) if *laid == fault && at == node);
        let found: Vec<Open> = self.open.iter().filter(|open| mine(open)).cloned().collect();
        for open in found {
            if let Open::Trap(_, _, id) = &open {
                self.order(&json!({ "unset": id })).await?;
                self.told(id, Change::Unset).await?;
            }
            self.closed(&open);
        }
        Ok(())
    }

    /// Waits until all traps that strike once have struck. One that does not in time is taken away, and had no effect.
    pub(super) async fn until_struck(&mut self) -> Result<(), LabError> {
        self.report.doing("waiting for the traps to strike");
        let limit = Duration::from_secs(self.scenario.settings.settle_s.into());
        let struck = async { while self.traps.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, struck).await;
        self.disarm().await
    }

    /// Takes away the traps that strike once and have not; an agent that one of them has killed is dead until it is started again.
    pub(super) async fn disarm(&mut self) -> Result<(), LabError> {
        let all_struck = self.traps.is_empty();
        for (id, node, fault) in std::mem::take(&mut self.once) {
            if !all_struck {
                self.order(&json!({ "unset": id })).await?;
            }
            if fault == Fault::AgentKilled {
                // Ending the faults passes over an agent that runs.
                self.opened(Open::Dead(node));
            }
        }
        while self.traps.join_next().await.is_some() {}
        Ok(())
    }

    /// Ends the processes that traps have stopped and that are still there: what hangs would hang for ever.
    pub(super) async fn let_go(&mut self) -> Result<(), LabError> {
        while self.standing.join_next().await.is_some() {}
        let stopped = std::mem::take(&mut *self.stopped.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (pid, node, fault) in stopped {
            let before = self.recorder.clock().now();
            let command = ["kill-one", "KILL", "postgres", &pid.to_string()];
            // It may have been ended long ago.
            if exec(&self.lane.docker, &self.observer.container, &command).await?.code != 0 {
                continue;
            }
            let at = [before, self.recorder.clock().now()];
            let ends = if fault == Fault::SingleUserHangs { Fault::SingleUserFails } else { Fault::PostmasterKilled };
            let effect = self.killed(&node, pid).await;
            self.broken(Some(&node), ends, (at, effect.map(|words| format!("what hung was ended: {words}"))));
        }
        Ok(())
    }

    async fn order(&self, order: &serde_json::Value) -> Result<(), LabError> {
        let answer = exec(&self.lane.docker, &self.observer.container, &["set-trap", &order.to_string()]).await?;
        match answer.code {
            0 => Ok(()),
            code => Err(LabError::harness(format!("set-trap failed ({code}): {}", answer.stderr))),
        }
    }

    async fn told(&self, id: &str, change: Change) -> Result<(), LabError> {
        let mut reports = self.observer.traps.subscribe();
        let told = reports.wait_for(|all| all.iter().any(|one| one.id == id && one.change == change));
        match tokio::time::timeout(EFFECT, told).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(LabError::harness(format!("the observer did not confirm the trap {id}"))),
        }
    }
}

/// Records each time that a trap strikes, with what shows that it hit; and that it never did, when it is over.
async fn tell(
    recorder: Recorder,
    mut reports: tokio::sync::watch::Receiver<Vec<TrapReport>>,
    laid: Laid,
    stopped: Stopped,
) {
    let (mut told, mut struck) = (0, false);
    loop {
        let of_it: Vec<TrapReport> =
            reports.borrow_and_update().iter().filter(|one| one.id == laid.id).skip(told).cloned().collect();
        told += of_it.len();
        for one in of_it {
            let over = match one.change {
                Change::Set => continue,
                Change::Struck => {
                    struck = true;
                    let clock = recorder.clock();
                    let at = one.at.unwrap_or_default().map(|edge| clock.of_monotonic(edge));
                    let effect = effect(&recorder, &laid, &one).await;
                    // What had no effect could have had one ever since it was laid.
                    let at = if effect.is_none() { [laid.since, at[1]] } else { at };
                    if let (SIGSTOP, Some(_), Some(pid)) = (laid.signal, &effect, one.pid) {
                        let mut stopped = stopped.0.lock().unwrap_or_else(PoisonError::into_inner);
                        stopped.insert((pid, laid.node.clone(), laid.fault));
                    }
                    let kind = Kind::Fault { fault: laid.fault, effect };
                    recorder.record(Some(&laid.node), Source::Harness, at, kind);
                    !laid.every
                }
                Change::Missed => !laid.every,
                Change::Unset => true,
            };
            if over {
                if !struck {
                    let at = [laid.since, recorder.clock().now()];
                    let kind = Kind::Fault { fault: laid.fault, effect: None };
                    recorder.record(Some(&laid.node), Source::Harness, at, kind);
                }
                return;
            }
        }
        if reports.changed().await.is_err() {
            return;
        }
    }
}

/// What shows that a strike hit.
async fn effect(recorder: &Recorder, laid: &Laid, strike: &TrapReport) -> Option<String> {
    let pid = strike.pid?;
    if laid.signal == SIGSTOP {
        return (strike.state.as_deref() == Some("T")).then(|| format!("process {pid} is stopped"));
    }
    let mut view = recorder.view();
    let ended = view.wait_for(|view| {
        let exits = view.nodes.get(&laid.node).into_iter().flat_map(|node| &node.exits);
        exits.into_iter().any(|(_, ended, _)| *ended == pid)
    });
    let ended = tokio::time::timeout(EFFECT, ended).await.ok()?.ok()?;
    let exits = ended.nodes.get(&laid.node).into_iter().flat_map(|node| &node.exits);
    let (what, _, signal) = exits.into_iter().rev().find(|(_, ended, _)| *ended == pid)?;
    let (meant, name) = match laid.fault {
        Fault::AgentKilled => (Process::Agent, "the agent"),
        Fault::SingleUserFails => (Process::SingleUser, "single-user mode"),
        Fault::RewindFails => (Process::PgRewind, "pg_rewind"),
        _ => (Process::Postmaster, "postmaster"),
    };
    (*what == meant && *signal == Some(SIGKILL)).then(|| format!("{name}, process {pid}, ended by signal {SIGKILL}"))
}
