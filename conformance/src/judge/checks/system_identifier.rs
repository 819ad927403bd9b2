//! Whether every data directory is one of the cluster's, by the system identifiers in their control files. Nothing here knows the model, in
//! which there is one cluster only.

use std::collections::BTreeSet;

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, ServerState, Source, WITH_CONTROL};

use super::leadership::unobserved;
use crate::history::describe;
use crate::history::{History, seconds};
use crate::judge::facts::lock::changes;
use crate::judge::verdict::Check;

/// Where Patroni has it: a member with another identifier than the one in `/initialize` ends at once.
const RULE: &str = "a data directory belongs to the cluster whose system identifier it has: an agent neither runs initdb over one nor \
                    starts a node on another cluster's (patroni 2.1.2 ha.py 1421-1431, 4.1.5 ha.py 2273-2283)";

/// What the control file of a node's data directory said, if this event tells.
fn control(event: &Event) -> Option<ControlFile> {
    match event.kind {
        Kind::Server { control, .. } | Kind::ProcessExited { control, .. } => control,
        _ => None,
    }
}

/// `one-system-identifier`: since the cluster is ready, no node has a data directory with another system identifier than the cluster's. A
/// history of a format that does not tell it is not asked.
pub fn one_system_identifier(history: &History) -> Option<Check> {
    const ID: &str = "one-system-identifier";
    if history.events.first().is_none_or(|event| event.v < WITH_CONTROL) {
        return None;
    }
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    // The cluster's is what its leader's data directory had when it got ready.
    let holder = changes(history).iter().rfind(|change| change.event.at[1] <= ready).and_then(|c| c.holder);
    let of_leader = |event: &&Event| event.node.as_deref() == holder && event.at[1] <= ready;
    let before = history.events.iter().filter(of_leader).filter_map(control).next_back();
    let mut told = BTreeSet::new();
    let mut silent = BTreeSet::new();
    let mut system = before.map(|control| control.system);
    for event in history.events.iter().filter(|event| event.at[0] >= ready) {
        let node = event.node.as_deref().unwrap_or("a node");
        let Some(found) = control(event) else {
            if let Kind::Server { state: ServerState::Primary | ServerState::Standby, .. } = event.kind {
                silent.insert(node);
            }
            continue;
        };
        told.insert(node);
        let expected = *system.get_or_insert(found.system);
        if found.system != expected {
            let why = format!(
                "{node} has a data directory of another cluster: at {} its system identifier is {}, and the cluster's is {expected} ({})\n\
                 the rule that was broken: {RULE}",
                seconds(event.at[1]),
                found.system,
                describe::what(event)
            );
            return Some(Check::fail(ID, why).at(Some(event.seq)));
        }
    }
    if let Some(check) = unobserved(history, ID, &[Source::Postgres]) {
        return Some(check);
    }
    let unknown: Vec<&str> = silent.difference(&told).copied().collect();
    Some(match system {
        _ if !unknown.is_empty() => {
            let why = format!("{} ran, and whose data directory it had was not seen", unknown.join(", "));
            Check::inconclusive(ID, why)
        }
        None => Check::inconclusive(ID, "no control file was seen since the cluster was ready"),
        Some(system) => {
            let nodes: Vec<&str> = told.into_iter().collect();
            Check::pass(ID, format!("the data directories of {} have the system identifier {system}", nodes.join(", ")))
        }
    })
}
