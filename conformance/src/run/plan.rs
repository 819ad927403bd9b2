//! The plan of a run, `plan.json` in its folder: what it sets out to do. A run is resumed by it, and shards are put
//! together.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::error::{RunDirError, write};
use super::spec::{SPEC_SHA256, Spec};
use crate::digest::sha256;
use crate::input;
use crate::input::{InputError, shown};
use crate::manifest::Manifest;
use crate::untrusted::name;

/// Name of the file.
const FILE: &str = "plan.json";

/// Most scenarios of a run.
const MOST_SCENARIOS: usize = 2_000;

/// Names in the folder of a run that no scenario can have.
const OWN_FOLDERS: [&str; 2] = ["lock", "templates"];

/// The plan of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Version of this program.
    pub pghaspec: String,
    /// The agent's name.
    pub agent: String,
    /// The agent's release.
    pub version: String,
    /// The rules that the agent is held to.
    pub spec: Spec,
    /// The profile; `null` when scenarios were chosen by name.
    pub profile: Option<String>,
    /// Seed of the scenarios that are drawn at random.
    pub seed: u64,
    /// The part of the scenarios that is run here; `null` for all.
    pub shard: Option<String>,
    /// The scenarios, by name.
    pub scenarios: Vec<Planned>,
}

/// A scenario that is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Planned {
    /// Its name.
    pub id: String,
    /// SHA-256 of its file.
    pub sha256: String,
}

impl Planned {
    /// A scenario of that name and text.
    pub fn new(id: &str, text: &str) -> Planned {
        Planned { id: id.to_owned(), sha256: sha256(text) }
    }
}

impl Plan {
    /// The plan to run these scenarios against an agent, by the specification of this program.
    pub fn new(agent: &Manifest, scenarios: Vec<Planned>) -> Plan {
        Plan {
            pghaspec: env!("CARGO_PKG_VERSION").to_owned(),
            agent: agent.name.clone(),
            version: agent.version.clone(),
            spec: Spec { edition: agent.edition.clone(), rules: agent.rules.clone(), sha256: SPEC_SHA256.to_owned() },
            profile: None,
            seed: 0,
            shard: None,
            scenarios,
        }
    }

    /// Writes the plan into the folder of a run.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), RunDirError> {
        let file = folder.join(FILE);
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| RunDirError::new(format!("writing {}", file.display()), error.into()))?;
        write(&file, &(text + "\n"))
    }

    /// Says whether a folder is that of a run.
    ///
    /// # Errors
    /// It has no plan.
    pub fn is_in(folder: &Path) -> Result<(), InputError> {
        if folder.join(FILE).symlink_metadata().is_err() {
            let help = "name the folder that `pghaspec certify` told as its evidence";
            return Err(InputError::of_file(folder, format!("is not the folder of a run: it has no {FILE}"), help));
        }
        Ok(())
    }

    /// Reads the plan in the folder of a run.
    ///
    /// # Errors
    /// The folder has no plan, or a damaged one.
    pub fn read(folder: &Path) -> Result<Plan, InputError> {
        Plan::is_in(folder)?;
        let file = folder.join(FILE);
        let damaged = |problem: String| {
            InputError::of_file(&file, format!("is damaged: {problem}"), "run `pghaspec certify` anew")
        };
        let plan: Plan = serde_json::from_str(&input::read(&file)?)
            .map_err(|error| damaged(error.to_string()).at_line(error.line()))?;
        let told = [&plan.agent, &plan.version, &plan.pghaspec];
        if told.into_iter().chain(&plan.spec.edition).any(|word| word.contains(char::is_control)) {
            return Err(damaged("a name in it has a character of control".to_owned()));
        }
        // Paths are made of the names.
        let mut names = BTreeSet::new();
        for Planned { id, .. } in &plan.scenarios {
            if let Some(trouble) = name::trouble(id) {
                return Err(damaged(format!("the scenario `{}` {trouble}", shown(id))));
            }
            if OWN_FOLDERS.contains(&id.as_str()) {
                return Err(damaged(format!("the scenario `{id}` has the name of a file of the run")));
            }
            if !names.insert(id) {
                return Err(damaged(format!("the scenario `{id}` is in it twice")));
            }
            if names.len() > MOST_SCENARIOS {
                return Err(damaged(format!("it has more than {MOST_SCENARIOS} scenarios")));
            }
        }
        Ok(plan)
    }

    /// The first difference from another plan that should be about the same agent and specification, in words.
    pub fn mismatch(&self, other: &Plan) -> Option<String> {
        let rules = [self, other].map(|plan| plan.spec.rules.join(", "));
        let editions = [self, other].map(|plan| plan.spec.edition_text().to_owned());
        let pairs = [
            ("agent", &self.agent, &other.agent),
            ("release", &self.version, &other.version),
            ("edition", &editions[0], &editions[1]),
            ("rules", &rules[0], &rules[1]),
            ("specification", &self.spec.sha256, &other.spec.sha256),
            ("pghaspec", &self.pghaspec, &other.pghaspec),
        ];
        let (what, mine, others) = pairs.into_iter().find(|(_, mine, others)| mine != others)?;
        Some(format!("{what} {others} instead of {mine}"))
    }
}

/// One of the parts that a run is split into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// From 1.
    index: usize,
    of: usize,
}

impl Shard {
    /// The place among all of what is at this place of the part, both from 0.
    pub fn place(self, place: usize) -> usize {
        place * self.of + self.index - 1
    }

    /// Every n-th element of `all`, which every shard has to give in the same order.
    pub fn part<T>(self, all: Vec<T>) -> Vec<T> {
        all.into_iter().enumerate().filter(|(place, _)| place % self.of == self.index - 1).map(|(_, one)| one).collect()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.index, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').and_then(|(index, of)| Some((index.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((_, of)) if of > MOST_SCENARIOS => Err(format!("{of} parts are more than any run has scenarios")),
            Some((index, of)) if 1 <= index && index <= of => Ok(Shard { index, of }),
            Some((index, of)) => Err(format!("there is no part {index} of {of}; the first is 1/{}", of.max(1))),
            None => Err("a part is written as 2/3, the second of three".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_parts_are_the_whole() {
        let all: Vec<u32> = (0..17).collect();
        for of in 1..=20 {
            let mut together: Vec<u32> = (1..=of).flat_map(|index| Shard { index, of }.part(all.clone())).collect();
            together.sort_unstable();
            assert_eq!(together, all);
        }
        assert_eq!("2/3".parse::<Shard>().unwrap().part(all), [1, 4, 7, 10, 13, 16]);
        for wrong in ["3/2", "0/2", "1/0", "1", "a/b", "", "-1/2"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_plan_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let plan = Plan::new(&Manifest::load("patroni@4.1.5").unwrap(), vec![Planned::new("a", "title = 1")]);
        plan.write(folder.path()).unwrap();
        assert_eq!(Plan::read(folder.path()).unwrap(), plan);
        let other = Plan { version: "4.1.4".into(), ..plan.clone() };
        assert_eq!(plan.mismatch(&other).unwrap(), "release 4.1.4 instead of 4.1.5");
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(Plan::read(folder.path()).unwrap_err().to_string().contains("is damaged"));
        assert!(Plan::read(Path::new("/tmp")).unwrap_err().to_string().contains("not the folder of a run"));
    }
}
