//! Whether a leader that cannot know that it leads stopped being writable before its lease could end.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState, Source};
use pghaspec_model::vocabulary::fault::Fault;

use crate::history::describe;
use crate::history::{History, seconds};
use crate::judge::facts::lock::changes;
use crate::judge::facts::writable::is_proof;
use crate::judge::verdict::Check;

const ID: &str = "read-only-in-time";

/// `read-only-in-time`: whoever is cut off from the DCS, whose agent stands still or is dead, or whose lease is gone, is not writable any more
/// a ttl later, unless it can hold the lock again. Its last update took effect before the fault had, so its lease, as far as it can know, has
/// ended by then.
pub fn read_only_in_time(history: &History) -> Check {
    if let Some(why) = history.blind(&[Source::Postgres, Source::Writer]) {
        return Check::inconclusive(ID, why);
    }
    if history.before.events > 0 {
        return Check::inconclusive(
            ID,
            "the history is too long to ask it for all that was seen since the first fault",
        );
    }
    let cut = history.events.iter().filter(|event| cuts(event)).min_by_key(|event| event.at[0]);
    let Some((cut, leader)) = cut.and_then(|cut| Some((cut, leader(history, cut)?))) else {
        return Check::inconclusive(ID, "no leader was kept from updating the lock");
    };
    let bound = cut.at[1] + u64::from(history.run.ttl_s) * 1_000_000_000;
    let until = mended(history, leader, cut);
    let of_leader = || history.events.iter().filter(|event| event.node.as_deref() == Some(leader));
    let proofs = || of_leader().filter(|event| is_proof(event) && event.at[0] >= cut.at[1] && event.at[1] <= until);
    if let Some(late) = proofs().filter(|event| event.at[0] > bound).min_by_key(|event| event.at[0]) {
        let why = format!(
            "{leader} could not update the lock since {}, and was writable at {}, though its lease of {} s may have ended: {}",
            seconds(cut.at[1]),
            seconds(late.at[0]),
            history.run.ttl_s,
            describe::what(late)
        );
        return Check::fail(ID, why).at(Some(late.seq));
    }
    // A moment after which no proof was found says something only if it was looked for, or if there was a sign of the contrary.
    let last = proofs().map(|event| event.at[1]).max().unwrap_or(cut.at[1]);
    let sign = of_leader().find(|event| event.at[1] >= last && event.at[1] <= until && is_sign(event));
    match sign {
        Some(sign) => Check::pass(
            ID,
            format!(
                "{leader} could not update the lock since {}, and was not writable any more at {}; its ttl is {} s",
                seconds(cut.at[1]),
                seconds(sign.at[1]),
                history.run.ttl_s
            ),
        ),
        None if is_lost(cut) && until <= bound => {
            let why = format!(
                "{leader} lost its lease at {}, and took the lock again at {}",
                seconds(cut.at[1]),
                seconds(until)
            );
            Check::pass(ID, why)
        }
        None => {
            Check::inconclusive(ID, format!("nothing was seen of {leader} that says when it stopped being writable"))
        }
    }
}

/// Whether that keeps a leader from updating the lock.
fn cuts(event: &Event) -> bool {
    use Fault::{AgentFrozen, AgentKilled, DcsDown, LeaseLost, RepliesLost, RequestsLost};
    let Kind::Fault { fault, .. } = &event.kind else { return false };
    matches!(fault, DcsDown | RequestsLost | RepliesLost | AgentFrozen | AgentKilled | LeaseLost)
}

/// The node that was hit; what hits the DCS hits whoever led.
fn leader<'h>(history: &'h History, cut: &'h Event) -> Option<&'h str> {
    let led = || changes(history).into_iter().rev().find(|change| change.event.at[1] <= cut.at[0])?.holder;
    cut.node.as_deref().or_else(led)
}

fn is_lost(cut: &Event) -> bool {
    matches!(cut.kind, Kind::Fault { fault: Fault::LeaseLost, .. })
}

/// When the leader could update the lock again at the earliest: the DCS answers it, or its agent goes on, or is a new one; or when it took the
/// lock anew that was lost to it.
fn mended(history: &History, leader: &str, cut: &Event) -> u64 {
    if is_lost(cut) {
        let took = history.events.iter().filter(|event| {
            let holder = match &event.kind {
                Kind::LeaderKey { holder, .. } => holder.as_deref(),
                _ => None,
            };
            holder == Some(leader) && event.at[1] > cut.at[1]
        });
        return took.map(|event| event.at[0]).min().unwrap_or(u64::MAX);
    }
    let ends = |event: &&Event| {
        let of_leader = event.node.as_deref() == Some(leader);
        event.at[1] > cut.at[1]
            && match &event.kind {
                Kind::Fault { fault: Fault::DcsUp, .. } => true,
                Kind::Fault { fault: Fault::DcsReached | Fault::AgentThawed | Fault::AgentRestarted, .. } => of_leader,
                Kind::ProcessStarted { what: Process::Agent, .. } => of_leader,
                _ => false,
            }
    };
    let mended = history.events.iter().filter(ends).map(|event| event.at[0]).min();
    mended.or(history.phase(Phase::Heal)).unwrap_or(u64::MAX)
}

/// Whether that says that its node is not writable.
fn is_sign(event: &Event) -> bool {
    matches!(
        event.kind,
        Kind::Server { state: ServerState::Standby | ServerState::Starting | ServerState::Refused, .. }
            | Kind::ProcessExited { what: Process::Postmaster, .. }
    )
}
