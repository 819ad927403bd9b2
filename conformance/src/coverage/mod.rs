//! Coverage of all that the model derives: by the scenarios as they are written, and by what really happened in a run.
//!
//! | file | what |
//! | --- | --- |
//! | `item_id.rs` | the names of derived items |
//! | `item.rs` | the derived items, as kept in `fixtures/derived.json` |
//! | `planned.rs` | the places where a scenario's faults strike, as written |
//! | `measured.rs` | the items that a recorded history led to |
//! | `excuses.rs` | why an item is not covered, `fixtures/uncovered.toml` |
//! | `matrix.rs` | the scenarios against all items |
//! | `traced.rs` | the jumps of the agent's own code that were taken |

mod excuses;
mod item;
mod item_id;
mod matrix;
mod measured;
mod planned;
mod traced;

pub use excuses::Excuses;
pub use item::{Item, ItemStep, committed};
pub use item_id::{ItemId, ItemKind};
pub use matrix::{Matrix, Row, planned};
pub use measured::{Measured, measured};
pub use planned::{Place, places};
pub use traced::{Impossible, Traced, TracedFunction, Way};
