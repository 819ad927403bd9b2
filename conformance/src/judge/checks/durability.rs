//! Durability: the clients' rows at the end, by the final reads of all nodes.
//!
//! Lost, ghost and indeterminate writes are told by name; a standby that streams must hold the leader's rows.

use pghaspec_model::vocabulary::event::{Event, ServerState, Source};
use pghaspec_model::vocabulary::property::Property;

use super::definition::{Agents, Applies, Asked, Definition, End, Name, lacks};
use crate::features;
use crate::history::History;
use crate::judge::facts::end_state::{FINDINGS, found_at_the_end, read_back};
use crate::judge::facts::ledger::{id_ranges, named};
use crate::judge::facts::lock::{self, changes, last_taken};
use crate::judge::verdict::Check;

/// `acknowledged-writes`: what was acknowledged under the last leader is there, and nothing is there that was refused
/// or that nobody wrote. An asynchronous failover may lose what the old leader acknowledged last, and then the loss is
/// said.
pub static ACKNOWLEDGED_WRITES: Definition = Definition {
    name: Name::Own {
        id: "acknowledged-writes",
        says: "rows that were acknowledged under the last leader are there, and none that was refused or that nobody \
               wrote",
    },
    needs: &[Source::Writer],
    agents: Agents::Any,
    applies: Applies::Writable,
    inconclusive: "the primary was not read back, holds rows that no recorded write sent, or it is not known who led \
                   when",
    carries: &[&FINDINGS, &lock::LAST],
    asked: Asked::AtTheEnd(acknowledged_writes),
};

fn acknowledged_writes(end: &End) -> Check {
    let (history, ledger) = (end.last, end.ledger);
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return ACKNOWLEDGED_WRITES.inconclusive(why),
    };
    let lost = ledger.lost();
    let counts = ledger.counts(lost.len());
    let ghosts = ledger.ghosts();
    if let Some((_, event)) = ghosts.first() {
        return ACKNOWLEDGED_WRITES
            .fail(format!("refused and there all the same: {}\n{counts}", named(&ghosts)))
            .at(Some(event.seq));
    }
    let [refused, unknown] = ledger.unaccounted();
    let primary = ledger.primary;
    if !refused.is_empty() && history.blind(&[Source::Writer]).is_none() {
        let why = format!("{primary} holds rows of writers who were refused all that time: {}", id_ranges(&refused));
        return ACKNOWLEDGED_WRITES.fail(format!("{why}\n{counts}"));
    }
    if !unknown.is_empty() {
        let why = format!("{primary} holds rows that no recorded write sent: {}", id_ranges(&unknown));
        return ACKNOWLEDGED_WRITES.inconclusive(format!("{why}\n{counts}"));
    }
    // Since the key came to name the last primary for the last time, nothing that anybody acknowledged may be lost.
    let changes = changes(history);
    let since = last_taken(&changes, ledger.primary).map(|place| changes[place].event.at[1]);
    let lost_words = if lost.is_empty() { String::new() } else { format!("\nlost: {}", named(&lost)) };
    if history.blind(&[history.authority()]).is_some() || since.is_none() {
        return match lost.is_empty() {
            true => ACKNOWLEDGED_WRITES.pass(counts),
            false => ACKNOWLEDGED_WRITES.inconclusive(format!("{counts}; who led when is not known{lost_words}")),
        };
    }
    let later = |(_, event): &&(u64, Event)| since.is_some_and(|since| event.at[0] > since);
    let after: Vec<_> = lost.iter().filter(later).cloned().collect();
    if let Some((_, event)) = after.first() {
        let why = format!("acknowledged when {} held the lock already, and gone: {}", ledger.primary, named(&after));
        return ACKNOWLEDGED_WRITES.fail(format!("{why}\n{counts}")).at(Some(event.seq));
    }
    match lost.is_empty() {
        true => ACKNOWLEDGED_WRITES.pass(counts),
        false => {
            ACKNOWLEDGED_WRITES.pass(format!("{counts}; an asynchronous failover may lose the last writes{lost_words}"))
        }
    }
}

/// `no-lost-sync-commit`: synchronous mode: an acknowledged commit survives every automatic failover.
pub static NO_LOST_SYNC_COMMIT: Definition = Definition {
    name: Name::Property(Property::NoLostSyncCommit),
    needs: &[Source::Writer],
    agents: Agents::Claims(features::SYNCHRONOUS),
    applies: Applies::Synchronous,
    inconclusive: "the primary was not read back",
    carries: &[&FINDINGS],
    asked: Asked::AtTheEnd(no_lost_sync_commit),
};

