//! A model: two-phase commit (Gray and Lamport, "Consensus on Transaction Commit", 2006, section 4). It has the actions
//! of the TLA+ specification `TwoPhase.tla`, twice: as an idiomatic stateright model, and with the state in one machine
//! word.

use pghaspec_model::engine::Spec;
use stateright::{Model, Property};
use std::collections::BTreeSet;

/// An action; resource managers are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    TmRcvPrepared(u8),
    TmCommit,
    TmAbort,
    RmPrepare(u8),
    RmChooseToAbort(u8),
    RmRcvCommitMsg(u8),
    RmRcvAbortMsg(u8),
}

/// A resource manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rm {
    Working,
    Prepared,
    Committed,
    Aborted,
}

/// The transaction manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tm {
    Init,
    Committed,
    Aborted,
}

/// A message that was sent; messages are never lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    Prepared(u8),
    Commit,
    Abort,
}

/// The state of the idiomatic model.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub rm: Vec<Rm>,
    pub tm: Tm,
    pub tm_prepared: Vec<bool>,
    pub messages: BTreeSet<Message>,
}

/// The idiomatic model with a number of resource managers.
#[derive(Clone, Debug)]
pub struct Idiomatic(pub u8);

fn consistent(rms: impl Iterator<Item = Rm> + Clone) -> bool {
    !(rms.clone().any(|rm| rm == Rm::Aborted) && rms.clone().any(|rm| rm == Rm::Committed))
}

impl Model for Idiomatic {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let n = usize::from(self.0);
        vec![State { rm: vec![Rm::Working; n], tm: Tm::Init, tm_prepared: vec![false; n], messages: BTreeSet::new() }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.tm == Tm::Init && state.tm_prepared.iter().all(|prepared| *prepared) {
            actions.push(Action::TmCommit);
        }
        if state.tm == Tm::Init {
            actions.push(Action::TmAbort);
        }
        for rm in 0..self.0 {
            let index = usize::from(rm);
            if state.tm == Tm::Init && state.messages.contains(&Message::Prepared(rm)) {
                actions.push(Action::TmRcvPrepared(rm));
            }
            if state.rm[index] == Rm::Working {
                actions.push(Action::RmPrepare(rm));
                actions.push(Action::RmChooseToAbort(rm));
            }
            if state.messages.contains(&Message::Commit) {
                actions.push(Action::RmRcvCommitMsg(rm));
            }
            if state.messages.contains(&Message::Abort) {
                actions.push(Action::RmRcvAbortMsg(rm));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::TmRcvPrepared(rm) => next.tm_prepared[usize::from(rm)] = true,
            Action::TmCommit => {
                next.tm = Tm::Committed;
                next.messages.insert(Message::Commit);
            }
            Action::TmAbort => {
                next.tm = Tm::Aborted;
                next.messages.insert(Message::Abort);
            }
            Action::RmPrepare(rm) => {
                next.rm[usize::from(rm)] = Rm::Prepared;
                next.messages.insert(Message::Prepared(rm));
            }
            Action::RmChooseToAbort(rm) | Action::RmRcvAbortMsg(rm) => next.rm[usize::from(rm)] = Rm::Aborted,
            Action::RmRcvCommitMsg(rm) => next.rm[usize::from(rm)] = Rm::Committed,
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("consistent", |_, state: &State| consistent(state.rm.iter().copied()))]
    }
}

/// The state in one word. Each resource manager has four bits: two for its state, one for "the transaction manager
/// knows that it is prepared", one for its message. Above them: two bits for the transaction manager, one each for its
/// two messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits(pub u64);

const KNOWN: u64 = 0b0100;
const SENT: u64 = 0b1000;

impl Bits {
    #[inline]
    fn rm(self, rm: u8) -> u64 {
        self.0 >> (4 * rm) & 0b11
    }

    #[inline]
    fn with_rm(self, rm: u8, state: Rm) -> Bits {
        Bits(self.0 & !(0b11 << (4 * rm)) | (state as u64) << (4 * rm))
    }
}

/// The model with the state in one word.
#[derive(Clone, Debug)]
pub struct Packed(pub u8);

impl Packed {
    #[inline]
    fn tm_shift(&self) -> u32 {
        4 * u32::from(self.0)
    }

    /// `bit` for every resource manager.
    #[inline]
    fn all(&self, bit: u64) -> u64 {
        (0x1111_1111_1111_1111 * bit) & ((1 << self.tm_shift()) - 1)
    }

