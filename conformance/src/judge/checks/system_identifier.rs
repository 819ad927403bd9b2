//! System identifiers: every data directory is one of the cluster's, by its control file.
//!
//! Nothing here knows the model, in which there is one cluster only.

use std::collections::BTreeSet;

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Source};

use super::definition::{Agents, Applies, Asked, Definition, Name};
use crate::history::parts::{Carry, last_by};
use crate::history::{History, describe, seconds};
use crate::judge::facts::end_state::FINDINGS;
use crate::judge::facts::lock::{self, changes};
use crate::judge::verdict::Check;

/// The rule, and its place in Patroni: a member with another identifier than the one in `/initialize` ends at once.
const RULE: &str = "a data directory belongs to the cluster whose system identifier it has: an agent neither runs \
                    initdb over one nor \
                    starts a node on another cluster's (patroni 2.1.2 ha.py 1421-1431, 4.1.5 ha.py 2273-2283)";

/// The control file of a node's data directory, if this event tells it.
fn control(event: &Event) -> Option<ControlFile> {
    match event.kind {
        Kind::Server { control, .. } | Kind::ProcessExited { control, .. } => control,
        _ => None,
    }
}

/// `one-system-identifier`: since the cluster is ready, no node has a data directory with another system identifier
/// than the cluster's. A history of a format that does not tell it is not asked.
pub static ONE_SYSTEM_IDENTIFIER: Definition = Definition {
    name: Name::Own {
        id: "one-system-identifier",
        says: "every data directory has the system identifier of the cluster",
    },
    needs: &[Source::Postgres],
    agents: Agents::Any,
    applies: Applies::ControlFiles,
    inconclusive: "a node ran whose control file was never seen",
    carries: &[&CONTROL_FILES, &lock::BEFORE_THE_FAULTS, &FINDINGS],
    asked: Asked::Both(no_other_identifier, |end| Some(all_told(end.last))),
};

/// The control files by which the cluster's identifier, and that of each node, are known.
static CONTROL_FILES: Carry = Carry {
    says: "the last control file of each node, and its last before the cluster got ready",
    select: |history| {
        let ready = history.phase(Phase::Ready).unwrap_or(0);
        let told = |event: &Event| control(event).is_some();
        let mut places = last_by(history, |event| told(event).then_some(event.node.as_deref()));
        places.extend(last_by(history, |event| (told(event) && event.at[1] <= ready).then_some(event.node.as_deref())));
        places
    },
};

/// The cluster's system identifier: that of its leader's data directory when it got ready, or else the first that was
/// seen since.
fn identifier(history: &History) -> Option<u64> {
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    let holder = changes(history).iter().rfind(|change| change.event.at[1] <= ready).and_then(|c| c.holder);
    let of_leader = |event: &&Event| event.node.as_deref() == holder && event.at[1] <= ready;
    let before = history.events.iter().filter(of_leader).filter_map(control).next_back();
    let since = || history.events.iter().filter(|event| event.at[0] >= ready).find_map(control);
    before.or_else(since).map(|control| control.system)
}

/// `one-system-identifier`, of each part.
fn no_other_identifier(history: &History) -> Check {
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    let Some(expected) = identifier(history) else {
        return ONE_SYSTEM_IDENTIFIER.pass("no control file was seen in this part");
    };
    let since = history.events.iter().filter(|event| event.at[0] >= ready);
    let other = since.filter_map(|event| Some((event, control(event)?))).find(|(_, found)| found.system != expected);
    match other {
        None => ONE_SYSTEM_IDENTIFIER.pass(format!("all control files have the system identifier {expected}")),
        Some((event, found)) => {
            let why = format!(
                "{} has a data directory of another cluster: at {} its system identifier is {}, and the cluster's is \
                 {expected} ({})\nthe rule that was broken: {RULE}",
                event.node.as_deref().unwrap_or("a node"),
                seconds(event.at[1]),
                found.system,
                describe::what(event)
            );
            ONE_SYSTEM_IDENTIFIER.fail(why).at(Some(event.seq))
        }
    }
}

/// `one-system-identifier`, at the end: the control file of every node that ran was seen.
fn all_told(history: &History) -> Check {
    if let Some(check) = ONE_SYSTEM_IDENTIFIER.unobserved(history) {
        return check;
    }
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    let since = || history.events.iter().filter(|event| event.at[0] >= ready);
    let node = |event: &Event| event.node.clone().unwrap_or_else(|| "a node".to_owned());
    let told: BTreeSet<String> = since().filter(|event| control(event).is_some()).map(node).collect();
    let ran = |event: &&Event| matches!(event.kind, Kind::Server { state, .. } if state.is_up());
    let unknown: BTreeSet<String> = since().filter(ran).map(node).filter(|node| !told.contains(node)).collect();
    let list = |nodes: &BTreeSet<String>| nodes.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    match identifier(history) {
        _ if !unknown.is_empty() => {
            let why = format!("{} ran, and whose data directory it had was not seen", list(&unknown));
            ONE_SYSTEM_IDENTIFIER.inconclusive(why)
        }
        None => ONE_SYSTEM_IDENTIFIER.inconclusive("no control file was seen since the cluster was ready"),
        Some(system) => ONE_SYSTEM_IDENTIFIER
            .pass(format!("the data directories of {} have the system identifier {system}", list(&told))),
    }
}
