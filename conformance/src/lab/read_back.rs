//! The read-back: all rows of every node, read after the cluster has settled.

use std::time::Duration;

use futures_util::future::join_all;
use pghaspec_model::vocabulary::event::{Kind, ServerState, Source};
use tokio::time::Instant;

use super::cluster::Node;
use crate::observe::postgres::{Failure, query_once};
use crate::observe::ranges::ranges;
use crate::observe::recorder::Recorder;
use crate::observe::writer::TABLE;

/// The time that standbys may take to replay what the primary has written.
const REPLAY: Duration = Duration::from_secs(15);
/// The time that a statement may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks at a standby's progress.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until the standbys of `primary` have replayed all that it has flushed, and records the rows of every node. A
/// node that cannot be read is recorded as a gap. The primary is read last: a row that commits meanwhile then shows
/// there only, and never on standbys only.
pub async fn read_back(recorder: &Recorder, nodes: &[Node], primary: Option<&Node>) {
    let since = recorder.clock().now();
    if let Err(why) = caught_up(nodes, primary).await {
        // This is no gap of the probes: they went on.
        recorder.gap(None, since, Source::Harness, format!("rows are read back though {why}"));
    }
    let (last, first): (Vec<_>, Vec<_>) =
        nodes.iter().partition(|node| primary.is_some_and(|primary| primary.name == node.name));
    for nodes in [first, last] {
        join_all(nodes.into_iter().map(|node| read_node(recorder, node))).await;
    }
}

/// The node that a probe last found writable, if there is exactly one.
pub fn only_primary(recorder: &Recorder) -> Option<String> {
    let view = recorder.view();
    let view = view.borrow();
    let mut primaries =
        view.nodes.iter().filter(|(_, node)| node.finding.is_some_and(|finding| finding.state == ServerState::Primary));
    match (primaries.next(), primaries.next()) {
        (Some((name, _)), None) => Some(name.clone()),
        _ => None,
    }
}

/// Waits until every other node has replayed what the primary has flushed, which includes every acknowledged commit.
///
/// # Errors
/// There is no single primary, or a node does not answer or has not replayed enough in time, in words.
pub async fn caught_up(nodes: &[Node], primary: Option<&Node>) -> Result<(), String> {
    let primary = primary.ok_or("there is not one primary to wait for")?;
    let flushed = position(primary, "pg_current_wal_flush_lsn()").await?;
    let flushed = flushed.ok_or_else(|| format!("{} does not say how far it is", primary.name))?;
    let deadline = Instant::now() + REPLAY;
    let standbys = nodes.iter().filter(|node| node.name != primary.name);
    let waits = join_all(standbys.map(|node| replayed(node, flushed, deadline))).await;
    waits.into_iter().collect()
}

async fn replayed(node: &Node, target: u64, deadline: Instant) -> Result<(), String> {
    loop {
        let replayed = position(node, "pg_last_wal_replay_lsn()").await;
        if matches!(replayed, Ok(Some(position)) if position >= target) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(match replayed {
                Ok(position) => match position {
                    Some(position) => format!("{} has replayed up to {position}, not {target}", node.name),
                    None => format!("{} has replayed nothing, and not up to {target}", node.name),
                },
                Err(why) => why,
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// A WAL position of a node in bytes.
async fn position(node: &Node, function: &str) -> Result<Option<u64>, String> {
    let rows = query_once(&node.config, &format!("SELECT {function} - '0/0'::pg_lsn"), LIMIT).await;
    let rows = rows.map_err(|failure| format!("{} answers: {}", node.name, failure.words()))?;
    Ok(rows.first().and_then(|row| row.first()).and_then(Option::as_ref).and_then(|text| text.parse().ok()))
}

async fn read_node(recorder: &Recorder, node: &Node) {
    let start = recorder.clock().now();
    match rows(node).await {
        Ok(numbers) => {
            let at = [start, recorder.clock().now()];
            recorder.record(Some(&node.name), Source::Postgres, at, Kind::ReadBack { rows: ranges(numbers) });
        }
        Err(failure) => {
            let why = format!("rows could not be read back: {}", failure.words());
            recorder.gap(Some(&node.name), start, Source::Harness, why);
        }
    }
}

async fn rows(node: &Node) -> Result<Vec<u64>, Failure> {
    let rows = query_once(&node.config, &format!("SELECT id FROM {TABLE}"), LIMIT).await?;
    // Only the lab writes to the table, and it writes numbers.
    Ok(rows.iter().flatten().flatten().filter_map(|id| id.parse().ok()).collect())
}
