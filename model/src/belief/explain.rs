//! The search for behaviours that explain a history.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::sight::Sight;
use crate::cluster::{Cluster, State};

use super::graph::{Config, Graph, TOO_MUCH_WAL};
use super::sets::{EMPTY, Known, Sets};
use super::window::{Cut, Window};
use super::{Channels, Observation, Seen, Watched};

/// The history is a behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Observations that were explained: all of them.
    pub observations: u64,
    /// Most model states that were possible at once.
    pub widest: usize,
    /// Model states that are possible at the end.
    pub last: usize,
}

/// The history is no behaviour of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence<S = Sight> {
    /// Observations that could be explained, in the longest attempt.
    pub explained: u64,
    /// The first observation that could not; nothing if all could, and something else should have been seen as well.
    pub observation: Option<Observation<S>>,
    /// Changes that the model allowed instead.
    pub allowed: Vec<S>,
    /// Changes that must have happened at the end of the history and were not seen.
    pub unseen: Vec<S>,
    /// What probes of the node could have found instead, if the observation was a probe's.
    pub looks: Vec<String>,
}

/// No explanation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal<S = Sight> {
    /// There is none.
    Diverged(Box<Divergence<S>>),
    /// It was not found out: the search came to a limit, after so many observations.
    Limit {
        /// Observations that were explained until then.
        explained: u64,
        /// What there was too much of.
        why: &'static str,
    },
}

/// What may have been at the beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<S = State> {
    /// States whose lowest timeline is 1.
    pub states: Vec<S>,
    /// The timeline that it stands for.
    pub timeline: u32,
    /// Channels that miss changes from the beginning.
    pub blind: Channels,
}

/// How much is looked at before a search gives up, and how much is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most model states at once.
    pub states: usize,
    /// Most orders of overlapping observations at once.
    pub orders: usize,
    /// Bytes of memory, roughly, beyond which everything that can be computed again is forgotten.
    pub bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { states: 2_000_000, orders: 20_000, bytes: 1 << 30 }
    }
}

/// Which states of a model can be the true ones. It remembers what it found out, also from one history to the next.
pub struct Belief<M: Watched = Cluster> {
    pub(super) sets: Sets<M>,
    limits: Limits,
}

impl Belief {
    /// The model of a cluster.
    pub fn cluster(&self) -> &Cluster {
        self.model()
    }
}

impl<M: Watched> Belief<M> {
    /// About this model.
    pub fn new(model: M, limits: Limits) -> Self {
        Belief { sets: Sets::new(Graph::new(model), limits.states), limits }
    }

    /// The model.
    pub fn model(&self) -> &M {
        &self.sets.graph.model
    }

    /// What it holds, roughly, in bytes.
    pub fn bytes(&self) -> usize {
        self.sets.bytes()
    }

    /// Tries to explain `observations`, in the order in which they begin, by behaviours from `start`.
    ///
    /// Faults happen only where they were recorded; what follows from them happens by itself.
    ///
    /// # Errors
    /// The first observation that no behaviour explains, or the limit that was reached.
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

    /// All orders with one more observation, or the first observation that fits nowhere.
    #[allow(clippy::type_complexity)]
    fn widened(
        &mut self,
        layer: &[(Cut, Known)],
        window: &mut Window<impl Iterator<Item = Observation<M::Sight>>, M::Sight>,
        candidates: &mut Vec<u64>,
    ) -> Result<Result<Vec<(Cut, Known)>, Divergence<M::Sight>>, &'static str> {
        let earliest = layer.iter().map(|(cut, _)| cut.missing.first().copied().unwrap_or(cut.high)).min().unwrap_or(0);
        window.forget_before(earliest);
        let mut next: BTreeMap<Cut, Known> = BTreeMap::new();
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

    pub(super) fn beginning(&mut self, start: &Start<M::State>) -> Result<Known, &'static str> {
        let mut truths = Vec::new();
        for state in &start.states {
            let state = self.sets.graph.model.written(state).ok_or(TOO_MUCH_WAL)?;
            truths.push(self.sets.graph.number(Config { state, pending: 0 }));
        }
        let (set, by) = self.sets.closed(start.blind, truths)?;
        Ok(Known { set, timelines: start.timeline.saturating_sub(1) + by })
    }

    fn forget_all_but(&mut self, layer: &mut [(Cut, Known)]) -> Result<(), &'static str> {
        let mut known: Vec<Known> = layer.iter().map(|(_, known)| *known).collect();
        self.sets.forget_all_but(&mut known);
        for ((_, place), known) in layer.iter_mut().zip(known) {
            *place = known;
        }
        if self.sets.bytes() > self.limits.bytes / 2 {
            return Err("more model states are possible at once than can be held");
        }
        Ok(())
    }

    fn width(&self, layer: &[(Cut, Known)]) -> usize {
        layer.iter().map(|(_, known)| self.sets.truths(known.set).len()).sum()
    }

    /// Whether a history may end here: some truth has shown nothing that was not seen.
    pub(super) fn may_end(&self, known: Known) -> bool {
        self.sets.truths(known.set).iter().any(|truth| self.sets.graph.config(*truth).pending == 0)
    }

    /// What a step showed must have been seen; where it was not, that behaviour is refuted.
    fn end(&self, layer: &[(Cut, Known)], explained: u64, widest: usize) -> Result<Explanation, Divergence<M::Sight>> {
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
        layer: &[(Cut, Known)],
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
