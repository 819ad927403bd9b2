//! The search for behaviours that explain a history.
//!
//! It goes through the observations layer by layer. A layer has all sets of observations that can come first in some
//! order, each with the possible truths after it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::sight::Sight;
use crate::cluster::{Cluster, State};

use super::graph::{Config, Graph, TOO_MUCH_WAL};
use super::sets::{EMPTY, Knowledge, Sets};
use super::window::{Cut, Window};
use super::{Channels, Observable, Observation, Seen};

/// The history is a behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The number of observations that were explained: all of them.
    pub observations: u64,
    /// The largest number of model states that were possible at once.
    pub widest: usize,
    /// The number of model states that are possible at the end.
    pub last: usize,
}

/// The history is no behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence<S = Sight> {
    /// The number of observations that could be explained, in the longest attempt.
    pub explained: u64,
    /// The first observation that could not be explained; `None` if all could, and something else should have been
    /// observed as well.
    pub observation: Option<Observation<S>>,
    /// The changes that the model allowed instead.
    pub allowed: Vec<S>,
    /// The changes that must have happened by the end of the history and were not observed.
    pub unseen: Vec<S>,
    /// If the observation was a probe's: what probes of the node could have found instead.
    pub looks: Vec<String>,
}

/// The reason why there is no explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<S = Sight> {
    /// No behaviour explains the history.
    Diverged(Box<Divergence<S>>),
    /// It is unknown whether one does: the search came to a limit.
    Limit {
        /// The number of observations that were explained until then.
        explained: u64,
        /// The limit that was reached.
        why: &'static str,
    },
}

/// The possible beginnings of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<S = State> {
    /// The possible states. Their lowest timeline is 1.
    pub states: Vec<S>,
    /// The number of the real timeline that timeline 1 stands for.
    pub timeline: u32,
    /// The channels that miss changes from the beginning.
    pub blind: Channels,
}

/// The limits of a search, and of what it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest number of model states at once.
    pub states: usize,
    /// The largest number of orders of overlapping observations at once.
    pub orders: usize,
    /// The approximate number of bytes of memory beyond which everything that can be computed again is forgotten.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { states: 2_000_000, orders: 20_000, bytes: 1 << 30 }
    }
}

/// An explainer of histories by the behaviours of a model. It remembers what it has computed, also from one history to
/// the next.
pub struct Belief<M: Observable = Cluster> {
    pub(super) sets: Sets<M>,
    limits: Limits,
}

impl Belief {
    /// The model of a cluster.
    pub fn cluster(&self) -> &Cluster {
        self.model()
    }
}

impl<M: Observable> Belief<M> {
    /// An explainer by this model.
    pub fn new(model: M, limits: Limits) -> Self {
        Belief { sets: Sets::new(Graph::new(model), limits.states), limits }
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.sets.graph.model
    }

    /// The approximate number of bytes held.
    pub fn bytes(&self) -> usize {
        self.sets.bytes()
    }

    /// Tries to explain `observations`, sorted by the start of their intervals, by behaviours from `start`.
    ///
    /// Faults happen only where they were recorded; their consequences happen by themselves.
    ///
    /// # Errors
    /// [`Refusal::Diverged`] with the first observation that no behaviour explains, or [`Refusal::Limit`] if a limit
    /// was reached or the observations are not sorted.
    pub fn explain(
        &mut self,
        start: &Start<M::State>,
        observations: impl IntoIterator<Item = Observation<M::Sight>>,
    ) -> Result<Explanation, Refusal<M::Sight>> {
        let mut window = Window::new(observations.into_iter());
        let mut explained = 0;
        let found = self.search(start, &mut window, &mut explained);
        if window.disordered {
            return Err(Refusal::Limit {
                explained,
                why: "observations that are not in the order of their beginnings",
            });
        }
        found
            .map_err(|why| Refusal::Limit { explained, why })?
            .map_err(|divergence| Refusal::Diverged(Box::new(divergence)))
    }