    fn has_commit(&self) -> u64 {
        1 << (self.tm_shift() + 2)
    }

    fn has_abort(&self) -> u64 {
        1 << (self.tm_shift() + 3)
    }

    /// The same state in the idiomatic form.
    pub fn spell(&self, word: Bits) -> State {
        let rms = 0..self.0;
        let tm = match word.0 >> self.tm_shift() & 0b11 {
            0 => Tm::Init,
            1 => Tm::Committed,
            _ => Tm::Aborted,
        };
        let mut messages: BTreeSet<Message> =
            rms.clone().filter(|rm| word.0 >> (4 * rm) & SENT != 0).map(Message::Prepared).collect();
        messages.extend((word.0 & self.has_commit() != 0).then_some(Message::Commit));
        messages.extend((word.0 & self.has_abort() != 0).then_some(Message::Abort));
        State {
            rm: rms
                .clone()
                .map(|rm| [Rm::Working, Rm::Prepared, Rm::Committed, Rm::Aborted][word.rm(rm) as usize])
                .collect(),
            tm,
            tm_prepared: rms.map(|rm| word.0 >> (4 * rm) & KNOWN != 0).collect(),
            messages,
        }
    }
}

impl Model for Packed {
    type State = Bits;
    type Action = Action;

    fn init_states(&self) -> Vec<Bits> {
        vec![Bits(0)]
    }

    #[inline]
    fn actions(&self, state: &Bits, actions: &mut Vec<Action>) {
        let init = state.0 >> self.tm_shift() & 0b11 == 0;
        if init {
            if state.0 & self.all(KNOWN) == self.all(KNOWN) {
                actions.push(Action::TmCommit);
            }
            actions.push(Action::TmAbort);
        }
        let (commit, abort) = (state.0 & self.has_commit() != 0, state.0 & self.has_abort() != 0);
        for rm in 0..self.0 {
            if init && state.0 >> (4 * rm) & SENT != 0 {
                actions.push(Action::TmRcvPrepared(rm));
            }
            if state.rm(rm) == Rm::Working as u64 {
                actions.push(Action::RmPrepare(rm));
                actions.push(Action::RmChooseToAbort(rm));
            }
            if commit {
                actions.push(Action::RmRcvCommitMsg(rm));
            }
            if abort {
                actions.push(Action::RmRcvAbortMsg(rm));
            }
        }
    }

    #[inline]
    fn next_state(&self, state: &Bits, action: Action) -> Option<Bits> {
        Some(match action {
            Action::TmRcvPrepared(rm) => Bits(state.0 | KNOWN << (4 * rm)),
            Action::TmCommit => Bits(state.0 | 1 << self.tm_shift() | self.has_commit()),
            Action::TmAbort => Bits(state.0 | 2 << self.tm_shift() | self.has_abort()),
            Action::RmPrepare(rm) => Bits(state.with_rm(rm, Rm::Prepared).0 | SENT << (4 * rm)),
            Action::RmChooseToAbort(rm) | Action::RmRcvAbortMsg(rm) => state.with_rm(rm, Rm::Aborted),
            Action::RmRcvCommitMsg(rm) => state.with_rm(rm, Rm::Committed),
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("consistent", |model: &Packed, state: &Bits| model.consistent(*state))]
    }
}

impl Packed {
    /// True if no resource manager has committed while another one has aborted.
    #[inline]
    pub fn consistent(&self, state: Bits) -> bool {
        let (low, high) = (state.0 & self.all(1), state.0 >> 1 & self.all(1));
        let (committed, aborted) = (high & !low, high & low);
        committed == 0 || aborted == 0
    }
}

impl Spec for Packed {
    type Packed = u64;

    #[inline]
    fn pack(&self, state: &Bits) -> u64 {
        state.0
    }

    #[inline]
    fn unpack(&self, packed: u64) -> Bits {
        Bits(packed)
    }

    /// Resource managers in increasing order of their four bits.
    fn canonical(&self, state: &Bits) -> Bits {
        let mut nibbles = [0_u64; 16];
        let nibbles = &mut nibbles[..usize::from(self.0)];
        for (rm, nibble) in nibbles.iter_mut().enumerate() {
            *nibble = state.0 >> (4 * rm) & 0b1111;
        }
        nibbles.sort_unstable();
        let rms = nibbles.iter().enumerate().fold(0, |word, (rm, nibble)| word | nibble << (4 * rm));
        Bits(state.0 & !((1 << self.tm_shift()) - 1) | rms)
    }
}
