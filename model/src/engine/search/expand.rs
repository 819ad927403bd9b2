//! The first stage of the search: the states of a chunk are expanded into buffers of packed successors.

use std::ops::Range;

use stateright::Model;

use super::discoveries::DiscoveredBits;
use super::table::NO_STATE;
use super::visited::{index32, shard};
use super::{Inspect, Options};
use crate::engine::path::Trail;
use crate::engine::spec::{Spec, Word};

/// Slots of the cache of recent successors: few enough for a fast processor cache.
const RECENT: usize = 1 << 10;
/// Successors that are passed on together: few enough for the fastest processor cache.
const BATCH: usize = 1 << 8;

/// A packed successor and the step to it: the action at `place` among the actions of the state `parent`.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Successor<W> {
    pub(in crate::engine) word: W,
    pub(in crate::engine) parent: u32,
    pub(in crate::engine) place: u16,
}

impl<W> Successor<W> {
    /// The position of this successor in the order in which one thread would find all of them.
    #[inline]
    pub(in crate::engine) fn when(&self) -> (u32, u16) {
        (self.parent, self.place)
    }
}

/// The result of expanding a chunk of states. The buffers are reused.
pub(in crate::engine) struct Expansion<W> {
    /// The successors in order, by the shard that they belong to.
    pub(in crate::engine) shards: Vec<Vec<Successor<W>>>,
    /// Successors of the current batch, not yet in a shard. Whether a successor is passed on is hard to predict, and
    /// after a wrong prediction a processor discards the work that it has begun on the next step. So a batch of steps
    /// is taken first, and then the question is answered for all of them.
    batch: Vec<Successor<W>>,
    /// A cache of successors that were passed on, indexed by hash. Of equal successors only the first matters, and each
    /// buffer only sees states further down the queue. Two steps that can be taken in either order lead to the same
    /// state from states close to each other, so this cache spares the visited set many look-ups, which miss the
    /// processor's caches.
    recent: Vec<W>,
    pub(in crate::engine) transitions: usize,
    pub(in crate::engine) deadlocks: usize,
    pub(in crate::engine) deadlock: Option<u32>,
    /// Discovered bits in order: of a state, or of the step at a place among its actions.
    pub(in crate::engine) found: Vec<(u32, Option<u16>, u64)>,
}

impl<W: Word> Expansion<W> {
    pub(in crate::engine) fn new(shards: usize) -> Self {
        let shards = (0..shards).map(|_| Vec::new()).collect();
        Expansion {
            shards,
            batch: Vec::with_capacity(BATCH),
            recent: vec![W::EMPTY; RECENT],
            transitions: 0,
            deadlocks: 0,
            deadlock: None,
            found: Vec::new(),
        }
    }

    /// Passes on the successors of the batch, except those in the cache of recent ones.
    fn pass_on(&mut self) {
        let Expansion { shards, batch, recent, .. } = self;
        let number = shards.len();
        let mut empty = false;
        for successor in batch.drain(..) {
            let hash = successor.word.spread();
            let recent = &mut recent[hash as usize % RECENT];
            // Opaque, because otherwise the compiler makes a conditional jump of the comparison.
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

/// Appends an item if it is wanted, without a conditional jump: see [`Expansion::batch`].
#[inline]
fn push_if<T>(to: &mut Vec<T>, item: T, wanted: bool) {
    to.push(item);
    to.truncate(to.len() - usize::from(!wanted));
}

/// A state aligned to a cache line, which makes copying one to another quicker.
#[repr(align(64))]
struct Aligned<S>(S);

/// The state being expanded (packed and unpacked), and room for a successor.
type InHand<M> = (<M as Spec>::Packed, Aligned<<M as Model>::State>, Aligned<<M as Model>::State>);

pub(in crate::engine) fn expand<M: Spec>(
    model: &M,
    options: &Options,
    inspect: &impl Inspect<M>,
    trail: &Trail<'_, M::Packed>,
    range: Range<usize>,
    mut discovered: DiscoveredBits,
    out: &mut Expansion<M::Packed>,
) {
    let mut actions = Vec::new();
    let mut places: Option<InHand<M>> = None;
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
        let new = discovered.in_state(inspect.state(model, state));
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
            let new = discovered.in_step(inspect.step(model, state, action, after));
            if new != 0 {
                out.found.push((parent, Some(place), new));
            }
            out.transitions += 1;
            // A step to the same state discovers nothing.
            push_if(&mut out.batch, Successor { word, parent, place }, !word.same(from));
        }
        if out.transitions == before {
            out.deadlocks += 1;
            out.deadlock.get_or_insert(parent);
        }
        if out.batch.len() >= BATCH {
            out.pass_on();
        }
    }
    out.pass_on();
}
