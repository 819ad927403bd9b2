//! The specification that a run is held to, named by the digest of its sources. Plans, certificates and every JSON
//! document carry it.

use pghaspec_model::rules::edition::Edition;
use serde::{Deserialize, Serialize};

use crate::rules;

/// SHA-256 of the specification: of the code below `model/src/{cluster,recover,rules,vocabulary}` as the compiler reads
/// it. Comments and the search engine are no part of it. `build/spec_digest.rs` computes it.
pub const SPEC_SHA256: &str = env!("PGHASPEC_SPEC_SHA256");

/// The rules that an agent is held to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// The edition; `None` for an agent that follows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// Rules in which the agent's release differs from the edition, `rule: position` each.
    pub rules: Vec<String>,
    /// See [`SPEC_SHA256`].
    pub sha256: String,
}

impl Spec {
    /// The edition, or the newest one if the agent follows none: scenarios that demand something by rules are read by
    /// it.
    ///
    /// # Errors
    /// There is no such edition, in words.
    pub fn edition(&self) -> Result<Edition, String> {
        let Some(edition) = &self.edition else { return Ok(rules::NEWEST) };
        Edition::from_id(edition).ok_or_else(|| format!("there is no edition `{edition}`"))
    }

    /// The edition in words.
    pub fn edition_text(&self) -> &str {
        self.edition.as_deref().unwrap_or("none")
    }
}
