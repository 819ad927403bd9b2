//! Files that people write: manifests, with the release that is asked for, scenarios, and lists.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use pghaspec::coverage::Excuses;
use pghaspec::fixtures;
use pghaspec::known::deviations::Deviations;
use pghaspec::known::failed_by::FailedBy;
use pghaspec::manifest::Manifest;
use pghaspec::scenario::Scenario;

use super::{Target, files, outcome};

/// A manifest, after a line with the release that is asked for.
pub const AGENT: Target = Target {
    name: "agent",
    run: agent,
    seeds: || {
        let manifests = files(&fixtures::agents(), "agent.toml", 1 << 14);
        let mut seeds: Vec<Vec<u8>> = Vec::new();
        for (release, manifest) in ["", "4.1.5", "2.1.2", "0"].iter().cycle().zip(manifests) {
            seeds.push([release.as_bytes(), b"\n", &manifest].concat());
        }
        seeds.push([b"1.0\n".as_slice(), SMALL.as_bytes()].concat());
        seeds
    },
    words: &[
        "extends",
        "prepared_by",
        "image",
        "{{version}}",
        "{{scope}}",
        "[[files]]",
        "from",
        "to",
        "template",
        "[env]",
        "[ports]",
        "[[says]]",
        "pattern",
        "branch",
        "name",
        "(?<words>",
        ")+",
        "{1000}",
        "[variables]",
        "[[older]]",
        "than",
        "found",
        "releases.json",
        "agent.toml",
        "a.yml",
        "../",
        "/etc/passwd",
        " = ",
        "true",
        "[claims]",
    ],
    repair: None,
};

/// A manifest whose files are beside it.
const SMALL: &str = r#"
name = "sample"
version = "1.0"
edition = "4.1"
image = "sample:{{version}}"
leader_key = "/service/{{scope}}/leader"
files = [{ from = "a.yml", to = "/etc/a.yml", template = true }]
ports = { postgres = 5432 }
credentials = { user = "postgres", password = "p" }
processes = { agent = '^sample ' }
found = "releases.json"
older = [{ than = "1.0", variables = { v = "1" } }]
[variables]
v = "2"
[releases]
"0.9" = "2.1.2"
"#;

fn agent(input: &[u8]) -> String {
    thread_local! {
        static FOLDER: RefCell<Option<(tempfile::TempDir, PathBuf)>> = const { RefCell::new(None) };
    }
    let (release, text) = input.split_at(input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len()));
    let text = text.get(1..).unwrap_or_default();
    FOLDER.with(|folder| {
        let mut folder = folder.borrow_mut();
        let (_, file) = folder.get_or_insert_with(|| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("a.yml"), "name: {{name}}\n").unwrap();
            std::fs::write(folder.path().join("releases.json"), "[]").unwrap();
            let file = folder.path().join("agent.toml");
            (folder, file)
        });
        std::fs::write(&*file, text).unwrap();
        let release = String::from_utf8_lossy(release);
        let release = if release.is_empty() { String::new() } else { format!("@{release}") };
        outcome(Manifest::load(&format!("{}{release}", file.display())))
    })
}

/// A scenario.
pub const SCENARIO: Target = Target {
    name: "scenario",
    run: |input| match std::str::from_utf8(input) {
        Ok(text) => outcome(Scenario::parse(Path::new("some.toml"), text)),
        Err(_) => "no text".to_owned(),
    },
    seeds: || files(&fixtures::scenarios(), ".toml", 1 << 14),
    words: &[
        "[settings]",
        "[[step]]",
        "[expect]",
        "when",
        "fault",
        "disturbance",
        "lift",
        "target",
        "every",
        "during",
        "leader",
        "first-hit",
        "etcd",
        "remote",
        "nodes",
        "needs",
        "rules",
        "[expect.if.\"words: master\"]",
        " = ",
        "{ ",
        " }",
        "starts",
        "ends",
        "server",
        "struck",
        "takes",
        "says",
        "dcs-down",
        "dcs-up",
        "true",
        "ttl_s",
        "settle_s",
    ],
    repair: None,
};

/// Known deviations.
pub const DEVIATIONS: Target = Target {
    name: "deviations",
    run: |input| match std::str::from_utf8(input) {
        Ok(text) => outcome(Deviations::written(Path::new("deviations.toml"), text)),
        Err(_) => "no text".to_owned(),
    },
    seeds: || {
        let small = "[[deviation]]\nchecks = [\"leader\"]\nscenarios = [\"orphan-writer\"]\nreason = \"r\"\n\
                     link = \"https://example.org/1\"\nreleases = { from = \"1\", to = \"2.0\" }\n";
        let mut seeds = files(&fixtures::agents(), "deviations.toml", 1 << 16);
        seeds.push(small.into());
        seeds
    },
    words: &[
        "[[deviation]]",
        "checks",
        "scenarios",
        "releases",
        "from",
        "to",
        "reason",
        "link",
        "sometimes",
        "https://",
        "\"*\"",
        "stress-1-1",
        "4.1.5",
        " = ",
    ],
    repair: None,
};

/// Agents that fail scenarios.
pub const FAILED_BY: Target = Target {
    name: "failed-by",
    run: |input| match std::str::from_utf8(input) {
        Ok(text) => outcome(FailedBy::parse(Path::new("failed_by.toml"), text)),
        Err(_) => "no text".to_owned(),
    },
    seeds: || vec![b"[orphan-writer]\nagent = \"patroni@4.1.5\"\ncheck = \"leader\"\n".to_vec()],
    words: &["[orphan-writer]", "agent", "check", "patroni-defects/control", "..", "@", "leader", " = "],
    repair: None,
};

/// Reasons why items are covered by no scenario, with a name that they are asked about.
pub const UNCOVERED: Target = Target {
    name: "uncovered",
    run: |input| match std::str::from_utf8(input) {
        Ok(text) => outcome(Excuses::parse(Path::new("uncovered.toml"), text).map(|excuses| {
            let id = "fault/agent-restarted/leader".parse().unwrap();
            (excuses.of(id).is_some(), excuses.idle(&[id]).len())
        })),
        Err(_) => "no text".to_owned(),
    },
    seeds: || {
        vec![std::fs::read(fixtures::uncovered()).unwrap(), b"[[uncovered]]\nitem = \"a*\"\nreason = \"r\"\n".into()]
    },
    words: &["[[uncovered]]", "item", "reason", "*", "fault/", " = "],
    repair: None,
};
