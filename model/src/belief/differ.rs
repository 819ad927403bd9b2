//! The difference between two models: a shortest behaviour of one that the other cannot show, even to an observer who
//! sees everything.
//!
//! The states of the one are explored together with the other's belief about everything that they have shown so far. If
//! a belief becomes empty, the behaviour that led there is a witness, and no witness is shorter. If none does, no
//! observer can tell the two models apart, within the faults that the one was given.

use rustc_hash::FxHashSet;

use crate::cluster::sight::Sight;
use crate::cluster::{Action, Budget, Cluster, State};

use super::Seen;
use super::behaviour::looks;
use super::explain::Belief;
use super::outcome::Start;
use super::sets::{EMPTY, Knowledge};

/// The answer to the question whether two models differ observably.
#[derive(Clone, Debug)]
pub enum Difference {
    /// They differ: the steps of a shortest behaviour that the other model does not explain, each with its result.
    Shown(Vec<(Action, State)>),
    /// They do not differ: all behaviours were explored, this number of pairs of a state and a belief, and all are
    /// explained.
    None(usize),
    /// Unknown: this number of pairs was explored, and there are more.
    Limit(usize),
}

/// A state of the one model, and the other's belief about it.
type Pair = ([u64; 5], Budget, Knowledge);

struct Place {
    pair: Pair,
    parent: u32,
    action: Action,
}

impl Belief {
    /// Looks for a shortest behaviour of `other` from `init` that this model does not explain from `start`, among the
    /// first `most` pairs.
    ///
    /// Each node is probed after each step.
    pub fn difference(&mut self, start: &Start, other: &Cluster, init: State, most: usize) -> Difference {
        self.differ(start, other, init, most).unwrap_or_else(Difference::Limit)
    }

    fn differ(&mut self, start: &Start, other: &Cluster, init: State, most: usize) -> Result<Difference, usize> {
        let known = self.beginning(start).map_err(|_| 0_usize)?;
        let mut places: Vec<Place> = Vec::new();
        let mut visited: FxHashSet<Pair> = FxHashSet::default();
        let first = (other.packed_for_belief(&init).ok_or(0_usize)?, init.budget, known);
        visited.insert(first);
        places.push(Place { pair: first, parent: 0, action: Action::Cycle(0) });
        // A behaviour whose last changes are not yet explained may still be explained by a longer one, so it is only
        // the second choice.
        let mut unfinished: Option<Vec<(Action, State)>> = None;
        let mut at = 0;
        while at < places.len() {
            let (packed, budget, known) = places[at].pair;
            let before = unpacked(other, packed, budget);
            for (action, after) in other.steps(&before) {
                let sights = other.shows(&before, action, &after);
                let known = self.observe(known, other, &sights, &after).map_err(|_| places.len())?;
                let refused = known.set == EMPTY;
                if refused || unfinished.is_none() && !self.may_end(known) {
                    let mut steps = vec![(action, after)];
                    let mut place = at;
                    while place != 0 {
                        let (packed, budget, _) = places[place].pair;
                        steps.push((places[place].action, unpacked(other, packed, budget)));
                        place = places[place].parent as usize;
                    }
                    steps.reverse();
                    if refused {
                        return Ok(Difference::Shown(steps));
                    }
                    unfinished = Some(steps);
                }
                let packed = other.packed_for_belief(&after).ok_or(places.len())?;
                let pair = (packed, after.budget, known);
                if visited.insert(pair) {
                    places.push(Place { pair, parent: at as u32, action });
                }
            }
            at += 1;
            if places.len() > most {
                return unfinished.map(Difference::Shown).ok_or(at);
            }
        }
        Ok(unfinished.map_or(Difference::None(places.len()), Difference::Shown))
    }

    /// The belief after a step that showed these changes at one moment, and after a probe of each node.
    fn observe(
        &mut self,
        known: Knowledge,
        other: &Cluster,
        sights: &[Sight],
        after: &State,
    ) -> Result<Knowledge, &'static str> {
        let mut next = self.in_any_order(known, sights)?;
        for id in other.node_ids() {
            if next.set != EMPTY {
                next = self.sets.after(next, looks(other, after, id))?;
            }
        }
        Ok(next)
    }

    /// Changes that are seen at the same moment may have happened in any order.
    fn in_any_order(&mut self, known: Knowledge, sights: &[Sight]) -> Result<Knowledge, &'static str> {
        if sights.is_empty() || known.set == EMPTY {
            return Ok(known);
        }
        let mut all = Knowledge { set: EMPTY, timelines: 0 };
        for first in 0..sights.len() {
            let mut rest = sights.to_vec();
            let sight = rest.remove(first);
            let next = self.sets.after(known, Seen::Change(sight))?;
            let next = self.in_any_order(next, &rest)?;
            all = if all.set == EMPTY { next } else { self.sets.union(all, next)? };
        }
        Ok(all)
    }
}

fn unpacked(cluster: &Cluster, packed: [u64; 5], budget: Budget) -> State {
    let mut state = cluster.unpacked_from_belief(packed);
    state.budget = budget;
    state
}
