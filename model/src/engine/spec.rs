//! The trait [`Spec`]: what a model adds to [`stateright::Model`] so that it can be searched exactly and fast.

use stateright::Model;

/// A model whose states can be packed into one or a few machine words.
///
/// An implementation keeps two laws, which [`laws`](crate::engine::laws) checks on given states:
/// * `unpack(pack(s)) == s`, and `pack(s) != Packed::EMPTY`;
/// * `canonical(canonical(s)) == canonical(s)`, and all states of an orbit have the same canonical form.
pub trait Spec: Model<State: Clone + Eq, Action: Copy + Eq> + Sync {
    /// The packed form of a state.
    type Packed: Word;

    /// Packs a state, without loss.
    fn pack(&self, state: &Self::State) -> Self::Packed;

    /// Unpacks a state.
    fn unpack(&self, packed: Self::Packed) -> Self::State;

    /// Takes a step. Returns whether the step exists; if so, `next` is the state that [`Model::next_state`] returns.
    /// The former content of `next` does not matter. A model with large states can avoid copies here.
    #[inline]
    fn step(&self, state: &Self::State, action: Self::Action, next: &mut Self::State) -> bool {
        match self.next_state(state, action) {
            Some(after) => {
                *next = after;
                true
            }
            None => false,
        }
    }

    /// Takes a step and packs the result: [`Spec::step`] followed by [`Spec::pack`], or `None` if there is no such step
    /// or it leaves the boundary. `packed` is the packed form of `state`, so that a model need not pack again what the
    /// step left unchanged.
    #[inline]
    fn step_packed(
        &self,
        state: &Self::State,
        _packed: Self::Packed,
        action: Self::Action,
        next: &mut Self::State,
    ) -> Option<Self::Packed> {
        (self.step(state, action, next) && self.within_boundary(next)).then(|| self.pack(next))
    }

    /// Unpacks a state, as [`Spec::unpack`] does, into a place that holds another one, whose packed form is `old`: a
    /// model can leave alone what both have in common. Consecutive states of a search have much in common.
    #[inline]
    fn unpack_over(&self, packed: Self::Packed, _old: Self::Packed, state: &mut Self::State) {
        *state = self.unpack(packed);
    }

    /// The canonical form: the one state that represents all that behave like `state`. They differ from it by a
    /// permutation of like parts, such as nodes, or in dead variables (values that nobody will read again). Exploring
    /// only canonical forms loses nothing if they keep the laws [`symmetry`](crate::engine::laws::symmetry) or
    /// [`representatives`](crate::engine::laws::representatives).
    fn canonical(&self, state: &Self::State) -> Self::State {
        state.clone()
    }

    /// The fairness of an action. Only liveness depends on it.
    fn fairness(&self, _action: &Self::Action) -> Fairness {
        Fairness::None
    }
}

/// A fairness assumption: how long an action can be put off.
///
/// Actions with the same class number count as one action: taking any of them satisfies the assumption.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fairness {
    /// No assumption: the action may be put off for ever.
    None,
    /// Weak fairness: the action is not put off for ever while it is possible all the time.
    Weak(u8),
    /// Strong fairness: the action is not put off for ever while it is possible again and again.
    Strong(u8),
}

/// A packed state: a fixed number of bits that can be compared, hashed and written to a file.
pub trait Word: Copy + Eq + std::hash::Hash + Send + Sync + 'static {
    /// A value that no state packs to.
    const EMPTY: Self;

    /// The length of the written form in bytes.
    const BYTES: usize = size_of::<Self>();

    /// A hash: spreads the value over 64 bits.
    fn spread(self) -> u64;

    /// Equality. `==` on arrays calls a function of the C library, which takes longer than comparing a few words.
    #[inline]
    fn same(self, other: Self) -> bool {
        self == other
    }

    /// Writes the value into [`Word::BYTES`] bytes.
    fn write(self, bytes: &mut [u8]);

    /// Reads a value that [`Word::write`] has written.
    fn read(bytes: &[u8]) -> Self;
}

/// Multiplies to 128 bits and folds the product, so that each bit of the input reaches each bit of the output.
fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one ^ 0x9E37_79B9_7F4A_7C15) * u128::from(other ^ 0xD1B5_4A32_D192_ED03);
    (product as u64) ^ (product >> 64) as u64
}

macro_rules! word {
    ($integer:ty, $value:ident => $spread:expr) => {
        impl Word for $integer {
            const EMPTY: Self = <$integer>::MAX;

            #[inline]
            fn spread(self) -> u64 {
                let $value = self;
                $spread
            }

            #[inline]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                <$integer>::from_le_bytes(bytes.try_into().expect("as many bytes as were written"))
            }
        }
    };
}

word!(u32, value => fold(value.into(), 0x2545_F491_4F6C_DD1D));
word!(u64, value => fold(value, 0x2545_F491_4F6C_DD1D));
word!(u128, value => fold(fold(value as u64, 0x2545_F491_4F6C_DD1D), (value >> 64) as u64));

impl<const N: usize> Word for [u64; N] {
    const EMPTY: Self = [u64::MAX; N];

    /// Takes two words at a time and each pair by itself, so that the processor need not wait for one product before it
    /// begins the next.
    #[inline]
    fn spread(self) -> u64 {
        let pair = |place: usize| {
            let other = if place + 1 < N { self[place + 1] } else { 0 };
            fold(self[place].wrapping_add(0x2545_F491_4F6C_DD1D << place), other)
        };
        fold((0..N).step_by(2).fold(0, |mixed: u64, place| mixed.rotate_left(23) ^ pair(place)), 0x2545_F491_4F6C_DD1D)
    }

    #[inline]
    fn same(self, other: Self) -> bool {
        self.into_iter().zip(other).fold(0, |difference, (one, other)| difference | one ^ other) == 0
    }

    #[inline]
    fn write(self, bytes: &mut [u8]) {
        for (word, place) in self.into_iter().zip(bytes.chunks_exact_mut(u64::BYTES)) {
            word.write(place);
        }
    }

    #[inline]
    fn read(bytes: &[u8]) -> Self {
        std::array::from_fn(|place| u64::read(&bytes[place * u64::BYTES..][..u64::BYTES]))
    }
}
