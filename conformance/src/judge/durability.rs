//! What became of the clients' rows, by the final reads: lost, ghost and indeterminate writes by name, and whether standbys hold the
//! leader's rows.

use std::collections::BTreeMap;

use pghaspec_model::event::{Event, Kind, Phase, ServerState, Session, Source, WriteResult};
use pghaspec_model::property::Property;

use super::async_loss::bounded_async_loss;
use super::history::{History, seconds};
use super::key::changes;
use super::rows::Rows;
use super::verdict::Check;
use super::words;

/// Groups of writes that are named one by one.
const NAMED: usize = 6;

/// What applies to the configuration of this run.
pub fn checks(history: &History) -> Vec<Check> {
    if history.run.configuration.standby_cluster {
        // Its clients are refused, and what is written elsewhere is none of its business.
        return Vec::new();
    }
    let ledger = Ledger::of(history);
    let loss = match history.run.configuration.synchronous_mode {
        true => no_lost_sync_commit(&ledger),
        false => bounded_async_loss(history, &ledger),
    };
    vec![acknowledged_writes(history, &ledger), loss, no_silent_divergence(history, &ledger)]
}

fn read_back(history: &History, node: &str) -> Option<Rows> {
    history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::ReadBack { rows } if event.node.as_deref() == Some(node) => Some(Rows::new(rows.iter().copied())),
        _ => None,
    })
}

