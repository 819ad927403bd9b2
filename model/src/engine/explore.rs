//! Exact breadth-first search.

use std::hash::Hash;

use indexmap::IndexSet;
use rustc_hash::FxBuildHasher;
use stateright::Model;

/// What an exploration found.
#[derive(Clone, Debug)]
pub struct Exploration<S, A> {
    /// Distinct states.
    pub states: usize,
    /// Steps between them, initial states not counted.
    pub transitions: usize,
    /// Steps on the longest of the shortest paths from an initial state.
    pub depth: usize,
    /// States in which nothing can happen.
    pub deadlocks: usize,
    /// Bytes held for each state at the end of the search: the state, its place in the index, its parent.
    pub bytes_per_state: usize,
    /// For each bit that `inspect` raised, a shortest path to where it was first raised.
    pub found: Vec<Option<Path<S, A>>>,
}

/// A behaviour: an initial state and the steps from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path<S, A> {
    /// Where it begins.
    pub init: S,
    /// Each step and the state that it leads to.
    pub steps: Vec<(A, S)>,
}

/// Explores all states of `model`. `inspect` sees every initial state and every step and returns a bit set of findings;
/// for each of the `findings` lowest bits a shortest path to its first occurrence is kept.
pub fn explore<M>(
    model: &M,
    findings: usize,
    mut inspect: impl FnMut(Option<(&M::State, M::Action)>, &M::State) -> u64,
) -> Exploration<M::State, M::Action>
where
    M: Model,
    M::State: Clone + Eq + Hash,
    M::Action: Copy,
{
    assert!(findings <= 64, "at most 64 findings fit into one bit set");
    let mut known: IndexSet<M::State, FxBuildHasher> = IndexSet::default();
    // Parent of each state; an initial state is its own parent.
    let mut parents: Vec<u32> = Vec::new();
    let mut found: Vec<Option<(u32, Option<M::Action>)>> = vec![None; findings];
    let mut note = |bits: u64, from: u32, action: Option<M::Action>| {
        for (bit, place) in found.iter_mut().enumerate() {
            if bits >> bit & 1 == 1 && place.is_none() {
                *place = Some((from, action));
            }
        }
    };
    for state in model.init_states() {
        let bits = inspect(None, &state);
        let (index, new) = known.insert_full(state);
        let index = index32(index);
        if new {
            parents.push(index);
        }
        note(bits, index, None);
    }

    let (mut transitions, mut depth, mut deadlocks) = (0, 0, 0);
    let (mut next, mut level_end) = (0, known.len());
    let mut actions = Vec::new();
    while next < known.len() {
        if next == level_end {
            depth += 1;
            level_end = known.len();
        }
        let state = known[next].clone();
        actions.clear();
        model.actions(&state, &mut actions);
        let mut alive = false;
        for &action in &actions {
            let Some(after) = model.next_state(&state, action) else { continue };
            if !model.within_boundary(&after) {
                continue;
            }
            alive = true;
            transitions += 1;
            note(inspect(Some((&state, action)), &after), index32(next), Some(action));
            if known.insert_full(after).1 {
                parents.push(index32(next));
            }
        }
        deadlocks += usize::from(!alive);
        next += 1;
    }

    let path = |(from, last): (u32, Option<M::Action>)| {
        let mut indices = vec![from as usize];
        while parents[indices[indices.len() - 1]] as usize != indices[indices.len() - 1] {
            indices.push(parents[indices[indices.len() - 1]] as usize);
        }
        indices.reverse();
        let mut steps: Vec<_> = indices.windows(2).map(|pair| step(model, &known[pair[0]], &known[pair[1]])).collect();
        if let Some(action) = last {
            let after = model.next_state(&known[from as usize], action).expect("this step was taken before");
            steps.push((action, after));
        }
        Path { init: known[indices[0]].clone(), steps }
    };
    // An index map holds (hash, state) pairs and a table of 8-byte indices with a control byte each.
    let held = known.capacity() * (size_of::<M::State>() + 8 + 9) + parents.capacity() * 4;
    let bytes_per_state = held / known.len().max(1);
    Exploration {
        bytes_per_state,
        states: known.len(),
        transitions,
        depth,
        deadlocks,
        found: found.iter().map(|place| place.map(path)).collect(),
    }
}

/// The first action that leads from one state to the next.
fn step<M>(model: &M, from: &M::State, to: &M::State) -> (M::Action, M::State)
where
    M: Model,
    M::State: Clone + Eq,
    M::Action: Copy,
{
    let mut actions = Vec::new();
    model.actions(from, &mut actions);
    let action = actions
        .into_iter()
        .find(|&action| model.next_state(from, action).as_ref() == Some(to))
        .expect("a state was reached from its parent by one of the parent's actions");
    (action, to.clone())
}

fn index32(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 states fit into memory")
}
