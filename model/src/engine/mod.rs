//! Explores every behaviour of a [`stateright::Model`], exactly.
//!
//! A model that can write its states down in few machine words ([`Spec`]) is searched breadth-first; states are stored whole, there are no
//! fingerprints, so two different states are never taken for one. The counterexample of each finding is a shortest one. Counts, depth,
//! coverage and counterexamples do not depend on the number of threads. With symmetry, one canonical state stands for all that behave
//! like it, and the count is that of such classes; a counterexample is then a shortest one but for steps that change nothing. stateright's own breadth-first checker gives a second opinion ([`second_opinion`]).
//!
//! What must happen at last, under weak and strong fairness, is checked on the whole [`Graph`] ([`Liveness`]), and so is what must happen
//! in time ([`within`]). Whether a model keeps the laws that all this relies on is checked by [`laws`].
//!
//! This module knows nothing of the cluster.

pub mod diagram;
pub mod laws;
mod liveness;
mod path;
mod search;
mod second_opinion;
mod segments;
mod spec;

pub use liveness::bounds::within;
pub use liveness::graph::{Edge, Graph};
pub use liveness::lasso::Lasso;
pub use liveness::{EFFORT, Liveness};
pub use path::Path;
pub use search::{Exploration, Inspect, Limit, Nothing, Options, Progress, search, search_spilling};
pub use second_opinion::{SecondOpinion, second_opinion};
pub use segments::Spill;
pub use spec::{Fairness, Spec, Word};
