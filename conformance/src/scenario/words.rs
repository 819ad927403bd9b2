//! The words of the model's vocabulary as schemas: which faults, branches and states a scenario may name.

use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::disturbance::Disturbance;
use pghaspec_model::vocabulary::fault::Fault;
use schemars::{Schema, SchemaGenerator, json_schema};

use super::profile::PROFILES;

pub(super) fn fault(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<&str> = Fault::ALL.iter().map(|fault| fault.id()).collect();
    json_schema!({ "type": "string", "enum": all })
}

pub(super) fn disturbance(_: &mut SchemaGenerator) -> Schema {
    let all: Vec<&str> = Disturbance::ALL.iter().map(|disturbance| disturbance.id()).collect();
    json_schema!({ "type": "string", "enum": all })
}

pub(super) fn branch(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Branch::ALL.map(Branch::id) })
}

pub(super) fn branches(_: &mut SchemaGenerator) -> Schema {
    let one = json_schema!({ "type": "string", "enum": Branch::ALL.map(Branch::id) });
    json_schema!({ "type": "array", "items": one, "examples": [["start-primary"]] })
}

pub(super) fn process(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["postmaster", "single-user", "pg-rewind", "pg-basebackup", "agent"] })
}

pub(super) fn state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["primary", "standby", "starting", "refused", "unknown"] })
}

pub(super) fn profiles(_: &mut SchemaGenerator) -> Schema {
    let one = json_schema!({ "type": "string", "enum": PROFILES.map(|profile| profile.id) });
    json_schema!({ "type": "array", "items": one, "minItems": 1, "examples": [["core"]] })
}
