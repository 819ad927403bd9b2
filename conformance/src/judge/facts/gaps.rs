//! Gaps in the observation, and those of the probes that hide nothing.
//!
//! A check that needs an observer cannot pass over its gaps; but on a busy machine a probe or two come back without an
//! answer, and mostly everything else tells what they would have found.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source};

use super::end_state::FINDINGS;
use super::processes::OPEN;
use super::processes::lives;
use crate::history::parts::{Carry, first_by};
use crate::history::{History, describe};

/// The events by which a gap of any part is known to hide nothing, or to hide something: every check may ask.
pub static CARRIES: [&Carry; 3] = [&OF_PROCESSES, &OPEN, &FINDINGS];

static OF_PROCESSES: Carry = Carry {
    says: "the first gap in the observation of processes",
    select: |history| first_by(history, |event| is_of_processes(event).then_some(())),
};

fn is_of_processes(event: &Event) -> bool {
    matches!(event.kind, Kind::Gap { of: Source::Process, .. })
}

impl History {
    /// The first gap of these sources since the cluster was ready, in words; whatever needs them cannot pass over it.
    pub fn gap_of(&self, sources: &[Source]) -> Option<String> {
        self.gaps_of(sources).next()
    }

    /// All gaps of these sources since the cluster was ready, in words.
    pub fn gaps_of<'h>(&'h self, sources: &'h [Source]) -> impl Iterator<Item = String> + 'h {
        let ready = self.phase(Phase::Ready).unwrap_or(0);
        let before = self.before.missed.iter().filter(|(of, _)| sources.contains(of)).map(|(_, why)| why.clone());
        let is_one = move |event: &&Event| match event.kind {
            Kind::Gap { of, .. } => sources.contains(&of) && event.at[1] >= ready && !tells_all(self, event),
            _ => false,
        };
        before.chain(self.events.iter().filter(is_one).map(describe::gap_text))
    }

    /// The reason why these sources do not tell all that happened since the cluster got ready, if there is one.
    pub fn unobserved(&self, sources: &[Source]) -> Option<String> {
        if self.phase(Phase::Ready).is_none() {
            return Some("the cluster never got ready, and how it is bootstrapped is not judged".into());
        }
        self.blind(sources)
    }

    /// The reason why these sources do not tell everything: one did not observe at all, or has a gap.
    pub fn blind(&self, sources: &[Source]) -> Option<String> {
        // Whoever tells who leads stands for the watch on etcd.
        let sources: Vec<Source> =
            sources.iter().map(|source| if *source == Source::Etcd { self.authority() } else { *source }).collect();
        match sources.iter().find(|source| !self.observed(**source)) {
            Some(missing) => {
                Some(format!("needs the observer `{}`, and this run had none", describe::source(*missing)))
            }
            None => self.gap_of(&sources),
        }
    }
}

/// This gap of a node's probes hides nothing: every postmaster that lived in it was found to be a primary before it, or
/// to be up or coming up after it. A primary becomes a standby only by a restart, so the first was a primary in the
/// whole gap, and the others were none until that moment, or became one at some moment before a probe that says so.
/// Only a postmaster that came or went with nothing known of its end may have been a primary unseen.
pub fn tells_all(history: &History, gap: &Event) -> bool {
    let (Some(node), true) = (gap.node.as_deref(), matches!(gap.kind, Kind::Gap { of: Source::Postgres, .. })) else {
        return false;
    };
    // What was not read back is another matter, and where processes were not seen, lives are not known.
    let until = history.phase(Phase::ReadBack).unwrap_or(0);
    if gap.at[1] > until || history.polls_processes() || history.events.iter().any(is_of_processes) {
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
