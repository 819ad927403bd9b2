//! The search for behaviours that explain a history.
//!
//! It goes through the observations layer by layer. A layer has all sets of observations that can come first in some
//! order, each with the possible truths after it.

use std::collections::{BTreeMap, BTreeSet};

use crate::cluster::Cluster;

use super::graph::{Config, Graph, TOO_MUCH_WAL};
use super::outcome::{Divergence, Explanation, Limits, Refusal, Start};
use super::sets::{EMPTY, FULL, Knowledge, Sets};
use super::window::{Cut, Window};
use super::{Observable, Observation, Seen};

/// Observations that may be left out by all orders at once, summed up.
const LEFT_OUT: usize = 2_000_000;

/// A layer: sets of observations that can come first in some order, each with the possible truths after it.
type Layer = Vec<(Cut, Knowledge)>;

/// The outcome of a search, or that it goes on.
enum Step<S> {
    On,
    Over(Result<Explanation, Divergence<S>>),
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

    /// Limits the searches from now on.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.sets.widest = limits.states;
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
        self.sets.most_bytes = self.limits.bytes.saturating_add(self.limits.bytes / 2);
        let found = self.search(start, &mut window, &mut explained);
        (self.sets.most_bytes, self.sets.most_work) = (usize::MAX, u64::MAX);
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
        let begun = self.sets.work();
        self.sets.most_work = begun.saturating_add(self.limits.work_after(0));
        let mut layer = vec![(Cut { high: 0, missing: Vec::new() }, self.beginning(start)?)];
        let mut widest = self.sets.truths(layer[0].1.set).len();
        let mut candidates = Vec::new();
        // Nothing is held but the layer.
        let mut has_forgotten = false;
        loop {
            if self.sets.bytes() > self.limits.bytes {
                self.forget_all_but(&mut layer)?;
                has_forgotten = true;
            }
            *explained = layer[0].0.explained();
            self.sets.most_work = begun.saturating_add(self.limits.work_after(*explained));
            match self.step(&mut layer, window, &mut candidates, &mut widest) {
                Ok(Step::On) => has_forgotten = false,
                Ok(Step::Over(outcome)) => return Ok(outcome),
                Err(FULL) if !has_forgotten => {
                    self.forget_all_but(&mut layer)?;
                    has_forgotten = true;
                }
                Err(why) => return Err(why),
            }
        }
    }

    /// Goes on by one observation, in every order.
    fn step(
        &mut self,
        layer: &mut Layer,
        window: &mut Window<impl Iterator<Item = Observation<M::Sight>>, M::Sight>,
        candidates: &mut Vec<u64>,
        widest: &mut usize,
    ) -> Result<Step<M::Sight>, &'static str> {
        // Nearly always there is one order, and one observation that is next.
        if layer.len() == 1 && layer[0].0.missing.is_empty() {
            let (cut, known) = &mut layer[0];
            window.forget_before(cut.high);
            let looked_at = window.candidates(cut, candidates);
            self.sets.worked(looked_at);
            let explained = cut.explained();
            if candidates.is_empty() {
                return Ok(Step::Over(self.end(layer, explained, *widest)));
            }
            if let [next] = candidates[..] {
                let observation = *window.get(next).expect("a candidate was read");
                let after = self.sets.after(*known, observation.what)?;
                if after.set == EMPTY {
                    return Ok(Step::Over(Err(self.diverged(layer, explained, observation))));
                }
                (cut.high, *known) = (next + 1, after);
                *widest = (*widest).max(self.sets.truths(after.set).len());
                return Ok(Step::On);
            }
        }
        match self.widened(layer, window, candidates)? {
            Ok(wider) => *layer = wider,
            Err(divergence) => return Ok(Step::Over(Err(divergence))),
        }
        *widest = (*widest).max(self.width(layer));
        Ok(Step::On)
    }

    /// The next layer: all orders with one more observation. Otherwise the first observation that fits into no order.
    fn widened(
        &mut self,
        layer: &[(Cut, Knowledge)],
        window: &mut Window<impl Iterator<Item = Observation<M::Sight>>, M::Sight>,
        candidates: &mut Vec<u64>,
    ) -> Result<Result<Layer, Divergence<M::Sight>>, &'static str> {
        let earliest = layer.iter().map(|(cut, _)| cut.missing.first().copied().unwrap_or(cut.high)).min().unwrap_or(0);
        window.forget_before(earliest);
        let mut next: BTreeMap<Cut, Knowledge> = BTreeMap::new();
        let mut tried: Option<Observation<M::Sight>> = None;
        let mut left_out = 0;
        for (cut, known) in layer {
            let looked_at = window.candidates(cut, candidates);
            self.sets.worked(looked_at);
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
                self.sets.worked(1 + cut.missing.len());
                self.sets.within_limits()?;
                match next.get_mut(&cut) {
                    Some(known) => *known = self.sets.union(*known, after)?,
                    None => {
                        left_out += cut.missing.len();
                        next.insert(cut, after);
                    }
                }
                if left_out > LEFT_OUT {
                    return Err("more observations overlap than can be ordered");
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
            return Err(FULL);
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
                // The list is for people, who need no more of it than there is room for.
                if self.sets.within_limits().is_err() {
                    break;
                }
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
