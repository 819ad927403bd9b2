//! Damage of a history: the event that cannot be as it is, and the problem in words.
//!
//! Events are looked at one by one and all together, and both report damage in this form.

/// The index of a damaged event, and the damage in words.
pub type Damage = (usize, String);

/// The problem, unless it holds that there is none.
pub fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}
