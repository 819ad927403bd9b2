//! What of all that the model derives is covered: by the scenarios as they are written, and by what really happened in a run.
//!
//! | file | what |
//! | --- | --- |
//! | `item.rs` | what is derived, as it is kept in `fixtures/derived.json` |
//! | `planned.rs` | where the steps of a scenario lead, as written |
//! | `measured.rs` | where a recorded history led |
//! | `excuses.rs` | why something is not covered |
//! | `matrix.rs` | scenarios against all that |
//! | `traced.rs` | branches of the agent's own code that were taken |

mod excuses;
mod item;
mod matrix;
mod measured;
mod planned;
mod traced;

pub use excuses::Excuses;
pub use item::{Item, ItemStep, committed};
pub use matrix::{Matrix, Row, planned};
pub use measured::{Measured, measured};
pub use planned::{Place, places};
pub use traced::{Impossible, Traced, TracedFunction, Way};
