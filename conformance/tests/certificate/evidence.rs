//! Forgeries of the plan, the agent, and the ends of scenarios.

use std::fs;

use serde_json::{Value, json};

use crate::forgeries::{Forgery, copy_over, drop_scenario, events, everywhere, head, try_all};
use crate::sample::{FAILOVER, IMAGE, RESTART, SMOKE, STANDBY, failing, passing};

/// The forgeries.
const OF_EVIDENCE: &[Forgery] = &[
    // ---- the plan
    (
        "the failing scenario dropped everywhere",
        "plan.json: lacks leader-postmaster-killed-start-timeout-0, which belongs to the profile smoke",
        failing,
        |s| drop_scenario(s, FAILOVER),
    ),
    (
        "all scenarios but one dropped",
        "plan.json: lacks standby-postmaster-killed, which belongs to the profile smoke",
        failing,
        |s| [FAILOVER, STANDBY].into_iter().for_each(|id| drop_scenario(s, id)),
    ),
    (
        "the failing scenario dropped from the plan",
        "plan.json: lacks leader-postmaster-killed-start-timeout-0, which belongs to the profile smoke",
        failing,
        |s| {
            s.edit("plan.json", |it| it["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != FAILOVER));
        },
    ),
    ("a scenario twice", "exit 2: the scenario `leader-postmaster-killed` is in it twice", passing, |s| {
        s.edit("plan.json", |it| {
            let one = it["scenarios"][0].clone();
            it["scenarios"].as_array_mut().unwrap().push(one);
        });
    }),
    (
        "a passing scenario planned in place of the failing one",
        "is not the scenario that the suite has by this name",
        failing,
        |s| {
            copy_over(s, RESTART, FAILOVER);
            s.edit("plan.json", |it| it["scenarios"][1]["sha256"] = it["scenarios"][0]["sha256"].clone());
        },
    ),
    (
        "a profile of another name",
        "plan.json: lacks backend-killed-no-restart, which belongs to the profile core",
        passing,
        |s| s.edit("plan.json", |it| it["profile"] = "core".into()),
    ),
    ("a profile that there is not", "plan.json: there is no profile `everything`", passing, |s| {
        s.edit("plan.json", |it| it["profile"] = "everything".into())
    }),
    ("a profile of walks", "plan.json: is not made of the first walks that are drawn from seed 1", passing, |s| {
        s.edit("plan.json", |it| it["profile"] = "stress".into())
    }),
    ("a part that is called the whole", "which does not belong to the profile smoke", passing, |s| {
        s.edit("plan.json", |it| it["shard"] = "1/2".into())
    }),
    (
        "a part of more than there can be",
        "plan.json: shard: 18446744073709551615 parts are more than any run has scenarios",
        passing,
        |s| {
            s.edit("plan.json", |it| {
                it["profile"] = "stress".into();
                it["shard"] = "1/18446744073709551615".into();
            });
        },
    ),
    ("a scenario file that is too long", "scenario.toml: is not the scenario of the plan", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        s.write(&file, &(s.read(&file) + &"# more\n".repeat(1 << 20)));
    }),
    ("an order of its own", "plan.json: its scenarios are not in the order of the profile", passing, |s| {
        s.edit("plan.json", |it| it["scenarios"].as_array_mut().unwrap().reverse())
    }),
    ("another edition", "events.jsonl: edition: says 4.1, and the run is about 4.0", failing, |s| {
        s.edit("plan.json", |it| it["spec"]["edition"] = "4.0".into())
    }),
    ("another specification", "exit 2: was judged by the specification sha256 0000", failing, |s| {
        everywhere(s, pghaspec::run::spec::SPEC_SHA256, &"0".repeat(64))
    }),
    (
        "rules that suit the agent",
        "plan.json: holds the agent to rules that are neither its own nor those of an edition",
        failing,
        |s| {
            s.edit("plan.json", |it| it["spec"]["rules"] = json!(["starts_crashed_primary: no"]));
        },
    ),
    (
        "rules in the plan and in the histories",
        "plan.json: holds the agent to rules that are neither its own nor those of an edition",
        failing,
        |s| {
            let rules = json!(["starts_crashed_primary: no"]);
            s.edit("plan.json", |it| it["spec"]["rules"] = rules.clone());
            SMOKE.into_iter().for_each(|id| head(s, id, |line| line["rules"] = rules.clone()));
        },
    ),
    ("no scenario at all", "plan.json: plans no scenario", passing, |s| {
        s.edit("plan.json", |it| it["scenarios"] = json!([]))
    }),
    // ---- the scenarios
    ("demands taken out of the scenario", "scenario.toml: is not the scenario of the plan", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        let text = s.read(&file);
        s.write(&file, &text[..text.find("[expect]").unwrap()]);
    }),
    ("demands taken out, and the plan with it", "is not the scenario that the suite has by this name", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        let text = s.read(&file);
        s.write(&file, &text[..text.find("[expect]").unwrap()]);
        let digest = pghaspec::digest::sha256(s.read(&file));
        s.edit("plan.json", |it| it["scenarios"][1]["sha256"] = digest.into());
    }),
    ("the scenario file gone", "scenario.toml: is missing, though the scenario was run to its end", failing, |s| {
        fs::remove_file(s.folder.join(FAILOVER).join("scenario.toml")).unwrap()
    }),
    ("another scenario's file", "scenario.toml: is not the scenario of the plan", failing, |s| {
        s.write(&format!("{FAILOVER}/scenario.toml"), &s.read(&format!("{RESTART}/scenario.toml")));
    }),
    // ---- the agent
    (
        "the agent's name throughout",
        "agent.json: calls itself patroni-defects/control 4.1.5, and neither that manifest of the suite nor",
        passing,
        |s| {
            for file in s.files().into_iter().filter(|file| file.ends_with(".json") || file.ends_with(".jsonl")) {
                let text = s.read(&file);
                s.write(&file, &text.replace("\"patroni\"", "\"patroni-defects/control\""));
            }
        },
    ),
    (
        "a defective agent called the sound one",
        "agent.json: calls itself patroni 4.1.5, and neither that manifest of the suite nor its files are the same",
        failing,
        |s| everywhere(s, "patroni-defects/keeps-lock", "patroni"),
    ),
    (
        "the agent's name in its claims",
        "agent.json: is about patroni 4.1.5, and the plan about patroni-defects/keeps-lock 4.1.5",
        failing,
        |s| s.edit("agent.json", |it| it["name"] = "patroni".into()),
    ),
    (
        "another release in the plan",
        "agent.json: is about patroni 4.1.5, and the plan about patroni 4.1.4",
        passing,
        |s| s.edit("plan.json", |it| it["version"] = "4.1.4".into()),
    ),
    (
        "another release throughout",
        "agent.json: calls itself patroni 4.1.4, and neither that manifest of the suite nor its files are the same",
        passing,
        |s| {
            s.edit("plan.json", |it| it["version"] = "4.1.4".into());
            s.edit("agent.json", |it| it["version"] = "4.1.4".into());
            SMOKE.into_iter().for_each(|id| head(s, id, |line| line["version"] = "4.1.4".into()));
        },
    ),
    (
        "a feature that is not claimed",
        "agent.json: calls itself patroni 4.1.5, and neither that manifest of the suite nor its files are the same",
        passing,
        |s| s.edit("agent.json", |it| it["features"] = json!([])),
    ),
    (
        "another text of the manifest",
        "agent.json: calls itself patroni 4.1.5, and neither that manifest of the suite nor its files are the same",
        passing,
        |s| {
            s.edit("agent.json", |it| it["files"]["suite:agents/patroni/agent.toml"] = "0".repeat(64).into());
        },
    ),
    ("no claims at all", "exit 2: an older pghaspec made this run", passing, |s| {
        fs::remove_file(s.folder.join("agent.json")).unwrap()
    }),
    ("another image in the record", "and the run had sha256:00", passing, |s| {
        s.edit("image.json", |it| it["digest"] = "sha256:00".into())
    }),
    (
        "another image in one outcome",
        "leader-postmaster-killed/outcome.json: names the image sha256:00, and the run had",
        passing,
        |s| s.replace(&format!("{RESTART}/outcome.json"), IMAGE, "sha256:00"),
    ),
    (
        "another name of the image",
        "image.json: is about other:1, and the manifest names pghaspec/patroni:4.1.5-pg17",
        passing,
        |s| s.edit("image.json", |it| it["reference"] = "other:1".into()),
    ),
    ("no image", "image.json: is missing, though scenarios were run", passing, |s| {
        fs::remove_file(s.folder.join("image.json")).unwrap()
    }),
    ("no machine", "machine.json: is missing, though scenarios were run", passing, |s| {
        fs::remove_file(s.folder.join("machine.json")).unwrap()
    }),
    (
        "a failure made known",
        "deviations.toml: is not the list that the suite has for patroni-defects/keeps-lock",
        failing,
        |s| {
            let checks: Vec<String> = serde_json::from_str::<Value>(&s.read("certificate.json")).unwrap()["deviations"]
                ["unknown"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| format!("{}", one["check"]))
                .collect();
            s.write("deviations.toml", &format!(
            "[[deviation]]\nchecks = [{}]\nscenarios = [\"{FAILOVER}\"]\nreason = \"known\"\nlink = \"https://a.b\"\n",
            checks.join(", ")
        ));
        },
    ),
    ("known deviations thrown away", "deviations.toml: is not the list that the suite has for patroni", passing, |s| {
        fs::remove_file(s.folder.join("deviations.toml")).unwrap()
    }),
    ("known deviations emptied", "deviations.toml: is not the list that the suite has for patroni", passing, |s| {
        s.write("deviations.toml", "")
    }),
    // ---- the outcomes
    (
        "a failure that was not supported",
        "says that the scenario was not run, and there is a recording of it",
        failing,
        |s| {
            s.write(
                &format!("{FAILOVER}/outcome.json"),
                "{\"image_digest\":null,\"time\":[],\"error\":null,\"unsupported\":\"no\"}",
            );
        },
    ),
    (
        "a failure that was not supported, and no recording",
        "says unsupported, and the agent claims all it needs",
        failing,
        |s| {
            s.write(
                &format!("{FAILOVER}/outcome.json"),
                "{\"image_digest\":null,\"time\":[],\"error\":null,\"unsupported\":\"no\"}",
            );
            fs::remove_file(s.folder.join(events(FAILOVER))).unwrap();
            fs::remove_dir_all(s.folder.join(FAILOVER).join("logs")).unwrap();
        },
    ),
    ("times of the parts", "outcome.json: its parts take 11.3 s, and the history 15.8 s", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"][4]["seconds"] = json!(0.01));
    }),
    ("a part of the time twice", "outcome.json: does not have each part of the run once, in its order", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"][4] = it["time"][3].clone());
    }),
    ("a seed where nothing is drawn", "plan.json: has the seed 7, and draws nothing", passing, |s| {
        s.edit("plan.json", |it| it["seed"] = 7.into())
    }),
    ("a part of the time that cannot be", "has a part of the run whose time cannot be", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"][4]["seconds"] = json!(-1.0));
    }),
    ("two parts of the time swapped", "does not have each part of the run once", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"].as_array_mut().unwrap().swap(4, 5));
    }),
    ("an end that is damaged", "leader-postmaster-killed/outcome.json: is damaged", passing, |s| {
        s.write(&format!("{RESTART}/outcome.json"), "{\"error\": 1}");
    }),
    ("a recording put aside before one that is not there", "attempt-1: is missing: recordings", passing, |s| {
        fs::create_dir(s.folder.join(format!("{RESTART}.attempt-2"))).unwrap();
        s.write(&format!("{RESTART}.attempt-2/scenario.toml"), &s.read(&format!("{RESTART}/scenario.toml")));
    }),
    ("a failure put aside", "holds a failure of the agent, and was put aside all the same", failing, |s| {
        fs::rename(s.folder.join(FAILOVER), s.folder.join(format!("{FAILOVER}.attempt-1"))).unwrap();
        fs::remove_file(s.folder.join(format!("{FAILOVER}.attempt-1/outcome.json"))).unwrap();
        fs::create_dir_all(s.folder.join(FAILOVER)).unwrap();
    }),
    ("a scenario that nobody has", "the suite has no such scenario", passing, |s| {
        s.edit("plan.json", |it| it["scenarios"][0]["id"] = "leader-postmaster-kilt".into());
    }),
    ("a whole recording put aside", "attempt-1: was recorded to its end, and put aside all the same", failing, |s| {
        fs::rename(s.folder.join(FAILOVER), s.folder.join(format!("{FAILOVER}.attempt-1"))).unwrap();
        fs::create_dir_all(s.folder.join(FAILOVER)).unwrap();
    }),
];

