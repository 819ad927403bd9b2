//! The command line without containers: exit codes, JSON forms, clear words for bad input.

use std::process::{Command, Output};

use serde_json::Value;

fn pghaspec(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pghaspec")).args(args).output().unwrap()
}

fn json(args: &[&str], code: i32) -> Value {
    let output = pghaspec(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}"))
}

fn refused(args: &[&str], words: &[&str]) {
    let output = pghaspec(args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
    for word in words {
        assert!(said.contains(word), "{args:?} should say {word}: {said}");
    }
}

#[test]
fn check_holds() {
    let document = json(&["check", "--json"], 0);
    assert_eq!(document["edition"], "4.1");
    assert_eq!(document["complete"], true);
    assert_eq!(document["second_engine"]["agrees"], true);
    assert_eq!(document["second_engine"]["states"], document["states"]);
    let properties = document["properties"].as_array().unwrap();
    let of = |kind| properties.iter().filter(|property| property["kind"] == kind).count();
    // Three of sixteen are about other configurations.
    assert_eq!((of("safety"), of("liveness")), (11, 3));
    for property in properties {
        let result = property["result"].as_str().unwrap();
        assert!(result == "holds" || result == "no-occasion" && property["kind"] == "liveness", "{property}");
        assert_eq!(property["counterexample"], Value::Null);
    }
    let witnessed = document["branches"].as_array().unwrap().iter().filter(|b| b["witnessed"] == true).count();
    assert_eq!(witnessed, 6);
    assert!(document["actions"].as_array().unwrap().iter().all(|action| action["witnessed"] == true));
}

/// A mutant is shown under the assumption that kills it, unless something else is asked for; each of them is, by
/// `--mutants`.
#[test]
fn a_mutant_is_violated() {
    for (mutant, property) in [
        ("starts-without-signal", "one-writable-leader"),
        ("removes-lock-file", "crash-recovery-alone"),
        ("keeps-lock-after-failed-start", "unstartable-leader-yields"),
    ] {
        let document = json(&["check", "--json", "--no-second-engine", "--mutant", mutant], 1);
        assert_eq!(document["edition"], "ideal");
        let properties = document["properties"].as_array().unwrap();
        let violated = properties.iter().find(|found| found["id"] == property).unwrap();
        assert_eq!(violated["result"], "violated", "{mutant}");
        assert!(violated["counterexample"].as_array().unwrap().len() > 3, "{mutant}");
        assert_eq!(violated["repeats_from"].is_u64(), violated["kind"] == "liveness");
    }
    json(&["check", "--json", "--no-second-engine", "--mutant", "never-rewinds", "--faults", "postmaster-killed"], 0);
}

#[test]
fn configurations_and_budgets_can_be_chosen() {
    let check = ["check", "--json", "--no-second-engine"];
    let document = json(&[&check[..], &["--assumption", "orphans"]].concat(), 1);
    assert!(document["faults"].as_array().unwrap().iter().any(|fault| fault == "orphans-left"));
    let document = json(&[&check[..], &["--standby-cluster", "--process-faults", "1", "--commits", "0"]].concat(), 0);
    let ids: Vec<_> = document["properties"].as_array().unwrap().iter().map(|p| p["id"].clone()).collect();
    assert!(ids.contains(&"standby-cluster-read-only".into()) && !ids.contains(&"one-writable-leader".into()));
    refused(&["check", "--standby-cluster", "--synchronous"], &["--standby-cluster", "--synchronous"]);
    refused(&["check", "--assumption", "luck"], &["luck", "two-crashes"]);
    refused(&["check", "--process-faults", "9"], &["9", "7"]);
    refused(&["check", "--write", "somewhere"], &["--matrix"]);
}

#[test]
fn properties_and_faults_can_be_chosen() {
    let document = json(
        &[
            "check",
            "--json",
            "--edition",
            "2.1.2",
            "--properties",
            "crash-recovery-once",
            "--faults",
            "postmaster-killed",
        ],
        0,
    );
    assert_eq!(document["faults"], serde_json::json!(["postmaster-killed"]));
    assert_eq!(document["properties"].as_array().unwrap().len(), 1);
}

/// Whoever reads the numbers later can tell which program counted what, in which specification, and whether it took
/// fingerprints for states.
#[test]
fn what_was_checked_and_how_is_said() {
    let check = ["check", "--faults", "postmaster-killed", "--no-second-engine"];
    let document = json(&[&check[..], &["--json"]].concat(), 0);
    assert_eq!(document["version"], env!("CARGO_PKG_VERSION"));
    let digest = document["spec_sha256"].as_str().unwrap();
    assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{digest}");
    assert!(document["storage"].as_str().unwrap().contains("whole"), "{}", document["storage"]);
    let [states, transitions, depth] = ["states", "transitions", "depth"].map(|key| document[key].as_u64().unwrap());
    assert!(states > 100 && transitions > states && depth > 10, "{states} {transitions} {depth}");

    let output = pghaspec(&check);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for words in [
        format!("pghaspec {}, specification {}\n", env!("CARGO_PKG_VERSION"), &digest[..16]),
        format!("{states} states, {transitions} transitions, depth {depth}"),
        "states stored whole".to_owned(),
    ] {
        assert!(text.contains(&words), "{words:?} is not said: {text}");
    }
}

#[test]
fn limits_end_with_an_honest_incomplete() {
    let document = json(&["check", "--json", "--depth", "8"], 4);
    assert_eq!((&document["complete"], &document["limit"]), (&Value::Bool(false), &serde_json::json!("depth")));
    assert_eq!(document["properties"][0]["result"], "not-violated-so-far");
    assert_eq!(document["second_engine"], Value::Null);
    assert!(document["unexpanded"].as_u64().unwrap() > 0);
    let document = json(&["check", "--json", "--memory", "1"], 4);
    assert_eq!(document["limit"], "memory");
    let document = json(&["check", "--json", "--nodes", "3", "--time", "0"], 4);
    assert_eq!(document["limit"], "time");
    // A violation within the limit is one all the same.
    json(&["check", "--json", "--depth", "12", "--mutant", "starts-without-signal"], 1);
}

/// No value of an option takes the machine: what is beyond sense is refused, with the greatest sensible value.
#[test]
fn values_out_of_bounds_are_refused() {
    let huge = "18446744073709551615";
    for (command, option, most) in [
        ("check", "--threads", "from 1 to"),
        ("check", "--memory", "this machine"),
        ("check", "--time", "604800"),
        ("check", "--depth", "100000"),
        ("check", "--commits", "7"),
        ("timing", "--loop-wait", "14"),
        ("timing", "--retry-timeout", "14"),
        ("timing", "--ttl", "14"),
        ("timing", "--start-timeout", "14"),
        ("timing", "--safety-margin", "14"),
        ("timing", "--drift", "14"),
        ("timing", "--memory", "this machine"),
        ("explore", "--port", "65535"),
        ("simulate", "--steps", "10000"),
        ("simulate", "--count", "10000"),
        ("diff", "--jobs", "from 1 to"),
    ] {
        for value in [huge, "-1", "1.5", ""] {
            refused(&[command, &format!("{option}={value}")], &[option]);
        }
        refused(&[command, option, huge], &[most]);
    }
    for option in ["--threads", "--memory"] {
        refused(&["check", option, "0"], &["from 1 to"]);
    }
    refused(&["check", "--threads", "1000"], &["from 1 to"]);
    for release in ["", "../4.1.5", "4.1.5 --pre"] {
        refused(&["diff", &format!("--release={release}")], &["4.1.5"]);
    }
    for [command, option] in [["check", "--svg"], ["check", "--spill"], ["simulate", "--out"], ["diff", "--write"]] {
        refused(&[command, option, "/dev/zero"], &["is no folder"]);
    }
    // What says nothing where many searches are made is not ignored.
    for options in [&["--memory", "100"][..], &["--nodes", "3"], &["--depth", "1"], &["--spill", "/tmp"]] {
        refused(&[&["check", "--matrix"][..], options].concat(), &["--matrix"]);
        refused(&[&["check", "--mutants"][..], options].concat(), &["--mutants"]);
    }
}

#[test]
fn a_search_that_fills_its_memory_says_so() {
    let times = ["--loop-wait", "4", "--retry-timeout", "4", "--ttl", "12", "--start-timeout", "8"];
    let document = json(&[&["timing", "--json", "--memory", "32"][..], &times].concat(), 1);
    assert_eq!(document["one_writable_leader"]["result"], "not-violated-so-far");
    assert_eq!(document["one_writable_leader"]["out_of_memory"], true);
    let output = pghaspec(&[&["timing", "--memory", "1"][..], &times].concat());
    assert_eq!(output.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--memory"));
}

#[test]
fn a_property_that_is_named_often_is_checked_once() {
    let all = vec!["one-writable-leader,single-lock-owner"; 40].join(",");
    let document =
        json(&["check", "--json", "--no-second-engine", "--faults", "lease-expires", "--properties", &all], 0);
    assert_eq!(document["properties"].as_array().unwrap().len(), 2);
}

#[test]
fn behaviours_of_thousands_of_steps_are_simulated() {
    for (seed, steps) in [("3", "3000"), ("18446744073709551615", "10000")] {
        let output = pghaspec(&["simulate", "--steps", steps, "--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.iter().filter(|byte| **byte == b'\n').count() > 1_000);
    }
}

#[test]
fn a_search_may_spill() {
    let folder = tempfile::tempdir().unwrap();
    let spill = folder.path().join("spill");
    let check = ["check", "--json", "--no-second-engine", "--threads", "1", "--memory"];
    assert_eq!(json(&[&check[..], &["4"]].concat(), 4)["limit"], "memory");
    let document = json(&[&check[..], &["9", "--spill", spill.to_str().unwrap()]].concat(), 0);
    assert_eq!((&document["complete"], &document["limit"]), (&Value::Bool(true), &Value::Null));
    assert!(document["spilled"].as_u64().unwrap() > 1 << 17);
    assert_eq!(std::fs::read_dir(&spill).unwrap().count(), 0, "nothing is left over");
    let nowhere = pghaspec(&["check", "--spill", "/dev/null/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--spill /dev/null/nowhere"));
}

#[test]
fn counterexamples_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let svg = folder.path().join("diagrams");
    json(&["check", "--json", "--mutant", "starts-without-signal", "--svg", svg.to_str().unwrap()], 1);
    let drawn = std::fs::read_to_string(svg.join("one-writable-leader.svg")).unwrap();
    assert!(drawn.starts_with("<svg") && drawn.contains("Postgres accepts connections"), "{drawn}");
    assert!(!svg.join("crash-recovery-once.svg").exists(), "what holds has no counterexample");
}

#[test]
fn everything_can_be_listed() {
    for what in
        ["scenarios", "properties", "faults", "assumptions", "editions", "branches", "mutants", "deviants", "agents"]
    {
        let items = json(&["list", what, "--json"], 0);
        assert!(
            items.as_array().unwrap().iter().all(|item| item["id"].is_string() && item["text"].is_string()),
            "{what}"
        );
        let text = pghaspec(&["list", what]);
        assert_eq!(String::from_utf8_lossy(&text.stdout).lines().count(), items.as_array().unwrap().len(), "{what}");
    }
}

#[test]
fn bad_usage_is_refused_with_what_would_be_right() {
    refused(&["check", "--edition", "9.9"], &["9.9", "2.1.2", "4.1"]);
    refused(&["check", "--mutant", "no-such"], &["no-such", "forgets-crash-recovery"]);
    refused(&["check", "--faults", "meteor"], &["meteor", "postmaster-killed"]);
    refused(&["check", "--properties", "luck"], &["luck", "one-writable-leader"]);
    refused(&["check", "--nodes", "7"], &["7"]);
    refused(&["certify", "no-such-agent"], &["no-such-agent", "patroni"]);
    refused(&["certify", "patroni", "--profile", "no-such"], &["no-such", "smoke"]);
    refused(&["certify", "patroni", "--scenario", "no-such"], &["no-such", "leader-postmaster-killed"]);
    refused(&["judge", "/nonexistent"], &["/nonexistent", "cannot be read"]);
    refused(&["list", "everything"], &["everything", "scenarios"]);
    refused(&[], &["certify"]);
}

#[test]
fn an_empty_history_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("events.jsonl");
    std::fs::write(&file, "").unwrap();
    refused(&["judge", file.to_str().unwrap()], &["is empty"]);
    refused(&["judge", folder.path().parent().unwrap().join("nowhere").to_str().unwrap()], &["nowhere"]);
}

/// A copy of three recorded histories in a folder of its own.
fn copied_traces(folder: &std::path::Path) -> std::path::PathBuf {
    let traces = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/traces");
    let failover = "leader-postmaster-killed-start-timeout-0.jsonl";
    let copied =
        [("patroni-4.1.5", failover), ("patroni-4.1.5", "leader-postmaster-killed.jsonl"), ("keeps-lock", failover)];
    for (agent, file) in copied {
        let to = folder.join("deep/er").join(agent);
        std::fs::create_dir_all(&to).unwrap();
        std::fs::copy(traces.join(agent).join(file), to.join(file)).unwrap();
    }
    folder.join("deep")
}

#[test]
fn judge_takes_folders_and_goes_on_after_a_damaged_history() {
    let folder = tempfile::tempdir().unwrap();
    let traces = copied_traces(folder.path());
    let damaged = traces.join("er/damaged.jsonl");
    std::fs::write(&damaged, "{\"v\":99}\n").unwrap();
    let document = json(&["judge", "--json", traces.to_str().unwrap()], 1);
    let histories = document["histories"].as_array().unwrap();
    let verdicts: Vec<_> = histories.iter().map(|history| history["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["fail", "pass", "pass"]);
    for history in histories {
        for key in ["file", "agent", "version", "scenario", "edition", "branches", "checks", "measured"] {
            assert!(!history[key].is_null(), "{key}: {history}");
        }
        assert!(history["explained_by"].is_array());
    }
    let at_90 = histories[0]["checks"].as_array().unwrap().iter().filter(|check| check["event"] == 90);
    let at_90: Vec<_> = at_90.map(|check| check["id"].as_str().unwrap()).collect();
    assert_eq!(at_90, ["takes-branch", "allowed-by-the-model"]);
    let refused = document["refused"].as_array().unwrap();
    assert_eq!((refused.len(), &refused[0]["line"]), (1, &serde_json::json!(1)));
    assert!(refused[0]["problem"].as_str().unwrap().contains("newer one"), "{refused:?}");
    // Without a violation, what is refused decides.
    std::fs::remove_dir_all(traces.join("er/keeps-lock")).unwrap();
    let output = pghaspec(&["judge", traces.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stdout).contains("1 history is refused"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("damaged.jsonl, line 1: is of format 99"));
    let empty = tempfile::tempdir().unwrap();
    refused_folder(empty.path());
}

fn refused_folder(folder: &std::path::Path) {
    refused(&["judge", folder.to_str().unwrap()], &["there is no history in it"]);
}

#[test]
fn judge_draws_what_fails() {
    let folder = tempfile::tempdir().unwrap();
    let traces = copied_traces(folder.path());
    let svg = folder.path().join("drawn");
    let drawn = |more: &[&str]| {
        let args = [&["judge", "--json", traces.to_str().unwrap(), "--svg", svg.to_str().unwrap()][..], more].concat();
        let document = json(&args, 1);
        let histories = document["histories"].as_array().unwrap().clone();
        histories.iter().filter_map(|history| history["svg"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    let failing = drawn(&[]);
    assert_eq!(failing.len(), 1);
    assert!(failing[0].ends_with("keeps-lock-leader-postmaster-killed-start-timeout-0.svg"), "{failing:?}");
    let picture = std::fs::read_to_string(&failing[0]).unwrap();
    for words in ["<svg", "leader key", "n3", "postmaster-killed", "signal 9", "event 90 at 18.145 s", "18.0 s"] {
        assert!(picture.contains(words), "{words}");
    }
    assert_eq!(drawn(&["--all"]).len(), 3);
    // What cannot be drawn hides no verdict.
    let nowhere = pghaspec(&["judge", traces.to_str().unwrap(), "--svg", "/dev/null/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&nowhere.stdout).contains("verdict: fail"));
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("--svg /dev/null/nowhere"));
}

#[test]
fn a_history_of_an_unknown_edition_is_told_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let traces = copied_traces(folder.path());
    let file = traces.join("er/patroni-4.1.5/leader-postmaster-killed.jsonl");
    let text = std::fs::read_to_string(&file).unwrap().replace("\"edition\":\"4.1\"", "\"edition\":\"9.9\"");
    std::fs::write(&file, text).unwrap();
    let path = file.to_str().unwrap();
    refused(&["judge", path], &[".jsonl, line 1: edition: there is no edition `9.9`", "2.1.2", "--edition"]);
    json(&["judge", "--json", path, "--edition", "4.1"], 0);
}
