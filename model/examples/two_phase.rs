//! Two-phase commit under the engine: how to check a model of your own.
//!
//! Write a [`stateright::Model`], then implement [`Spec`] for it: a state packed into a machine word, and the fairness
//! of each action. [`search`] visits every state and finds a shortest way to what [`Inspect`] looks for (safety),
//! [`Liveness`] finds a behaviour without end that breaks a promise, and [`second_opinion`] has stateright's checker
//! count as well.
//!
//! Each resource manager prepares or gives up. The transaction manager commits once all are prepared, or aborts; then
//! each resource manager learns the decision. Two variants break this: a hasty transaction manager commits as soon as
//! one is prepared, and one that may crash leaves the prepared ones waiting for ever.
//!
//! ```text
//! cargo run --release -p pghaspec-model --example two_phase
//! ```

use pghaspec_model::engine::{Exploration, Fairness, Graph, Inspect, Lasso, Liveness, Options, Spec};
use pghaspec_model::engine::{search, second_opinion};
use stateright::{Model, Property};

/// The model: the protocol as it should be, and the two variants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Right,
    Hasty,
    MayCrash,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Phase {
    Working,
    Prepared,
    Committed,
    Aborted,
    Crashed,
}
use Phase::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct State {
    transaction: Phase,
    resources: [Phase; 3],
}

impl State {
    fn any(&self, phase: Phase) -> bool {
        self.resources.contains(&phase)
    }

    fn is_consistent(&self) -> bool {
        !(self.any(Committed) && self.any(Aborted))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Decide(Phase),
    Prepare(usize),
    GiveUp(usize),
    /// A prepared resource manager asks for the decision, which changes nothing.
    Ask(usize),
    Learn(usize),
}

/// First, what can happen: the model as stateright knows it.
impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State { transaction: Working, resources: [Working; 3] }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let all_prepared = state.resources == [Prepared; 3] || *self == Protocol::Hasty && state.any(Prepared);
        if state.transaction == Working {
            actions.extend(all_prepared.then_some(Action::Decide(Committed)));
            actions.push(Action::Decide(Aborted));
            actions.extend((*self == Protocol::MayCrash).then_some(Action::Decide(Crashed)));
        }
        for (id, phase) in state.resources.into_iter().enumerate() {
            match phase {
                Working => actions.extend([Action::Prepare(id), Action::GiveUp(id)]),
                Prepared => actions.push(Action::Ask(id)),
                _ => continue,
            }
            if matches!(state.transaction, Committed | Aborted) {
                actions.push(Action::Learn(id));
            }
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = *state;
        match action {
            Action::Decide(decision) => next.transaction = decision,
            Action::Prepare(id) => next.resources[id] = Prepared,
            Action::GiveUp(id) => next.resources[id] = Aborted,
            Action::Ask(_) => {}
            Action::Learn(id) => next.resources[id] = state.transaction,
        }
        Some(next)
    }

    /// For stateright alone, which counts every state only if one of the properties holds everywhere: the second one
    /// does.
    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("consistent", |_, state: &State| state.is_consistent()),
            Property::always("resources stay up", |_, state: &State| !state.any(Crashed)),
        ]
    }
}

const PHASES: [Phase; 5] = [Working, Prepared, Committed, Aborted, Crashed];

/// Second, what the engine needs: packed states and fairness.
impl Spec for Protocol {
    type Packed = u32;

    /// Four bits for each phase, the transaction manager's lowest.
    fn pack(&self, state: &State) -> u32 {
        state.resources.iter().fold(0, |word, phase| (word | *phase as u32) << 4) | state.transaction as u32
    }

    fn unpack(&self, word: u32) -> State {
        let phase = |place: usize| PHASES[(word >> (4 * place) & 0xf) as usize];
        State { transaction: phase(0), resources: [phase(3), phase(2), phase(1)] }
    }

    /// A decision is not put off for ever, nor is learning it, for each resource manager by itself (weak fairness).
    /// Without this, asking again and again would break the promise.
    fn fairness(&self, action: &Action) -> Fairness {
        match *action {
            Action::Decide(Committed | Aborted) => Fairness::Weak(0),
            Action::Learn(id) => Fairness::Weak(1 + id as u8),
            _ => Fairness::None,
        }
    }
}

/// Third, what is looked for: one finding, bit 0, to which the search keeps a shortest path.
struct Inconsistent;

impl Inspect<Protocol> for Inconsistent {
    fn state(&self, _: &Protocol, state: &State) -> u64 {
        u64::from(!state.is_consistent())
    }
}

/// Explores every behaviour. The lasso is one in which somebody is prepared and never learns the decision.
///
/// # Panics
/// If stateright counts other states or steps, or sees another verdict. What it calls generated are steps and initial
/// states.
fn check(protocol: Protocol) -> (Exploration<State, Action>, Option<Lasso<State, Action>>) {
    let explored = search(&protocol, Options::default(), &Inconsistent);
    let second = second_opinion(protocol);
    assert_eq!((explored.states, explored.transitions + 1), (second.states, second.generated));
    assert_eq!(explored.found[0].is_some(), second.violated.contains(&"consistent"));
    let graph = Graph::of(&protocol);
    let blocked = Liveness::new(&graph).leads_to(|_, state| state.any(Prepared), |_, state| !state.any(Prepared));
    (explored, blocked)
}

fn main() {
    let list =
        |steps: &[(Action, State)]| steps.iter().map(|(action, _)| format!("\n    {action:?}")).collect::<String>();
    for protocol in [Protocol::Right, Protocol::Hasty, Protocol::MayCrash] {
        let (explored, blocked) = check(protocol);
        println!("{protocol:?}: {} states and {} steps, as stateright counts", explored.states, explored.transitions);
        match &explored.found[0] {
            None => println!("  nobody commits while another aborts: holds"),
            Some(path) => println!("  nobody commits while another aborts: BROKEN by{}", list(&path.steps)),
        }
        match &blocked {
            None => println!("  who is prepared learns the decision: holds"),
            Some(lasso) => {
                println!("  who is prepared learns the decision: BROKEN by{}", list(&lasso.prefix.steps));
                println!("   and then for ever{}", list(&lasso.cycle));
            }
        }
    }
}

#[test]
fn each_variant_breaks_what_it_should() {
    let (explored, blocked) = check(Protocol::Right);
    assert!((explored.states, explored.transitions) == (62, 268) && explored.found[0].is_none() && blocked.is_none());
    let (explored, blocked) = check(Protocol::Hasty);
    let path = explored.found[0].as_ref().expect("a hasty commit is inconsistent");
    assert!(path.steps.len() == 4 && !path.last().is_consistent() && blocked.is_none(), "{path:?}");
    let (explored, blocked) = check(Protocol::MayCrash);
    let lasso = blocked.expect("a crash blocks whoever is prepared");
    assert!(explored.found[0].is_none() && lasso.shortest, "{lasso:?}");
    assert_eq!((lasso.prefix.steps.len(), lasso.cycle.len()), (2, 1), "{lasso:?}");
}

/// The engine trusts `pack` and `unpack`; this shows that it may.
#[test]
fn states_are_packed_whole() {
    let graph = Graph::of(&Protocol::MayCrash);
    let states = (0..graph.states() as u32).map(|number| graph.state(number));
    pghaspec_model::engine::laws::packing(&Protocol::MayCrash, states).unwrap();
}
