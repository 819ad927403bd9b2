//! The waits for a synchronous standby: first in Postgres, which has one before the DCS names it, then in the DCS.

use std::time::Duration;

use etcd_client::Client;
use tokio::time::Instant;

use super::nodes::Node;
use crate::observe::postgres::query_once;

/// The time that an answer may take.
const LIMIT: Duration = Duration::from_secs(10);
/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until a primary in synchronous mode has a synchronous standby. Until then commits wait for no standby, and no
/// other node may lead.
///
/// # Errors
/// There is none within `limit`, or the primary does not answer.
pub async fn has_synchronous(node: &Node, limit: Duration) -> Result<(), String> {
    let query = "SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum')";
    let deadline = Instant::now() + limit;
    loop {
        let rows = query_once(&node.config, query, LIMIT).await;
        let found = rows.map(|rows| rows.first().and_then(|row| row.first()).cloned().flatten());
        if matches!(&found, Ok(Some(count)) if count != "0") {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(match found {
                Ok(_) => format!("{} has chosen no synchronous standby", node.name),
                Err(failure) => format!("{} answers: {}", node.name, failure.words()),
            });
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until a key of the DCS names one of these nodes: only then may that node lead.
///
/// # Errors
/// The key names none of them within `limit`, or the DCS does not answer.
pub async fn is_named(mut etcd: Client, key: &str, standbys: &[&str], limit: Duration) -> Result<(), String> {
    let deadline = Instant::now() + limit;
    loop {
        let value = match tokio::time::timeout(LIMIT, etcd.get(key, None)).await {
            Ok(Ok(answer)) => answer.kvs().first().map(|kv| String::from_utf8_lossy(kv.value()).into_owned()),
            Ok(Err(error)) => return Err(format!("reading {key}: {error}")),
            Err(_) => return Err(format!("reading {key}: no answer in time")),
        };
        let value = value.unwrap_or_default();
        if standbys.iter().any(|name| value.contains(name)) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("{key} names no synchronous standby: `{value}`"));
        }
        tokio::time::sleep(PAUSE).await;
    }
}
