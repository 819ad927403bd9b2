//! When which node was writable, by what proves it.

use std::collections::BTreeMap;

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, WriteResult};

use crate::history::History;

/// A node was writable at some moment of this interval.
pub struct Proof<'h> {
    /// What proves it.
    pub event: &'h Event,
    /// When.
    pub at: [u64; 2],
}

/// One life of a node's postmaster in which it was writable. A primary never becomes a standby without a restart, so the node was
/// writable from the first proof to the last.
pub struct Reign<'h> {
    /// The node.
    pub node: &'h str,
    /// What proves it, in the order of recording.
    pub proofs: Vec<Proof<'h>>,
    /// Latest moment at which it was certainly not writable yet, in this life.
    pub not_before: u64,
    /// It was writable when the cluster was ready: how a cluster is bootstrapped is not judged.
    pub from_the_start: bool,
}

impl Reign<'_> {
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

/// Whether an event proves that its node was writable.
pub fn is_proof(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Write { result: WriteResult::Ok, .. }
            | Kind::Batch { result: WriteResult::Ok, .. }
            | Kind::Server { state: ServerState::Primary, .. }
    )
}

fn is_sign(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Server { state: ServerState::Standby | ServerState::Starting | ServerState::Refused, .. }
            | Kind::ProcessStarted { what: Process::Postmaster, .. }
    )
}

fn is_end(event: &Event) -> bool {
    matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. })
}

/// All reigns of all nodes.
pub fn reigns(history: &History) -> Vec<Reign<'_>> {
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
        // What says that the node was not writable: it was a standby, or its postmaster had not started.
        let mut signs: Vec<u64> = of_node.iter().filter(|event| is_sign(event)).map(|event| event.at[0]).collect();
        signs.sort_unstable();
        // The life that a moment belongs to is the number of postmasters that ended before it.
        let life = |at: u64| ends.partition_point(|end| *end < at);
        let mut lives: BTreeMap<usize, Reign> = BTreeMap::new();
        // Of what was carried on from before, only a reign that goes on is one: not all that ended those before it is known.
        let before = of_node.iter().filter(|event| !history.is_fresh(event) && (is_sign(event) || is_end(event)));
        let since = before.map(|event| event.at[1]).max();
        let counts = |event: &&&Event| is_proof(event) && (history.is_fresh(event) || Some(event.at[0]) >= since);
        for event in of_node.iter().filter(counts) {
            let life = life(event.at[0]);
            let ended = life.checked_sub(1).map(|index| ends[index]);
            if let Some(ended) = ended.filter(|ended| !started_within(*ended, event.at[1])) {
                // No postmaster lives: a backend that outlived its own wrote this. It was writable in this very interval.
                let orphan = Proof { event, at: event.at };
                let not_before = ended.max(event.at[0]);
                let from_the_start = !history.is_fresh(event);
                reigns.push(Reign { node, proofs: vec![orphan], not_before, from_the_start });
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
            let last_sign = signs[..signs.partition_point(|at| *at <= first)].last().copied();
            let last_sign = last_sign.filter(|at| *at >= reign.not_before);
            // One that began before this part of the history was judged there.
            let is_new = reign.proofs.iter().any(|proof| proof.at[1] == first && history.is_fresh(proof.event));
            reign.from_the_start = first <= ready || !is_new || last_sign.is_none() && reign.not_before == 0;
            reign.not_before = last_sign.unwrap_or(reign.not_before);
        }
        reigns.extend(lives.into_values());
    }
    reigns
}
