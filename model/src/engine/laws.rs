//! The laws that a [`Spec`] must keep, checked on given states.
//!
//! The engine relies on them without checking: if packing loses part of a state, two states are taken for one; if a
//! canonical form is not canonical, an orbit is counted twice or, worse, two orbits are merged. The tests of a model
//! call these functions with some of its states, or with all of them.

use std::fmt::Debug;

use rustc_hash::FxHashMap;

use super::search::Inspect;
use super::spec::{Spec, Word};

/// Packing loses nothing: `unpack(pack(s)) == s` and `pack(s) != EMPTY` for the initial states, for the given states,
/// and for the results of all steps from these. The results come straight from the model and were never packed, so they
/// also show what packing would lose.
///
/// The shortcuts agree with the plain functions: [`Spec::step`] and [`Spec::step_packed`] with
/// [`Model::next_state`](stateright::Model::next_state) and [`Spec::pack`], [`Spec::unpack_over`] with
/// [`Spec::unpack`], whichever of these states was in the target before.
///
/// Returns the number of states that were checked.
///
/// # Errors
/// A description of the first state or step that breaks a law.
pub fn packing<M>(model: &M, states: impl IntoIterator<Item = M::State>) -> Result<usize, String>
where
    M: Spec<State: Debug, Action: Debug, Packed: Debug>,
{
    let mut checked = 0;
    let mut last = None;
    for state in model.init_states() {
        packs(model, &state).map_err(|why| format!("initial state: {why}"))?;
        checked += 1;
        last.get_or_insert(state);
    }
    let mut actions = Vec::new();
    for state in states {
        packs(model, &state)?;
        checked += 1;
        actions.clear();
        model.actions(&state, &mut actions);
        for &action in &actions {
            let after = model.next_state(&state, action);
            let others = [Some(&state), last.as_ref()];
            for other in others.into_iter().flatten() {
                steps_as_said(model, &state, action, after.as_ref(), other)?;
            }
            let Some(after) = after.filter(|after| model.within_boundary(after)) else { continue };
            packs(model, &after).map_err(|why| format!("after {action:?} in {state:?}: {why}"))?;
            for (one, other) in [(&state, &after), (&after, &state)] {
                unpacks_over(model, one, other)?;
            }
            checked += 1;
            last = Some(after);
        }
    }
    Ok(checked)
}

/// Checks that a step leads to `after` however it is taken, when the target held `other` before.
fn steps_as_said<M>(
    model: &M,
    state: &M::State,
    action: M::Action,
    after: Option<&M::State>,
    other: &M::State,
) -> Result<(), String>
where
    M: Spec<State: Debug, Action: Debug, Packed: Debug>,
{
    let mut next = other.clone();
    let stepped = model.step(state, action, &mut next).then_some(&next);
    if stepped != after {
        return Err(format!("{action:?} in {state:?} leads to {after:?}, but written over {other:?} to {stepped:?}"));
    }
    let mut next = other.clone();
    let word = model.step_packed(state, model.pack(state), action, &mut next);
    let within = after.filter(|after| model.within_boundary(after));
    let expected = within.map(|after| model.pack(after));
    if word != expected || within.is_some_and(|after| *after != next) {
        return Err(format!(
            "{action:?} in {state:?} leads to {expected:x?}, {within:?}, but packed at once to {word:x?}, {next:?}"
        ));
    }
    Ok(())
}

fn unpacks_over<M>(model: &M, state: &M::State, old: &M::State) -> Result<(), String>
where
    M: Spec<State: Debug, Packed: Debug>,
{
    let mut place = old.clone();
    model.unpack_over(model.pack(state), model.pack(old), &mut place);
    if place != *state {
        return Err(format!("{state:?} is read over {old:?} as {place:?}"));
    }
    Ok(())
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

/// A canonical form stands for its orbit and for nothing else. `permutations` gives all states that differ from one
/// only by a permutation of like parts. For each given state, the canonical form is one of its permutations and is its
/// own canonical form, and the parts are alike (see [`like_parts`]).
///
/// Returns the number of permutations that were checked.
///
/// # Errors
/// A description of the first state that breaks a law.
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
        if !permutations(&state).contains(&canonical) {
            return Err(format!("the canonical form of {state:?} is {canonical:?}, which is no permutation of it"));
        }
        checked += like_parts(model, [state], &permutations)?;
    }
    Ok(checked)
}

