//! Discoveries of a search: the bits that [`Inspect`](super::Inspect) reported, and the first place of each.

use crate::engine::path::Trail;
use crate::engine::spec::Spec;

/// The bits that were discovered already. A state is inspected when it is expanded, which is later than the step that
/// discovered it, so a bit that was seen in a step may have been there earlier in a state.
#[derive(Clone, Copy)]
pub(in crate::engine) struct DiscoveredBits {
    states: u64,
    steps: u64,
}

impl DiscoveredBits {
    /// The bits that are new in a state.
    #[inline]
    pub(in crate::engine) fn in_state(&mut self, bits: u64) -> u64 {
        let new = bits & !self.states;
        self.states |= bits;
        new
    }

    /// The bits that are new in a step. A bit of a state that was expanded before is not new.
    #[inline]
    pub(in crate::engine) fn in_step(&mut self, bits: u64) -> u64 {
        let new = bits & !(self.states | self.steps);
        self.steps |= bits;
        new
    }
}

/// For each bit, the first state that shows it and the first step that shows it.
pub(in crate::engine) struct Discoveries {
    pub(in crate::engine) discovered: DiscoveredBits,
    states: [Option<u32>; 64],
    steps: [Option<(u32, u16)>; 64],
}

impl Discoveries {
    pub(in crate::engine) fn new() -> Self {
        Discoveries { discovered: DiscoveredBits { states: 0, steps: 0 }, states: [None; 64], steps: [None; 64] }
    }

    /// Records the bits of a state, or of the step at place `action` among its actions. Called in the order of the
    /// states.
    pub(in crate::engine) fn note(&mut self, index: u32, action: Option<u16>, bits: u64) {
        let mut new = match action {
            None => self.discovered.in_state(bits),
            Some(_) => self.discovered.in_step(bits),
        };
        while new != 0 {
            let bit = new.trailing_zeros() as usize;
            match action {
                None => self.states[bit] = Some(index),
                Some(place) => self.steps[bit] = Some((index, place)),
            }
            new &= new - 1;
        }
    }

    /// The first place of a bit: a state, or a state and the place of a step. A step comes before the state that it
    /// leads to.
    pub(in crate::engine) fn first<M: Spec>(
        &self,
        model: &M,
        trail: &Trail<'_, M::Packed>,
        bit: usize,
    ) -> Option<(u32, Option<u16>)> {
        match (self.states[bit], self.steps[bit]) {
            (Some(state), Some(step)) if trail.came_by(model, state).is_none_or(|came_by| came_by < step) => {
                Some((state, None))
            }
            (_, Some((state, place))) => Some((state, Some(place))),
            (state, None) => Some((state?, None)),
        }
    }
}
