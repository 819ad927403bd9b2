//! The properties of the cluster: those of states and steps, and those of whole behaviours.

mod invariants;
pub(in crate::cluster) mod liveness;
