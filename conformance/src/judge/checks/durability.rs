//! What became of the clients' rows, by the final reads: lost, ghost and indeterminate writes by name, and whether standbys hold the
//! leader's rows.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, ServerState, Source};
use pghaspec_model::vocabulary::property::Property;

use super::async_loss::bounded_async_loss;
use crate::history::History;
use crate::history::row_ids::Rows;
use crate::judge::facts::ledger::{Ledger, id_ranges, named};
use crate::judge::facts::lock::{changes, last_taken};
use crate::judge::verdict::Check;

/// What applies to the configuration of this run.
pub fn checks(history: &History, ledger: &Result<Ledger, String>) -> Vec<Check> {
    if history.run.configuration.standby_cluster {
        // Its clients are refused, and what is written elsewhere is none of its business.
        return Vec::new();
    }
    let loss = match history.run.configuration.synchronous_mode {
        true => no_lost_sync_commit(ledger),
        false => bounded_async_loss(history, ledger),
    };
    vec![acknowledged_writes(history, ledger), loss, no_silent_divergence(history, ledger)]
}

/// The rows that a node was read back to hold.
pub fn read_back(history: &History, node: &str) -> Option<Rows> {
    history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::ReadBack { rows } if event.node.as_deref() == Some(node) => Some(Rows::new(rows.iter().copied())),
        _ => None,
    })
}

/// What the last telling probe of a node found since everything settled.
pub struct AtTheEnd {
    /// Its role.
    pub state: ServerState,
    /// It is a standby that streams.
    pub streams: bool,
    /// The timeline that it was on.
    pub timeline: Option<u32>,
}

