//! The recover protocol of PostgreSQL high-availability agents as a checked specification.
//!
//! [`recover`] is the protocol itself: patroni's `Ha.recover()` as a pure, resumable function, written to be read
//! beside the original. [`rules`] holds what releases changed in it, and [`mutants`] breaks one rule at a time.
//! [`cluster`] puts several nodes around it that crash, restart and lose their leases, and [`engine`] explores every
//! behaviour of theirs; [`verify`] asks which properties hold under which assumptions, [`timed`] does so with clocks.
//! [`vocabulary`] says what an outside observer sees of a cluster, [`belief`] which behaviours of the model explain
//! what was seen, and [`mod@derive`] which faults lead a real cluster to a state of the model.
//!
//! Nothing here does I/O.

#[macro_use]
mod vocabulary_macro;

pub mod belief;
pub mod cluster;
pub mod derive;
pub mod engine;
pub mod mutants;
pub mod recover;
pub mod rules;
pub mod timed;
pub mod verify;
pub mod vocabulary;
