//! Safety of leadership and of the leader lock, on the events alone.
//!
//! Nothing here knows the model, so that a mistake in the model excuses nothing.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{KeyChange, Kind, Process, Source, Watchdog};
use pghaspec_model::vocabulary::property::Property;

use super::definition::{Agents, Applies, Asked, Definition, Name};
use crate::history::intervals::Intervals;
use crate::history::parts::{Carry, last_by};
use crate::history::{History, describe, seconds};
use crate::judge::facts::commits::Commits;
use crate::judge::facts::lock::{self, Change, Holders, changes};
use crate::judge::facts::processes::OPEN;
use crate::judge::facts::writable::{PROOFS, Proof, Span, is_proof, writable_spans};
use crate::judge::verdict::{Check, Earliest};

/// Nanoseconds that killing a node's processes may take.
const RESET: u64 = 2_000_000_000;

/// `one-writable-leader`: no two nodes can commit client writes at the same time.
pub static ONE_WRITABLE_LEADER: Definition = Definition {
    name: Name::Property(Property::OneWritableLeader),
    needs: &[Source::Process, Source::Postgres],
    agents: Agents::Any,
    applies: Applies::Writable,
    inconclusive: "no node was seen writable",
    carries: &[&PROOFS, &OPEN],
    asked: Asked::EachPart(one_writable_leader),
};

