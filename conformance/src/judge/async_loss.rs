//! What an asynchronous failover may lose.

use pghaspec_model::event::{Event, Kind, ServerState, Source};
use pghaspec_model::property::Property;

use super::durability::last_taken;
use super::history::{History, seconds};
use super::ledger::{Ledger, named};
use super::verdict::Check;

/// `bounded-async-loss`: what an asynchronous failover loses was acknowledged within the last ttl before it, or is no more than
/// `maximum_lag_on_failover` of WAL.
pub(super) fn bounded_async_loss(history: &History, ledger: &Result<Ledger, String>) -> Check {
    let id = Property::BoundedAsyncLoss.id();
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return Check::inconclusive(id, why),
    };
    let mut lost = ledger.lost();
    if lost.is_empty() {
        return Check::pass(id, "nothing was lost");
    }
    if let Some(why) = history.blind(&[Source::Etcd]) {
        return Check::inconclusive(id, format!("who led when is not known: {why}"));
    }
    let Some(since) = last_taken(history, ledger.primary) else {
        return Check::inconclusive(id, format!("{} was not seen to take the lock", ledger.primary));
    };
    // What was acknowledged later was no failover's to lose.
    lost.retain(|(_, event)| event.at[0] <= since);
    let Some((_, oldest)) = lost.iter().min_by_key(|(_, event)| event.at[1]) else {
        let why = format!("nothing was lost that was acknowledged before {} took the lock", ledger.primary);
        return Check::pass(id, why);
    };
    let ttl = u64::from(history.run.ttl_s) * 1_000_000_000;
    let before = since.saturating_sub(oldest.at[1]);
    let words = format!(
        "lost {} acknowledged writes, the oldest up to {} before {} took the lock: {}",
        lost.len(),
        seconds(before),
        ledger.primary,
        named(&lost)
    );
    if before <= ttl {
        return Check::pass(id, words);
    }
    let allowed = history.run.configuration.maximum_lag_on_failover;
    let positions = positions(ledger, oldest);
    if let Some(bytes) = at_least(&positions, oldest, since).filter(|bytes| *bytes > allowed) {
        let why =
            format!("{words}; the old leader wrote at least {bytes} bytes of WAL meanwhile, and {allowed} may be lost");
        return Check::fail(id, why).at(Some(oldest.seq));
    }
    let old = lost.iter().filter(|(_, event)| event.at[0] + ttl < since).count() as u64;
    match at_most(&positions, oldest, since.saturating_sub(ttl)).into_iter().chain([old * ROW]).min() {
        Some(bytes) if bytes <= allowed => {
            let why = format!("{words}; what is older than a ttl of {} is at most {bytes} bytes of WAL", seconds(ttl));
            Check::pass(id, why)
        }
        _ => Check::inconclusive(id, format!("{words}; that is more than a ttl of {}", seconds(ttl))),
    }
}

/// WAL in bytes of one write of the recorded clients, at most. It is one short row: whole images of its page and of two pages of the index, and
/// the commit.
const ROW: u64 = 4 * 8192;

/// Where a node's WAL ended: when that was found, by what sort of server, and the position.
type Position = ([u64; 2], ServerState, u64);

/// Of the node that acknowledged this write, by time.
fn positions(ledger: &Ledger, write: &Event) -> Vec<Position> {
    let mut positions = Vec::new();
    ledger.of_node(write.node.as_deref(), |event| {
        if let Kind::Server { state, lsn: Some(lsn), .. } = event.kind {
            positions.push((event.at, state, lsn));
        }
    });
    positions.sort_by_key(|(at, ..)| *at);
    positions
}

/// WAL in bytes that was certainly written after a write, and before another took the lock: all of that is lost.
fn at_least(positions: &[Position], write: &Event, until: u64) -> Option<u64> {
    let meanwhile = positions
        .iter()
        .filter(|(at, state, _)| *state == ServerState::Primary && at[0] >= write.at[1] && at[1] <= until);
    let lsns = || meanwhile.clone().map(|(.., lsn)| *lsn);
    Some(lsns().max()? - lsns().min()?)
}

/// WAL in bytes that was written at most from a write on until a moment: from where it was before that write to where it was found at or after
/// the moment. If the node was dead by then, that is when it came back with what it had.
fn at_most(positions: &[Position], write: &Event, until: u64) -> Option<u64> {
    let before = positions.iter().filter(|(at, ..)| at[1] <= write.at[0]).map(|(.., lsn)| *lsn).max()?;
    let (.., after) = positions.iter().find(|(at, ..)| at[0] >= until)?;
    after.checked_sub(before)
}
