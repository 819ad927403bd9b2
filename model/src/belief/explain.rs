//! The search for behaviours that explain a history.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashSet;

use crate::cluster::show::Sight;
use crate::cluster::{Action, Cluster, State};
use crate::fault::Fault;

use super::{Observation, Seen};

/// The history is a behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Observations that were explained: all of them.
    pub observations: usize,
    /// Most model states that were possible at once.
    pub widest: usize,
    /// Model states that are possible at the end.
    pub last: usize,
}

/// The history is no behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    /// Observations that could be explained, in the longest attempt.
    pub explained: usize,
    /// Index of the first observation that could not.
    pub event: usize,
    /// Changes that the model allowed instead.
    pub allowed: Vec<Sight>,
    /// Changes that must have happened at the end of the history and were not seen; then every observation was explained.
    pub unseen: Vec<Sight>,
    /// What probes of the node could have found instead, if the observation was a probe's.
    pub looks: Vec<String>,
}

/// A possible truth: a state, and what the last step showed that was not seen yet.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Config {
    state: State,
    pending: Vec<Sight>,
}

/// A set of observations that are in the past: all below `low`, and those above whose bit is set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    low: usize,
    above: u128,
}

impl Cut {
    fn contains(self, index: usize) -> bool {
        index < self.low || (index - self.low < 128 && self.above >> (index - self.low) & 1 == 1)
    }

    /// The cut with one more observation; `None` if the cut would become too wide to write down.
    fn with(mut self, index: usize) -> Option<Cut> {
        if index - self.low >= 128 {
            return None;
        }
        self.above |= 1 << (index - self.low);
        while self.above & 1 == 1 {
            self.above >>= 1;
            self.low += 1;
        }
        Some(self)
    }
}

/// Tries to explain `observations`, which need not be sorted, by behaviours of `cluster` from one of `init`.
///
/// `sees` says which changes the observer would have recorded; others are hidden. Faults happen only where they were
/// recorded, except that a lease ends by itself.
///
/// # Errors
/// The first observation that no behaviour explains.
pub fn explain(
    cluster: &Cluster,
    init: Vec<State>,
    observations: &[Observation],
    sees: impl Fn(&Sight) -> bool,
) -> Result<Explanation, Box<Divergence>> {
    let mut order: Vec<usize> = (0..observations.len()).collect();
    order.sort_by_key(|&index| (observations[index].at[1], observations[index].at[0], index));
    let sorted: Vec<&Observation> = order.iter().map(|&index| &observations[index]).collect();

    let init: FxHashSet<_> = init.into_iter().map(|state| Config { state, pending: Vec::new() }).collect();
    let mut layer = BTreeMap::from([(Cut { low: 0, above: 0 }, init)]);
    let (mut widest, mut last) = (0, 0);
    for explained in 0..=sorted.len() {
        let closed: Vec<_> = layer.into_iter().map(|(cut, configs)| (cut, close(cluster, configs, &sees))).collect();
        widest = widest.max(closed.iter().map(|(_, configs)| configs.len()).sum());
        if explained == sorted.len() {
            // What a step showed must have been seen; where it was not, that behaviour is refuted.
            let ends: Vec<_> = closed.iter().flat_map(|(_, configs)| configs).collect();
            last = ends.iter().filter(|config| config.pending.is_empty()).count();
            if last == 0 {
                let unseen: BTreeSet<_> = ends.iter().flat_map(|config| config.pending.iter().copied()).collect();
                return Err(Box::new(Divergence {
                    explained,
                    event: order.last().copied().unwrap_or(0),
                    allowed: Vec::new(),
                    unseen: unseen.into_iter().collect(),
                    looks: Vec::new(),
                }));
            }
            break;
        }
        let mut next: BTreeMap<Cut, FxHashSet<Config>> = BTreeMap::new();
        let mut tried = BTreeSet::new();
        for (cut, configs) in &closed {
            for index in candidates(&sorted, *cut) {
                tried.insert(index);
                let (Some(after), found) = (cut.with(index), advance(cluster, configs, sorted[index].what, &sees))
                else {
                    continue;
                };
                if !found.is_empty() {
                    next.entry(after).or_default().extend(found);
                }
            }
        }
        if next.is_empty() {
            let event = tried.into_iter().next().unwrap_or(explained);
            return Err(Box::new(diverged(cluster, &closed, explained, order[event], sorted[event].what, &sees)));
        }
        layer = next;
    }
    Ok(Explanation { observations: sorted.len(), widest, last })
}

