//! Where a recorded history led: which branches were taken, and which faults hit whom in which state. What the model does not explain does
//! not count.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::derive::hits_cluster;
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Kind, Process, ServerState};
use pghaspec_model::vocabulary::fault::{Class, Fault};
use serde::{Deserialize, Serialize};

use crate::history::History;
use crate::judge::{Judgement, Verdict};

/// What was seen in one scenario, by the names of derived items.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Some behaviour of the model explains the history.
    pub explained: bool,
    /// What it led to.
    pub items: BTreeSet<String>,
}

/// What is known of a node at a moment.
#[derive(Default)]
struct Node {
    alive: BTreeMap<u32, Process>,
    server: Option<ServerState>,
}

impl Node {
    fn class(&self) -> &'static str {
        let runs = |process: Process| self.alive.values().any(|alive| *alive == process);
        match self.server {
            _ if runs(Process::SingleUser) => "single-user",
            _ if runs(Process::PgRewind) => "rewinding",
            _ if runs(Process::PgBasebackup) => "copying",
            _ if !runs(Process::Postmaster) => "down",
            Some(ServerState::Primary) => "primary",
            Some(ServerState::Standby) => "standby",
            _ => "starting",
        }
    }
}

/// What a history led to.
pub fn measured(history: &History, edition: Edition, judgement: &Judgement) -> Measured {
    let passed = |id: &str| judgement.checks.iter().any(|check| check.id == id && check.verdict == Verdict::Pass);
    let mut measured = Measured { explained: passed("allowed-by-the-model"), items: BTreeSet::new() };
    let mut nodes: BTreeMap<&str, Node> = BTreeMap::new();
    let mut leader: Option<&str> = None;
    let mut events: Vec<_> = history.events.iter().collect();
    // A fault is looked at before its own effects.
    events.sort_by_key(|event| match event.kind {
        Kind::Fault { .. } => (event.at[0], 0, event.seq),
        _ => (event.at[1], 1, event.seq),
    });
    for event in events {
        let name = event.node.as_deref();
        match &event.kind {
            Kind::LeaderKey { holder, .. } => leader = holder.as_deref(),
            Kind::ProcessStarted { what, pid, .. } => {
                if let Some(name) = name {
                    let node = nodes.entry(name).or_default();
                    node.alive.insert(*pid, *what);
                    if *what == Process::Postmaster {
                        node.server = None;
                    }
                }
            }
            Kind::ProcessExited { pid, .. } => {
                if let Some(name) = name {
                    nodes.entry(name).or_default().alive.remove(pid);
                }
            }
            Kind::Server { state, .. } if *state != ServerState::Unknown => {
                if let Some(name) = name {
                    nodes.entry(name).or_default().server = Some(*state);
                }
            }
            Kind::Recover { branch, .. } => {
                measured.items.insert(format!("branch/{}/{}", edition.id(), branch.id()));
            }
            Kind::Fault { fault, effect: Some(_) } => {
                measured.items.insert(place(*fault, name, leader, &nodes));
            }
            _ => {}
        }
    }
    measured
}

fn place(fault: Fault, name: Option<&str>, leader: Option<&str>, nodes: &BTreeMap<&str, Node>) -> String {
    let (target, node) = match (hits_cluster(fault), leader) {
        (true, leader) => ("cluster", leader),
        (false, Some(leader)) if Some(leader) == name => ("leader", name),
        (false, _) => ("member", name),
    };
    let class = match node {
        None => "no-leader",
        Some(node) => nodes.get(node).map_or("down", Node::class),
    };
    match fault.class() {
        Class::Free => format!("fault/{}/{target}", fault.id()),
        _ => format!("fault/{}/{target}/{class}", fault.id()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::judge::judge;

    #[test]
    fn a_recorded_run_says_what_it_led_to() {
        let folder = fixtures::root().join("traces/patroni-4.1.5");
        for (scenario, branch) in
            [("leader-postmaster-killed", "start-primary"), ("leader-postmaster-killed-start-timeout-0", "fail-over")]
        {
            let history = History::read(&folder.join(format!("{scenario}.jsonl"))).unwrap();
            let judgement = judge(&history, Edition::V4_1, None);
            let measured = measured(&history, Edition::V4_1, &judgement);
            assert!(measured.explained);
            assert!(measured.items.contains(&format!("branch/4.1/{branch}")), "{measured:?}");
            assert!(measured.items.contains("fault/postmaster-killed/leader/primary"), "{measured:?}");
        }
        let folder = fixtures::root().join("traces/keeps-lock");
        let history = History::read(&folder.join("leader-postmaster-killed-start-timeout-0.jsonl")).unwrap();
        let judgement = judge(&history, Edition::V4_1, None);
        assert!(!super::measured(&history, Edition::V4_1, &judgement).explained);
    }
}
