//! What a run is on disk.

pub mod error;
pub mod folder;
pub mod plan;
pub mod scenario_folder;
