//! Verification of the cluster: properties under sets of assumptions, and the matrix of the answers.

pub mod assumption;
pub mod check;
mod killed_by;
pub mod liveness;
pub mod matrix;
