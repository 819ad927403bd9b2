//! Fencing of a leader that cannot know that it leads: it stops being writable before its lease can end.
//!
//! Whoever takes the lock next is writable at once, and nobody tells the old leader.

use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, Source};
use pghaspec_model::vocabulary::fault::Fault;

use super::definition::{Agents, Applies, Asked, Definition, End, Name};
use super::demands::UNDONE;
use crate::history::parts::Carry;
use crate::history::{History, SECOND, describe, seconds};
use crate::judge::facts::lock::changes;
use crate::judge::facts::writable::{is_proof, proves_read_only};
use crate::judge::verdict::Check;

/// `read-only-in-time`: a node that is cut off from the DCS, whose agent stands still or is dead, or whose lease is
/// gone, is not writable any more a ttl later, unless it can hold the lock again. Its last update took effect before
/// the fault had, so its lease, as far as it can know, has ended by then.
pub static READ_ONLY_IN_TIME: Definition = Definition {
    name: Name::Own {
        id: "read-only-in-time",
        says: "a leader that cannot update its lock is not writable any more a ttl later",
    },
    needs: &[Source::Postgres, Source::Writer],
    agents: Agents::Lease,
    applies: Applies::Demanded { key: "read_only_in_time", by: |expect| expect.read_only_in_time == Some(true) },
    inconclusive: "no leader was kept from updating the lock, or it was not seen when it stopped being writable",
    carries: &[&CUT_OFF, &UNDONE],
    asked: Asked::AtTheEnd(read_only_in_time),
};

/// The events by which the time of the first leader that was cut off is known.
static CUT_OFF: Carry = Carry {
    says: "the first fault that kept a leader from updating the lock, its end, and the proofs of when that leader was \
           writable",
    select: |history| {
        let Some(cut) = CutOff::of(history) else { return Vec::new() };
        let seqs = [cut.led, Some(cut.fault), cut.mended, cut.late(), cut.last_proof(), cut.read_only()];
        let seqs: Vec<u64> = seqs.into_iter().flatten().map(|event| event.seq).collect();
        let places = history.events.iter().enumerate().filter(|(_, event)| seqs.contains(&event.seq));
        places.map(|(place, _)| place).collect()
    },
};

/// A leader that could not update its lock for a time.
struct CutOff<'h> {
    history: &'h History,
    /// The fault with which it begins.
    fault: &'h Event,
    /// The change of the leader key by which the leader is known, if the fault hit the DCS.
    led: Option<&'h Event>,
    leader: &'h str,
    /// The event by which the leader could update the lock again.
    mended: Option<&'h Event>,
}

impl<'h> CutOff<'h> {
    /// The first one of a history.
    fn of(history: &'h History) -> Option<CutOff<'h>> {
        let fault = history.events.iter().filter(|event| cuts(event)).min_by_key(|event| event.at[0])?;
        let led = || changes(history).into_iter().rev().find(|change| change.event.at[1] <= fault.at[0]);
        let (led, leader) = match fault.node.as_deref() {
            Some(node) => (None, node),
            // A fault of the DCS hits the leader.
            None => led().and_then(|change| Some((Some(change.event), change.holder?)))?,
        };
        let ends = |event: &&Event| event.at[1] > fault.at[1] && mends(event, fault, leader);
        let mended = history.events.iter().filter(ends).min_by_key(|event| event.at[0]);
        Some(CutOff { history, fault, led, leader, mended })
    }

    /// The lease itself was dropped, and the agent may take the lock anew.
    fn is_lost(&self) -> bool {
        is_lost(self.fault)
    }

    /// The latest moment at which the leader's lease can end, as far as the leader can know.
    fn bound(&self) -> u64 {
        self.fault.at[1] + u64::from(self.history.run.ttl_s) * SECOND
    }

    /// The earliest moment at which the leader could update the lock again.
    fn until(&self) -> u64 {
        let healed = || self.history.phase(Phase::Heal).filter(|_| !self.is_lost());
        self.mended.map(|event| event.at[0]).or_else(healed).unwrap_or(u64::MAX)
    }

    fn of_leader(&self) -> impl Iterator<Item = &'h Event> {
        let leader = self.leader;
        self.history.events.iter().filter(move |event| event.node.as_deref() == Some(leader))
    }

