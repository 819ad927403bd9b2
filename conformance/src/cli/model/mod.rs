//! Commands about the model alone.

pub mod check;
pub mod explore;
mod settings;
pub mod simulate;
pub mod timing;