/// Observations that can come next: none that is still open ended before they began.
fn candidates(sorted: &[&Observation], cut: Cut) -> Vec<usize> {
    let Some(first_end) = sorted.get(cut.low).map(|observation| observation.at[1]) else { return Vec::new() };
    (cut.low..sorted.len())
        .take(128)
        .filter(|&index| !cut.contains(index) && sorted[index].at[0] <= first_end)
        .collect()
}

/// Adds everything that can be reached by steps that nobody sees.
fn close(cluster: &Cluster, configs: FxHashSet<Config>, sees: &impl Fn(&Sight) -> bool) -> FxHashSet<Config> {
    let mut stack: Vec<Config> = configs.iter().cloned().collect();
    let mut closed = configs;
    while let Some(config) = stack.pop() {
        if !config.pending.is_empty() {
            continue;
        }
        for (action, after) in cluster.steps(&config.state) {
            if is_recorded_fault(action) || cluster.shows(&config.state, action, &after).iter().any(sees) {
                continue;
            }
            let config = Config { state: after, pending: Vec::new() };
            if !closed.contains(&config) {
                closed.insert(config.clone());
                stack.push(config);
            }
        }
    }
    closed
}

/// The configurations in which `what` is seen next.
fn advance(
    cluster: &Cluster,
    configs: &FxHashSet<Config>,
    what: Seen,
    sees: &impl Fn(&Sight) -> bool,
) -> FxHashSet<Config> {
    let mut next = FxHashSet::default();
    for config in configs {
        match what {
            Seen::Looks(id, found, timeline) => {
                if cluster.can_look_like(&config.state, id, found, timeline) {
                    next.insert(config.clone());
                }
            }
            Seen::Change(sight) if config.pending.is_empty() => {
                for (action, after) in cluster.steps(&config.state) {
                    let mut shown: Vec<_> =
                        cluster.shows(&config.state, action, &after).into_iter().filter(sees).collect();
                    if let Some(position) = shown.iter().position(|shown| *shown == sight) {
                        shown.remove(position);
                        next.insert(Config { state: after, pending: shown });
                    }
                }
            }
            Seen::Change(sight) => {
                if let Some(position) = config.pending.iter().position(|pending| *pending == sight) {
                    let mut config = config.clone();
                    config.pending.remove(position);
                    next.insert(config);
                }
            }
        }
    }
    next
}

fn is_recorded_fault(action: Action) -> bool {
    matches!(action, Action::Fault(fault, _) if fault != Fault::LeaseExpires)
}

fn diverged(
    cluster: &Cluster,
    closed: &[(Cut, FxHashSet<Config>)],
    explained: usize,
    event: usize,
    what: Seen,
    sees: &impl Fn(&Sight) -> bool,
) -> Divergence {
    let mut allowed = BTreeSet::new();
    let mut looks = BTreeSet::new();
    for config in closed.iter().flat_map(|(_, configs)| configs) {
        allowed.extend(config.pending.iter().copied());
        if config.pending.is_empty() {
            for (action, after) in cluster.steps(&config.state) {
                if !is_recorded_fault(action) {
                    allowed.extend(cluster.shows(&config.state, action, &after).into_iter().filter(sees));
                }
            }
        }
        if let Seen::Looks(id, ..) = what {
            let node = &config.state.nodes[usize::from(id)];
            let timeline = config.state.wal.timeline_at(node.data);
            looks.insert(format!("{:?} on timeline {timeline}", node.server).to_lowercase());
        }
    }
    Divergence {
        explained,
        event,
        allowed: allowed.into_iter().collect(),
        unseen: Vec::new(),
        looks: looks.into_iter().collect(),
    }
}
