//! The state of the cluster after it settled: the last finding of each node, the last primary, rows that were read
//! back.
//!
//! Liveness, durability and a scenario's demands are about this state.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, ServerState};

use crate::history::History;
use crate::history::parts::{Carry, last_by, phases};
use crate::history::row_ids::Rows;

/// The last finding of a node's probes, of each state.
pub static FINDINGS: Carry = Carry {
    says: "the last finding of each state of each node",
    select: |history| {
        last_by(history, |event| match event.kind {
            Kind::Server { state, .. } => Some((event.node.as_deref(), state)),
            _ => None,
        })
    },
};

/// The findings by which the state before the faults is known.
pub static BEFORE_THE_FAULTS: Carry = Carry {
    says: "the timeline of each node, and the highest of a primary, when the cluster got ready and when the faults \
           began",
    select: |history| phases(history).flat_map(|at| timelines_at(history, at)).collect(),
};

/// For each node the last finding that tells its timeline before a moment, and the finding of the highest timeline of a
/// primary.
fn timelines_at(history: &History, at: u64) -> Vec<usize> {
    let timeline = |event: &Event| match event.kind {
        Kind::Server { timeline, .. } => timeline,
        _ => None,
    };
    let told = |event: &Event| timeline(event).is_some();
    let mut places = last_by(history, |event| (told(event) && event.at[1] <= at).then_some(event.node.as_deref()));
    let primaries = history.events.iter().enumerate().filter(|(_, event)| {
        let primary = matches!(event.kind, Kind::Server { state: ServerState::Primary, .. });
        primary && told(event) && event.at[0] <= at
    });
    places.extend(primaries.rev().max_by_key(|(_, event)| timeline(event)).map(|(place, _)| place));
    places
}

/// The rows that a node was read back to hold.
pub fn read_back(history: &History, node: &str) -> Option<Rows> {
    history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::ReadBack { rows } if event.node.as_deref() == Some(node) => Some(Rows::new(rows.iter().copied())),
        _ => None,
    })
}

/// The last telling finding of a node's probes since everything settled.
pub struct EndState {
    /// The state of its Postgres.
    pub state: ServerState,
    /// It is a standby that streams.
    pub streams: bool,
    /// Its timeline, if that was told.
    pub timeline: Option<u32>,
}

/// The end state of a node; nothing if no probe of it told anything since everything settled.
pub fn found_at_the_end(history: &History, node: &str) -> Option<EndState> {
    let settled = history.phase(Phase::Settled)?;
    history.events.iter().rev().filter(|event| event.at[1] >= settled).find_map(|event| match event.kind {
        Kind::Server { state, streaming, timeline, .. }
            if event.node.as_deref() == Some(node) && state != ServerState::Unknown =>
        {
            Some(EndState { state, streams: streaming == Some(true), timeline })
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
