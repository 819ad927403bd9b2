//! Running a suite, without containers: what is derived and covered, runs from recorded histories, known deviations,
//! bad input.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use pghaspec::coverage::{Excuses, Matrix, committed};
use pghaspec::fixtures;
use pghaspec::history::History;
use pghaspec::judge::judge;
use pghaspec::known::failed_by::{FailedBy, Standing};
use pghaspec::manifest::Manifest;
use pghaspec::run::folder::RunDir;
use pghaspec::run::plan::{Plan, Planned};
use pghaspec::run::scenario_folder::Outcome;
use pghaspec::run::spec::SPEC_SHA256;
use pghaspec::scenario::Scenario;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::rules::edition::Edition;
use serde_json::Value;

const RESTART: &str = "leader-postmaster-killed";
const FAILOVER: &str = "leader-postmaster-killed-start-timeout-0";

fn pghaspec(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pghaspec")).args(args).output().unwrap()
}

#[track_caller]
fn json(args: &[&str], code: i32) -> Value {
    let output = pghaspec(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

#[track_caller]
fn refused(args: &[&str], code: i32, words: &[&str]) {
    let output = pghaspec(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} should say {word}: {said}");
    }
}

/// The folder of a run that recorded these scenarios, from histories of `agent` in the fixtures; those without a
/// history were interrupted.
fn recorded(out: &Path, agent: &str, scenarios: &[(&str, bool)]) -> PathBuf {
    let text = |id: &str| fs::read_to_string(fixtures::scenarios().join(format!("{id}.toml"))).unwrap();
    let planned = scenarios.iter().map(|(id, _)| Planned::new(id, &text(id))).collect();
    let run = RunDir::create(out, "patroni").unwrap();
    Plan::new(&Manifest::load("patroni@4.1.5").unwrap(), planned).write(run.path()).unwrap();
    for (id, complete) in scenarios {
        let dir = run.scenario(id).unwrap();
        dir.begin(&text(id)).unwrap();
        if *complete {
            fs::copy(fixtures::root().join(format!("traces/{agent}/{id}.jsonl")), &dir.events).unwrap();
            dir.end(&Outcome { image_digest: Some("sha256:00".into()), ..Outcome::default() }).unwrap();
        }
    }
    run.path().to_path_buf()
}

fn as_str(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn results_are_made_from_the_evidence_alone() {
    let out = tempfile::tempdir().unwrap();
    let run = recorded(out.path(), "patroni-4.1.5", &[(FAILOVER, true), (RESTART, true)]);
    let document = json(&["report", as_str(&run), "--json"], 0);
    assert_eq!((&document["verdict"], &document["as_expected"]), (&"pass".into(), &true.into()));
    assert_eq!(document["agent"]["image_digest"], "sha256:00");
    let ids: Vec<_> = document["scenarios"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [RESTART, FAILOVER]);
    let covered = &document["scenarios"][0]["covered"];
    assert_eq!(covered["explained"], true);
    assert!(covered["items"].as_array().unwrap().contains(&"branch/4.1/start-primary".into()), "{covered}");
    assert!(document["scenarios"][0]["planned"].as_array().unwrap().contains(&"branch/4.1/start-primary".into()));
    // An events file, the scenario and the outcome of each.
    assert_eq!(document["evidence"]["sha256"].as_object().unwrap().len(), 6);
    let read = |name: &str| fs::read_to_string(run.join(name)).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&read("results.json")).unwrap(), document);
    assert_eq!(read("junit.xml").matches("<testsuite ").count(), 2);
    let html = read("report.html");
    assert!(html.contains("allowed-by-the-model") && html.contains("class=\"matrix\""), "{html}");
    assert!(html.contains(&format!("href=\"{RESTART}/events.jsonl\"")), "{html}");
    // Nothing is fetched from elsewhere to read it.
    assert!(!html.contains("src=") && !html.contains("<script") && !html.contains("<link"));
    // It does not say enough of the agent, as runs of older programs do not.
    assert!(!run.join("certificate.json").exists());
    refused(&["verify", as_str(&run)], 2, &["certificate.json", "pghaspec report"]);
}

