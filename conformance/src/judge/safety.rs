//! Safety properties on the events themselves. Nothing here knows the model.

use std::collections::BTreeMap;

use pghaspec_model::event::{Event, Kind, Phase, Process, ServerState, Source, WriteResult};
use pghaspec_model::property::Property;

use super::history::{History, seconds};
use super::verdict::Check;
use super::words;

/// A node was writable at some moment of this interval.
struct Proof<'h> {
    event: &'h Event,
    at: [u64; 2],
}

/// One life of a node's postmaster in which it was writable. A primary never becomes a standby without a restart, so the node was
/// writable from the first proof to the last.
struct Reign<'h> {
    node: &'h str,
    proofs: Vec<Proof<'h>>,
    /// Latest moment at which it was certainly not writable yet, in this life.
    not_before: u64,
    /// It was writable when the cluster was ready: how a cluster is bootstrapped is not judged.
    from_the_start: bool,
}

impl Reign<'_> {
    /// From the end of the first proof to the beginning of the last it was writable for certain.
    fn certain(&self) -> [u64; 2] {
        let first = self.proofs.iter().map(|proof| proof.at[1]).min().unwrap_or(u64::MAX);
        let last = self.proofs.iter().map(|proof| proof.at[0]).max().unwrap_or(0);
        [first, last]
    }
}

fn is_proof(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Write { result: WriteResult::Ok, .. }
            | Kind::Batch { result: WriteResult::Ok, .. }
            | Kind::Server { state: ServerState::Primary, .. }
    )
}

fn reigns(history: &History) -> Vec<Reign<'_>> {
    let mut reigns = Vec::new();
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    for node in &history.run.nodes {
        let of_node: Vec<&Event> = history.events.iter().filter(|event| event.node.as_ref() == Some(node)).collect();
        let mut ends: Vec<u64> = of_node
            .iter()
            .filter(|event| matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. }))
            .map(|event| event.at[1])
            .collect();
        ends.sort_unstable();
        let starts: Vec<u64> = of_node
            .iter()
            .filter(|event| matches!(event.kind, Kind::ProcessStarted { what: Process::Postmaster, .. }))
            .map(|event| event.at[0])
            .collect();
        // The life that a moment belongs to is the number of postmasters that ended before it.
        let life = |at: u64| ends.iter().filter(|&&end| end < at).count();
        let mut lives: BTreeMap<usize, Reign> = BTreeMap::new();
        for event in of_node.iter().filter(|event| is_proof(event)) {
            let life = life(event.at[0]);
            let ended = life.checked_sub(1).map(|index| ends[index]);
            if let Some(ended) =
                ended.filter(|ended| !starts.iter().any(|start| start > ended && *start <= event.at[1]))
            {
                // No postmaster lives: a backend that outlived its own wrote this. It was writable in this very interval.
                let orphan = Proof { event, at: event.at };
                let not_before = ended.max(event.at[0]);
                reigns.push(Reign { node, proofs: vec![orphan], not_before, from_the_start: false });
                continue;
            }
            let reign = lives.entry(life).or_insert_with(|| Reign {
                node,
                proofs: Vec::new(),
                not_before: life.checked_sub(1).and_then(|index| ends.get(index)).copied().unwrap_or(0),
                from_the_start: false,
            });
            reign.proofs.push(Proof { event, at: event.at });
        }
        for reign in lives.values_mut() {
            let first = reign.certain()[0];
            // What says that it was not writable: it was a standby, or its postmaster had not started.
            let sign = of_node.iter().filter(|event| {
                matches!(
                    event.kind,
                    Kind::Server { state: ServerState::Standby | ServerState::Starting | ServerState::Refused, .. }
                        | Kind::ProcessStarted { what: Process::Postmaster, .. }
                )
            });
            let signs: Vec<u64> =
                sign.map(|event| event.at[0]).filter(|&at| at <= first && at >= reign.not_before).collect();
            reign.from_the_start = first <= ready || signs.is_empty() && reign.not_before == 0;
            reign.not_before = signs.into_iter().max().unwrap_or(reign.not_before).max(reign.not_before);
        }
        reigns.extend(lives.into_values());
    }
    reigns
}

