//! Demands of a scenario that an agent without an edition is held to only where it claims what they ask for.
//!
//! Scenarios were written for agents that keep a leader lock with a lease, start a crashed primary in its place, and
//! bring crashed nodes back. An agent of another kind promises some of that; where it promises less, the demand is
//! unsupported, and says so.

use pghaspec_model::vocabulary::event::{Event, Kind, Leadership, Phase};
use pghaspec_model::vocabulary::fault::Fault;

use crate::features::{self, FAILS_OVER, RESTARTS_IN_PLACE};
use crate::history::History;
use crate::judge::checks::definition::lacks;
use crate::judge::checks::demands::{LEADER, REJOINS, TIMELINE};
use crate::judge::checks::{Definition, End};
use crate::scenario::{LeaderAfter, Rejoins, TimelineAfter};

/// The outcome that a demand asks of the leader.
enum Outcome {
    Stays,
    Moves,
    Goes,
}

/// The reason why a check says nothing about this agent, if there is one.
pub fn unsupported(check: &Definition, end: &End) -> Option<String> {
    let run = &end.last.run;
    check.agents.unsupported(run).or_else(|| {
        run.edition.is_none().then_some(())?;
        let expect = end.expect?;
        let outcome = match check.id() {
            id if id == LEADER.id() => match expect.leader? {
                LeaderAfter::Same => Outcome::Stays,
                LeaderAfter::Other => Outcome::Moves,
                LeaderAfter::None => Outcome::Goes,
            },
            id if id == TIMELINE.id() => match expect.timeline? {
                TimelineAfter::Unchanged => Outcome::Stays,
                TimelineAfter::Bumped => Outcome::Moves,
            },
            id if id == REJOINS.id() => match expect.rejoins? {
                Rejoins::Primary => Outcome::Stays,
                Rejoins::Standby => return lacks(run, features::REJOINS),
            },
            _ => return None,
        };
        of_leader(end.last, &outcome)
    })
}

/// A fault that takes the server at its node away.
fn ends_the_server(fault: Fault) -> bool {
    use Fault::*;
    matches!(fault, PostmasterKilled | OrphansLeft | BackendCrashed | NodeKilled | StartFails | StartHangs | DiskFull)
}

/// The reason why the agent does not promise what becomes of the leader, if there is one.
fn of_leader(history: &History, outcome: &Outcome) -> Option<String> {
    let run = &history.run;
    let began = history.phase(Phase::Fault).unwrap_or(u64::MAX);
    let before = history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::LeaderKey { holder, .. } if event.at[1] <= began => holder.as_deref(),
        _ => None,
    });
    let at_leader = |event: &&Event| event.node.as_deref() == before;
    let of_kind =
        |is: fn(Fault) -> bool| move |event: &&Event| matches!(event.kind, Kind::Fault { fault, .. } if is(fault));
    let faults = || history.events.iter().filter(|event| matches!(event.kind, Kind::Fault { .. }));
    let server_ended = faults().filter(at_leader).any(|event| of_kind(ends_the_server)(&event));
    let was_cut = faults().any(|event| of_kind(|fault| fault == Fault::NodesCut)(&event));
    let no_lease = || {
        (run.leadership != Leadership::Lease)
            .then(|| format!("only a lease ends by itself, and the leader of a cluster of {} has none", run.agent))
    };
    match outcome {
        Outcome::Stays if server_ended => lacks(run, RESTARTS_IN_PLACE),
        Outcome::Stays => None,
        Outcome::Moves if server_ended || was_cut => lacks(run, FAILS_OVER),
        Outcome::Moves => lacks(run, FAILS_OVER).or_else(no_lease),
        Outcome::Goes => no_lease(),
    }
}