/// Nothing if no probe of this node told anything since everything settled.
pub fn found_at_the_end(history: &History, node: &str) -> Option<AtTheEnd> {
    let settled = history.phase(Phase::Settled)?;
    history.events.iter().rev().filter(|event| event.at[1] >= settled).find_map(|event| match event.kind {
        Kind::Server { state, streaming, timeline, .. }
            if event.node.as_deref() == Some(node) && state != ServerState::Unknown =>
        {
            Some(AtTheEnd { state, streams: streaming == Some(true), timeline })
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

/// `acknowledged-writes`: what was acknowledged under the last leader is there, and nothing is there that was refused or that nobody wrote.
/// An asynchronous failover may lose what the old leader acknowledged last, and then the loss is said.
fn acknowledged_writes(history: &History, ledger: &Result<Ledger, String>) -> Check {
    const ID: &str = "acknowledged-writes";
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return Check::inconclusive(ID, why),
    };
    let lost = ledger.lost();
    let counts = ledger.counts(lost.len());
    let ghosts = ledger.ghosts();
    if let Some((_, event)) = ghosts.first() {
        return Check::fail(ID, format!("refused and there all the same: {}\n{counts}", named(&ghosts)))
            .at(Some(event.seq));
    }
    let [refused, unknown] = ledger.unaccounted();
    let primary = ledger.primary;
    if !refused.is_empty() && history.blind(&[Source::Writer]).is_none() {
        let why = format!("{primary} holds rows of writers who were refused all that time: {}", id_ranges(&refused));
        return Check::fail(ID, format!("{why}\n{counts}"));
    }
    if !unknown.is_empty() {
        let why = format!("{primary} holds rows that no recorded write sent: {}", id_ranges(&unknown));
        return Check::inconclusive(ID, format!("{why}\n{counts}"));
    }
    // Since the key came to name the last primary for the last time, nothing that anybody acknowledged may be lost.
    let changes = changes(history);
    let since = last_taken(&changes, ledger.primary).map(|place| changes[place].event.at[1]);
    let lost_words = if lost.is_empty() { String::new() } else { format!("\nlost: {}", named(&lost)) };
    if history.blind(&[Source::Etcd]).is_some() || since.is_none() {
        return match lost.is_empty() {
            true => Check::pass(ID, counts),
            false => Check::inconclusive(ID, format!("{counts}; who led when is not known{lost_words}")),
        };
    }
    let later = |(_, event): &&(u64, Event)| since.is_some_and(|since| event.at[0] > since);
    let after: Vec<_> = lost.iter().filter(later).cloned().collect();
    if let Some((_, event)) = after.first() {
        let why = format!("acknowledged when {} held the lock already, and gone: {}", ledger.primary, named(&after));
        return Check::fail(ID, format!("{why}\n{counts}")).at(Some(event.seq));
    }
    match lost.is_empty() {
        true => Check::pass(ID, counts),
        false => Check::pass(ID, format!("{counts}; an asynchronous failover may lose the last writes{lost_words}")),
    }
}

/// `no-lost-sync-commit`: synchronous mode: an acknowledged commit survives every automatic failover.
fn no_lost_sync_commit(ledger: &Result<Ledger, String>) -> Check {
    let id = Property::NoLostSyncCommit.id();
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return Check::inconclusive(id, why),
    };
    let lost = ledger.lost();
    match lost.first() {
        Some((_, event)) => {
            let why = format!("acknowledged in synchronous mode, and gone: {}", named(&lost));
            Check::fail(id, why).at(Some(event.seq))
        }
        None => Check::pass(id, format!("all {} acknowledged writes are there", ledger.acknowledged.len())),
    }
}

/// `no-silent-divergence`: who streams as a standby at the end holds the leader's rows, no others, and all of them.
fn no_silent_divergence(history: &History, ledger: &Result<Ledger, String>) -> Check {
    let id = Property::NoSilentDivergence.id();
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return Check::inconclusive(id, why),
    };
    let primary = ledger.primary;
    let mut unread = None;
    let (mut same, mut apart) = (Vec::new(), Vec::new());
    for node in history.run.nodes.iter().filter(|node| *node != primary) {
        let healthy = claims_health(history, node, primary);
        let Some(others) = read_back(history, node) else {
            unread = unread.or(Some(format!("{node} was not read back")));
            continue;
        };
        let own = ledger.unshared(&others);
        let missing = ledger.rows.without(&others);
        if !own.is_empty() {
            let why = format!("{node} holds rows that the primary {primary} does not: {}", id_ranges(&own));
            match healthy {
                Some(true) => return Check::fail(id, format!("{why}; it streams, and its WAL is off the leader's")),
                Some(false) => apart.push(format!("{why}, and does not stream on its timeline")),
                None => unread = unread.or(Some(format!("{why}; whether it says that it is healthy was not seen"))),
            }
        } else if !missing.is_empty() {
            let why = format!("{node} lacks {} of the primary {primary}", id_ranges(&missing));
            // The lab waits until a standby has replayed all that was flushed, and says so if it has not.
            let late = history.gap_of(&[Source::Postgres, Source::Harness]);
            let acknowledged = || !ledger.acknowledged.within(&missing).is_empty();
            if healthy == Some(true) && late.is_none() && acknowledged() {
                return Check::fail(id, format!("{why}; it streams and has replayed everything"));
            }
            let late = late.map_or(String::new(), |late| format!(": {late}"));
            unread = unread.or(Some(format!("{why}: it had not caught up when it was read{late}")));
        } else {
            same.push(node.as_str());
        }
    }
    match unread {
        Some(why) => Check::inconclusive(id, why),
        None => {
            let words = format!("{} rows on each of {} nodes", ledger.rows.len(), same.len() + 1);
            Check::pass(id, apart.into_iter().fold(words, |words, why| format!("{words}; {why}")))
        }
    }
}

/// Whether a node says at the end that it is a healthy standby of that primary: it streams on the primary's timeline. One whose WAL is off the
/// primary's is let in for moments again and again, on its old timeline, and told that this has ended. Nothing if it was not seen.
fn claims_health(history: &History, node: &str, primary: &str) -> Option<bool> {
    let (found, leads) = (found_at_the_end(history, node)?, found_at_the_end(history, primary)?);
    // A standby whose timeline is not known is given no benefit of the doubt.
    let other = matches!((found.timeline, leads.timeline), (Some(theirs), Some(ours)) if theirs != ours);
    Some(found.state == ServerState::Standby && found.streams && !other)
}

/// Rows that a node holds at the end and the last primary does not, though no answer to a client was lost: its data is off the primary's.
pub fn has_diverged(history: &History, ledger: &Result<Ledger, String>, node: &str) -> bool {
    let Ok(ledger) = ledger else { return false };
    read_back(history, node).is_some_and(|rows| !ledger.unshared(&rows).is_empty())
}
