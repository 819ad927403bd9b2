//! The results of a run and how they are told: `results.json`, `junit.xml`, `report.html`, and words. All of it is made
//! from the evidence alone.
//!
//! | file | what |
//! | --- | --- |
//! | `evaluate.rs` | the path from the evidence in a run's folder to its results |
//! | `results.rs` | the results, the content of `results.json` |
//! | `write.rs` | writes the three files |
//! | `html.rs` | `report.html` |
//! | `junit.rs` | `junit.xml` |
//! | `text.rs` | results in words, for a terminal |
//! | `coverage.rs` | what was covered, in words and as a table of the page |

mod coverage;
pub mod evaluate;
mod html;
mod junit;
mod results;
pub mod text;
mod write;

pub use results::{Agent, Evidence, Results, ScenarioResult};
pub use write::{made, write};