/// Like parts behave alike. For each given state:
/// * all its permutations have the same canonical form;
/// * all its permutations have like steps: from each permutation the same number of steps leads to each canonical form;
/// * either all permutations are within the boundary or none is.
///
/// Returns the number of permutations that were checked.
///
/// # Errors
/// A description of the first state that breaks a law.
pub fn like_parts<M>(
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
        let steps = steps_to_orbits(model, &state);
        let within = model.within_boundary(&state);
        for other in permutations(&state) {
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

/// A canonical form behaves like every state that it stands for, also where these are more than permutations. A
/// *silent* step shows no discovery and leads to a state with the same canonical form. For each given state:
/// * the canonical form is its own canonical form and shows the same discoveries;
/// * each step of the state is silent or is a step of the canonical form too, with the same discoveries and to a state
///   with the same canonical form;
/// * each step of the canonical form is a step of the state, perhaps after silent steps;
/// * silent steps can lead from the state to a deadlock (or it is one) if and only if the canonical form is a deadlock.
///
/// So a search through canonical forms finds everything that a full search finds, and nothing else. Returns the number
/// of states that are not their own canonical form.
///
/// # Errors
/// A description of the first state that breaks a law.
pub fn representatives<M>(
    model: &M,
    states: impl IntoIterator<Item = M::State>,
    inspect: &impl Inspect<M>,
) -> Result<usize, String>
where
    M: Spec<State: Debug, Action: Debug>,
{
    let class = |state: &M::State| model.pack(&model.canonical(state));
    let mut represented = 0;
    for state in states {
        let canonical = model.canonical(&state);
        if canonical == state {
            continue;
        }
        represented += 1;
        let again = model.canonical(&canonical);
        if again != canonical {
            return Err(format!("the canonical form of {state:?} is {canonical:?}, but that of this one is {again:?}"));
        }
        if inspect.state(model, &canonical) != inspect.state(model, &state) {
            return Err(format!("{canonical:?} stands for {state:?}, but shows other findings"));
        }
        let silent = (0, model.pack(&canonical));
        let seen = |before: &M::State| -> Vec<_> {
            let steps = steps(model, before).into_iter();
            steps
                .map(|(action, after)| (action, (inspect.step(model, before, action, &after), class(&after)), after))
                .collect()
        };
        let of_canonical = seen(&canonical);
        let mut of_state = Vec::new();
        // The state, and all states that silent steps lead to.
        let mut like = vec![state.clone()];
        let mut next = 0;
        while let Some(one) = like.get(next) {
            for (action, step, after) in seen(one) {
                if step == silent {
                    if !like.contains(&after) {
                        like.push(after);
                    }
                } else if of_canonical.iter().any(|(_, known, _)| *known == step) {
                    of_state.push(step);
                } else {
                    return Err(format!("{canonical:?} stands for {state:?}, but has no step like {action:?}"));
                }
            }
            next += 1;
        }
        let ends = like.iter().any(|one| steps(model, one).is_empty());
        if ends && !of_canonical.is_empty() {
            return Err(format!("{canonical:?} stands for {state:?}, which comes to an end, but has steps"));
        }
        if !ends && of_canonical.is_empty() {
            return Err(format!("{canonical:?} has no step, but stands for {state:?}, which never comes to an end"));
        }
        let extra = of_canonical.iter().find(|(_, step, _)| *step != silent && !of_state.contains(step));
        if let Some((action, ..)) = extra {
            return Err(format!("{canonical:?} stands for {state:?}, which has no step like {action:?}"));
        }
    }
    Ok(represented)
}

/// For each canonical form, the number of steps that lead to it.
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
