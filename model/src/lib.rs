//! The recover protocol of PostgreSQL high-availability agents as a checked specification.
//!
//! [`recover`] is the protocol itself: patroni's `Ha.recover()` as a pure, resumable function, written to be read beside the
//! original. [`cluster`] puts several nodes around it that crash, restart and lose their leases, and [`engine`] explores
//! every behaviour of theirs. [`event`] says what an outside observer sees of a cluster, and [`belief`] which behaviours of
//! the model explain what was seen.
//!
//! Nothing here does I/O.

pub mod assumption;
pub mod automaton;
pub mod belief;
pub mod branch;
mod broken_rule;
pub mod check;
pub mod cluster;
pub mod control;
pub mod decision;
pub mod derive;
pub mod dialogue;
pub mod disturbance;
pub mod edition;
pub mod engine;
pub mod event;
pub mod fault;
mod kill;
pub mod liveness;
pub mod matrix;
pub mod mutant;
pub mod property;
pub mod recover;
mod run;
pub mod switch;
pub mod timed;
