//! The commands about the model alone.
//!
//! | file | what |
//! | --- | --- |
//! | `check/` | `check`: every behaviour against the properties |
//! | `timing.rs` | `timing`: the cluster with clocks |
//! | `explore.rs` | `explore`: the model in a browser |
//! | `simulate.rs` | `simulate`: histories of random behaviours |
//! | `settings.rs` | the options that say what is modelled |

pub mod check;
pub mod explore;
mod settings;
pub mod simulate;
pub mod timing;
