//! The specification that a run is held to, named by the digest of its sources. Plans, certificates and every JSON
//! document carry it.

use serde::{Deserialize, Serialize};

/// SHA-256 of the specification: of the code below `model/src/{cluster,recover,rules,vocabulary}` as the compiler reads
/// it. Comments and the search engine are no part of it. `build/spec_digest.rs` computes it.
pub const SPEC_SHA256: &str = env!("PGHASPEC_SPEC_SHA256");

/// The rules that an agent is held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The edition.
    pub edition: String,
    /// Rules in which the agent's release differs from the edition, `rule: position` each.
    pub rules: Vec<String>,
    /// See [`SPEC_SHA256`].
    pub sha256: String,
}
