//! The laws that a [`Spec`] must keep, checked on given states.
//!
//! The engine trusts them: a state that is not written down whole is taken for another, and a canonical form that is not canonical
//! counts an orbit twice or, worse, merges two. Tests of a model call these functions with some of its states, or all.

use std::fmt::Debug;

use rustc_hash::FxHashMap;

use super::search::Inspect;
use super::spec::{Spec, Word};

/// States are written down whole: `unpack(pack(s)) == s` and `pack(s) != EMPTY` for the initial states, for the given ones, and for the
/// results of all their steps. These come straight from the model and were never packed, so they also show what packing would lose.
///
/// And the short cuts lead to the same places: [`Spec::step`] and [`Spec::step_packed`] to what [`Model::next_state`] and [`Spec::pack`] say,
/// [`Spec::unpack_over`] to what [`Spec::unpack`] says, whichever of these states was in the place before.
///
/// The answer is the number of states that were checked, or a description of the first that breaks a law.
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

/// A step leads to `after` by all ways to take it, be `other` in its place before.
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

/// The canonical form stands for the orbit and for nothing else. `permutations` gives all states that differ from one only by a
/// permutation of like parts. For each given state the canonical form is one of its permutations, and is its own canonical form; and
/// parts are alike, see [`like_parts`].
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
        if !permutations(&state).contains(&canonical) {
            return Err(format!("the canonical form of {state:?} is {canonical:?}, which is no permutation of it"));
        }
        checked += like_parts(model, [state], &permutations)?;
    }
    Ok(checked)
}

/// Parts are alike. For each given state:
/// * all its permutations have the same canonical form;
/// * they have like steps: as many from each permutation to each canonical form; and all or none are within the boundary.
///
/// The answer is the number of permutations that were checked, or a description of the first that breaks a law.
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

/// The canonical form behaves like everything that it stands for, where that is more than permutations. For each given state:
/// * the canonical form is its own canonical form, and shows the same findings;
/// * each of its steps is one of the canonical form, with the same findings and to a state of the same canonical form. Or it changes
///   nothing: it shows no findings, and leads to where the same canonical form stands for it;
/// * each step of the canonical form is one of its own, perhaps after steps that change nothing;
/// * it can come to an end by steps that change nothing, or has none, if and only if the canonical form has no step: deadlocks stand for
///   deadlocks.
///
/// So a search through canonical forms finds all that there is to find, and nothing else. The answer is the number of states that are not
/// their own canonical form, or a description of the first that breaks a law.
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
        // The state, and what it comes to by steps that change nothing.
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
