//! The rules by which releases differ: named editions of them, and the switches that lead from one to another.
//!
//! [`recover`](crate::recover) and the agents of the [`cluster`](crate::cluster) look at them wherever releases differ.

pub mod edition;
pub mod switch;
