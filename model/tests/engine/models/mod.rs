//! Models small enough to know by heart.

#![allow(dead_code, reason = "each test uses some of them")]

pub mod lease;
pub mod like_parts;
pub mod represented;
pub mod small_graph;
pub mod token_ring;
pub mod two_phase_commit;
