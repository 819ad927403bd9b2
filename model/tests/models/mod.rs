//! Models small enough to know by heart.

#![allow(dead_code, reason = "each test uses some of them")]

pub mod two_phase_commit;
