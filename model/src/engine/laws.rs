//! The laws that a [`Spec`] must keep, checked on given states.
//!
//! The engine trusts them: a state that is not written down whole is taken for another, and a canonical form that is not canonical
//! counts an orbit twice or, worse, merges two. Tests of a model call these functions with some of its states, or all.

use std::fmt::Debug;

use rustc_hash::FxHashMap;

use super::spec::{Spec, Word};

/// States are written down whole: `unpack(pack(s)) == s` and `pack(s) != EMPTY` for the initial states, for the given ones, and for the
/// results of all their steps. These come straight from the model and were never packed, so they also show what packing would lose.
///
/// The answer is the number of states that were checked, or a description of the first that breaks a law.
pub fn packing<M>(model: &M, states: impl IntoIterator<Item = M::State>) -> Result<usize, String>
where
    M: Spec<State: Debug, Action: Debug, Packed: Debug>,
{
    let mut checked = 0;
    for state in model.init_states() {
        packs(model, &state).map_err(|why| format!("initial state: {why}"))?;
        checked += 1;
    }
    for state in states {
        packs(model, &state)?;
        checked += 1;
        for (action, after) in steps(model, &state) {
            packs(model, &after).map_err(|why| format!("after {action:?} in {state:?}: {why}"))?;
            checked += 1;
        }
    }
    Ok(checked)
}

fn packs<M>(model: &M, state: &M::State) -> Result<(), String>
where
    M: Spec<State: Debug, Packed: Debug>,
{
    let word = model.pack(state);
    if word == M::Packed::EMPTY {
        return Err(format!("{state:?} packs to the value that stands for no state"));
    }
    let back = model.unpack(word);
    if back != *state {
        return Err(format!("{state:?} is packed as {word:x?} and comes back as {back:?}"));
    }
    Ok(())
}

/// The canonical form stands for the orbit and for nothing else. `permutations` gives all states that differ from one only by a
/// permutation of like parts. For each given state:
/// * the canonical form is one of its permutations, and is its own canonical form;
/// * all its permutations have the same canonical form;
/// * like states have like steps: as many from each permutation to each canonical form; and all or none are within the boundary.
///
/// The answer is the number of permutations that were checked, or a description of the first that breaks a law.
pub fn symmetry<M>(
    model: &M,
    states: impl IntoIterator<Item = M::State>,
    permutations: impl Fn(&M::State) -> Vec<M::State>,
) -> Result<usize, String>
where
    M: Spec<State: Debug>,
{
    let mut checked = 0;
    for state in states {
        let canonical = model.canonical(&state);
        let again = model.canonical(&canonical);
        if again != canonical {
            return Err(format!("the canonical form of {state:?} is {canonical:?}, but that of this one is {again:?}"));
        }
        let permutations = permutations(&state);
        if !permutations.contains(&canonical) {
            return Err(format!("the canonical form of {state:?} is {canonical:?}, which is no permutation of it"));
        }
        let steps = steps_to_orbits(model, &state);
        let within = model.within_boundary(&state);
        for other in permutations {
            let its = model.canonical(&other);
            if its != canonical {
                return Err(format!(
                    "{state:?} and {other:?} are permutations, but have canonical forms {canonical:?} and {its:?}"
                ));
            }
            if steps_to_orbits(model, &other) != steps {
                return Err(format!("{state:?} and {other:?} are permutations, but have different steps"));
            }
            if model.within_boundary(&other) != within {
                return Err(format!("{state:?} and {other:?} are permutations, but only one is within the boundary"));
            }
            checked += 1;
        }
    }
    Ok(checked)
}

/// How many steps lead to each canonical form.
fn steps_to_orbits<M: Spec>(model: &M, state: &M::State) -> FxHashMap<M::Packed, usize> {
    let mut orbits = FxHashMap::default();
    for (_, after) in steps(model, state) {
        *orbits.entry(model.pack(&model.canonical(&after))).or_default() += 1;
    }
    orbits
}

fn steps<M: Spec>(model: &M, state: &M::State) -> Vec<(M::Action, M::State)> {
    let mut actions = Vec::new();
    model.actions(state, &mut actions);
    let steps = actions.into_iter().filter_map(|action| Some((action, model.next_state(state, action)?)));
    steps.filter(|(_, after)| model.within_boundary(after)).collect()
}
