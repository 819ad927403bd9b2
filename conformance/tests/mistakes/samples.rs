//! Files without a mistake, in which one is made.

use std::path::{Path, PathBuf};

use pghaspec::input::InputError;
use pghaspec::known::deviations::Deviations;
use pghaspec::known::failed_by::FailedBy;
use pghaspec::manifest::Manifest;
use pghaspec::scenario::Scenario;

/// A manifest with every key.
pub const AGENT: &str = r#"
name = "sample"
version = "1.0"
edition = "4.1"
image = "sample:{{version}}"
build = ["build", "{{version}}"]
leader_key = "/service/{{scope}}/leader"
sync_key = "/service/{{scope}}/sync"
data_volume = "/var/lib/postgresql"
found = "releases.json"

[[files]]
from = "sample.yml"
to = "/etc/sample.yml"
template = true

[env]
SAMPLE = "1"

[ports]
postgres = 5432

[credentials]
user = "postgres"
password = "secret"

[remote]
sql = ["CREATE ROLE r"]

[claims]
features = ["watchdog"]

[node]
command = ["/usr/bin/sample", "{{name}}"]
user = "sampler"
clear = ["/run/sample"]

[processes]
agent = '^sample '

[log]
time = '^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2},\d{3}'

[[says]]
pattern = 'starting primary after failure'
branch = "start-primary"

[[says]]
pattern = 'promoted self'
name = "promoted"

[releases]
"0.9" = "2.1.2"

[variables]
start = "primary_start_timeout"

[[older]]
than = "1.0"
variables = { start = "master_start_timeout" }
"#;

/// A scenario with every key of steps that it can have.
pub const SCENARIO: &str = r#"
title = "The leader's agent is frozen"
why = "An agent must look at the lock again."
profiles = ["interrupted"]
nodes = 2
etcd = 3
needs = ["watchdog"]
rules = ["starts_crashed_primary: yes"]

[settings]
loop_wait_s = 1
ttl_s = 20
retry_timeout_s = 3
primary_start_timeout_s = 300
settle_s = 120
watchdog = "required"
synchronous_mode = false
maximum_lag_on_failover = 1048576

[[step]]
fault = "agent-frozen"
target = "leader"

[[step]]
when = "write-elsewhere"
disturbance = "link-slowed"
target = "first-hit"
delay_ms = 100

[[step]]
when = { server = { at = "other", is = "primary" } }
fault = "agent-thawed"
target = "first-hit"

[expect]
branches = ["start-secondary"]
leader = "other"
timeline = "bumped"
rejoins = "standby"
single_user = false

[expect.if."starts_crashed_primary: no"]
timeline = "unchanged"
"#;

/// A list of known deviations with every key.
pub const DEVIATIONS: &str = r#"
[[deviation]]
checks = ["one-writable-leader"]
scenarios = ["orphan-writer"]
reason = "A backend outlives its postmaster."
link = "https://example.org/issues/1"
sometimes = "Who is asked first decides."
releases = { from = "2.1.2", to = "4.1.5" }
"#;

/// A list of agents that fail scenarios.
pub const FAILED_BY: &str = r#"
[orphan-writer]
agent = "patroni"
check = "one-writable-leader"
"#;

/// A folder with the files that the manifest names, and links and pipes that it must not.
pub fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("sample.yml"), "name: {{name}}\nstart: {{start}}\n").unwrap();
    std::fs::write(path.join("odd.yml"), "name: {{name}}\nstart: {{strat}}\n").unwrap();
    std::fs::write(path.join("build"), "#!/bin/sh\n").unwrap();
    std::fs::write(path.join("releases.json"), "[]").unwrap();
    std::fs::write(path.join("odd.json"), "[\n{\"release\": 1}]").unwrap();
    std::os::unix::fs::symlink("/etc/hostname", path.join("link")).unwrap();
    std::fs::create_dir(path.join("inner")).unwrap();
    folder
}

/// Reads a manifest in that folder.
pub fn agent(folder: &Path, text: &[u8]) -> Result<Manifest, InputError> {
    let file: PathBuf = folder.join("agent.toml");
    std::fs::write(&file, text).unwrap();
    Manifest::load(file.to_str().unwrap())
}

/// Reads a scenario.
pub fn scenario(text: &str) -> Result<Scenario, InputError> {
    Scenario::parse(Path::new("agent-frozen.toml"), text)
}

/// Reads known deviations.
pub fn deviations(text: &str) -> Result<Deviations, InputError> {
    Deviations::written(Path::new("deviations.toml"), text)
}

/// Reads agents that fail scenarios.
pub fn failed_by(text: &str) -> Result<Vec<FailedBy>, InputError> {
    FailedBy::parse(Path::new("failed_by.toml"), text)
}

#[test]
fn the_samples_have_no_mistake() {
    agent(folder().path(), AGENT.as_bytes()).unwrap();
    scenario(SCENARIO).unwrap();
    deviations(DEVIATIONS).unwrap();
    failed_by(FAILED_BY).unwrap();
    assert!(!deviations("").unwrap().scenarios().any(|_| true));
}