#[test]
fn the_parts_of_a_run_are_put_together() {
    let out = tempfile::tempdir().unwrap();
    let one = recorded(out.path(), "patroni-4.1.5", &[(RESTART, true)]);
    let other = recorded(out.path(), "patroni-4.1.5", &[(FAILOVER, true)]);
    let whole = out.path().join("whole");
    let document = json(&["report", as_str(&one), as_str(&other), "--out", as_str(&whole), "--json"], 0);
    assert_eq!(document["scenarios"].as_array().unwrap().len(), 2);
    let run = one.file_name().unwrap().to_str().unwrap();
    let html = fs::read_to_string(whole.join("report.html")).unwrap();
    assert!(html.contains(&format!("href=\"../{run}/{RESTART}/events.jsonl\"")), "{html}");
    assert!(whole.join("junit.xml").is_file());
    refused(&["report", as_str(&one), as_str(&other)], 2, &["--out"]);
    refused(&["report", as_str(&one), as_str(&one), "--out", as_str(&whole)], 2, &[RESTART, "more than one"]);
    refused(&["report", as_str(out.path())], 2, &["plan.json", "not the folder of a run"]);
    let file = other.join("plan.json");
    fs::write(&file, fs::read_to_string(&file).unwrap().replace("4.1.5", "4.1.4")).unwrap();
    refused(&["report", as_str(&one), as_str(&other), "--out", as_str(&whole)], 2, &["release 4.1.4 instead of 4.1.5"]);
    fs::write(&file, "{").unwrap();
    refused(&["report", as_str(&other)], 2, &["plan.json", "damaged"]);
}

#[test]
fn what_was_not_run_to_its_end_is_inconclusive() {
    let out = tempfile::tempdir().unwrap();
    let run = recorded(out.path(), "patroni-4.1.5", &[(RESTART, true), (FAILOVER, false)]);
    let document = json(&["report", as_str(&run), "--json"], 4);
    assert_eq!(document["verdict"], "inconclusive");
    assert!(document["scenarios"][1]["checks"][0]["why"].as_str().unwrap().contains("--resume"));
}

