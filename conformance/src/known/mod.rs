//! Failures that are known before a run: those that a release is known to have, and those that prove a scenario.
//!
//! | file | what |
//! | --- | --- |
//! | `deviations.rs` | the known deviations of an agent, `deviations.toml` |
//! | `failed_by.rs` | the agent that fails each scenario, `fixtures/failed_by.toml` |

pub mod deviations;
pub mod failed_by;

/// The remedy where a file names a check that does not exist.
const LIST_CHECKS: &str = "`pghaspec list checks` names them all";
