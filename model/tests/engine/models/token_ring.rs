//! A model: stations in a ring that pass a token, which only its holder may use. Each station gets its turn only by
//! fairness.

use pghaspec_model::engine::{Fairness, Spec};
use stateright::{Model, Property};

/// An action; stations are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The station would like to use the token.
    Want(u8),
    /// The station has the token and uses it.
    Use(u8),
    /// The token goes on to the next station.
    Pass,
}

/// The place of the token, and the stations that want it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The station with the token.
    pub token: u8,
    /// A bit for each station that wants the token.
    pub want: u8,
}

impl State {
    /// True if the station wants the token.
    pub fn wants(self, station: u8) -> bool {
        self.want >> station & 1 == 1
    }
}

/// A kind of fairness, for a class of its own.
pub type Kind = fn(u8) -> Fairness;

/// A ring with up to 8 stations: `n * 2^n` states.
#[derive(Clone, Copy, Debug)]
pub struct TokenRing {
    /// The number of stations.
    pub stations: u8,
    /// The fairness of passing.
    pub pass: Kind,
    /// The fairness of using; each station is a class of its own.
    pub take: Kind,
}

impl Model for TokenRing {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { token: 0, want: 0 }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        actions.extend((0..self.stations).filter(|&station| !state.wants(station)).map(Action::Want));
        if state.wants(state.token) {
            actions.push(Action::Use(state.token));
        }
        actions.push(Action::Pass);
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let State { token, want } = *state;
        Some(match action {
            Action::Want(station) => State { token, want: want | 1 << station },
            Action::Use(station) => State { token, want: want & !(1 << station) },
            Action::Pass => State { token: (token + 1) % self.stations, want },
        })
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("the token is somewhere", |ring, state: &State| state.token < ring.stations)]
    }
}

impl Spec for TokenRing {
    type Packed = u64;

    fn pack(&self, state: &State) -> u64 {
        u64::from(state.token) << 8 | u64::from(state.want)
    }

    fn unpack(&self, packed: u64) -> State {
        State { token: (packed >> 8) as u8, want: packed as u8 }
    }

    /// The ring turned until the token is at station 0.
    fn canonical(&self, state: &State) -> State {
        let (n, low) = (u32::from(self.stations), u32::from(state.token));
        let want = u32::from(state.want);
        State { token: 0, want: ((want >> low | want << (n - low)) & ((1 << n) - 1)) as u8 }
    }

    fn fairness(&self, action: &Action) -> Fairness {
        match *action {
            Action::Want(_) => Fairness::None,
            Action::Use(station) => (self.take)(station),
            Action::Pass => (self.pass)(u8::MAX),
        }
    }
}
