//! Safety properties of leadership, on the events themselves. Nothing here knows the model.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{KeyChange, Kind, Phase, Process, Source, Watchdog};
use pghaspec_model::vocabulary::property::Property;

use crate::history::describe;
use crate::history::intervals::Intervals;
use crate::history::{History, seconds};
use crate::judge::facts::commits::Commits;
use crate::judge::facts::lock::{Change, Holders, changes};
use crate::judge::facts::writable::{Proof, Reign, is_proof, reigns};
use crate::judge::verdict::Check;

/// How long killing a node's processes may take, in nanoseconds.
const RESET: u64 = 2_000_000_000;

/// The properties that apply to the configuration of this run.
pub fn checks(history: &History) -> Vec<Check> {
    let mut checks = vec![single_lock_owner(history), key_released_after_stop(history)];
    if history.run.configuration.standby_cluster {
        // Nobody is writable, so who may be, and when, is no question.
        checks.insert(0, standby_cluster_read_only(history));
        return checks;
    }
    checks.splice(0..0, [one_writable_leader(history), writable_needs_lock(history)]);
    if history.run.configuration.watchdog_required {
        checks.push(watchdog_while_writable(history));
    }
    checks
}

/// `one-writable-leader`: no two nodes can commit client writes at the same time.
pub fn one_writable_leader(history: &History) -> Check {
    let id = Property::OneWritableLeader.id();
    if let Some(check) = unobserved(history, id, &[Source::Process, Source::Postgres]) {
        return check;
    }
    let reigns = reigns(history);
    let certain: Vec<[u64; 2]> = reigns.iter().map(Reign::certain).collect();
    let touched = Intervals::new(reigns.iter().map(Reign::touched));
    for (one, &[from, to]) in reigns.iter().zip(&certain).filter(|(_, [from, to])| from <= to) {
        for place in touched.meeting([from, to]) {
            let other = &reigns[place];
            if other.node == one.node {
                continue;
            }
            // Writable for certain at the same moment, or proved to be while the other was.
            let [other_from, other_to] = certain[place];
            let overlap = from.max(other_from) <= to.min(other_to) && from <= to && other_from <= other_to;
            let within = |proof: &&Proof| proof.at[0] >= from && proof.at[1] <= to;
            let common = |proof: &&Proof| overlap && proof.at[1] >= from.max(other_from);
            if let Some(proof) = other.proofs.iter().find(within).or_else(|| other.proofs.iter().find(common)) {
                return Check::fail(
                    id,
                    format!(
                        "{} and {} were writable at the same time: at {}, {}: {}; and {} was writable from {} to {} ({})",
                        other.node,
                        one.node,
                        seconds(proof.at[1]),
                        other.node,
                        describe::what(proof.event),
                        one.node,
                        seconds(from),
                        seconds(to),
                        evidence(one),
                    ),
                )
                .at(Some(proof.event.seq));
            }
        }
    }
    if reigns.is_empty() {
        return Check::inconclusive(id, "no node was seen writable");
    }
    let seen: Vec<_> = reigns
        .iter()
        .map(|reign| match reign.certain() {
            [from, to] if from <= to => format!("{} {}–{}", reign.node, seconds(from), seconds(to)),
            // A single proof: at some moment of an interval.
            [to, from] => format!("{} between {} and {}", reign.node, seconds(from), seconds(to)),
        })
        .collect();
    Check::pass(id, format!("writable, by probes and acknowledged writes: {}", seen.join(", ")))
}

fn evidence(reign: &Reign) -> String {
    let writes =
        reign.proofs.iter().filter(|proof| matches!(proof.event.kind, Kind::Write { .. } | Kind::Batch { .. })).count();
    format!("{writes} acknowledged writes, {} probes", reign.proofs.len() - writes)
}

/// `writable-needs-lock`: a node becomes writable only while it holds the leader lock.
pub fn writable_needs_lock(history: &History) -> Check {
    let id = Property::WritableNeedsLock.id();
    if let Some(check) = unobserved(history, id, &[Source::Process, Source::Postgres, Source::Etcd]) {
        return check;
    }
    let mut became = Vec::new();
    let holders = Holders::of(history);
    for reign in reigns(history).iter().filter(|reign| !reign.from_the_start) {
        // It became writable after it was last seen otherwise and before the first proof was over.
        let (from, to) = (reign.not_before, reign.certain()[0]);
        if !holders.may_include(reign.node, from, to) {
            let holders = holders.between(from, to);
            return Check::fail(
                id,
                format!(
                    "{} became writable between {} and {} ({}), and the leader key named {} all that time",
                    reign.node,
                    seconds(from),
                    seconds(to),
                    describe::what(reign.proofs[0].event),
                    if holders.is_empty() { "nobody".into() } else { holders.join(" or ") },
                ),
            )
            .at(Some(reign.proofs[0].event.seq));
        }
        became.push(format!("{} between {} and {}", reign.node, seconds(from), seconds(to)));
    }
    if became.is_empty() {
        return Check::pass(id, "no node became writable that was not from the start");
    }
    Check::pass(id, format!("became writable with the lock: {}", became.join(", ")))
}

