//! Verification of the cluster: properties under sets of assumptions, and the matrix of the answers.
//!
//! It puts the model of the [`cluster`](crate::cluster) under the [`engine`](crate::engine); `pghaspec check` prints
//! what it finds.

pub mod assumption;
pub mod check;
mod killed_by;
pub mod liveness;
pub mod matrix;
