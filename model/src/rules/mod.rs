//! The rules by which releases differ: named editions of them, and the switches that lead from one to another.

pub mod edition;
pub mod switch;
