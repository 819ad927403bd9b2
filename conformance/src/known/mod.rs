//! Failures that are known before a run: those that a release is known to have, and those that prove a scenario.
//!
//! | file | what |
//! | --- | --- |
//! | `deviations.rs` | the known deviations of an agent, `deviations.toml` |
//! | `failed_by.rs` | the agent that fails each scenario, `fixtures/failed_by.toml` |

pub mod deviations;
pub mod failed_by;

use schemars::{Schema, SchemaGenerator, json_schema};

use crate::judge::checks;

/// The schema of a list of checks.
fn check_ids(_: &mut SchemaGenerator) -> Schema {
    let one = json_schema!({ "type": "string", "enum": ids() });
    json_schema!({ "type": "array", "items": one, "minItems": 1, "examples": [["one-writable-leader"]] })
}

/// The schema of a check.
fn check_id(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ids() })
}

fn ids() -> Vec<&'static str> {
    checks::ALL.iter().map(|check| check.id()).collect()
}

/// The remedy where a file names a check that does not exist.
const LIST_CHECKS: &str = "`pghaspec list checks` names them all";