fn one_writable_leader(history: &History) -> Check {
    let mut earliest = Earliest::default();
    if let Some(check) = ONE_WRITABLE_LEADER.unobserved(history) {
        return check;
    }
    let spans = writable_spans(history);
    let certain: Vec<[u64; 2]> = spans.iter().map(Span::certain).collect();
    let touched = Intervals::new(spans.iter().map(Span::touched));
    for (one, &[from, to]) in spans.iter().zip(&certain).filter(|(_, [from, to])| from <= to) {
        for place in touched.meeting([from, to]) {
            let other = &spans[place];
            if other.node == one.node {
                continue;
            }
            // Writable for certain at the same moment, or proved to be while the other was.
            let [other_from, other_to] = certain[place];
            let overlap = from.max(other_from) <= to.min(other_to) && from <= to && other_from <= other_to;
            let within = |proof: &&Proof| proof.at[0] >= from && proof.at[1] <= to;
            let common = |proof: &&Proof| overlap && proof.at[1] >= from.max(other_from);
            if let Some(proof) = other.proofs.iter().find(within).or_else(|| other.proofs.iter().find(common)) {
                earliest.offer(proof.event.seq, || {
                    ONE_WRITABLE_LEADER.fail(format!(
                        "{} and {} were writable at the same time: at {}, {}: {}; and {} was writable from {} to {} \
                         ({})",
                        other.node,
                        one.node,
                        seconds(proof.at[1]),
                        other.node,
                        describe::what(proof.event),
                        one.node,
                        seconds(from),
                        seconds(to),
                        evidence(one),
                    ))
                });
            }
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    if spans.is_empty() {
        return ONE_WRITABLE_LEADER.inconclusive("no node was seen writable");
    }
    let seen: Vec<_> = spans
        .iter()
        .map(|span| match span.certain() {
            [from, to] if from <= to => format!("{} {}–{}", span.node, seconds(from), seconds(to)),
            // A single proof: at some moment of an interval.
            [to, from] => format!("{} between {} and {}", span.node, seconds(from), seconds(to)),
        })
        .collect();
    ONE_WRITABLE_LEADER.pass(format!("writable, by probes and acknowledged writes: {}", seen.join(", ")))
}

fn evidence(span: &Span) -> String {
    let writes =
        span.proofs.iter().filter(|proof| matches!(proof.event.kind, Kind::Write { .. } | Kind::Batch { .. })).count();
    format!("{writes} acknowledged writes, {} probes", span.proofs.len() - writes)
}

/// `writable-needs-lock`: a node becomes writable only while it holds the leader lock.
pub static WRITABLE_NEEDS_LOCK: Definition = Definition {
    name: Name::Property(Property::WritableNeedsLock),
    needs: &[Source::Process, Source::Postgres, Source::Etcd],
    agents: Agents::Authority,
    applies: Applies::Writable,
    inconclusive: "",
    carries: &[&PROOFS, &OPEN, &lock::LAST],
    asked: Asked::EachPart(writable_needs_lock),
};

fn writable_needs_lock(history: &History) -> Check {
    let mut earliest = Earliest::default();
    if let Some(check) = WRITABLE_NEEDS_LOCK.unobserved(history) {
        return check;
    }
    let mut became = Vec::new();
    let holders = Holders::of(history);
    for span in writable_spans(history).iter().filter(|span| !span.from_the_start) {
        // It became writable after it was last seen otherwise and before the first proof was over.
        let (from, to) = (span.not_before, span.certain()[0]);
        if !holders.may_include(span.node, from, to) {
            let holders = holders.between(from, to);
            earliest.offer(span.proofs[0].event.seq, || {
                WRITABLE_NEEDS_LOCK.fail(format!(
                    "{} became writable between {} and {} ({}), and the leader key named {} all that time",
                    span.node,
                    seconds(from),
                    seconds(to),
                    describe::what(span.proofs[0].event),
                    if holders.is_empty() { "nobody".into() } else { holders.join(" or ") },
                ))
            });
        }
        became.push(format!("{} between {} and {}", span.node, seconds(from), seconds(to)));
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    if became.is_empty() {
        return WRITABLE_NEEDS_LOCK.pass("no node became writable that was not from the start");
    }
    WRITABLE_NEEDS_LOCK.pass(format!("became writable with the lock: {}", became.join(", ")))
}

/// `single-lock-owner`: only the owner's name is ever overwritten in the leader key. The key lives as long as its
/// lease, so what is overwritten was held.
pub static SINGLE_LOCK_OWNER: Definition = Definition {
    name: Name::Property(Property::SingleLockOwner),
    needs: &[Source::Etcd],
    agents: Agents::Authority,
    applies: Applies::Always,
    inconclusive: "",
    carries: &[&lock::LAST],
    asked: Asked::EachPart(single_lock_owner),
};

fn single_lock_owner(history: &History) -> Check {
    let changes = changes(history);
    let new = changes.iter().filter(|change| history.is_fresh(change.event));
    for change in new.clone().filter(|change| change.change == KeyChange::Overwritten) {
        if let (Some(before), Some(after)) = (change.before, change.holder)
            && before != after
        {
            return SINGLE_LOCK_OWNER
                .fail(format!(
                    "at {} {after} wrote over the leader key, which named {before}",
                    seconds(change.event.at[1])
                ))
                .at(Some(change.event.seq));
        }
    }
    if let Some(check) = SINGLE_LOCK_OWNER.unobserved(history) {
        return check;
    }
    let took = new.filter(|change| change.change == KeyChange::Created).count();
    SINGLE_LOCK_OWNER.pass(format!("the leader key was taken {took} times, when it was nobody's"))
}

/// `key-released-after-stop`: a lock that its holder deletes belongs to a node that can no longer write.
pub static KEY_RELEASED_AFTER_STOP: Definition = Definition {
    name: Name::Property(Property::KeyReleasedAfterStop),
    needs: &[Source::Etcd, Source::Writer],
    agents: Agents::Lease,
    applies: Applies::Always,
    inconclusive: "",
    carries: &[&lock::LAST],
    asked: Asked::EachPart(key_released_after_stop),
};

fn key_released_after_stop(history: &History) -> Check {
    let changes = changes(history);
    let commits = Commits::of(history);
    let mut released = Vec::new();
    let deleted = |change: &Change| change.change == KeyChange::Deleted && history.is_fresh(change.event);
    for (index, change) in changes.iter().enumerate().filter(|(_, change)| deleted(change)) {
        let Some(holder) = change.before else { continue };
        let gone = change.event.at[1];
        let again = changes[index + 1..].iter().find(|next| next.holder == Some(holder));
        let again = again.map_or(u64::MAX, |next| next.event.at[0]);
        let wrote = again.checked_sub(1).and_then(|before| commits.within(holder, [gone, before]));
        if let Some(event) = wrote {
            return KEY_RELEASED_AFTER_STOP
                .fail(format!(
                    "the leader key of {holder} was deleted before {}, and at {} {holder} still wrote: {}",
                    seconds(gone),
                    seconds(event.at[1]),
                    describe::what(event)
                ))
                .at(Some(event.seq));
        }
        released.push(format!("{holder} at {}", seconds(gone)));
    }
    if let Some(check) = KEY_RELEASED_AFTER_STOP.unobserved(history) {
        return check;
    }
    match released.is_empty() {
        true => KEY_RELEASED_AFTER_STOP.pass("nobody gave the lock up"),
        false => KEY_RELEASED_AFTER_STOP.pass(format!("gave the lock up and wrote no more: {}", released.join(", "))),
    }
}

/// `standby-cluster-read-only`: no member of a standby cluster becomes writable.
pub static STANDBY_CLUSTER_READ_ONLY: Definition = Definition {
    name: Name::Property(Property::StandbyClusterReadOnly),
    needs: &[Source::Postgres, Source::Writer],
    agents: Agents::Any,
    applies: Applies::StandbyCluster,
    inconclusive: "",
    carries: &[],
    asked: Asked::EachPart(standby_cluster_read_only),
};

fn standby_cluster_read_only(history: &History) -> Check {
    if let Some(event) = history.events.iter().find(|event| is_proof(event)) {
        let node = event.node.as_deref().unwrap_or("a node");
        let why = format!("{node} was writable at {}: {}", seconds(event.at[1]), describe::what(event));
        return STANDBY_CLUSTER_READ_ONLY.fail(why).at(Some(event.seq));
    }
    let unobserved = STANDBY_CLUSTER_READ_ONLY.unobserved(history);
    unobserved.unwrap_or_else(|| STANDBY_CLUSTER_READ_ONLY.pass("no node was ever writable"))
}

/// `watchdog-while-writable`: where required, a node that is writable has its watchdog armed.
pub static WATCHDOG_WHILE_WRITABLE: Definition = Definition {
    name: Name::Property(Property::WatchdogWhileWritable),
    needs: &[Source::Watchdog, Source::Process, Source::Postgres],
    agents: Agents::Any,
    applies: Applies::WatchdogRequired,
    inconclusive: "",
    carries: &[&PROOFS, &OPEN, &WATCHDOGS],
    asked: Asked::EachPart(watchdog_while_writable),
};

fn watchdog_while_writable(history: &History) -> Check {
    let mut earliest = Earliest::default();
    if let Some(check) = WATCHDOG_WHILE_WRITABLE.unobserved(history) {
        return check;
    }
    let mut guarded = 0;
    let armed: BTreeMap<&str, Intervals> =
        history.run.nodes.iter().map(|node| (node.as_str(), Intervals::new(armed(history, node)))).collect();
    for span in writable_spans(history) {
        for proof in span.proofs.iter().filter(|proof| history.is_fresh(proof.event)) {
            // It was armed at some moment of the proof, if a span in which it may have been armed touches it.
            if armed[span.node].meeting(proof.at).is_empty() {
                earliest.offer(proof.event.seq, || {
                    WATCHDOG_WHILE_WRITABLE.fail(format!(
                        "{} was writable at {} and its watchdog was not armed: {}",
                        span.node,
                        seconds(proof.at[1]),
                        describe::what(proof.event)
                    ))
                });
            }
            guarded += 1;
        }
    }
    if let Some(check) = earliest.found() {
        return check;
    }
    WATCHDOG_WHILE_WRITABLE
        .pass(format!("the watchdog was armed at each of {guarded} moments at which a node was seen writable"))
}

/// The changes by which a watchdog's state is known.
static WATCHDOGS: Carry = Carry {
    says: "the last change of each kind of each node's watchdog",
    select: |history| {
        last_by(history, |event| match event.kind {
            Kind::Watchdog { change, .. } => Some((event.node.as_deref(), change)),
            _ => None,
        })
    },
};

/// Spans in which the watchdog of a node may have been armed.
fn armed(history: &History, node: &str) -> Vec<[u64; 2]> {
    let of_node = history.events.iter().filter(|event| event.node.as_deref() == Some(node));
    let mut changes: Vec<_> = of_node
        .filter_map(|event| match event.kind {
            Kind::Watchdog { change, .. } => Some((event.at, change)),
            _ => None,
        })
        .collect();
    changes.sort_by_key(|(at, _)| *at);
    let mut spans = Vec::new();
    let mut armed_at = None;
    for (at, change) in changes {
        match change {
            Watchdog::Armed => armed_at = armed_at.or(Some(at[0])),
            // Left armed, it still resets the node in time.
            Watchdog::Abandoned => {}
            Watchdog::Disarmed => spans.extend(armed_at.take().map(|from| [from, at[1]])),
            Watchdog::Fired => spans.extend(armed_at.take().map(|from| [from, reset(history, node, at[1])])),
        }
    }
    spans.extend(armed_at.map(|from| [from, u64::MAX]));
    spans
}

/// The end of a reset that a watchdog has begun, in nanoseconds. A real device resets at once; the lab kills the node's
/// processes one after the other.
fn reset(history: &History, node: &str, fired: u64) -> u64 {
    let of_node = history.events.iter().filter(|event| event.node.as_deref() == Some(node) && event.at[1] >= fired);
    let ends = of_node.filter_map(|event| match event.kind {
        Kind::ProcessExited { what: Process::Postmaster, signal: Some(9), .. } => Some(event.at[1]),
        _ => None,
    });
    ends.min().filter(|end| end - fired <= RESET).unwrap_or(fired)
}
