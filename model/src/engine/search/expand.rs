//! The first stage of the search: the states of a chunk are expanded into buffers of successors.

use std::ops::Range;

use stateright::Model;

use super::discoveries::Seen;
use super::table::NO_STATE;
use super::visited::{index32, shard};
use super::{Inspect, Options};
use crate::engine::path::Trail;
use crate::engine::spec::{Spec, Word};

/// Successors that the expansion of a chunk remembers, in order not to pass on the same one again: few enough for a fast cache.
const RECENT: usize = 1 << 10;
/// Successors that wait to be passed on together: few enough for the fastest cache.
const BATCH: usize = 1 << 8;

/// A packed successor and the step that led to it: the action at `place` among those of the state `parent`.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Successor<W> {
    pub(in crate::engine) word: W,
    pub(in crate::engine) parent: u32,
    pub(in crate::engine) place: u16,
}

impl<W> Successor<W> {
    /// When one thread would have found it, in comparison with others.
    #[inline]
    pub(in crate::engine) fn when(&self) -> (u32, u16) {
        (self.parent, self.place)
    }
}

/// What became of a chunk of states. Its buffers are used again and again.
pub(in crate::engine) struct Expanded<W> {
    /// The successors, in order, by the shard that they belong to.
    pub(in crate::engine) shards: Vec<Vec<Successor<W>>>,
    /// Those that are not there yet. Whether one is to be passed on is hard to guess, and a processor that guessed wrong throws away what it
    /// has begun of the next step; so the steps are taken first, a batch of them, and then this is asked of all of them.
    met: Vec<Successor<W>>,
    /// Successors that were passed on here, each at a slot of its own. Of one that is met again only the first meeting matters, and
    /// these buffers only ever meet states further down the queue. Two steps that can be taken in either order lead to the same state
    /// from states close to each other, so this spares the tables a good part of all look-ups, which miss the caches.
    recent: Vec<W>,
    pub(in crate::engine) transitions: usize,
    pub(in crate::engine) deadlocks: usize,
    pub(in crate::engine) deadlock: Option<u32>,
    /// Bits found, in order: in a state, or in the step at a place among those of a state.
    pub(in crate::engine) found: Vec<(u32, Option<u16>, u64)>,
}

impl<W: Word> Expanded<W> {
    pub(in crate::engine) fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| Vec::new()).collect();
        Expanded {
            shards,
            met: Vec::with_capacity(BATCH),
            recent: vec![W::EMPTY; RECENT],
            transitions: 0,
            deadlocks: 0,
            deadlock: None,
            found: Vec::new(),
        }
    }

    /// Passes on what was met, but for what was passed on a short while ago.
    fn pass_on(&mut self) {
        let Expanded { shards, met, recent, .. } = self;
        let number = shards.len();
        let mut empty = false;
        for successor in met.drain(..) {
            let hash = successor.word.spread();
            let recent = &mut recent[hash as usize % RECENT];
            // Opaque, or the comparison would become a branch.
            let again = std::hint::black_box(recent.same(successor.word));
            empty |= successor.word.same(W::EMPTY);
            *recent = successor.word;
            push_if(&mut shards[shard(hash, number)], successor, !again);
        }
        assert!(!empty, "{NO_STATE}");
    }

    pub(in crate::engine) fn clear(&mut self) {
        self.shards.iter_mut().for_each(Vec::clear);
        self.found.clear();
        (self.transitions, self.deadlocks, self.deadlock) = (0, 0, None);
    }
}

/// Without a branch: see [`Expanded::met`].
#[inline]
fn push_if<T>(to: &mut Vec<T>, item: T, wanted: bool) {
    to.push(item);
    to.truncate(to.len() - usize::from(!wanted));
}

/// A state that begins with a line of the cache: copying one to another is quicker.
#[repr(align(64))]
struct Aligned<S>(S);

/// A state in hand: its packed form, itself, and a place for where a step leads.
type Places<M> = (<M as Spec>::Packed, Aligned<<M as Model>::State>, Aligned<<M as Model>::State>);

pub(in crate::engine) fn expand<M: Spec>(
    model: &M,
    options: &Options,
    inspect: &impl Inspect<M>,
    trail: &Trail<'_, M::Packed>,
    range: Range<usize>,
    mut seen: Seen,
    out: &mut Expanded<M::Packed>,
) {
    let mut actions = Vec::new();
    let mut places: Option<Places<M>> = None;
    for index in range {
        let parent = index32(index);
        let from = trail.states.get(index);
        let (old, state, after) = places.get_or_insert_with(|| {
            let state = model.unpack(from);
            (from, Aligned(state.clone()), Aligned(state))
        });
        model.unpack_over(from, *old, &mut state.0);
        *old = from;
        let (state, after) = (&state.0, &mut after.0);
        let new = seen.in_state(inspect.state(model, state));
        if new != 0 {
            out.found.push((parent, None, new));
        }
        actions.clear();
        model.actions(state, &mut actions);
        let before = out.transitions;
        assert!(actions.len() <= usize::from(u16::MAX), "a state has at most 65,535 actions");
        for (place, &action) in actions.iter().enumerate() {
            let word = if options.symmetry {
                let there = model.step(state, action, after) && model.within_boundary(after);
                there.then(|| model.pack(&model.canonical(after)))
            } else {
                model.step_packed(state, from, action, after)
            };
            let Some(word) = word else { continue };
            debug_assert!(options.symmetry || word == model.pack(after), "a step is written down as where it leads is");
            let place = place as u16;
            let new = seen.in_step(inspect.step(model, state, action, after));
            if new != 0 {
                out.found.push((parent, Some(place), new));
            }
            out.transitions += 1;
            // A step to the same state finds nothing.
            push_if(&mut out.met, Successor { word, parent, place }, !word.same(from));
        }
        if out.transitions == before {
            out.deadlocks += 1;
            out.deadlock.get_or_insert(parent);
        }
        if out.met.len() >= BATCH {
            out.pass_on();
        }
    }
    out.pass_on();
}