fn no_lost_sync_commit(end: &End) -> Check {
    let ledger = end.ledger;
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return NO_LOST_SYNC_COMMIT.inconclusive(why),
    };
    let lost = ledger.lost();
    match lost.first() {
        Some((_, event)) => {
            let why = format!("acknowledged in synchronous mode, and gone: {}", named(&lost));
            NO_LOST_SYNC_COMMIT.fail(why).at(Some(event.seq))
        }
        None => NO_LOST_SYNC_COMMIT.pass(format!("all {} acknowledged writes are there", ledger.acknowledged.len())),
    }
}

/// `no-silent-divergence`: who streams as a standby at the end holds the leader's rows, no others, and all of them.
pub static NO_SILENT_DIVERGENCE: Definition = Definition {
    name: Name::Property(Property::NoSilentDivergence),
    needs: &[Source::Writer],
    agents: Agents::Any,
    applies: Applies::Writable,
    inconclusive: "a node was not read back, had not caught up, or it was not seen whether it streams",
    carries: &[&FINDINGS],
    asked: Asked::AtTheEnd(no_silent_divergence),
};

fn no_silent_divergence(end: &End) -> Check {
    let (history, ledger) = (end.last, end.ledger);
    let ledger = match ledger {
        Ok(ledger) => ledger,
        Err(why) => return NO_SILENT_DIVERGENCE.inconclusive(why),
    };
    let primary = ledger.primary;
    let mut unread = None;
    let (mut same, mut apart) = (Vec::new(), Vec::new());
    for node in history.run.nodes.iter().filter(|node| *node != primary) {
        let healthy = claims_health(history, node, primary);
        let Some(others) = read_back(history, node) else {
            let found = found_at_the_end(history, node).map(|found| found.state);
            if found == Some(ServerState::Refused)
                && let Some(why) = lacks(&history.run, features::REJOINS)
            {
                apart.push(format!("{node} does not run, and {why}"));
                continue;
            }
            unread = unread.or(Some(format!("{node} was not read back")));
            continue;
        };
        let own = ledger.unshared(&others);
        let missing = ledger.rows.without(&others);
        if !own.is_empty() {
            let why = format!("{node} holds rows that the primary {primary} does not: {}", id_ranges(&own));
            match healthy {
                Some(true) => {
                    return NO_SILENT_DIVERGENCE.fail(format!("{why}; it streams, and its WAL is off the leader's"));
                }
                Some(false) => apart.push(format!("{why}, and does not stream on its timeline")),
                None => unread = unread.or(Some(format!("{why}; whether it says that it is healthy was not seen"))),
            }
        } else if !missing.is_empty() {
            let why = format!("{node} lacks {} of the primary {primary}", id_ranges(&missing));
            // The lab waits until a standby has replayed all that was flushed, and says so if it has not.
            let late = history.gap_of(&[Source::Postgres, Source::Harness]);
            let acknowledged = || !ledger.acknowledged.within(&missing).is_empty();
            if healthy == Some(true) && late.is_none() && acknowledged() {
                return NO_SILENT_DIVERGENCE.fail(format!("{why}; it streams and has replayed everything"));
            }
            let late = late.map_or(String::new(), |late| format!(": {late}"));
            unread = unread.or(Some(format!("{why}: it had not caught up when it was read{late}")));
        } else {
            same.push(node.as_str());
        }
    }
    match unread {
        Some(why) => NO_SILENT_DIVERGENCE.inconclusive(why),
        None => {
            let words = format!("{} rows on each of {} nodes", ledger.rows.len(), same.len() + 1);
            NO_SILENT_DIVERGENCE.pass(apart.into_iter().fold(words, |words, why| format!("{words}; {why}")))
        }
    }
}

/// A node claims at the end that it is a healthy standby of that primary: it streams on the primary's timeline. One
/// whose WAL is off the primary's is let in for moments again and again, on its old timeline, and told that this has
/// ended. Nothing if it was not seen.
fn claims_health(history: &History, node: &str, primary: &str) -> Option<bool> {
    let (found, leads) = (found_at_the_end(history, node)?, found_at_the_end(history, primary)?);
    // A standby whose timeline is not known is given no benefit of the doubt.
    let other = matches!((found.timeline, leads.timeline), (Some(theirs), Some(ours)) if theirs != ours);
    Some(found.state == ServerState::Standby && found.streams && !other)
}
