//! A run's folder as the lab leaves it: the profile smoke, as it was recorded. `recorded/` has the histories, the ends
//! and the logs, of etcd's the first lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pghaspec::certificate::Certificate;
use pghaspec::fixtures;
use pghaspec::manifest::Manifest;
use pghaspec::run::claims::Claims;
use pghaspec::run::folder::RunDir;
use pghaspec::run::plan::{Plan, Planned};
use pghaspec::run::records::{ImageRecord, MachineRecord, Package};
use pghaspec::run::scenario_folder::Outcome;
use pghaspec::scenario::text;
use pghaspec_model::vocabulary::event::FORMAT;
use serde_json::Value;

pub const RESTART: &str = "leader-postmaster-killed";
pub const FAILOVER: &str = "leader-postmaster-killed-start-timeout-0";
pub const STANDBY: &str = "standby-postmaster-killed";
pub const SMOKE: [&str; 3] = [RESTART, FAILOVER, STANDBY];

/// The digest of the image of all samples.
pub const IMAGE: &str = "sha256:5c1d8a3f0d8c1be5b0d7c4a2a2f9b5ee4c9f0d6f3a0f1b2c3d4e5f60718293a4";

/// A run, in a folder that is removed in the end.
pub struct Sample {
    _outer: tempfile::TempDir,
    pub folder: PathBuf,
}

/// Patroni 4.1.5, which passes all three.
pub fn passing() -> Sample {
    run("patroni@4.1.5", Some("smoke"), &SMOKE.map(|id| (id, "sound")))
}

/// An agent that fails one of the three.
pub fn failing() -> Sample {
    let of = |id| if id == FAILOVER { "keeps-lock" } else { "sound" };
    run("patroni-defects/keeps-lock@4.1.5", Some("smoke"), &SMOKE.map(|id| (id, of(id))))
}

/// A run of an agent, from these histories of others.
pub fn run(agent: &str, profile: Option<&str>, histories: &[(&str, &str)]) -> Sample {
    let outer = tempfile::tempdir().unwrap();
    let manifest = Manifest::load(agent).unwrap();
    let dir = RunDir::create(outer.path(), &manifest.name).unwrap();
    let claims = Claims::of(&manifest).unwrap();
    claims.write(dir.path()).unwrap();
    let package = Package { from: "dpkg".into(), name: "postgresql-17".into(), version: "17.6-1".into() };
    let reference = manifest.image.clone();
    ImageRecord { reference, digest: IMAGE.into(), packages: vec![package], packages_unknown: None }
        .write(dir.path())
        .unwrap();
    MachineRecord {
        cpus: 2,
        memory_mib: 4096,
        kernel: "6.1.0".into(),
        architecture: "x86_64".into(),
        docker: "20.10.24".into(),
        pghaspec: env!("CARGO_PKG_VERSION").into(),
    }
    .write(dir.path())
    .unwrap();
    let deviations = fixtures::agents().join(&manifest.name).join("deviations.toml");
    if deviations.is_file() {
        fs::copy(deviations, dir.path().join("deviations.toml")).unwrap();
    }
    let planned: Vec<_> = histories.iter().map(|(id, _)| Planned::new(id, &text(id).unwrap())).collect();
    let plan = Plan { profile: profile.map(str::to_owned), seed: 1, ..Plan::new(&manifest, planned) };
    plan.write(dir.path()).unwrap();
    for (id, from) in histories {
        scenario(&dir, &plan, id, from);
    }
    let folder = dir.path().to_path_buf();
    drop(dir);
    let sample = Sample { _outer: outer, folder };
    sample.report();
    sample
}

/// One scenario: what was recorded, headed as a part of this run.
fn scenario(dir: &RunDir, plan: &Plan, id: &str, from: &str) {
    let paths = dir.scenario(id).unwrap();
    paths.begin(&text(id).unwrap()).unwrap();
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/certificate/recorded").join(from).join(id);
    let digits = dir.id().rsplit('-').next().unwrap();
    // The names of containers have the run in them.
    let recorded_as = if from == "sound" { "77a31875b9bd" } else { "f25662d2d6d0" };
    let history = fs::read_to_string(recorded.join("events.jsonl")).unwrap().replace(recorded_as, digits);
    // No event of it has anything that a newer format tells otherwise.
    let history = history.replace("{\"v\":6,", &format!("{{\"v\":{FORMAT},"));
    let (head, rest) = history.split_once('\n').unwrap();
    let mut head: Value = serde_json::from_str(head).unwrap();
    head["run"] = dir.id().into();
    head["agent"] = plan.agent.clone().into();
    fs::write(&paths.events, format!("{head}\n{rest}")).unwrap();
    for entry in fs::read_dir(&recorded).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        if name.ends_with(".log") {
            let log = fs::read_to_string(entry.path()).unwrap().replace(recorded_as, digits);
            fs::write(paths.logs.join(format!("pghaspec-{digits}-0a1b2c-1-{name}")), log).unwrap();
        }
    }
    let outcome = fs::read_to_string(recorded.join("outcome.json")).unwrap();
    let outcome: Outcome = serde_json::from_str(&outcome).unwrap();
    paths.end(&Outcome { image_digest: Some(IMAGE.into()), ..outcome }).unwrap();
}

impl Sample {
    /// Makes results, pages and the certificate again; returns whether that could be done.
    pub fn report(&self) -> bool {
        let output = pghaspec(&["report", self.path()]);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 1 | 2 | 4)), "{code:?}: {}", String::from_utf8_lossy(&output.stderr));
        code != Some(2)
    }

    pub fn path(&self) -> &str {
        self.folder.to_str().unwrap()
    }

    /// The exit code of `verify`, and what it says.
    pub fn verify(&self, args: &[&str]) -> (i32, Value) {
        let output = pghaspec(&[&["verify", self.path(), "--json"], args].concat());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let document = serde_json::from_slice(&output.stdout).unwrap_or(Value::String(said));
        (output.status.code().unwrap(), document)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.join(name)).unwrap()
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.folder.join(name), text).unwrap();
    }

    /// Replaces words in a file, which has to have them.
    pub fn replace(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no {from}");
        self.write(name, &text.replace(from, to));
    }

    /// Changes a JSON document. A certificate is written as pghaspec writes it.
    pub fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) {
        let mut document = serde_json::from_str(&self.read(name)).unwrap();
        change(&mut document);
        let text = match name {
            "certificate.json" => serde_json::from_value::<Certificate>(document).unwrap().text(),
            _ => serde_json::to_string_pretty(&document).unwrap() + "\n",
        };
        self.write(name, &text);
    }

    /// All files, by path below the folder.
    pub fn files(&self) -> Vec<String> {
        fn walk(folder: &Path, below: &Path, found: &mut Vec<String>) {
            for entry in fs::read_dir(folder.join(below)).unwrap() {
                let path = below.join(entry.unwrap().file_name());
                match folder.join(&path).is_dir() {
                    true => walk(folder, &path, found),
                    false => found.push(path.display().to_string()),
                }
            }
        }
        let mut found = Vec::new();
        walk(&self.folder, Path::new(""), &mut found);
        found.sort();
        found
    }

    /// The log of a node in a scenario.
    pub fn log(&self, id: &str, part: &str) -> String {
        let suffix = format!("-{part}.log");
        self.files()
            .into_iter()
            .find(|file| file.starts_with(&format!("{id}/logs/")) && file.ends_with(&suffix))
            .unwrap()
    }
}

pub fn pghaspec(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pghaspec")).args(args).env_remove("PGHASPEC_KEY_PASSWORD").output().unwrap()
}