#[test]
fn evidence_is_that_of_a_run() {
    try_all(OF_EVIDENCE);
}

/// What is left out of a plan may be left out by choice: then it is no profile, and the certificate says so.
#[test]
fn a_choice_is_never_called_a_profile() {
    let sample = failing();
    sample.edit("plan.json", |plan| {
        plan["profile"] = Value::Null;
        plan["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != FAILOVER);
    });
    fs::remove_dir_all(sample.folder.join(FAILOVER)).unwrap();
    assert!(sample.report());
    let (code, document) = sample.verify(&[]);
    assert_eq!((code, &document["profile"], &document["complete"]), (0, &Value::Null, &false.into()), "{document:#}");
    assert_eq!(sample.verify(&["--require-profile", "smoke"]).0, 1);
    let certificate: Value = serde_json::from_str(&sample.read("certificate.json")).unwrap();
    assert!(certificate["held"]["not_run"].as_array().unwrap().contains(&FAILOVER.into()));
}

/// A profile is whole when all of it was run, and not when all of it was planned.
#[test]
fn what_was_planned_and_not_run_is_not_complete() {
    let sample = passing();
    fs::remove_dir_all(sample.folder.join(FAILOVER)).unwrap();
    assert!(sample.report());
    let (code, document) = sample.verify(&[]);
    assert_eq!((code, &document["complete"]), (0, &false.into()), "{document:#}");
    assert_eq!(document["verdict"], "inconclusive");
    assert_eq!(sample.verify(&["--require-profile", "smoke"]).0, 1);
    let certificate: Value = serde_json::from_str(&sample.read("certificate.json")).unwrap();
    assert!(certificate["held"]["not_run"].as_array().unwrap().contains(&FAILOVER.into()));
}

/// A part of a profile is never the whole, whatever it is a part of.
#[test]
fn a_part_is_never_called_the_whole() {
    let sample = failing();
    drop_scenario(&sample, FAILOVER);
    sample.edit("plan.json", |plan| plan["shard"] = "1/2".into());
    assert!(sample.report());
    let (code, document) = sample.verify(&["--require-profile", "smoke"]);
    assert_eq!((code, &document["complete"]), (1, &false.into()), "{document:#}");
}
