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

/// `acknowledged-writes`: what was acknowledged is there after the crash. An asynchronous failover may lose the last of it, and then the
/// loss is said; a crash without a failover may not lose anything.
pub fn acknowledged_writes(history: &History, failed_over: bool) -> Check {
    const ID: &str = "acknowledged-writes";
    let Some(primary) = last_primary(history) else {
        return Check::inconclusive(ID, "no primary was seen at the end");
    };
    let Some(rows) = read_back(history, primary) else {
        return Check::inconclusive(ID, format!("the primary {primary} was not read back"));
    };
    let ids = |wanted: WriteResult| -> BTreeSet<u64> {
        let write = history.events.iter().filter_map(|event| match event.kind {
            Kind::Write { id, result, .. } if result == wanted => Some(id),
            _ => None,
        });
        write.collect()
    };
    let (acknowledged, failed, indeterminate) =
        (ids(WriteResult::Ok), ids(WriteResult::Failed), ids(WriteResult::Indeterminate));
    if acknowledged.is_empty() {
        return Check::inconclusive(ID, "no write was acknowledged in the whole run");
    }
    let lost: Vec<_> = acknowledged.difference(&rows).collect();
    let ghosts: Vec<_> = failed.intersection(&rows).collect();
    let counts = format!(
        "{} acknowledged, {} lost, {} indeterminate ({} of them committed), {} ghosts",
        acknowledged.len(),
        lost.len(),
        indeterminate.len(),
        indeterminate.intersection(&rows).count(),
        ghosts.len()
    );
    if let Some(ghost) = ghosts.first() {
        return Check::fail(ID, format!("write {ghost} was refused and is there all the same ({counts})"));
    }
    match lost.first() {
        Some(first) if !failed_over => Check::fail(
            ID,
            format!("write {first} was acknowledged and is gone, though nobody else was promoted ({counts})"),
        ),
        Some(_) => Check::pass(ID, format!("{counts}; an asynchronous failover may lose the last writes")),
        None => Check::pass(ID, counts),
    }
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
    for node in history.run.nodes.iter().filter(|node| *node != primary) {
        let Some(others) = read_back(history, node) else {
            return Check::inconclusive(ID, format!("{node} was not read back"));
        };
        if let Some(row) = others.difference(&rows).next() {
            return Check::fail(
                ID,
                format!("{node} holds row {row}, and the primary {primary} does not: its WAL is off the leader's"),
            );
        }
        if let Some(row) = rows.difference(&others).next() {
            let late =
                history.gaps_since_ready(Source::Harness).next().map_or(String::new(), |(_, why)| format!(": {why}"));
            return Check::inconclusive(
                ID,
                format!("{node} had not caught up when it was read: row {row} is missing{late}"),
            );
        }
    }
    Check::pass(ID, format!("{} rows on each of {} nodes", rows.len(), history.run.nodes.len()))
}
