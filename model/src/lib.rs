//! The recover protocol of PostgreSQL high-availability agents as a checked specification.
//!
//! [`recover`] is the protocol itself: patroni's `Ha.recover()` as a pure, resumable function, written to be read beside the
//! original. [`cluster`] puts several nodes around it that crash, restart and lose their leases, and [`engine`] explores
//! every behaviour of theirs. [`event`] says what an outside observer sees of a cluster, and [`belief`] which behaviours of
//! the model explain what was seen.
//!
//! Nothing here does I/O.

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
