//! Gaps of the probes that leave nothing open: on a busy machine a probe or two come back without an answer.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source};

use super::processes::lives;
use crate::history::History;

/// Whether this gap of a node's probes hides nothing: every postmaster that lived in it was found to be a primary before it, or to be up or
/// coming up after it. A primary becomes a standby only by a restart, so the first was a primary in the whole gap, and the others were none
/// until that moment, or became one at some moment before a probe that says so. Only a postmaster that came or went with nothing known of
/// its end may have been a primary unseen.
pub fn tells_all(history: &History, gap: &Event) -> bool {
    let (Some(node), true) = (gap.node.as_deref(), matches!(gap.kind, Kind::Gap { of: Source::Postgres, .. })) else {
        return false;
    };
    // What was not read back is another matter, and where processes were not seen, lives are not known.
    let until = history.phase(Phase::ReadBack).unwrap_or(0);
    let unseen = |event: &Event| matches!(event.kind, Kind::Gap { of: Source::Process, .. });
    if gap.at[1] > until || history.polls_processes() || history.events.iter().any(unseen) {
        return false;
    }
    let found = |from: u64, to: u64, wanted: &[ServerState]| {
        history.events.iter().any(|event| {
            let fits = matches!(event.kind, Kind::Server { state, .. } if wanted.contains(&state));
            fits && event.node.as_deref() == Some(node) && event.at[1] >= from && event.at[0] <= to
        })
    };
    let of_node = lives(history, node);
    of_node.iter().filter(|life| life.what == Process::Postmaster).all(|life| {
        let [from, to] = life.possible();
        let outside = from > gap.at[1] || to < gap.at[0];
        outside
            || from <= gap.at[0] && found(from, gap.at[0], &[ServerState::Primary])
            || to >= gap.at[1]
                && found(gap.at[1], to, &[ServerState::Primary, ServerState::Standby, ServerState::Starting])
    })
}
