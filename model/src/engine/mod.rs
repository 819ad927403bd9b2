//! Explores every behaviour of a [`stateright::Model`].
//!
//! States are stored whole, no fingerprints: two different states are never taken for one. The search is breadth-first and
//! sequential, so counts and counterexamples are the same in every run, and the counterexample of each property is a shortest
//! one. stateright's own breadth-first checker runs on the same model as a second opinion ([`second_opinion`]).

mod explore;
mod second;

pub use explore::{Exploration, Path, explore};
pub use second::{SecondOpinion, second_opinion};