/// `one-writable-leader`: no two nodes can commit client writes at the same time.
pub fn one_writable_leader(history: &History) -> Check {
    let id = Property::OneWritableLeader.id();
    if let Some(check) = unobserved(history, id, &[Source::Process, Source::Postgres]) {
        return check;
    }
    let reigns = reigns(history);
    for one in &reigns {
        let [from, to] = one.certain();
        for other in reigns.iter().filter(|other| other.node != one.node) {
            // Writable for certain at the same moment, or proved to be while the other was.
            let [other_from, other_to] = other.certain();
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
                        words::what(proof.event),
                        one.node,
                        seconds(from),
                        seconds(to),
                        evidence(one),
                    ),
                );
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
    for reign in reigns(history).iter().filter(|reign| !reign.from_the_start) {
        // It became writable after it was last seen otherwise and before the first proof was over.
        let (from, to) = (reign.not_before, reign.certain()[0]);
        if !could_hold(history, reign.node, from, to) {
            let holders = holders(history, from, to);
            return Check::fail(
                id,
                format!(
                    "{} became writable between {} and {} ({}), and the leader key named {} all that time",
                    reign.node,
                    seconds(from),
                    seconds(to),
                    words::what(reign.proofs[0].event),
                    if holders.is_empty() { "nobody".into() } else { holders.join(" or ") },
                ),
            );
        }
        became.push(format!("{} between {} and {}", reign.node, seconds(from), seconds(to)));
    }
    if became.is_empty() {
        return Check::pass(id, "no node became writable that was not from the start");
    }
    Check::pass(id, format!("became writable with the lock: {}", became.join(", ")))
}

/// Spans in which the leader key could have named each holder: from the earliest moment of one change to the latest of the next.
fn spans(history: &History) -> Vec<(Option<&str>, u64, u64)> {
    let mut changes: Vec<(i64, &Event, Option<&str>)> = history
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::LeaderKey { holder, revision, .. } => Some((*revision, event, holder.as_deref())),
            _ => None,
        })
        .collect();
    changes.sort_by_key(|(revision, ..)| *revision);
    let ends = changes.iter().skip(1).map(|(_, event, _)| event.at[1]).chain([u64::MAX]);
    changes.iter().zip(ends).map(|((_, event, holder), end)| (*holder, event.at[0], end)).collect()
}

fn could_hold(history: &History, node: &str, from: u64, to: u64) -> bool {
    spans(history).iter().any(|(holder, start, end)| *holder == Some(node) && *start <= to && *end >= from)
}

fn holders(history: &History, from: u64, to: u64) -> Vec<String> {
    let mut holders: Vec<String> = spans(history)
        .iter()
        .filter(|(_, start, end)| *start <= to && *end >= from)
        .map(|(holder, ..)| holder.map_or("nobody".to_owned(), str::to_owned))
        .collect();
    holders.dedup();
    holders
}

/// `crash-recovery-once`: single-user crash recovery starts at most once per recovery episode of one agent process.
pub fn crash_recovery_once(history: &History) -> Check {
    let id = Property::CrashRecoveryOnce.id();
    let mut total = 0;
    for node in &history.run.nodes {
        let mut events: Vec<&Event> = history.events.iter().filter(|event| event.node.as_ref() == Some(node)).collect();
        events.sort_by_key(|event| event.at);
        let mut starts: Vec<&Event> = Vec::new();
        for event in events {
            match &event.kind {
                Kind::ProcessStarted { what: Process::SingleUser, .. } => {
                    starts.push(event);
                    total += 1;
                    if let [.., first, second] = starts.as_slice() {
                        return Check::fail(
                            id,
                            format!(
                                "{node}: postgres --single started at {} and again at {}, and nothing had come up in between",
                                seconds(first.at[1]),
                                seconds(second.at[1])
                            ),
                        );
                    }
                }
                // The episode is over: Postgres is up, the agent is a new one, or a new crash was inflicted.
                Kind::Server { state: ServerState::Primary | ServerState::Standby, .. }
                | Kind::ProcessStarted { what: Process::Agent, .. }
                | Kind::Fault { .. } => starts.clear(),
                _ => {}
            }
        }
    }
    if let Some(check) = unobserved(history, id, &[Source::Process]) {
        return check;
    }
    if history.polls_processes() {
        return Check::inconclusive(id, "processes were only looked for now and then: a start may have been missed");
    }
    Check::pass(id, format!("postgres --single started {total} times"))
}

fn unobserved(history: &History, id: &str, sources: &[Source]) -> Option<Check> {
    if history.phase(Phase::Ready).is_none() {
        return Some(Check::inconclusive(id, "the cluster never got ready, and how it is bootstrapped is not judged"));
    }
    history.blind(sources).map(|why| Check::inconclusive(id, why))
}
