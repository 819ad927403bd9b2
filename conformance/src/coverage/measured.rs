//! The items that a recorded history led to: the branches that were taken, and whom faults hit in which state. What the
//! model does not explain does not count.

use std::collections::{BTreeMap, BTreeSet};

use pghaspec_model::cluster::Server;
use pghaspec_model::derive::{Hit, StateClass, hits_cluster};
use pghaspec_model::rules::edition::Edition;
use pghaspec_model::vocabulary::event::{Kind, Process, ServerState};
use pghaspec_model::vocabulary::fault::Fault;
use serde::{Deserialize, Serialize};

use super::item_id::ItemId;
use crate::history::History;
use crate::judge::checks::allowed_by_the_model::ALLOWED_BY_THE_MODEL;
use crate::judge::{Judgement, Verdict};

/// The items that the history of one scenario led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Some behaviour of the model explains the history.
    pub explained: bool,
    /// The items.
    pub items: BTreeSet<ItemId>,
}

/// The state of a node at a moment, as far as it was observed.
#[derive(Default)]
struct Node {
    alive: BTreeMap<u32, Process>,
    server: Option<ServerState>,
}

impl Node {
    /// The process that uses its data directory.
    fn server(&self) -> Server {
        let runs = |process: Process| self.alive.values().any(|alive| *alive == process);
        match self.server {
            _ if runs(Process::SingleUser) => Server::SingleUser,
            _ if runs(Process::PgRewind) => Server::Rewinding,
            _ if runs(Process::PgBasebackup) => Server::Copying,
            _ if !runs(Process::Postmaster) => Server::Down,
            Some(ServerState::Primary) => Server::Primary,
            Some(ServerState::Standby) => Server::Standby,
            _ => Server::Starting,
        }
    }
}

/// The items that a history led to, by the rules of an edition.
pub fn measured(history: &History, edition: Edition, judgement: &Judgement) -> Measured {
    let passed = |id: &str| judgement.checks.iter().any(|check| check.id == id && check.verdict == Verdict::Pass);
    let mut measured = Measured { explained: passed(ALLOWED_BY_THE_MODEL.id()), items: BTreeSet::new() };
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
                measured.items.insert(ItemId::branch(edition, *branch));
            }
            Kind::Fault { fault, effect: Some(_) } => {
                measured.items.insert(place(*fault, name, leader, &nodes));
            }
            _ => {}
        }
    }
    measured
}

/// The item of a fault: whom it hit, and the state of that node.
fn place(fault: Fault, name: Option<&str>, leader: Option<&str>, nodes: &BTreeMap<&str, Node>) -> ItemId {
    let (target, node) = match (hits_cluster(fault), leader) {
        (true, leader) => (Hit::Cluster, leader),
        (false, Some(leader)) if Some(leader) == name => (Hit::Leader, name),
        (false, _) => (Hit::Member, name),
    };
    let class = match node {
        None => StateClass::NoLeader,
        Some(node) => StateClass::Server(nodes.get(node).map_or(Server::Down, Node::server)),
    };
    ItemId::fault(fault, target, class)
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
            for item in [&format!("branch/4.1/{branch}"), "fault/postmaster-killed/leader/primary"] {
                assert!(measured.items.contains(&item.parse().unwrap()), "{measured:?}");
            }
        }
        let folder = fixtures::root().join("traces/keeps-lock");
        let history = History::read(&folder.join("leader-postmaster-killed-start-timeout-0.jsonl")).unwrap();
        let judgement = judge(&history, Edition::V4_1, None);
        assert!(!super::measured(&history, Edition::V4_1, &judgement).explained);
    }
}
