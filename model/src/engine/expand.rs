//! The first stage of the search: the states of a chunk are expanded into buffers of successors.

use std::ops::Range;

use super::found::Seen;
use super::known::{index32, shard};
use super::path::Trail;
use super::search::{Inspect, Options};
use super::spec::{Spec, Word};
use super::table::NO_STATE;

/// Successors that the expansion of a chunk remembers, in order not to pass on the same one again: few enough for the fastest cache.
const RECENT: usize = 1 << 10;

/// A packed successor and the step that led to it: the action at `place` among those of the state `parent`.
#[derive(Clone, Copy)]
pub(super) struct Successor<W> {
    pub(super) word: W,
    pub(super) parent: u32,
    pub(super) place: u16,
}

impl<W> Successor<W> {
    /// When one thread would have found it, in comparison with others.
    #[inline]
    pub(super) fn when(&self) -> (u32, u16) {
        (self.parent, self.place)
    }
}

/// What became of a chunk of states. Its buffers are used again and again.
pub(super) struct Expanded<W> {
    /// The successors, in order, by the shard that they belong to.
    pub(super) shards: Vec<Vec<Successor<W>>>,
    /// Successors that were passed on here, each at a slot of its own. Of one that is met again only the first meeting matters, and
    /// these buffers only ever meet states further down the queue. Two steps that can be taken in either order lead to the same state
    /// from states close to each other, so this spares the tables a good part of all look-ups, which miss the caches.
    recent: Vec<W>,
    pub(super) transitions: usize,
    pub(super) deadlocks: usize,
    pub(super) deadlock: Option<u32>,
    /// Bits found, in order: in a state, or in the step at a place among those of a state.
    pub(super) found: Vec<(u32, Option<u16>, u64)>,
}

impl<W: Word> Expanded<W> {
    pub(super) fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| Vec::new()).collect();
        Expanded {
            shards,
            recent: vec![W::EMPTY; RECENT],
            transitions: 0,
            deadlocks: 0,
            deadlock: None,
            found: Vec::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.shards.iter_mut().for_each(Vec::clear);
        self.found.clear();
        (self.transitions, self.deadlocks, self.deadlock) = (0, 0, None);
    }
}

/// A state that begins with a line of the cache: copying one to another is quicker.
#[repr(align(64))]
struct Aligned<S>(S);

pub(super) fn expand<M: Spec>(
    model: &M,
    options: &Options,
    inspect: &impl Inspect<M>,
    trail: &Trail<'_, M::Packed>,
    range: Range<usize>,
    mut seen: Seen,
    out: &mut Expanded<M::Packed>,
) {
    let shards = out.shards.len();
    let mut actions = Vec::new();
    let mut after = None;
    for index in range {
        let parent = index32(index);
        let from = trail.states.get(index);
        let state = Aligned(model.unpack(from));
        let state = &state.0;
        let after = &mut after.get_or_insert_with(|| Aligned(state.clone())).0;
        let new = seen.in_state(inspect.state(model, state));
        if new != 0 {
            out.found.push((parent, None, new));
        }
        actions.clear();
        model.actions(state, &mut actions);
        let before = out.transitions;
        assert!(actions.len() <= usize::from(u16::MAX), "a state has at most 65,535 actions");
        for (place, &action) in actions.iter().enumerate() {
            if !model.step(state, action, after) {
                continue;
            }
            if !model.within_boundary(after) {
                continue;
            }
            let place = place as u16;
            let new = seen.in_step(inspect.step(model, state, action, after));
            if new != 0 {
                out.found.push((parent, Some(place), new));
            }
            let word = if options.symmetry { model.pack(&model.canonical(after)) } else { model.pack(after) };
            out.transitions += 1;
            // A step to the same state finds nothing.
            if word.same(from) {
                continue;
            }
            let hash = word.spread();
            let recent = &mut out.recent[hash as usize % RECENT];
            if recent.same(word) {
                assert!(!word.same(M::Packed::EMPTY), "{NO_STATE}");
                continue;
            }
            *recent = word;
            out.shards[shard(hash, shards)].push(Successor { word, parent, place });
        }
        if out.transitions == before {
            out.deadlocks += 1;
            out.deadlock.get_or_insert(parent);
        }
    }
}
