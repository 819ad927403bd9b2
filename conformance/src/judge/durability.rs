//! What became of the clients' rows: lost, ghost and indeterminate writes, and whether all nodes hold the same.

use std::collections::BTreeSet;

use pghaspec_model::event::{Kind, Phase, ServerState, Source, WriteResult};

use super::history::History;
use super::verdict::Check;

fn read_back(history: &History, node: &str) -> Option<BTreeSet<u64>> {
    history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::ReadBack { rows } if event.node.as_deref() == Some(node) => {
            Some(rows.iter().flat_map(|[first, last]| *first..=*last).collect())
        }
        _ => None,
    })
}

/// The node that was the primary at the end.
pub fn last_primary(history: &History) -> Option<&str> {
    let settled = history.phase(Phase::Settled)?;
    history.events.iter().rev().filter(|event| event.at[1] >= settled).find_map(|event| match &event.kind {
        Kind::Server { state: ServerState::Primary, .. } => event.node.as_deref(),
        _ => None,
    })
}

/// `acknowledged-writes`: what was acknowledged is there after the crash. An asynchronous failover may lose what the old leader acknowledged
/// last, and then the loss is said; nothing else may be lost.
pub fn acknowledged_writes(history: &History) -> Check {
    const ID: &str = "acknowledged-writes";
    let Some(primary) = last_primary(history) else {
        return Check::inconclusive(ID, "no primary was seen at the end");
    };
    let Some(rows) = read_back(history, primary) else {
        return Check::inconclusive(ID, format!("the primary {primary} was not read back"));
    };
    let writes = |wanted: WriteResult| {
        history.events.iter().filter_map(move |event| match event.kind {
            Kind::Write { id, result, .. } if result == wanted => Some((id, event)),
            _ => None,
        })
    };
    let acknowledged = writes(WriteResult::Ok).count();
    if acknowledged == 0 {
        return Check::inconclusive(ID, "no write was acknowledged in the whole run");
    }
    let lost: Vec<_> = writes(WriteResult::Ok).filter(|(id, _)| !rows.contains(id)).collect();
    let ghost = writes(WriteResult::Failed).find(|(id, _)| rows.contains(id));
    let committed = writes(WriteResult::Indeterminate).filter(|(id, _)| rows.contains(id)).count();
    let counts = format!(
        "{acknowledged} acknowledged, {} lost, {} indeterminate ({committed} of them committed), {} ghosts",
        lost.len(),
        writes(WriteResult::Indeterminate).count(),
        writes(WriteResult::Failed).filter(|(id, _)| rows.contains(id)).count(),
    );
    if let Some((ghost, _)) = ghost {
        return Check::fail(ID, format!("write {ghost} was refused and is there all the same ({counts})"));
    }
    // Since the key came to name the last primary for the last time, nothing that anybody acknowledged may be lost.
    let since = last_creation(history, primary);
    if history.blind(&[Source::Etcd]).is_some() || since.is_none() {
        return match lost.is_empty() {
            true => Check::pass(ID, counts),
            false => Check::inconclusive(ID, format!("{counts}; who led when is not known")),
        };
    }
    if let Some((id, event)) = lost.iter().find(|(_, event)| since.is_some_and(|since| event.at[0] > since)) {
        let node = event.node.as_deref().unwrap_or("a node");
        return Check::fail(
            ID,
            format!(
                "write {id} was acknowledged by {node} when {primary} held the lock already, and is gone ({counts})"
            ),
        );
    }
    // What an old leader acknowledged up to a ttl before may be lost; more only within maximum_lag_on_failover, which is not observed.
    let ttl = u64::from(history.run.ttl_s) * 1_000_000_000;
    if let Some((id, _)) = lost.iter().find(|(_, event)| since.is_some_and(|since| event.at[1] + ttl < since)) {
        return Check::inconclusive(
            ID,
            format!("write {id} was acknowledged more than a ttl before the failover and is gone ({counts})"),
        );
    }
    match lost.is_empty() {
        true => Check::pass(ID, counts),
        false => Check::pass(ID, format!("{counts}; an asynchronous failover may lose the last writes")),
    }
}

/// The latest moment at which the key came to name this node for the last time.
fn last_creation(history: &History, node: &str) -> Option<u64> {
    let created = history.events.iter().filter_map(|event| match &event.kind {
        Kind::LeaderKey { holder: Some(holder), revision, .. } if holder == node => Some((*revision, event.at[1])),
        _ => None,
    });
    created.max_by_key(|(revision, _)| *revision).map(|(_, at)| at)
}

/// `same-rows-everywhere`: no standby holds rows that the primary does not have.
pub fn same_rows_everywhere(history: &History) -> Check {
    const ID: &str = "same-rows-everywhere";
    let Some(primary) = last_primary(history) else {
        return Check::inconclusive(ID, "no primary was seen at the end");
    };
    let Some(rows) = read_back(history, primary) else {
        return Check::inconclusive(ID, format!("the primary {primary} was not read back"));
    };
    let indeterminate: BTreeSet<u64> = history
        .events
        .iter()
        .filter_map(|event| match event.kind {
            Kind::Write { id, result: WriteResult::Indeterminate, .. } => Some(id),
            _ => None,
        })
        .collect();
    for node in history.run.nodes.iter().filter(|node| *node != primary) {
        let Some(others) = read_back(history, node) else {
            return Check::inconclusive(ID, format!("{node} was not read back"));
        };
        // A client's write whose answer was lost may still have been on its way to the primary while the standbys were read.
        if let Some(row) = others.difference(&rows).find(|row| !indeterminate.contains(row)) {
            return Check::fail(
                ID,
                format!("{node} holds row {row}, and the primary {primary} does not: its WAL is off the leader's"),
            );
        }
        if let Some(row) = rows.difference(&others).next() {
            let late =
                history.gap_of(&[Source::Postgres, Source::Harness]).map_or(String::new(), |why| format!(": {why}"));
            return Check::inconclusive(
                ID,
                format!("{node} had not caught up when it was read: row {row} is missing{late}"),
            );
        }
    }
    Check::pass(ID, format!("{} rows on each of {} nodes", rows.len(), history.run.nodes.len()))
}