    fn search(
        &mut self,
        start: &Start<M::State>,
        window: &mut Window<impl Iterator<Item = Observation<M::Sight>>, M::Sight>,
        explained: &mut u64,
    ) -> Result<Result<Explanation, Divergence<M::Sight>>, &'static str> {
        let mut layer = vec![(Cut { high: 0, missing: Vec::new() }, self.beginning(start)?)];
        let mut widest = self.sets.truths(layer[0].1.set).len();
        let mut candidates = Vec::new();
        loop {
            if self.sets.bytes() > self.limits.bytes {
                self.forget_all_but(&mut layer)?;
            }
            *explained = layer[0].0.explained();
            // Nearly always there is one order, and one observation that is next.
            if layer.len() == 1 && layer[0].0.missing.is_empty() {
                let (cut, known) = &mut layer[0];
                window.forget_before(cut.high);
                window.candidates(cut, &mut candidates);
                if candidates.is_empty() {
                    return Ok(self.end(&layer, *explained, widest));
                }
                if let [next] = candidates[..] {
                    let observation = *window.get(next).expect("a candidate was read");
                    let after = self.sets.after(*known, observation.what)?;
                    if after.set == EMPTY {
                        return Ok(Err(self.diverged(&layer, *explained, observation)));
                    }
                    (cut.high, *known) = (next + 1, after);
                    widest = widest.max(self.sets.truths(after.set).len());
                    continue;
                }
            }
            match self.widened(&layer, window, &mut candidates)? {
                Ok(wider) => layer = wider,
                Err(divergence) => return Ok(Err(divergence)),
            }
            widest = widest.max(self.width(&layer));
        }
    }

    /// The next layer: all orders with one more observation. Otherwise the first observation that fits into no order.
    #[allow(clippy::type_complexity)]
    fn widened(
        &mut self,
        layer: &[(Cut, Knowledge)],
        window: &mut Window<impl Iterator<Item = Observation<M::Sight>>, M::Sight>,
        candidates: &mut Vec<u64>,
    ) -> Result<Result<Vec<(Cut, Knowledge)>, Divergence<M::Sight>>, &'static str> {
        let earliest = layer.iter().map(|(cut, _)| cut.missing.first().copied().unwrap_or(cut.high)).min().unwrap_or(0);
        window.forget_before(earliest);
        let mut next: BTreeMap<Cut, Knowledge> = BTreeMap::new();
        let mut tried: Option<Observation<M::Sight>> = None;
        for (cut, known) in layer {
            window.candidates(cut, candidates);
            for &index in candidates.iter() {
                let observation = *window.get(index).expect("a candidate was read");
                let order =
                    |observation: &Observation<M::Sight>| (observation.at[1], observation.at[0], observation.seq);
                if tried.as_ref().is_none_or(|tried| order(&observation) < order(tried)) {
                    tried = Some(observation);
                }
                let after = self.sets.after(*known, observation.what)?;
                if after.set == EMPTY {
                    continue;
                }
                let cut = cut.with(index);
                if cut.missing.len() > self.limits.orders {
                    return Err("more observations overlap than can be ordered");
                }
                match next.get_mut(&cut) {
                    Some(known) => *known = self.sets.union(*known, after)?,
                    None => {
                        next.insert(cut, after);
                    }
                }
                if next.len() > self.limits.orders {
                    return Err("more orders of overlapping observations are possible than can be held");
                }
            }
        }
        if next.is_empty() {
            let explained = layer[0].0.explained();
            let observation = tried.expect("a set of orders that is not at the end has a next observation");
            return Ok(Err(self.diverged(layer, explained, observation)));
        }
        Ok(Ok(next.into_iter().collect()))
    }

    pub(super) fn beginning(&mut self, start: &Start<M::State>) -> Result<Knowledge, &'static str> {
        let mut truths = Vec::new();
        for state in &start.states {
            let state = self.sets.graph.model.written(state).ok_or(TOO_MUCH_WAL)?;
            truths.push(self.sets.graph.number(Config { state, pending: 0 }));
        }
        let (set, by) = self.sets.closed(start.blind, truths)?;
        Ok(Knowledge { set, timelines: start.timeline.saturating_sub(1) + by })
    }

    fn forget_all_but(&mut self, layer: &mut [(Cut, Knowledge)]) -> Result<(), &'static str> {
        let mut known: Vec<Knowledge> = layer.iter().map(|(_, known)| *known).collect();
        self.sets.forget_all_but(&mut known);
        for ((_, place), known) in layer.iter_mut().zip(known) {
            *place = known;
        }
        if self.sets.bytes() > self.limits.bytes / 2 {
            return Err("more model states are possible at once than can be held");
        }
        Ok(())
    }

    fn width(&self, layer: &[(Cut, Knowledge)]) -> usize {
        layer.iter().map(|(_, known)| self.sets.truths(known.set).len()).sum()
    }

    /// True if a history may end here: some possible truth has shown nothing that was not observed.
    pub(super) fn may_end(&self, known: Knowledge) -> bool {
        self.sets.truths(known.set).iter().any(|truth| self.sets.graph.config(*truth).pending == 0)
    }

    /// Ends the history. Whatever a step showed must have been observed: a behaviour that showed more is refuted.
    fn end(
        &self,
        layer: &[(Cut, Knowledge)],
        explained: u64,
        widest: usize,
    ) -> Result<Explanation, Divergence<M::Sight>> {
        let truths = || layer.iter().flat_map(|(_, known)| self.sets.truths(known.set));
        let pending = |truth: &u32| self.sets.graph.config(*truth).pending;
        let last = truths().filter(|truth| pending(truth) == 0).count();
        if last > 0 {
            return Ok(Explanation { observations: explained, widest, last });
        }
        let unseen: BTreeSet<_> =
            truths().flat_map(|truth| self.sets.graph.sights(pending(truth)).iter().copied()).collect();
        Err(Divergence {
            explained,
            observation: None,
            allowed: Vec::new(),
            unseen: unseen.into_iter().collect(),
            looks: Vec::new(),
        })
    }

    fn diverged(
        &mut self,
        layer: &[(Cut, Knowledge)],
        explained: u64,
        observation: Observation<M::Sight>,
    ) -> Divergence<M::Sight> {
        let mut allowed = BTreeSet::new();
        let mut looks = BTreeSet::new();
        for (_, known) in layer {
            for truth in self.sets.truths(known.set).to_vec() {
                let config = self.sets.graph.config(truth);
                let mut show = |sights: &[M::Sight]| {
                    allowed.extend(sights.iter().copied().filter(|sight| M::shown_by(*sight).others));
                };
                if config.pending == 0 {
                    let lists: Vec<u32> = self
                        .sets
                        .graph
                        .edges(truth)
                        .map_or(Vec::new(), |edges| edges.iter().map(|edge| edge.0).collect());
                    lists.into_iter().for_each(|list| show(self.sets.graph.sights(list)));
                } else {
                    show(self.sets.graph.sights(config.pending));
                }
                if let Seen::Looks(id, ..) = observation.what {
                    let state = self.sets.graph.state(truth);
                    looks.insert(self.sets.graph.model.look_text(&state, id, known.timelines));
                }
            }
        }
        Divergence {
            explained,
            observation: Some(observation),
            allowed: allowed.into_iter().collect(),
            unseen: Vec::new(),
            looks: looks.into_iter().collect(),
        }
    }
}
