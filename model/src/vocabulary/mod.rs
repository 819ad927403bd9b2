//! The shared vocabulary: events, faults, disturbances, properties, and what a run says of itself.
//!
//! The model, the lab and the judge speak these words, so that each has one meaning.

pub mod disturbance;
pub mod event;
pub mod fault;
pub mod property;
pub mod run;
