//! Spans in which a node was writable, by the events that prove it.
//!
//! A proof is an acknowledged write, or a probe that finds a primary; between two proofs of one postmaster the node was
//! writable all the time.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, WriteResult};

use super::end_state::FINDINGS;
use crate::history::History;
use crate::history::parts::{Carry, last_by};

/// The proofs by which a span that began in an earlier part goes on.
pub static PROOFS: Carry = Carry {
    says: "the last acknowledged write of each session of each node, its last batch, and its last finding of each \
           state",
    select: |history| {
        let mut places = last_by(history, |event| match event.kind {
            Kind::Write { session, result: WriteResult::Ok, .. } => Some((event.node.as_deref(), Some(session))),
            Kind::Batch { result: WriteResult::Ok, .. } => Some((event.node.as_deref(), None)),
            _ => None,
        });
        places.extend((FINDINGS.select)(history));
        places
    },
};

/// A node was writable at some moment of this interval.
pub struct Proof<'h> {
    /// The event that proves it.
    pub event: &'h Event,
    /// The interval.
    pub at: [u64; 2],
}

/// One life of a node's postmaster in which it was writable. A primary never becomes a standby without a restart, so
/// the node was writable from the first proof to the last.
pub struct Span<'h> {
    /// The node.
    pub node: &'h str,
    /// Its proofs, in the order of recording.
    pub proofs: Vec<Proof<'h>>,
    /// Latest moment at which it was certainly not writable yet, in this life.
    pub not_before: u64,
    /// It was writable when the cluster was ready: how a cluster is bootstrapped is not judged.
    pub from_the_start: bool,
}

impl Span<'_> {
    /// From the end of the first proof to the beginning of the last it was writable for certain.
    pub fn certain(&self) -> [u64; 2] {
        let first = self.proofs.iter().map(|proof| proof.at[1]).min().unwrap_or(u64::MAX);
        let last = self.proofs.iter().map(|proof| proof.at[0]).max().unwrap_or(0);
        [first, last]
    }

    /// From the earliest beginning of a proof to the latest end of one.
    pub fn touched(&self) -> [u64; 2] {
        let begin = self.proofs.iter().map(|proof| proof.at[0]).min().unwrap_or(u64::MAX);
        let end = self.proofs.iter().map(|proof| proof.at[1]).max().unwrap_or(0);
        [begin, end]
    }
}

/// An event that proves that its node was writable.
pub fn is_proof(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Write { result: WriteResult::Ok, .. }
            | Kind::Batch { result: WriteResult::Ok, .. }
            | Kind::Server { state: ServerState::Primary, .. }
    )
}

/// A finding of a node's probes that proves that it was not writable.
pub fn proves_read_only(event: &Event) -> bool {
    use ServerState::{Refused, Standby, Starting};
    matches!(event.kind, Kind::Server { state: Standby | Starting | Refused, .. })
}

/// The node is not writable yet: it was found so, or its postmaster starts.
fn is_not_yet(event: &Event) -> bool {
    proves_read_only(event) || matches!(event.kind, Kind::ProcessStarted { what: Process::Postmaster, .. })
}

fn is_end(event: &Event) -> bool {
    matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. })
}

/// The spans of all nodes.
pub fn writable_spans(history: &History) -> Vec<Span<'_>> {
    let mut spans = Vec::new();
    let ready = history.phase(Phase::Ready).unwrap_or(0);
    for node in &history.run.nodes {
        let of_node: Vec<&Event> = history.events.iter().filter(|event| event.node.as_ref() == Some(node)).collect();
        let mut ends: Vec<u64> = of_node
            .iter()
            .filter(|event| matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. }))
            .map(|event| event.at[1])
            .collect();
        ends.sort_unstable();
        let mut starts: Vec<u64> = of_node
            .iter()
            .filter(|event| matches!(event.kind, Kind::ProcessStarted { what: Process::Postmaster, .. }))
            .map(|event| event.at[0])
            .collect();
        starts.sort_unstable();
        let started_within = |after: u64, to: u64| {
            let next = starts.partition_point(|start| *start <= after);
            starts.get(next).is_some_and(|start| *start <= to)
        };
        // The node was a standby, or its postmaster had not started.
        let mut not_yet: Vec<u64> = of_node.iter().filter(|event| is_not_yet(event)).map(|event| event.at[0]).collect();
        not_yet.sort_unstable();
        // The life that a moment belongs to is the number of postmasters that ended before it.
        let life = |at: u64| ends.partition_point(|end| *end < at);
        let mut lives: BTreeMap<usize, Span> = BTreeMap::new();
        // Of what was carried on from before, only a span that goes on is one: not all that ended those before it is
        // known.
        let before = of_node.iter().filter(|event| !history.is_fresh(event) && (is_not_yet(event) || is_end(event)));
        let since = before.map(|event| event.at[1]).max();
        let counts = |event: &&&Event| is_proof(event) && (history.is_fresh(event) || Some(event.at[0]) >= since);
        for event in of_node.iter().filter(counts) {
            let life = life(event.at[0]);
            let ended = life.checked_sub(1).map(|index| ends[index]);
            if let Some(ended) = ended.filter(|ended| !started_within(*ended, event.at[1])) {
                // No postmaster lives: a backend that outlived its own wrote this. It was writable in this very
                // interval.
                let orphan = Proof { event, at: event.at };
                let not_before = ended.max(event.at[0]);
                let from_the_start = !history.is_fresh(event);
                spans.push(Span { node, proofs: vec![orphan], not_before, from_the_start });
                continue;
            }
            let span = lives.entry(life).or_insert_with(|| Span {
                node,
                proofs: Vec::new(),
                not_before: life.checked_sub(1).and_then(|index| ends.get(index)).copied().unwrap_or(0),
                from_the_start: false,
            });
            span.proofs.push(Proof { event, at: event.at });
        }
        for span in lives.values_mut() {
            let first = span.certain()[0];
            let last_not_yet = not_yet[..not_yet.partition_point(|at| *at <= first)].last().copied();
            let last_not_yet = last_not_yet.filter(|at| *at >= span.not_before);
            // One that began before this part of the history was judged there.
            let is_new = span.proofs.iter().any(|proof| proof.at[1] == first && history.is_fresh(proof.event));
            span.from_the_start = first <= ready || !is_new || last_not_yet.is_none() && span.not_before == 0;
            span.not_before = last_not_yet.unwrap_or(span.not_before);
        }
        spans.extend(lives.into_values());
    }
    spans
}
