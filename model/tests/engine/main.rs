//! The engine, on models that are small enough to know the answers by heart.

mod laws;
mod liveness;
mod models;
mod naive;
mod search_corner_cases;
mod spill;
mod stateright;
mod two_phase_commit;
mod visited_set;
