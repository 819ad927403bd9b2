//! The recover protocol as a checked specification.
pub mod branch;
pub mod control;
pub mod event;
pub mod fault;
