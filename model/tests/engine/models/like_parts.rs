//! Models with like parts that change by the same rules: for random models with symmetry, and for flaws in packing and
//! in canonical forms.

use pghaspec_model::engine::Spec;
use stateright::{Model, Property};

/// The states of all parts; unused ones are 0.
pub type Parts = [u8; 4];

/// A rule: a part may go from one state to another, if a number of other parts are in some state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    pub from: u8,
    pub to: u8,
    /// That state, and the least number of other parts in it.
    pub others: (u8, usize),
}

/// A flaw of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    /// State 3 is packed as 2.
    PacksTwoAlike,
    /// All parts in state 3 are packed as `Word::EMPTY`.
    PacksToEmpty,
    /// The same, but that state is out of bounds, so this is no flaw.
    EmptyIsOutside,
    /// Only the first part is out of bounds in state 3.
    FirstIsBound,
    /// The canonical form is the state itself.
    NotCanonical,
    /// The canonical form is that of another orbit.
    Merges,
    /// The canonical form is in the orbit, but is not its own canonical form.
    Wanders,
    /// The first part follows no rules.
    FirstStandsStill,
    /// A step keeps the former content of the target for all other parts.
    StepKeepsOthers,
    /// A step returns that it does not exist.
    StepIsDenied,
    /// A step into state 3 is packed as if it had not happened.
    StepIsNotWritten,
    /// A step that is packed at once leaves the target unchanged.
    StepIsOnlyWritten,
    /// Unpacking over another state leaves the first part unchanged.
    ReadsAllButFirst,
    /// A packed step does not check the boundary.
    PacksWhatIsOutside,
}

/// A number of parts, at most 4, each in one of four states and initially in state 0.
#[derive(Clone, Debug)]
pub struct LikeParts {
    pub parts: usize,
    pub rules: Vec<Rule>,
    pub flaw: Flaw,
}

/// An action: a part follows a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Follow {
    pub part: u8,
    pub rule: u8,
}

impl LikeParts {
    /// All states that differ from this one by a permutation of the parts.
    pub fn permutations(&self, state: &Parts) -> Vec<Parts> {
        fn arrange(rest: &[u8], so_far: &mut Vec<u8>, all: &mut Vec<Parts>) {
            if rest.is_empty() {
                let mut parts = [0; 4];
                parts[..so_far.len()].copy_from_slice(so_far);
                all.push(parts);
            }
            for (place, part) in rest.iter().enumerate() {
                so_far.push(*part);
                arrange(&[&rest[..place], &rest[place + 1..]].concat(), so_far, all);
                so_far.pop();
            }
        }
        let mut all = Vec::new();
        arrange(&state[..self.parts], &mut Vec::new(), &mut all);
        all
    }

    /// All parts are in state 3.
    pub fn all_in_3(&self, state: &Parts) -> bool {
        state[..self.parts].iter().all(|part| *part == 3)
    }
}

impl Model for LikeParts {
    type State = Parts;
    type Action = Follow;

    fn init_states(&self) -> Vec<Parts> {
        vec![[0; 4]]
    }

    fn actions(&self, state: &Parts, actions: &mut Vec<Follow>) {
        let first = usize::from(self.flaw == Flaw::FirstStandsStill);
        for part in first..self.parts {
            for (place, rule) in self.rules.iter().enumerate() {
                let (wanted, least) = rule.others;
                let others = (0..self.parts).filter(|&other| other != part && state[other] == wanted).count();
                if state[part] == rule.from && others >= least {
                    actions.push(Follow { part: part as u8, rule: place as u8 });
                }
            }
        }
    }

    fn next_state(&self, state: &Parts, action: Follow) -> Option<Parts> {
        let mut next = *state;
        next[usize::from(action.part)] = self.rules[usize::from(action.rule)].to;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("a state is one of four", |_, state: &Parts| state.iter().all(|part| *part < 4))]
    }

    fn within_boundary(&self, state: &Parts) -> bool {
        match self.flaw {
            Flaw::EmptyIsOutside | Flaw::PacksWhatIsOutside => !self.all_in_3(state),
            Flaw::FirstIsBound => state[0] != 3,
            _ => true,
        }
    }
}

impl Spec for LikeParts {
    type Packed = u64;

    fn pack(&self, state: &Parts) -> u64 {
        match self.flaw {
            Flaw::PacksToEmpty | Flaw::EmptyIsOutside if self.all_in_3(state) => u64::MAX,
            Flaw::PacksTwoAlike => pack(&state.map(|part| part.min(2))),
            _ => pack(state),
        }
    }

    fn unpack(&self, packed: u64) -> Parts {
        [0, 2, 4, 6].map(|low| (packed >> low & 0b11) as u8)
    }

    fn step(&self, state: &Parts, action: Follow, next: &mut Parts) -> bool {
        let after = self.next_state(state, action).expect("a rule can be followed");
        match self.flaw {
            Flaw::StepKeepsOthers => next[usize::from(action.part)] = after[usize::from(action.part)],
            _ => *next = after,
        }
        self.flaw != Flaw::StepIsDenied
    }

    fn step_packed(&self, state: &Parts, packed: u64, action: Follow, next: &mut Parts) -> Option<u64> {
        let before = *next;
        let steps = self.step(state, action, next);
        let written = match self.flaw {
            Flaw::StepIsNotWritten if next[usize::from(action.part)] == 3 => packed,
            _ => self.pack(next),
        };
        let within = self.flaw == Flaw::PacksWhatIsOutside || self.within_boundary(next);
        if self.flaw == Flaw::StepIsOnlyWritten {
            *next = before;
        }
        (steps && within).then_some(written)
    }

    fn unpack_over(&self, packed: u64, _: u64, state: &mut Parts) {
        let [first, rest @ ..] = self.unpack(packed);
        state[1..].copy_from_slice(&rest);
        if self.flaw != Flaw::ReadsAllButFirst {
            state[0] = first;
        }
    }

    fn canonical(&self, state: &Parts) -> Parts {
        let mut canonical = *state;
        let parts = &mut canonical[..self.parts];
        match self.flaw {
            Flaw::NotCanonical => {}
            Flaw::Wanders => parts.rotate_left(1),
            Flaw::Merges => parts.fill(state[..self.parts].iter().copied().max().unwrap_or(0)),
            _ => parts.sort_unstable(),
        }
        canonical
    }
}

fn pack(state: &Parts) -> u64 {
    state.iter().rev().fold(0, |word, part| word << 2 | u64::from(*part))
}
