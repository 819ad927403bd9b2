//! Demands of a scenario that an agent without an edition is held to only where it claims what they ask for.
//!
//! Scenarios were written for agents that keep a leader lock with a lease, start a crashed primary in its place, and
//! bring crashed nodes back. An agent of another kind promises some of that; where it promises less, the demand is
//! unsupported, and says so.

use pghaspec_model::vocabulary::event::{Kind, Leadership, Phase};
use pghaspec_model::vocabulary::fault::Fault;

use crate::features::{self, FAILS_OVER, RESTARTS_IN_PLACE};
use crate::history::History;
use crate::judge::checks::definition::lacks;
use crate::judge::checks::demands::{LEADER, REJOINS, TIMELINE};
use crate::judge::checks::evidence::is_fault;
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
                Rejoins::Standby => {
                    let lacks = lacks(run, features::REJOINS);
                    // A leader ends as a standby only where another one leads.
                    let moves = || hits_the_leader(end.last).then(|| of_leader(end.last, &Outcome::Moves)).flatten();
                    return lacks.or_else(moves);
                }
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

/// The leader before the faults.
fn leader_before(history: &History) -> Option<&str> {
    let began = history.phase(Phase::Fault).unwrap_or(u64::MAX);
    history.events.iter().rev().find_map(|event| match &event.kind {
        Kind::LeaderKey { holder, .. } if event.at[1] <= began => holder.as_deref(),
        _ => None,
    })
}

/// The node that was hit first led.
fn hits_the_leader(history: &History) -> bool {
    let hits = history.events.iter().filter(|event| is_fault(event) && event.node.is_some());
    let first = hits.min_by_key(|event| event.at[0]).and_then(|event| event.node.as_deref());
    first.is_some() && first == leader_before(history)
}

/// The reason why the agent does not promise what becomes of the leader, if there is one.
fn of_leader(history: &History, outcome: &Outcome) -> Option<String> {
    let (run, before) = (&history.run, leader_before(history));
    let faults = history.events.iter().filter_map(|event| match event.kind {
        Kind::Fault { fault, .. } => Some((fault, event.node.as_deref() == before)),
        _ => None,
    });
    let faults: Vec<(Fault, bool)> = faults.collect();
    let at_leader = |is: fn(Fault) -> bool| faults.iter().any(|(fault, at_leader)| *at_leader && is(*fault));
    let server_ended = at_leader(ends_the_server);
    let was_cut = faults.iter().any(|(fault, _)| *fault == Fault::NodesCut);
    let stays_with_orphans = || {
        (at_leader(|fault| fault == Fault::OrphansLeft) && lacks(run, RESTARTS_IN_PLACE).is_none())
            .then(|| format!("{} may end the orphans and start Postgres in its place", run.agent))
    };
    let no_lease = || {
        (run.leadership != Leadership::Lease)
            .then(|| format!("only a lease ends by itself, and the leader of a cluster of {} has none", run.agent))
    };
    match outcome {
        Outcome::Stays if server_ended => lacks(run, RESTARTS_IN_PLACE),
        Outcome::Stays => None,
        Outcome::Moves if server_ended || was_cut => lacks(run, FAILS_OVER).or_else(stays_with_orphans),
        Outcome::Moves => lacks(run, FAILS_OVER).or_else(no_lease),
        Outcome::Goes => no_lease(),
    }
}
