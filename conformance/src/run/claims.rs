//! The agent that a run is about, as its manifest describes it, `agent.json`. By it a run can be read where the
//! manifest is not at hand, and a certificate says which claims were made.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pghaspec_model::vocabulary::event::Leadership;
use serde::{Deserialize, Serialize};

use super::error::RunDirError;
use super::records::{read_json, write_json};
use crate::digest::sha256;
use crate::input::InputError;
use crate::manifest::{MOST_BYTES, Manifest};
use crate::untrusted::file;

/// Name of the file.
pub const FILE: &str = "agent.json";

/// The agent of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Its name.
    pub name: String,
    /// Its release.
    pub version: String,
    /// The edition that its manifest names for this release, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edition: Option<String>,
    /// The rules in which the release differs from that edition, `rule: position` each.
    pub rules: Vec<String>,
    /// Features that it claims to have.
    pub features: BTreeSet<String>,
    /// Seconds within which it promises to recover, if it names no edition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovers_s: Option<u32>,
    /// The authority of its clusters.
    #[serde(default)]
    pub authority: Authority,
    /// The lab's variables that its templates and commands use.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub variables: BTreeSet<String>,
    /// The manifest says where the data lie, so that a scenario can fill that disk.
    pub data_volume: bool,
    /// The manifest says what the agent's messages mean, so that its log is observed.
    pub says: bool,
    /// The name of its image.
    pub image: String,
    /// SHA-256 of the manifest, of those that it extends, and of the files that they put into a node, by path.
    pub files: BTreeMap<String, String>,
}

/// The authority of an agent's clusters, by its manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The observer of leadership, as in manifests.
    pub observer: String,
    /// The right by which the leader leads.
    pub semantics: Leadership,
    /// A service is it, which faults of the DCS hit.
    pub service: bool,
    /// The services, by name.
    #[serde(default)]
    pub services: Vec<String>,
}

impl Authority {
    /// A key in etcd tells.
    pub fn by_etcd(&self) -> bool {
        self.observer == "etcd-key"
    }
}

impl Default for Authority {
    /// As of all agents before there was a choice.
    fn default() -> Authority {
        Authority {
            observer: "etcd-key".to_owned(),
            semantics: Leadership::Lease,
            service: false,
            services: Vec::new(),
        }
    }
}

impl Claims {
    /// Of the agent with this manifest.
    ///
    /// # Errors
    /// One of its files cannot be read any more.
    pub fn of(manifest: &Manifest) -> Result<Claims, InputError> {
        let mut files = BTreeMap::new();
        for source in &manifest.sources {
            files.insert(source.name.clone(), source.sha256.clone());
        }
        for one in manifest.files.iter().chain(manifest.services.iter().flat_map(|service| &service.files)) {
            let content = file::read(&one.from, MOST_BYTES).map_err(|error| {
                InputError::of_file(&one.from, format!("cannot be read: {error}"), "let it be until the run begins")
            })?;
            files.insert(one.name.clone(), sha256(content));
        }
        let authority = Authority {
            observer: manifest.leader_observer.id().to_owned(),
            semantics: manifest.leadership,
            service: manifest.services.iter().any(|service| service.authority),
            services: manifest.services.iter().map(|service| service.name.clone()).collect(),
        };
        Ok(Claims {
            recovers_s: manifest.recovers_s,
            authority,
            variables: manifest.used_variables()?,
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            edition: manifest.edition.clone(),
            rules: manifest.rules.clone(),
            features: manifest.features.clone(),
            data_volume: manifest.data_volume.is_some(),
            says: !manifest.says.is_empty(),
            image: manifest.image.clone(),
            files,
        })
    }

    /// Writes them into the folder of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        write_json(self, &folder.join(FILE))
    }

    /// Reads them in the folder of a run; `None` if an older pghaspec made it, which did not keep them.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn read(folder: &Path) -> Result<Option<Claims>, InputError> {
        read_json(&folder.join(FILE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::plan::Plan;
    use crate::scenario::Scenario;

    #[test]
    fn a_situation_that_a_release_does_not_come_into_is_unsupported() {
        let scenario = Scenario::load("killed-during-crash-recovery").unwrap();
        let unsupported = |agent: &str, scenario: &Scenario| {
            let manifest = Manifest::load(agent).unwrap();
            Claims::of(&manifest).unwrap().unsupported(scenario, &Plan::new(&manifest, Vec::new()).spec)
        };
        assert_eq!(unsupported("patroni@4.1.5", &scenario), None);
        let why = unsupported("patroni@2.1.2", &scenario).unwrap();
        assert_eq!(why, "patroni 2.1.2 does not follow the rule `starts_crashed_primary: yes`");
        let without = Scenario { rules: Vec::new(), ..scenario.clone() };
        assert_eq!(unsupported("patroni@2.1.2", &without), None);
    }

    #[test]
    fn an_agent_is_known_by_all_of_its_files() {
        let claims = Claims::of(&Manifest::load("patroni-defects/keeps-lock").unwrap()).unwrap();
        let files: Vec<&str> = claims.files.keys().map(String::as_str).collect();
        for file in [
            "suite:agents/patroni-defects/keeps-lock/agent.toml",
            "suite:agents/patroni/agent.toml",
            "suite:agents/patroni/patroni.yml",
        ] {
            assert!(files.contains(&file), "{files:?}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Claims::read(folder.path()).unwrap(), None);
        claims.write(folder.path()).unwrap();
        assert_eq!(Claims::read(folder.path()).unwrap(), Some(claims));
        std::fs::write(folder.path().join(FILE), "{\"name\": 1}").unwrap();
        assert!(Claims::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
    }
}
