//! A model: a lock that is lent for a time. The one of two clients that holds it works, and must renew the loan before
//! it runs out.
//!
//! A client is idle, works, or is down. It takes the lock when it is free and starts to work, renews, and gives it
//! back. It may crash and come up again idle; its loan continues meanwhile. With each tick the loan has one tick less
//! left; with the last one the lock is free. A client that keeps count lets no more than a given number of ticks pass
//! between two renewals. A client that does not continues to work when its loan has run out, and so, at last, two
//! clients work.

use pghaspec_model::engine::Spec;
use stateright::{Model, Property};

/// An action; clients are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    Take(u8),
    Renew(u8),
    GiveBack(u8),
    Crash(u8),
    Restart(u8),
    Tick,
}

/// A client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Client {
    Idle,
    Working,
    Down,
}

/// The clients, and the loan: its client, and the number of ticks left, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub clients: [Client; 2],
    pub loan: Option<(u8, u8)>,
}

impl State {
    /// True if the client works and the lock is lent to it.
    fn works_rightly(&self, client: u8) -> bool {
        self.clients[usize::from(client)] == Client::Working && self.loan.is_some_and(|(to, _)| to == client)
    }

    /// True if some client works on a loan that is no longer whole, or on none.
    pub fn runs_down(&self, lease: &Lease) -> bool {
        (0..2).any(|client| {
            self.clients[usize::from(client)] == Client::Working && self.loan != Some((client, lease.ticks))
        })
    }

    /// Both work.
    pub fn both_work(&self) -> bool {
        self.clients == [Client::Working; 2]
    }
}

/// The lock.
#[derive(Clone, Copy, Debug)]
pub struct Lease {
    /// The length of a loan in ticks, at most 7.
    pub ticks: u8,
    /// The number of ticks that a working client lets pass before it renews, if it keeps count.
    pub renewed_within: Option<u8>,
}

impl Model for Lease {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { clients: [Client::Idle; 2], loan: None }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for client in 0..2 {
            match state.clients[usize::from(client)] {
                Client::Idle if state.loan.is_none() => actions.push(Action::Take(client)),
                Client::Working if state.works_rightly(client) => {
                    actions.extend([Action::Renew(client), Action::GiveBack(client)]);
                }
                _ => {}
            }
            let down = state.clients[usize::from(client)] == Client::Down;
            actions.push(if down { Action::Restart(client) } else { Action::Crash(client) });
        }
        let due = state.loan.is_some_and(|(client, left)| {
            state.works_rightly(client) && self.renewed_within.is_some_and(|most| self.ticks - left >= most)
        });
        if !due {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        let mut set = |client: u8, to: Client| next.clients[usize::from(client)] = to;
        match action {
            Action::Take(client) => {
                set(client, Client::Working);
                next.loan = Some((client, self.ticks));
            }
            Action::Renew(client) => next.loan = Some((client, self.ticks)),
            Action::GiveBack(client) => {
                set(client, Client::Idle);
                next.loan = None;
            }
            Action::Crash(client) => set(client, Client::Down),
            Action::Restart(client) => set(client, Client::Idle),
            Action::Tick => next.loan = state.loan.map(|(to, left)| (to, left - 1)).filter(|(_, left)| *left > 0),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        // The second property always holds: stateright does not expand states in which all properties are violated.
        vec![
            Property::always("one works", |_, state: &State| !state.both_work()),
            Property::always("no loan is longer than agreed", |lease: &Lease, state: &State| {
                state.loan.is_none_or(|(_, left)| left <= lease.ticks)
            }),
        ]
    }
}

impl Spec for Lease {
    type Packed = u64;

    /// Two bits for each client, one for the borrower, three for the ticks left.
    fn pack(&self, state: &State) -> u64 {
        let [one, other] = state.clients.map(|client| client as u64);
        let (to, left) = state.loan.unwrap_or_default();
        one | other << 2 | u64::from(to) << 4 | u64::from(left) << 5
    }

    fn unpack(&self, packed: u64) -> State {
        let client = |bits: u64| [Client::Idle, Client::Working, Client::Down][(bits & 0b11) as usize];
        let (to, left) = ((packed >> 4 & 1) as u8, (packed >> 5) as u8);
        State { clients: [client(packed), client(packed >> 2)], loan: (left > 0).then_some((to, left)) }
    }

    /// The lesser of the state and the one with the clients exchanged.
    fn canonical(&self, state: &State) -> State {
        (*state).min(exchanged(state))
    }
}

/// The state with the clients exchanged.
pub fn exchanged(state: &State) -> State {
    let [one, other] = state.clients;
    State { clients: [other, one], loan: state.loan.map(|(to, left)| (1 - to, left)) }
}
