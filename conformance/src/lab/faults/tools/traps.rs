//! Traps: signals that the observer sends by itself to a process as soon as that starts, since a start is over in
//! milliseconds.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Mechanism, Process, Source};
use pghaspec_model::vocabulary::fault::Fault;
use serde_json::json;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::signals::{SIGKILL, Signals};
use crate::lab::error::LabError;
use crate::lab::faults::tools::EFFECT;
use crate::observe::processes::report::{Change, TrapReport};
use crate::observe::recorder::Recorder;
use crate::scenario::How;

const SIGSTOP: i32 = 19;

/// A trap for a process that starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trap {
    /// The fault that it is.
    pub fault: Fault,
    /// The process that springs it when it starts.
    pub springs: Process,
    /// The process that is hit: the one that starts, or the agent that has started it.
    pub hits: Process,
    /// The signal that is sent.
    pub sends: Sends,
}

/// The signal of a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sends {
    /// SIGKILL.
    Kill,
    /// SIGSTOP. A process that hangs would hang for ever: it is killed after all other faults have ended, which is
    /// recorded as this fault.
    Stop {
        /// The fault that the end of the process is recorded as.
        ended_as: Fault,
    },
}

impl Sends {
    fn number(self) -> i32 {
        match self {
            Sends::Kill => SIGKILL,
            Sends::Stop { .. } => SIGSTOP,
        }
    }
}

/// Processes that traps have stopped: id on the host, node, and the fault that their end is recorded as.
#[derive(Clone, Default)]
struct Stopped(Arc<Mutex<BTreeSet<(u32, String, Fault)>>>);

/// A trap that was laid for a node.
struct Laid {
    id: String,
    node: String,
    trap: Trap,
    every: bool,
    since: u64,
}

/// Lays traps, and records what becomes of them.
pub struct Traps<'run> {
    signals: Signals<'run>,
    /// The number of traps that were laid.
    count: usize,
    /// Names, nodes and faults of the traps that strike once.
    once: Vec<(String, String, Fault)>,
    /// Tasks that record what the traps do that strike once.
    striking_once: JoinSet<()>,
    /// Tasks that record what the traps do that strike every time.
    striking_always: JoinSet<()>,
    stopped: Stopped,
}

