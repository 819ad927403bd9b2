//! The shared vocabulary: events, faults, benign faults (disturbances), properties, and the description of a run.
//!
//! The model, the lab and the judge speak these words, so that each has one meaning.

pub mod disturbance;
pub mod event;
pub mod fault;
pub mod property;
pub mod run;
