//! Whether a history is explained, found out by trying everything: every order of the observations, every behaviour in between.
//!
//! Written to be obviously right and for short histories only. It shares no code with the belief search: it knows the steps of a cluster,
//! what they show, and what a probe can find, and nothing is packed, numbered or remembered but whole states.

use std::collections::HashSet;

use pghaspec_model::belief::{Channels, Observation, Seen};
use pghaspec_model::cluster::sight::Sight;
use pghaspec_model::cluster::{Action, Cluster, State};
use pghaspec_model::vocabulary::event::Source;
use pghaspec_model::vocabulary::fault::Fault;

/// A moment: the true state, what was shown and not yet seen, and which observations are in the past.
type Moment = (State, Vec<Sight>, u128);

/// Whether some behaviour from one of the states explains all observations, of which there are at most 128.
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
        // Nothing was seen of this step.
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
        // Something was.
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

/// It was not seen yet, and nothing that was not seen yet was over before it began, or comes before it in its chain.
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
    // The begin of a gap comes before its end, and gaps of one channel do not overlap.
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

/// Who would have seen it; nobody has to see a fault: it is recorded by whoever injects it.
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