/// What the last telling probe of a node found since everything settled.
pub struct AtTheEnd {
    pub state: ServerState,
    pub streams: bool,
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

/// The rows of the last primary and what the clients know of them.
pub(super) struct Ledger<'h> {
    pub(super) primary: &'h str,
    rows: Rows,
    acknowledged: Vec<(u64, &'h Event)>,
    refused: Vec<(u64, &'h Event)>,
    indeterminate: Vec<(u64, &'h Event)>,
    /// Rows that a procedure committed without waiting for its disk or a standby, or may have.
    batches: Rows,
}

impl<'h> Ledger<'h> {
    fn of(history: &'h History) -> Result<Ledger<'h>, String> {
        let primary = last_primary(history).ok_or("no primary was seen at the end")?;
        let rows = read_back(history, primary).ok_or_else(|| format!("the primary {primary} was not read back"))?;
        let writes = |wanted: WriteResult| {
            let of = history.events.iter().filter_map(move |event| match event.kind {
                Kind::Write { id, result, .. } if result == wanted => Some((id, event)),
                _ => None,
            });
            of.collect::<Vec<_>>()
        };
        let batches = history.events.iter().filter_map(|event| match event.kind {
            Kind::Batch { rows: [first, last], result } if result != WriteResult::Failed => Some([first, last]),
            _ => None,
        });
        let ledger = Ledger {
            primary,
            rows,
            acknowledged: writes(WriteResult::Ok),
            refused: writes(WriteResult::Failed),
            indeterminate: writes(WriteResult::Indeterminate),
            batches: Rows::new(batches),
        };
        match ledger.acknowledged.is_empty() {
            true => Err("no write was acknowledged in the whole run".into()),
            false => Ok(ledger),
        }
    }

    pub(super) fn lost(&self) -> Vec<(u64, &'h Event)> {
        self.acknowledged.iter().filter(|(id, _)| !self.rows.contains(*id)).copied().collect()
    }

    fn counts(&self, lost: usize) -> String {
        let committed: Vec<_> = self.indeterminate.iter().filter(|(id, _)| self.rows.contains(*id)).copied().collect();
        let open = self.indeterminate.len();
        let mut text = format!(
            "{} acknowledged, {lost} lost, {open} indeterminate ({} of them committed), {} ghosts",
            self.acknowledged.len(),
            committed.len(),
            self.refused.iter().filter(|(id, _)| self.rows.contains(*id)).count(),
        );
        if open > 0 {
            text += &format!("\nindeterminate: {}", named(&self.indeterminate));
        }
        text
    }

    /// Rows of which no write was recorded: those that certainly were refused, and those of which nothing is known. A writer records a
    /// refusal once, however often it is repeated, and numbers its writes in a row.
    fn unaccounted(&self) -> [Vec<u64>; 2] {
        let all = || [&self.acknowledged, &self.refused, &self.indeterminate].into_iter().flatten();
        let known = Rows::of(all().map(|(id, _)| *id));
        let rows = self.rows.without(&known).without(&self.batches);
        if rows.is_empty() {
            return [Vec::new(), Vec::new()];
        }
        let mut known: Vec<(u64, &Event)> = all().copied().collect();
        known.sort_by_key(|(id, _)| *id);
        let refused = |row: &u64| {
            let before = known[..known.partition_point(|(id, _)| id < row)].last();
            before.is_some_and(|(_, event)| matches!(event.kind, Kind::Write { result: WriteResult::Failed, .. }))
        };
        let (refused, unknown) = rows.iter().partition(refused);
        [refused, unknown]
    }
}

/// Number of a row, and when its write began and ended.
type Sent = (u64, [u64; 2]);

/// Writes by name: node, session, ids as ranges, when.
pub(super) fn named(writes: &[(u64, &Event)]) -> String {
    let mut groups: BTreeMap<(&str, Option<Session>), Vec<Sent>> = BTreeMap::new();
    for (id, event) in writes {
        let session = match event.kind {
            Kind::Write { session, .. } => Some(session),
            _ => None,
        };
        groups.entry((event.node.as_deref().unwrap_or("?"), session)).or_default().push((*id, event.at));
    }
    let mut words: Vec<String> = groups
        .iter_mut()
        .map(|((node, session), writes)| {
            writes.sort_unstable();
            let from = writes.iter().map(|(_, at)| at[0]).min().unwrap_or(0);
            let to = writes.iter().map(|(_, at)| at[1]).max().unwrap_or(0);
            let ids: Vec<u64> = writes.iter().map(|(id, _)| *id).collect();
            let through = session.map_or(String::new(), |session| format!(" through {}", words::session(session)));
            format!("{} at {node}{through}, between {} and {}", id_ranges(&ids), seconds(from), seconds(to))
        })
        .collect();
    let more = words.len().saturating_sub(NAMED);
    words.truncate(NAMED);
    let more = if more > 0 { format!("; and {more} more groups") } else { String::new() };
    words.join("; ") + &more
}

/// `3000001–3000004, 3000007 (5 rows)`
fn id_ranges(ids: &[u64]) -> String {
    let mut ranges: Vec<[u64; 2]> = Vec::new();
    for id in ids {
        match ranges.last_mut() {
            Some(last) if *id == last[1] + 1 => last[1] = *id,
            _ => ranges.push([*id, *id]),
        }
    }
    let shown: Vec<String> = ranges
        .iter()
        .take(NAMED)
        .map(|[first, last]| if first == last { first.to_string() } else { format!("{first}–{last}") })
        .collect();
    let more = if ranges.len() > NAMED { ", …" } else { "" };
    let rows = if ids.len() == 1 { "row" } else { "rows" };
    format!("{}{more} ({} {rows})", shown.join(", "), ids.len())
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
    let ghosts: Vec<_> = ledger.refused.iter().filter(|(id, _)| ledger.rows.contains(*id)).copied().collect();
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
    let since = last_taken(history, ledger.primary);
    let lost_words = if lost.is_empty() { String::new() } else { format!("\nlost: {}", named(&lost)) };
    if history.blind(&[Source::Etcd]).is_some() || since.is_none() {
        return match lost.is_empty() {
            true => Check::pass(ID, counts),
            false => Check::inconclusive(ID, format!("{counts}; who led when is not known{lost_words}")),
        };
    }
    let after: Vec<_> =
        lost.iter().filter(|(_, event)| since.is_some_and(|since| event.at[0] > since)).copied().collect();
    if let Some((_, event)) = after.first() {
        let why = format!("acknowledged when {} held the lock already, and gone: {}", ledger.primary, named(&after));
        return Check::fail(ID, format!("{why}\n{counts}")).at(Some(event.seq));
    }
    match lost.is_empty() {
        true => Check::pass(ID, counts),
        false => Check::pass(ID, format!("{counts}; an asynchronous failover may lose the last writes{lost_words}")),
    }
}

/// The latest moment at which the key came to name this node for the last time.
pub(super) fn last_taken(history: &History, node: &str) -> Option<u64> {
    changes(history).iter().rev().find(|change| change.holder == Some(node)).map(|change| change.event.at[1])
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
    // A client's write whose answer was lost may still have been on its way to the primary while the standbys were read.
    let indeterminate = Rows::of(ledger.indeterminate.iter().map(|(id, _)| *id));
    let mut unread = None;
    let (mut same, mut apart) = (Vec::new(), Vec::new());
    for node in history.run.nodes.iter().filter(|node| *node != primary) {
        let healthy = claims_health(history, node, primary);
        let Some(others) = read_back(history, node) else {
            unread = unread.or(Some(format!("{node} was not read back")));
            continue;
        };
        let own: Vec<u64> =
            others.without(&ledger.rows).without(&indeterminate).without(&ledger.batches).iter().collect();
        let missing = ledger.rows.without(&others);
        if !own.is_empty() {
            let why = format!("{node} holds rows that the primary {primary} does not: {}", id_ranges(&own));
            match healthy {
                Some(true) => return Check::fail(id, format!("{why}; it streams, and its WAL is off the leader's")),
                Some(false) => apart.push(format!("{why}, and does not stream on its timeline")),
                None => unread = unread.or(Some(format!("{why}; whether it says that it is healthy was not seen"))),
            }
        } else if !missing.is_empty() {
            let rows: Vec<u64> = missing.iter().collect();
            let why = format!("{node} lacks {} of the primary {primary}", id_ranges(&rows));
            // The lab waits until a standby has replayed all that was flushed, and says so if it has not.
            let late = history.gap_of(&[Source::Postgres, Source::Harness]);
            let acknowledged = || ledger.acknowledged.iter().any(|(id, _)| missing.contains(*id));
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
pub fn has_diverged(history: &History, node: &str) -> bool {
    let Ok(ledger) = Ledger::of(history) else { return false };
    let doubtful = Rows::of(ledger.indeterminate.iter().map(|(id, _)| *id));
    read_back(history, node)
        .is_some_and(|rows| !rows.without(&ledger.rows).without(&doubtful).without(&ledger.batches).is_empty())
}
