//! What a search found, and where first.

use crate::engine::path::Trail;
use crate::engine::spec::Spec;

/// Bits that were found already. A state is looked at when it is expanded, later than the step by which it was found: what was seen in a
/// step may have been there earlier in a state.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Seen {
    states: u64,
    steps: u64,
}

impl Seen {
    /// What is new in a state.
    #[inline]
    pub(in crate::engine) fn in_state(&mut self, bits: u64) -> u64 {
        let new = bits & !self.states;
        self.states |= bits;
        new
    }

    /// What is new in a step. A state that was expanded before has been found before.
    #[inline]
    pub(in crate::engine) fn in_step(&mut self, bits: u64) -> u64 {
        let new = bits & !(self.states | self.steps);
        self.steps |= bits;
        new
    }
}

/// For each bit the first state that shows it, and the first action of a state.
pub(in crate::engine) struct Found {
    pub(in crate::engine) seen: Seen,
    states: [Option<u32>; 64],
    steps: [Option<(u32, u16)>; 64],
}

impl Found {
    pub(in crate::engine) fn new() -> Self {
        Found { seen: Seen { states: 0, steps: 0 }, states: [None; 64], steps: [None; 64] }
    }

    /// Takes note of what was found, in the order of the states.
    pub(in crate::engine) fn note(&mut self, index: u32, action: Option<u16>, bits: u64) {
        let mut new = match action {
            None => self.seen.in_state(bits),
            Some(_) => self.seen.in_step(bits),
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

    /// Where a bit was found first: in a state, or in an action of a state. A step comes before the state that it leads to.
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
