//! JSON documents: those of the folder of a run, derived items, and tables of releases.

use std::cell::RefCell;
use std::path::PathBuf;

use pghaspec::coverage::Item;
use pghaspec::fixtures;
use pghaspec::manifest::Manifest;
use pghaspec::report::Results;
use pghaspec::run::plan::{Plan, Planned, Shard};
use pghaspec::run::scenario_folder::Outcome;

use super::{Target, outcome};

const WORDS: &[&str] =
    &["null", "true", "[", "]", "{", "}", ",", ":", "\"", "\"id\"", "\"..\"", "1e999", "\\u0000", "\\ud800"];

/// The plan of a run, and the part of it that is run.
pub const PLAN: Target = Target {
    name: "plan",
    run: |input| match serde_json::from_slice::<Plan>(input) {
        Ok(plan) => {
            let shard = plan.shard.as_ref().map(|shard| shard.parse::<Shard>());
            let part = shard.map(|shard| shard.map(|shard| shard.part(plan.scenarios.clone()).len()));
            format!("{:?} {:?}", part.map(|part| part.is_ok()), plan.mismatch(&plan))
        }
        Err(error) => error.to_string(),
    },
    seeds: || {
        let agent = Manifest::load("patroni").unwrap();
        let plan = Plan { shard: Some("1/2".into()), ..Plan::new(&agent, vec![Planned::new("a", "b")]) };
        vec![serde_json::to_vec(&plan).unwrap()]
    },
    words: WORDS,
    repair: None,
};

/// The results of a run.
pub const RESULTS: Target = Target {
    name: "results",
    run: |input| match serde_json::from_slice::<Results>(input) {
        Ok(results) => format!("{} {}", results.exit_code(), results.verdict.text()),
        Err(error) => error.to_string(),
    },
    seeds: || {
        let text = r#"{"pghaspec":"0.1.0","agent":{"name":"a","version":"1","image_digest":null},"profile":"core",
            "spec":{"edition":"4.1","rules":[],"sha256":"00"},"verdict":"pass","as_expected":true,
            "deviations":{"known":[],"unknown":[],"gone":[]},"scenarios":[],"evidence":{"sha256":{}}}"#;
        vec![text.into()]
    },
    words: WORDS,
    repair: None,
};

/// The end of a scenario for the harness.
pub const OUTCOME: Target = Target {
    name: "outcome",
    run: |input| outcome(serde_json::from_slice::<Outcome>(input)),
    seeds: || {
        let text = r#"{"image_digest":"sha256:00","time":[{"part":"faults","seconds":1.5,"protocol":true}],"error":null,
            "unsupported":null}"#;
        vec![text.into()]
    },
    words: WORDS,
    repair: None,
};

/// The items that the model derives.
pub const DERIVED: Target = Target {
    name: "derived",
    run: |input| outcome(serde_json::from_slice::<Vec<Item>>(input)),
    seeds: || {
        let all: Vec<serde_json::Value> = serde_json::from_slice(&std::fs::read(fixtures::derived()).unwrap()).unwrap();
        all.chunks(3).step_by(20).map(|few| serde_json::to_vec(few).unwrap()).collect()
    },
    words: WORDS,
    repair: None,
};

/// The table of releases, as a manifest names it.
pub const RELEASES: Target = Target {
    name: "releases",
    run: releases,
    seeds: || {
        let text = std::fs::read(fixtures::oracle().join("releases.json")).unwrap();
        let all: Vec<serde_json::Value> = serde_json::from_slice(&text).unwrap();
        all.chunks(2).step_by(10).map(|few| serde_json::to_vec(few).unwrap()).collect()
    },
    words: WORDS,
    repair: None,
};

fn releases(input: &[u8]) -> String {
    thread_local! {
        static FOLDER: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
    }
    FOLDER.with(|folder| {
        let mut folder = folder.borrow_mut();
        let (_, path) = folder.get_or_insert_with(|| {
            let folder = tempfile::tempdir().unwrap();
            let text = "name = \"a\"\nversion = \"4.1.5\"\nimage = \"a:1\"\nleader_key = \"/l\"\nfound = \"r.json\"\n\
                        ports = { postgres = 5432 }\ncredentials = { user = \"p\", password = \"p\" }\n\
                        processes = { agent = '^a ' }\n";
            std::fs::write(folder.path().join("agent.toml"), text).unwrap();
            let path = folder.path().to_path_buf();
            (folder, path)
        });
        std::fs::write(path.join("r.json"), input).unwrap();
        outcome(Manifest::load(path.to_str().unwrap()))
    })
}
