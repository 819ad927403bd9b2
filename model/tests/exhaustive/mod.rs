//! An exhaustive explainer of histories: it tries every order of the observations and every behaviour in between.
//!
//! It is written to be obviously right, for short histories only, as a check on the belief search. The two share no
//! code: this one knows the steps of a cluster, what they show, and what a probe can find. Nothing is packed or
//! numbered; whole states are remembered.

use std::collections::HashSet;

use pghaspec_model::belief::{Channels, Observation, Seen};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Action, Cluster, State};
use pghaspec_model::vocabulary::event::Source;
use pghaspec_model::vocabulary::fault::Fault;

/// A moment: the true state, the sights that were shown and not yet observed, and the set of past observations as bits.
type Moment = (State, Vec<Sight>, u128);

/// True if some behaviour from one of the states explains all observations, of which there are at most 128.
pub fn is_explained(cluster: &Cluster, init: &[State], observations: &[Observation], blind: Channels) -> bool {
    assert!(observations.len() <= 128, "too long to try everything");
    let all = if observations.len() == 128 { u128::MAX } else { (1 << observations.len()) - 1 };
    let mut open: Vec<Moment> = init.iter().map(|state| (*state, Vec::new(), 0)).collect();
    let mut known: HashSet<Moment> = open.iter().cloned().collect();
    while let Some((state, pending, past)) = open.pop() {
        if past == all && pending.is_empty() {
            return true;
        }
        let mut next: Vec<Moment> = Vec::new();
        // The step was not observed.
        let unwatched = unwatched(observations, past, blind);
        let hides = |sight: &Sight| seers(*sight).is_some_and(|channels| channels.within(unwatched));
        if pending.is_empty() {
            for (action, after) in cluster.steps(&state) {
                let recorded = matches!(action, Action::Fault(fault, _) if fault != Fault::LeaseExpires);
                if !recorded && cluster.shows(&state, action, &after).iter().all(hides) {
                    next.push((after, Vec::new(), past));
                }
            }
        }
        for (place, sight) in pending.iter().enumerate() {
            if hides(sight) {
                next.push((state, without(&pending, place), past));
            }
        }
        // The step was observed.
        for (index, observation) in observations.iter().enumerate() {
            if !may_be_next(observations, past, index) {
                continue;
            }
            let past = past | 1 << index;
            match observation.what {
                Seen::Blind(_) | Seen::Sighted(_) => next.push((state, pending.clone(), past)),
                Seen::Looks(id, found, timeline) => {
                    let timeline = timeline.map(|timeline| u8::try_from(timeline).unwrap_or(u8::MAX));
                    if cluster.can_look_like(&state, id, found, timeline) {
                        next.push((state, pending.clone(), past));
                    }
                }
                Seen::HasHadCycle(id) => {
                    if cluster.has_announced_itself(&state, id) {
                        next.push((state, pending.clone(), past));
                    }
                }
                Seen::Holder(holder) => {
                    if state.leader.map(|key| key.holder) == holder {
                        next.push((state, pending.clone(), past));
                    }
                }
                Seen::Change(sight) if pending.is_empty() => {
                    for (action, after) in cluster.steps(&state) {
                        let shown = cluster.shows(&state, action, &after);
                        if let Some(place) = shown.iter().position(|shown| *shown == sight) {
                            next.push((after, without(&shown, place), past));
                        }
                    }
                }
                Seen::Change(sight) => {
                    if let Some(place) = pending.iter().position(|pending| *pending == sight) {
                        next.push((state, without(&pending, place), past));
                    }
                }
            }
        }
        for moment in next {
            if known.insert(moment.clone()) {
                open.push(moment);
            }
        }
    }
    false
}

/// True if an observation can come next: it is not past, and no other one that is not past either ended before it began
/// or precedes it in its chain.
fn may_be_next(observations: &[Observation], past: u128, index: usize) -> bool {
    let is_past = |index: usize| past >> index & 1 == 1;
    let this = &observations[index];
    !is_past(index)
        && observations.iter().enumerate().all(|(other, observation)| {
            let chained = observation.chain != 0 && observation.chain == this.chain && other < index;
            is_past(other) || other == index || observation.at[1] >= this.at[0] && !chained
        })
}

fn unwatched(observations: &[Observation], past: u128, from_the_beginning: Channels) -> Channels {
    let mut unwatched = from_the_beginning;
    // A gap begins before it ends, and gaps of one channel do not overlap.
    let mut gaps: Vec<(u64, usize)> = (0..observations.len()).map(|index| (observations[index].at[0], index)).collect();
    gaps.sort_unstable();
    for (_, index) in gaps.into_iter().filter(|(_, index)| past >> index & 1 == 1) {
        match observations[index].what {
            Seen::Blind(channels) => unwatched = unwatched.and(channels),
            Seen::Sighted(channels) => unwatched = unwatched.without(channels),
            _ => {}
        }
    }
    unwatched
}

/// The channels that show a sight. A fault needs none: it is recorded by whoever injects it.
fn seers(sight: Sight) -> Option<Channels> {
    match sight {
        Sight::Fault(..) | Sight::RemoteFailover => None,
        Sight::LeaderKey(_) => Some(Channels::of(Source::Etcd, None)),
        Sight::Started(_, id) | Sight::Exited(_, id) => Some(Channels::of(Source::Process, Some(id))),
        Sight::Said(_, id) => Some(Channels::of(Source::AgentLog, Some(id))),
    }
}

fn without(sights: &[Sight], place: usize) -> Vec<Sight> {
    let mut left: Vec<Sight> = sights.to_vec();
    left.remove(place);
    left.sort_unstable();
    left
}