impl<'run> Traps<'run> {
    /// No trap was laid yet.
    pub fn new(signals: Signals<'run>) -> Traps<'run> {
        Traps {
            signals,
            count: 0,
            once: Vec::new(),
            striking_once: JoinSet::new(),
            striking_always: JoinSet::new(),
            stopped: Stopped::default(),
        }
    }

    /// Lays a trap for a node. Returns its name if it strikes every time, and so has to be taken away some time.
    ///
    /// # Errors
    /// The observer polls, and so comes too late for any trap, or it does not confirm the trap.
    pub async fn lay(&mut self, trap: Trap, node: &str, how: &How) -> Result<Option<String>, LabError> {
        let observer = self.signals.observer;
        if observer.mechanism == Mechanism::Polling {
            let message = format!("{} needs the kernel's process connector, which cannot be had here", trap.fault.id());
            return Err(LabError::environment(message, "see `pghaspec doctor`"));
        }
        self.count += 1;
        let id = format!("{}-{}", trap.fault.id(), self.count);
        let order = json!({
            "set": id,
            "pidns": observer.namespace_of(node)?,
            "process": trap.springs, // as histories and the observer name it
            "signal": trap.sends.number(),
            "every": how.every,
            "in_crash_recovery": how.during.is_some(),
            "ancestor": (trap.hits == Process::Agent).then_some(&observer.agent_process),
        });
        let (recorder, since) = (self.signals.bed.recorder.clone(), self.signals.bed.now());
        let laid = Laid { id: id.clone(), node: node.to_owned(), trap, every: how.every, since };
        self.order(&order).await?;
        self.confirmed(&id, Change::Set).await?;
        let follow = follow(recorder, observer.traps.subscribe(), laid, self.stopped.clone());
        if how.every {
            self.striking_always.spawn(follow);
            Ok(Some(id))
        } else {
            self.once.push((id, node.to_owned(), trap.fault));
            self.striking_once.spawn(follow);
            Ok(None)
        }
    }

    /// Takes a trap away that strikes every time.
    ///
    /// # Errors
    /// The observer does not confirm it.
    pub async fn lift(&self, id: &str) -> Result<(), LabError> {
        self.order(&json!({ "unset": id })).await?;
        self.confirmed(id, Change::Unset).await
    }

    /// Waits until all traps that strike once have struck. One that has not within `limit` is taken away, and had no
    /// effect. Returns the nodes whose agents they may have killed.
    ///
    /// # Errors
    /// The observer refuses an order.
    pub async fn until_struck(&mut self, limit: Duration) -> Result<Vec<String>, LabError> {
        let struck = async { while self.striking_once.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(limit, struck).await;
        self.disarm().await
    }

    /// Takes away the traps that strike once and have not. Returns the nodes whose agents they may have killed.
    ///
    /// # Errors
    /// The observer refuses an order.
    pub async fn disarm(&mut self) -> Result<Vec<String>, LabError> {
        let all_struck = self.striking_once.is_empty();
        let mut agentless = Vec::new();
        for (id, node, fault) in std::mem::take(&mut self.once) {
            if !all_struck {
                self.order(&json!({ "unset": id })).await?;
            }
            if fault == Fault::AgentKilled {
                agentless.push(node);
            }
        }
        while self.striking_once.join_next().await.is_some() {}
        Ok(agentless)
    }

    /// Kills the processes that traps have stopped and that are still there, and records it. All traps that strike
    /// every time must have been lifted.
    ///
    /// # Errors
    /// The observer cannot run a command.
    pub async fn end_stopped(&mut self) -> Result<(), LabError> {
        while self.striking_always.join_next().await.is_some() {}
        let stopped = std::mem::take(&mut *self.stopped.0.lock().unwrap_or_else(PoisonError::into_inner));
        let bed = self.signals.bed;
        for (pid, node, fault) in stopped {
            let before = bed.now();
            // It may have been ended long ago.
            if self.signals.send_if_there("KILL", &node, "postgres", pid).await? != 0 {
                continue;
            }
            let at = [before, bed.now()];
            let killed = self.signals.killed(&node, pid).await;
            let effect = killed.map(|words| format!("what hung was ended: {words}"));
            bed.recorder.record(Some(&node), Source::Harness, at, Kind::Fault { fault, effect });
        }
        Ok(())
    }

    async fn order(&self, order: &serde_json::Value) -> Result<(), LabError> {
        let Signals { bed, observer } = self.signals;
        let answer = bed.exec(&observer.container, &["set-trap", &order.to_string()]).await?;
        match answer.code {
            0 => Ok(()),
            code => Err(LabError::harness(format!("set-trap failed ({code}): {}", answer.stderr))),
        }
    }

    async fn confirmed(&self, id: &str, change: Change) -> Result<(), LabError> {
        let mut reports = self.signals.observer.traps.subscribe();
        let told = reports.wait_for(|all| all.iter().any(|one| one.id == id && one.change == change));
        match tokio::time::timeout(EFFECT, told).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(LabError::harness(format!("the observer did not confirm the trap {id}"))),
        }
    }
}

/// Records each time that a trap strikes, with the evidence that it hit; and that it never did, when it is over.
async fn follow(recorder: Recorder, mut reports: watch::Receiver<Vec<TrapReport>>, laid: Laid, stopped: Stopped) {
    let fault = laid.trap.fault;
    let (mut taken, mut struck) = (0, false);
    loop {
        let of_it: Vec<TrapReport> =
            reports.borrow_and_update().iter().filter(|one| one.id == laid.id).skip(taken).cloned().collect();
        taken += of_it.len();
        for one in of_it {
            let over = match one.change {
                Change::Set => continue,
                Change::Struck => {
                    struck = true;
                    let clock = recorder.clock();
                    let at = one.at.unwrap_or_default().map(|edge| clock.of_monotonic(edge));
                    let effect = evidence(&recorder, &laid, &one).await;
                    // A strike without evidence may have had its effect at any time since the trap was laid.
                    let at = if effect.is_none() { [laid.since, at[1]] } else { at };
                    if let (Sends::Stop { ended_as }, Some(_), Some(pid)) = (laid.trap.sends, &effect, one.pid) {
                        let mut stopped = stopped.0.lock().unwrap_or_else(PoisonError::into_inner);
                        stopped.insert((pid, laid.node.clone(), ended_as));
                    }
                    recorder.record(Some(&laid.node), Source::Harness, at, Kind::Fault { fault, effect });
                    !laid.every
                }
                Change::Missed => !laid.every,
                Change::Unset => true,
            };
            if over {
                if !struck {
                    let at = [laid.since, recorder.clock().now()];
                    recorder.record(Some(&laid.node), Source::Harness, at, Kind::Fault { fault, effect: None });
                }
                return;
            }
        }
        if reports.changed().await.is_err() {
            return;
        }
    }
}

/// The evidence that a strike hit, in words.
async fn evidence(recorder: &Recorder, laid: &Laid, strike: &TrapReport) -> Option<String> {
    let pid = strike.pid?;
    match laid.trap.sends {
        Sends::Stop { .. } => {
            return (strike.state.as_deref() == Some("T")).then(|| format!("process {pid} is stopped"));
        }
        Sends::Kill => {}
    }
    let mut view = recorder.view();
    let ended = view.wait_for(|view| {
        let exits = view.nodes.get(&laid.node).into_iter().flat_map(|node| &node.exits);
        exits.into_iter().any(|(_, ended, _)| *ended == pid)
    });
    let ended = tokio::time::timeout(EFFECT, ended).await.ok()?.ok()?;
    let exits = ended.nodes.get(&laid.node).into_iter().flat_map(|node| &node.exits);
    let (what, _, signal) = exits.into_iter().rev().find(|(_, ended, _)| *ended == pid)?;
    let name = match laid.trap.hits {
        Process::Agent => "the agent",
        Process::SingleUser => "single-user mode",
        Process::PgRewind => "pg_rewind",
        Process::PgBasebackup => "pg_basebackup",
        Process::Postmaster => "postmaster",
    };
    let hit = *what == laid.trap.hits && *signal == Some(SIGKILL);
    hit.then(|| format!("{name}, process {pid}, ended by signal {SIGKILL}"))
}