/// A run that fails as is known is as expected; what nobody knew, and what is gone, fails it.
#[test]
fn known_deviations_are_expected() {
    let known = |check: &str| {
        format!(
            "[[deviation]]\nchecks = [\"{check}\"]\nscenarios = [\"{FAILOVER}\"]\nreleases = {{ to = \"4.1.5\" }}\n\
            reason = \"the lock is kept\"\nlink = \"https://example.org/1\"\n\n"
        )
    };
    let out = tempfile::tempdir().unwrap();
    let run = recorded(out.path(), "keeps-lock", &[(FAILOVER, true)]);
    let document = json(&["report", as_str(&run), "--json"], 1);
    let failed: Vec<_> = document["deviations"]["unknown"].as_array().unwrap().clone();
    assert!(failed.len() >= 2, "{document}");

    let all: String = failed.iter().map(|one| known(one["check"].as_str().unwrap())).collect();
    fs::write(run.join("deviations.toml"), &all).unwrap();
    let document = json(&["report", as_str(&run), "--json"], 0);
    assert_eq!((&document["verdict"], &document["as_expected"]), (&"fail".into(), &true.into()));
    assert_eq!(document["deviations"]["known"].as_array().unwrap().len(), failed.len());
    let text = pghaspec(&["report", as_str(&run)]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(text.contains("KNOWN FAIL") && text.contains("as is known of this release"), "{text}");
    assert!(fs::read_to_string(run.join("junit.xml")).unwrap().contains("failures=\"0\""));

    fs::write(run.join("deviations.toml"), known("takes-branch")).unwrap();
    let document = json(&["report", as_str(&run), "--json"], 1);
    assert_eq!(document["deviations"]["unknown"].as_array().unwrap().len(), failed.len() - 1);

    fs::write(run.join("deviations.toml"), all + &known("evidence-complete")).unwrap();
    let document = json(&["report", as_str(&run), "--json"], 1);
    assert_eq!(document["deviations"]["gone"][0]["check"], "evidence-complete");
    let text = pghaspec(&["report", as_str(&run)]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("deviation is gone"));

    fs::write(run.join("deviations.toml"), known("takes-branch").replace("reason", "because")).unwrap();
    refused(&["report", as_str(&run)], 2, &["deviations.toml:", "because"]);
}

/// Scenarios that a list of known deviations speaks of are there.
#[test]
fn committed_deviations_are_about_scenarios() {
    for manifest in pghaspec::manifest::Manifest::all().unwrap() {
        let file = pghaspec::manifest::folder(&manifest.name).unwrap().join(pghaspec::known::deviations::FILE);
        for scenario in pghaspec::known::deviations::Deviations::read(&file).unwrap().scenarios() {
            assert!(Scenario::exists(scenario), "{}: there is no scenario {scenario}", file.display());
        }
    }
}

#[test]
fn a_run_goes_on_only_as_it_began() {
    let out = tempfile::tempdir().unwrap();
    let run = recorded(out.path(), "patroni-4.1.5", &[(RESTART, true), (FAILOVER, true)]);
    // All is recorded, so nothing is run, and no Docker is asked.
    let document = json(&["certify", "patroni@4.1.5", "--resume", as_str(&run), "--json"], 0);
    assert_eq!(document["scenarios"].as_array().unwrap().len(), 2);
    refused(&["certify", "patroni-defects/keeps-lock", "--resume", as_str(&run)], 2, &["agent", "keeps-lock"]);
    refused(&["certify", "patroni", "--resume", as_str(out.path())], 2, &["not the folder of a run"]);
    refused(&["certify", "patroni", "--resume", as_str(&run), "--profile", "smoke"], 2, &["--profile"]);
    let file = run.join("plan.json");
    let plan = fs::read_to_string(&file).unwrap();
    fs::write(&file, plan.replace("\"edition\": \"4.1\"", "\"edition\": \"4.0\"")).unwrap();
    refused(&["certify", "patroni", "--resume", as_str(&run)], 2, &["edition 4.1 instead of 4.0"]);
    fs::write(&file, plan.replace(SPEC_SHA256, &"0".repeat(64))).unwrap();
    let mismatch = format!("specification {SPEC_SHA256} instead of 0000");
    let words = [&mismatch, "help: go on with the agent and the pghaspec that began it"];
    refused(&["certify", "patroni", "--resume", as_str(&run)], 2, &words);
    let sha256 = plan.split("\"sha256\": \"").last().unwrap()[..64].to_owned();
    fs::write(&file, plan.replace(&sha256, &"0".repeat(64))).unwrap();
    refused(&["certify", "patroni", "--resume", as_str(&run)], 2, &["has changed since"]);
    fs::write(&file, plan).unwrap();
    let _lock = RunDir::open(&run).unwrap();
    refused(&["certify", "patroni", "--resume", as_str(&run)], 3, &["another process still runs it"]);
}

#[test]
fn bad_input_is_told() {
    for wrong in ["3/2", "0/1", "x", "1/0"] {
        refused(&["certify", "patroni", "--shard", wrong], 2, &["--shard", wrong]);
    }
    let out = tempfile::tempdir().unwrap();
    let out = as_str(out.path());
    refused(&["certify", "patroni", "--out", out, "--scenario", RESTART, "--shard", "2/2"], 2, &["2/2", "only 1"]);
    refused(&["certify", "patroni", "--out", out, "--profile", "luck"], 2, &["luck", "smoke", "stress", "all"]);
    refused(&["certify", "patroni", "--out", out, "--scenario", "luck"], 2, &["luck", RESTART]);
    refused(&["certify", "patroni", "--out", "/proc/1/nowhere"], 3, &["/proc/1/nowhere"]);
    assert_eq!(fs::read_dir(out).unwrap().count(), 0, "nothing was begun");
    let elsewhere = Command::new(env!("CARGO_BIN_EXE_pghaspec"))
        .args(["certify", "patroni", "--out", out, "--scenario", RESTART])
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(elsewhere.status.code(), Some(3), "{}", String::from_utf8_lossy(&elsewhere.stderr));
    let listed = json(&["list", "profiles", "--json"], 0);
    assert_eq!(listed.as_array().unwrap().len(), 13);
}

/// They were once taken for none, and nothing was planned.
#[test]
fn derived_items_that_cannot_be_read_are_told() {
    let out = tempfile::tempdir().unwrap();
    let run = recorded(out.path(), "patroni-4.1.5", &[(RESTART, true)]);
    json(&["report", as_str(&run), "--json"], 0);
    let folder = out.path().join("fixtures");
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(fixtures::root()).unwrap() {
        let path = entry.unwrap().path();
        std::os::unix::fs::symlink(path.canonicalize().unwrap(), folder.join(path.file_name().unwrap())).unwrap();
    }
    let derived = folder.join("derived.json");
    let text = fs::read_to_string(&derived).unwrap();
    fs::remove_file(&derived).unwrap();
    for (damaged, words) in [
        (text.replacen("\"branch/4.1/", "\"branch/9.9/", 1), "is not the name of a derived item"),
        (text.replacen("\"kind\": \"branch\"", "\"kind\": \"fault\"", 1), "the kind of"),
        ("[".to_owned(), "EOF"),
    ] {
        fs::write(&derived, damaged).unwrap();
        for args in [&["report", as_str(&run)][..], &["scenarios"]] {
            let output =
                Command::new(env!("CARGO_BIN_EXE_pghaspec")).args(args).env("PGHASPEC_FIXTURES", &folder).output();
            let output = output.unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(said.contains("derived.json") && said.contains(words) && said.contains("help: "), "{said}");
        }
    }
}

/// Everything that the model derives is covered by a committed scenario, or it is said why not; and what is excused is
/// not covered.
#[test]
fn the_suite_covers_what_is_derived() {
    let items = committed().unwrap();
    let excuses = Excuses::committed().unwrap();
    let matrix = Matrix::of(&items, &Scenario::all().unwrap(), &excuses);
    assert!(matrix.missing().is_empty(), "\n{}", matrix.text());
    assert_eq!(excuses.idle(&matrix.uncovered()), Vec::<&str>::new(), "these are covered by now");
    for id in ["branch/4.1/start-primary", "branch/4.1/fail-over", "fault/postmaster-killed/leader/primary"] {
        let row = matrix.rows.iter().find(|row| row.item.to_string() == id).unwrap();
        assert!(!row.scenarios.is_empty(), "{id}");
    }
}

/// The committed schedules are those that the model derives. Half a minute of CPU.
#[test]
fn what_is_committed_is_derived() {
    let derived: Vec<_> = pghaspec_model::derive::derive(&|_| ()).iter().map(pghaspec::coverage::Item::from).collect();
    assert_eq!(committed().unwrap(), derived, "write it anew: pghaspec scenarios --derive --write");
}

/// A scenario that nobody can fail proves nothing.
#[test]
fn every_scenario_is_failed_by_somebody() {
    let all = FailedBy::committed().unwrap();
    // Which checks there are depends on what the scenario demands and how its cluster is configured, not on what
    // happened.
    let mut history = History::read(&fixtures::root().join(format!("traces/patroni-4.1.5/{RESTART}.jsonl"))).unwrap();
    for scenario in Scenario::all().unwrap() {
        let id = &scenario.id;
        let pair = all.iter().find(|one| one.scenario == *id).unwrap_or_else(|| {
            panic!(
                "{id}: say in fixtures/failed_by.toml which agent fails it by which check, a seeded defect of \
                 fixtures/agents/patroni-defects or a release, and see it with `pghaspec defects --scenario {id}`"
            )
        });
        Manifest::load(&pair.agent).unwrap_or_else(|error| panic!("{id}: {error}"));
        history.run.configuration = scenario.settings.configuration(scenario.etcd);
        let checks = judge(&history, Edition::V4_1, Some(&scenario.expect)).checks;
        let ids: Vec<&str> = checks.iter().map(|check| check.id.as_str()).collect();
        assert!(ids.contains(&pair.check.as_str()), "{id}: there is no check {} in it, but {ids:?}", pair.check);
    }
    for pair in all {
        assert!(Scenario::exists(&pair.scenario), "there is no scenario {}", pair.scenario);
    }
}

/// The recorded history of a pair shows the failure; and something was recorded of each seeded defect.
#[test]
fn seeded_defects_are_caught_by_what_was_recorded() {
    let all = FailedBy::committed().unwrap();
    let is_defect = |name: &str| name.starts_with("patroni-defects/") && name != "patroni-defects/control";
    for manifest in Manifest::all().unwrap().into_iter().filter(|manifest| is_defect(&manifest.name)) {
        let name = manifest.name.trim_start_matches("patroni-defects/");
        let mut caught = 0;
        for pair in all.iter().filter(|pair| pair.agent == manifest.name) {
            let file = fixtures::root().join(format!("traces/{name}/{}.jsonl", pair.scenario));
            if !file.is_file() {
                continue;
            }
            let history = History::read(&file).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!((&history.run.agent, &history.run.scenario), (&manifest.name, &pair.scenario));
            let expect = Scenario::load(&pair.scenario).unwrap().expect;
            let judged = judge(&history, history.edition(&file).unwrap(), Some(&expect));
            let (standing, why) = pair.standing(&judged.checks);
            assert_eq!(standing, Standing::Caught, "{}: {}: {why}", file.display(), pair.check);
            caught += 1;
        }
        assert!(
            caught > 0,
            "of {} there is no history in fixtures/traces/{name} that fails as foretold",
            manifest.name
        );
    }
}

#[test]
fn the_core_demands_every_branch_of_recover() {
    let scenarios = Scenario::all().unwrap();
    let core = scenarios.iter().filter(|scenario| scenario.profiles.iter().any(|profile| profile == "core"));
    let demanded: BTreeSet<Branch> =
        core.flat_map(|scenario| scenario.expect.branches.iter().flatten().copied()).collect();
    let missing: Vec<_> = Branch::ALL.into_iter().filter(|branch| !demanded.contains(branch)).collect();
    // An agent says the same of both.
    assert_eq!(missing, [Branch::CrashRecoveryBeforeRewind]);
}