    /// Proofs that the leader was writable meanwhile.
    fn proofs(&self) -> impl Iterator<Item = &'h Event> {
        let (from, until) = (self.fault.at[1], self.until());
        self.of_leader().filter(move |event| is_proof(event) && event.at[0] >= from && event.at[1] <= until)
    }

    /// The first proof that begins after its lease may have ended.
    fn late(&self) -> Option<&'h Event> {
        self.proofs().filter(|event| event.at[0] > self.bound()).min_by_key(|event| event.at[0])
    }

    fn last_proof(&self) -> Option<&'h Event> {
        self.proofs().max_by_key(|event| event.at[1])
    }

    /// The first event after the last proof that says that the leader is not writable any more. That no proof was found
    /// says nothing by itself.
    fn read_only(&self) -> Option<&'h Event> {
        let last = self.last_proof().map_or(self.fault.at[1], |event| event.at[1]);
        let until = self.until();
        self.of_leader().find(|event| event.at[1] >= last && event.at[1] <= until && is_over(event))
    }
}

fn read_only_in_time(end: &End) -> Check {
    let history = end.last;
    if let Some(why) = history.blind(READ_ONLY_IN_TIME.needs) {
        return READ_ONLY_IN_TIME.inconclusive(why);
    }
    let Some(cut) = CutOff::of(history) else {
        return READ_ONLY_IN_TIME.inconclusive("no leader was kept from updating the lock");
    };
    let (leader, since, ttl) = (cut.leader, seconds(cut.fault.at[1]), history.run.ttl_s);
    if let Some(late) = cut.late() {
        let why = format!(
            "{leader} could not update the lock since {since}, and was writable at {}, though its lease of {ttl} s may \
             have ended: {}",
            seconds(late.at[0]),
            describe::what(late)
        );
        return READ_ONLY_IN_TIME.fail(why).at(Some(late.seq));
    }
    match cut.read_only() {
        Some(event) => READ_ONLY_IN_TIME.pass(format!(
            "{leader} could not update the lock since {since}, and was not writable any more at {}; its ttl is {ttl} s",
            seconds(event.at[1]),
        )),
        None if cut.is_lost() && cut.until() <= cut.bound() => {
            let why =
                format!("{leader} lost its lease at {since}, and took the lock again at {}", seconds(cut.until()));
            READ_ONLY_IN_TIME.pass(why)
        }
        None => READ_ONLY_IN_TIME
            .inconclusive(format!("nothing was seen of {leader} that says when it stopped being writable")),
    }
}

/// A fault that keeps a leader from updating the lock.
fn cuts(event: &Event) -> bool {
    use Fault::{AgentFrozen, AgentKilled, DcsDown, LeaseLost, RepliesLost, RequestsLost};
    let Kind::Fault { fault, .. } = &event.kind else { return false };
    matches!(fault, DcsDown | RequestsLost | RepliesLost | AgentFrozen | AgentKilled | LeaseLost)
}

fn is_lost(fault: &Event) -> bool {
    matches!(fault.kind, Kind::Fault { fault: Fault::LeaseLost, .. })
}

/// From this event on the leader can update the lock again: the DCS answers it, its agent goes on, or is a new one; a
/// lease that was lost is mended when the leader takes the lock anew.
fn mends(event: &Event, fault: &Event, leader: &str) -> bool {
    let of_leader = event.node.as_deref() == Some(leader);
    match &event.kind {
        Kind::LeaderKey { holder, .. } => is_lost(fault) && holder.as_deref() == Some(leader),
        _ if is_lost(fault) => false,
        Kind::Fault { fault: Fault::DcsUp, .. } => true,
        Kind::Fault { fault: Fault::DcsReached | Fault::AgentThawed | Fault::AgentRestarted, .. } => of_leader,
        Kind::ProcessStarted { what: Process::Agent, .. } => of_leader,
        _ => false,
    }
}

/// The node is not writable any more: it was found so, or its postmaster ended.
fn is_over(event: &Event) -> bool {
    proves_read_only(event) || matches!(event.kind, Kind::ProcessExited { what: Process::Postmaster, .. })
}
