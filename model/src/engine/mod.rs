//! An exact explorer of every behaviour of a [`stateright::Model`].
//!
//! Safety properties are decided by a breadth-first search of packed states ([`search`]), promises on the whole graph
//! ([`Liveness`], [`within`]). This module knows nothing of the cluster: the cluster, the cluster with clocks, and the
//! models of the tests are searched by the same code.
//!
//! | file | contents |
//! | --- | --- |
//! | `spec.rs` | the trait `Spec`: what a model adds to `stateright::Model` |
//! | `laws.rs` | the laws that a `Spec` must keep, checked on given states |
//! | `search/` | the breadth-first search |
//! | `segments.rs` | long sequences of packed states, in memory or spilled |
//! | `path.rs` | behaviours, and their reconstruction after a search |
//! | `liveness/` | promises under fairness, and bounds in ticks, on the whole graph |
//! | `second_opinion.rs` | the same model explored by stateright's own checker |
//! | `diagram.rs` | a behaviour as a sequence diagram (SVG) |
//!
#![doc = include_str!("../../docs/engine.md")]

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