/// `single-lock-owner`: only the owner's name is ever overwritten in the leader key. The key lives as long as its lease, so what is
/// overwritten was held.
pub fn single_lock_owner(history: &History) -> Check {
    let id = Property::SingleLockOwner.id();
    let changes = changes(history);
    let new = changes.iter().filter(|change| history.is_fresh(change.event));
    for change in new.clone().filter(|change| change.change == KeyChange::Overwritten) {
        if let (Some(before), Some(after)) = (change.before, change.holder)
            && before != after
        {
            return Check::fail(
                id,
                format!("at {} {after} wrote over the leader key, which named {before}", seconds(change.event.at[1])),
            )
            .at(Some(change.event.seq));
        }
    }
    if let Some(check) = unobserved(history, id, &[Source::Etcd]) {
        return check;
    }
    let took = new.filter(|change| change.change == KeyChange::Created).count();
    Check::pass(id, format!("the leader key was taken {took} times, when it was nobody's"))
}

/// `key-released-after-stop`: a lock that its holder deletes belongs to a node that can no longer write.
pub fn key_released_after_stop(history: &History) -> Check {
    let id = Property::KeyReleasedAfterStop.id();
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
            return Check::fail(
                id,
                format!(
                    "the leader key of {holder} was deleted before {}, and at {} {holder} still wrote: {}",
                    seconds(gone),
                    seconds(event.at[1]),
                    describe::what(event)
                ),
            )
            .at(Some(event.seq));
        }
        released.push(format!("{holder} at {}", seconds(gone)));
    }
    if let Some(check) = unobserved(history, id, &[Source::Etcd, Source::Writer]) {
        return check;
    }
    match released.is_empty() {
        true => Check::pass(id, "nobody gave the lock up"),
        false => Check::pass(id, format!("gave the lock up and wrote no more: {}", released.join(", "))),
    }
}

/// `standby-cluster-read-only`: no member of a standby cluster becomes writable.
pub fn standby_cluster_read_only(history: &History) -> Check {
    let id = Property::StandbyClusterReadOnly.id();
    if let Some(event) = history.events.iter().find(|event| is_proof(event)) {
        let node = event.node.as_deref().unwrap_or("a node");
        let why = format!("{node} was writable at {}: {}", seconds(event.at[1]), describe::what(event));
        return Check::fail(id, why).at(Some(event.seq));
    }
    let unobserved = unobserved(history, id, &[Source::Postgres, Source::Writer]);
    unobserved.unwrap_or_else(|| Check::pass(id, "no node was ever writable"))
}

/// `watchdog-while-writable`: where required, a node that is writable has its watchdog armed.
pub fn watchdog_while_writable(history: &History) -> Check {
    let id = Property::WatchdogWhileWritable.id();
    if let Some(check) = unobserved(history, id, &[Source::Watchdog, Source::Process, Source::Postgres]) {
        return check;
    }
    let mut guarded = 0;
    let armed: BTreeMap<&str, Intervals> =
        history.run.nodes.iter().map(|node| (node.as_str(), Intervals::new(armed(history, node)))).collect();
    for reign in reigns(history) {
        for proof in reign.proofs.iter().filter(|proof| history.is_fresh(proof.event)) {
            // It was armed at some moment of the proof, if a span in which it may have been armed touches it.
            if armed[reign.node].meeting(proof.at).is_empty() {
                return Check::fail(
                    id,
                    format!(
                        "{} was writable at {} and its watchdog was not armed: {}",
                        reign.node,
                        seconds(proof.at[1]),
                        describe::what(proof.event)
                    ),
                )
                .at(Some(proof.event.seq));
            }
            guarded += 1;
        }
    }
    Check::pass(id, format!("the watchdog was armed at each of {guarded} moments at which a node was seen writable"))
}

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

/// When the reset was done that a watchdog has begun. A real device resets at once; the lab kills the node's processes one after the other.
fn reset(history: &History, node: &str, fired: u64) -> u64 {
    let of_node = history.events.iter().filter(|event| event.node.as_deref() == Some(node) && event.at[1] >= fired);
    let ends = of_node.filter_map(|event| match event.kind {
        Kind::ProcessExited { what: Process::Postmaster, signal: Some(9), .. } => Some(event.at[1]),
        _ => None,
    });
    ends.min().filter(|end| end - fired <= RESET).unwrap_or(fired)
}

/// Why a property cannot be told, if it cannot.
pub fn unobserved(history: &History, id: &str, sources: &[Source]) -> Option<Check> {
    if history.phase(Phase::Ready).is_none() {
        return Some(Check::inconclusive(id, "the cluster never got ready, and how it is bootstrapped is not judged"));
    }
    history.blind(sources).map(|why| Check::inconclusive(id, why))
}
