//! Loss by an asynchronous failover, and its bound.
//!
//! Without synchronous replication some loss is allowed; how much is promised by the settings.

use pghaspec_model::vocabulary::event::{Event, Kind, ServerState, Source};
use pghaspec_model::vocabulary::property::Property;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use crate::features;
use crate::history::{History, SECOND, seconds};
use crate::judge::facts::end_state::FINDINGS;
use crate::judge::facts::ledger::{Ledger, named};
use crate::judge::facts::lock::{self, changes, last_taken};
use crate::judge::verdict::Check;

/// `bounded-async-loss`: what an asynchronous failover loses was acknowledged within the last ttl before the old
/// leader's lock was gone, or is no more than `maximum_lag_on_failover` of WAL: a leader tells how far its WAL goes
/// when it renews the lock, and a candidate compares itself with that (Patroni's documentation, "Asynchronous mode
/// durability").
pub static BOUNDED_ASYNC_LOSS: Definition = Definition {
    name: Name::Property(Property::BoundedAsyncLoss),
    needs: &[Source::Writer, Source::Etcd],
    agents: Agents::Claims(features::BOUNDED_LOSS),
    applies: Applies::Asynchronous,
    inconclusive: "more than a ttl of writes was lost, and how much WAL that is was not seen",
    carries: &[&FINDINGS, &lock::LAST, &lock::TAKINGS],
    asked: Asked::AtTheEnd(bounded_async_loss),
};

fn bounded_async_loss(end: &End) -> Check {
    let (history, ledger) = (end.last, end.ledger);
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return BOUNDED_ASYNC_LOSS.inconclusive(why),
    };
    let mut lost = ledger.lost();
    if lost.is_empty() {
        return BOUNDED_ASYNC_LOSS.pass("nothing was lost");
    }
    if let Some(why) = history.blind(&[history.authority()]) {
        return BOUNDED_ASYNC_LOSS.inconclusive(format!("who led when is not known: {why}"));
    }
    let ttl = u64::from(history.run.ttl_s) * SECOND;
    let Some(failover) = Failover::to(history, ledger.primary, ttl) else {
        return BOUNDED_ASYNC_LOSS.inconclusive(format!("{} was not seen to take the lock", ledger.primary));
    };
    // What was acknowledged later was no failover's to lose.
    lost.retain(|(_, event)| event.at[0] <= failover.taken);
    let Some((_, oldest)) = lost.iter().min_by_key(|(_, event)| event.at[1]) else {
        let why = format!("nothing was lost that was acknowledged before {} took the lock", ledger.primary);
        return BOUNDED_ASYNC_LOSS.pass(why);
    };
    let before = failover.gone[1].saturating_sub(oldest.at[1]);
    let words = format!(
        "lost {} acknowledged writes, the oldest up to {} before the lock that {} took was gone: {}",
        lost.len(),
        seconds(before),
        ledger.primary,
        named(&lost)
    );
    if before <= ttl {
        return BOUNDED_ASYNC_LOSS.pass(words);
    }
    let allowed = history.run.configuration.maximum_lag_on_failover;
    let positions = positions(ledger, oldest);
    if let Some(bytes) = at_least(&positions, oldest, failover.announced[0]).filter(|bytes| *bytes > allowed) {
        let why = format!(
            "{words}; the old leader wrote at least {bytes} bytes of WAL before it told for the last time how far that \
             goes, and {allowed} may be lost"
        );
        return BOUNDED_ASYNC_LOSS.fail(why).at(Some(oldest.seq));
    }
    let old = lost.iter().filter(|(_, event)| event.at[0] < failover.announced[1]).count() as u64;
    match at_most(&positions, oldest, failover.announced[1]).into_iter().chain([old * ROW]).min() {
        Some(bytes) if bytes <= allowed => {
            let why = format!("{words}; what is older than a ttl of {} is at most {bytes} bytes of WAL", seconds(ttl));
            BOUNDED_ASYNC_LOSS.pass(why)
        }
        _ => BOUNDED_ASYNC_LOSS.inconclusive(format!("{words}; that is more than a ttl of {}", seconds(ttl))),
    }
}

/// The change of leader that may have lost something, in nanoseconds of the run.
struct Failover {
    /// The latest moment at which the new leader took the lock.
    taken: u64,
    /// The interval in which the old leader's lock went.
    gone: [u64; 2],
    /// The interval in which the old leader told for the last time how far its WAL goes: an agent that follows the
    /// rules has done so at the first of them or later, and need not have done so after the second.
    announced: [u64; 2],
}

impl Failover {
    /// By which this node came to lead for the last time.
    fn to(history: &History, node: &str, ttl: u64) -> Option<Failover> {
        let changes = changes(history);
        let place = last_taken(&changes, node)?;
        let taken = &changes[place];
        // Written over another's name, the lock changed hands in one moment.
        let end = match changes[..place].last() {
            Some(end) if taken.before.is_none() && end.holder.is_none() => end,
            _ => taken,
        };
        let gone = end.event.at;
        // Nobody holds a lock for longer than a ttl without renewing it; or for two, if etcd gave the lease its whole
        // time again when its own leader changed.
        let announced = [gone[0].saturating_sub(2 * ttl), gone[1].saturating_sub(ttl)];
        Some(Failover { taken: taken.event.at[1], gone, announced })
    }
}

/// WAL in bytes of one write of the recorded clients, at most. It is one short row: whole images of its page and of two
/// pages of the index, and the commit.
const ROW: u64 = 4 * 8192;

/// The end of a node's WAL: the interval of the finding, the state of the server, and the position in bytes.
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

/// WAL in bytes that was certainly written after a lost write and until a moment: all of that is lost.
fn at_least(positions: &[Position], write: &Event, until: u64) -> Option<u64> {
    let meanwhile = positions
        .iter()
        .filter(|(at, state, _)| *state == ServerState::Primary && at[0] >= write.at[1] && at[1] <= until);
    let lsns = || meanwhile.clone().map(|(.., lsn)| *lsn);
    Some(lsns().max()? - lsns().min()?)
}

/// WAL in bytes that was written at most from a write on until a moment: from where it was before that write to where
/// it was found at or after the moment. If the node was dead by then, that is when it came back with what it had.
fn at_most(positions: &[Position], write: &Event, until: u64) -> Option<u64> {
    let before = positions.iter().filter(|(at, ..)| at[1] <= write.at[0]).map(|(.., lsn)| *lsn).max()?;
    let (.., after) = positions.iter().find(|(at, ..)| at[0] >= until)?;
    after.checked_sub(before)
}
