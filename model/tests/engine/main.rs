//! The engine, on models small enough to know the answers by heart.

mod corners;
mod laws;
mod liveness;
mod models;
mod naive;
mod sets;
mod spill;
mod stateright;
mod two_phase_commit;
