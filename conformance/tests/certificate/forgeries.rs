//! Forgeries: folders that were changed so that they say what they are not. Each is tried as it is, and after `report`
//! has made everything again from it: none verifies as what it is not.

use std::fs;
use std::process::Command;

use pghaspec_model::vocabulary::event::FORMAT;
use serde_json::{Value, json};

use crate::sample::{FAILOVER, IMAGE, RESTART, SMOKE, STANDBY, Sample, failing, passing, pghaspec};

/// A forgery: its name, the run that it begins with, and what is done to the folder.
type Forgery = (&'static str, fn() -> Sample, fn(&Sample));

fn events(id: &str) -> String {
    format!("{id}/events.jsonl")
}

/// Changes every line of a history; `None` leaves the line out. What is left is numbered anew.
fn rewrite(sample: &Sample, id: &str, mut change: impl FnMut(Value) -> Option<Value>) {
    let mut text = String::new();
    let mut number = 0;
    for line in sample.read(&events(id)).lines() {
        if let Some(mut line) = change(serde_json::from_str(line).unwrap()) {
            line["seq"] = number.into();
            number += 1;
            text += &format!("{line}\n");
        }
    }
    sample.write(&events(id), &text);
}

/// Changes the first line of a history.
fn head(sample: &Sample, id: &str, change: impl Fn(&mut Value)) {
    rewrite(sample, id, |mut line| {
        if line["kind"] == "run" {
            change(&mut line);
        }
        Some(line)
    });
}

/// Leaves out a scenario, wherever it is named.
fn drop_scenario(sample: &Sample, id: &str) {
    sample.edit("plan.json", |plan| plan["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != id));
    fs::remove_dir_all(sample.folder.join(id)).unwrap();
    for file in ["results.json", "certificate.json"] {
        sample.edit(file, |document| {
            document["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != id);
            document["verdict"] = "pass".into();
        });
    }
}

/// Puts the folder of one scenario in the place of another.
fn copy_over(sample: &Sample, from: &str, to: &str) {
    let (from, to) = (sample.folder.join(from), sample.folder.join(to));
    fs::remove_dir_all(&to).unwrap();
    assert!(Command::new("cp").args(["-r", from.to_str().unwrap(), to.to_str().unwrap()]).status().unwrap().success());
}

/// Replaces words in every file that has them.
fn everywhere(sample: &Sample, from: &str, to: &str) {
    for file in sample.files() {
        let text = sample.read(&file);
        if text.contains(from) {
            sample.write(&file, &text.replace(from, to));
        }
    }
}

fn claim_pass(sample: &Sample) {
    for file in ["results.json", "certificate.json"] {
        sample.edit(file, |document| {
            document["verdict"] = "pass".into();
            document["as_expected"] = true.into();
            document["deviations"]["unknown"] = json!([]);
            for one in document["scenarios"].as_array_mut().unwrap() {
                one["verdict"] = "pass".into();
            }
        });
    }
}

/// A history of the failing scenario, recorded with the sound agent, headed as the failing agent's.
fn replace_history(sample: &Sample) {
    let other = passing();
    let run = sample.folder.file_name().unwrap().to_str().unwrap().to_owned();
    sample.write(&events(FAILOVER), &other.read(&events(FAILOVER)));
    head(sample, FAILOVER, |line| {
        line["run"] = run.clone().into();
        line["agent"] = "patroni-defects/keeps-lock".into();
    });
}

/// Changes of what is made from the evidence. `report` undoes them.
const OF_DOCUMENTS: [Forgery; 18] = [
    ("the verdict of all documents", failing, claim_pass),
    ("the verdict of the certificate", failing, |s| s.edit("certificate.json", |it| it["verdict"] = "pass".into())),
    ("one check of the certificate", failing, |s| {
        s.edit("certificate.json", |it| it["scenarios"][1]["checks"]["allowed-by-the-model"] = "pass".into());
    }),
    ("as expected", failing, |s| s.edit("certificate.json", |it| it["as_expected"] = true.into())),
    ("unknown deviations of the certificate", failing, |s| {
        s.edit("certificate.json", |it| it["deviations"]["unknown"] = json!([]));
    }),
    ("measured times of the certificate", passing, |s| {
        s.edit("certificate.json", |it| it["scenarios"][1]["measured"][0]["seconds"] = json!([0.1, 0.2]));
    }),
    ("counts", failing, |s| s.edit("certificate.json", |it| it["counts"] = json!({"pass": 3}))),
    ("the machine of the certificate", passing, |s| s.edit("certificate.json", |it| it["machine"]["cpus"] = 64.into())),
    ("the packages of the certificate", passing, |s| {
        s.edit("certificate.json", |it| it["agent"]["image"]["packages"] = json!([]));
    }),
    ("scenarios of the certificate twice", passing, |s| {
        s.edit("certificate.json", |it| {
            let one = it["scenarios"][0].clone();
            it["scenarios"].as_array_mut().unwrap().push(one);
        });
    }),
    ("evidence of the certificate left out", passing, |s| {
        s.edit("certificate.json", |it| {
            it["evidence"].as_object_mut().unwrap().remove("plan.json");
        });
    }),
    ("the certificate of another run", failing, |s| s.write("certificate.json", &passing().read("certificate.json"))),
    ("the manifest is the suite's", passing, |s| {
        s.edit("certificate.json", |it| it["agent"]["manifest"] = "own".into())
    }),
    ("the profile of the certificate", passing, |s| {
        s.edit("certificate.json", |it| it["held"]["profile"] = "core".into())
    }),
    ("junit without the failure", failing, |s| s.write("junit.xml", &passing().read("junit.xml"))),
    ("a page that says pass", failing, |s| s.replace("report.html", ">fail<", ">pass<")),
    ("a picture of another scenario", failing, |s| {
        s.write(&format!("{FAILOVER}/history.svg"), &s.read(&format!("{RESTART}/history.svg")));
    }),
    ("a picture that is no picture", passing, |s| s.write(&format!("{RESTART}/history.svg"), "<svg></svg>")),
];

/// Changes of the evidence, after which everything else can be made again.
const OF_EVIDENCE: [Forgery; 56] = [
    // ---- the plan
    ("the failing scenario dropped everywhere", failing, |s| drop_scenario(s, FAILOVER)),
    ("all scenarios but one dropped", failing, |s| [FAILOVER, STANDBY].into_iter().for_each(|id| drop_scenario(s, id))),
    ("the failing scenario dropped from the plan", failing, |s| {
        s.edit("plan.json", |it| it["scenarios"].as_array_mut().unwrap().retain(|one| one["id"] != FAILOVER));
    }),
    ("a scenario twice", passing, |s| {
        s.edit("plan.json", |it| {
            let one = it["scenarios"][0].clone();
            it["scenarios"].as_array_mut().unwrap().push(one);
        });
    }),
    ("a passing scenario planned in place of the failing one", failing, |s| {
        copy_over(s, RESTART, FAILOVER);
        s.edit("plan.json", |it| it["scenarios"][1]["sha256"] = it["scenarios"][0]["sha256"].clone());
    }),
    ("a profile of another name", passing, |s| s.edit("plan.json", |it| it["profile"] = "core".into())),
    ("a profile that there is not", passing, |s| s.edit("plan.json", |it| it["profile"] = "everything".into())),
    ("a profile of walks", passing, |s| s.edit("plan.json", |it| it["profile"] = "stress".into())),
    ("a part that is called the whole", passing, |s| s.edit("plan.json", |it| it["shard"] = "1/2".into())),
    ("a part of more than there can be", passing, |s| {
        s.edit("plan.json", |it| {
            it["profile"] = "stress".into();
            it["shard"] = "1/18446744073709551615".into();
        });
    }),
    ("a scenario file that is too long", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        s.write(&file, &(s.read(&file) + &"# more\n".repeat(1 << 20)));
    }),
    ("an order of its own", passing, |s| s.edit("plan.json", |it| it["scenarios"].as_array_mut().unwrap().reverse())),
    ("another edition", failing, |s| s.edit("plan.json", |it| it["spec"]["edition"] = "2.1".into())),
    ("another specification", failing, |s| everywhere(s, pghaspec::run::spec::SPEC_SHA256, &"0".repeat(64))),
    ("rules that suit the agent", failing, |s| {
        s.edit("plan.json", |it| it["spec"]["rules"] = json!(["starts_crashed_primary: no"]));
    }),
    ("rules in the plan and in the histories", failing, |s| {
        let rules = json!(["starts_crashed_primary: no"]);
        s.edit("plan.json", |it| it["spec"]["rules"] = rules.clone());
        SMOKE.into_iter().for_each(|id| head(s, id, |line| line["rules"] = rules.clone()));
    }),
    ("no scenario at all", passing, |s| s.edit("plan.json", |it| it["scenarios"] = json!([]))),
    // ---- the scenarios
    ("demands taken out of the scenario", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        let text = s.read(&file);
        s.write(&file, &text[..text.find("[expect]").unwrap()]);
    }),
    ("demands taken out, and the plan with it", failing, |s| {
        let file = format!("{FAILOVER}/scenario.toml");
        let text = s.read(&file);
        s.write(&file, &text[..text.find("[expect]").unwrap()]);
        let digest = pghaspec::digest::sha256(s.read(&file));
        s.edit("plan.json", |it| it["scenarios"][1]["sha256"] = digest.into());
    }),
    ("the scenario file gone", failing, |s| fs::remove_file(s.folder.join(FAILOVER).join("scenario.toml")).unwrap()),
    ("another scenario's file", failing, |s| {
        s.write(&format!("{FAILOVER}/scenario.toml"), &s.read(&format!("{RESTART}/scenario.toml")));
    }),
    // ---- the agent
    ("the agent's name throughout", passing, |s| {
        for file in s.files().into_iter().filter(|file| file.ends_with(".json") || file.ends_with(".jsonl")) {
            let text = s.read(&file);
            s.write(&file, &text.replace("\"patroni\"", "\"patroni-defects/control\""));
        }
    }),
    ("a defective agent called the sound one", failing, |s| everywhere(s, "patroni-defects/keeps-lock", "patroni")),
    ("the agent's name in its claims", failing, |s| s.edit("agent.json", |it| it["name"] = "patroni".into())),
    ("another release in the plan", passing, |s| s.edit("plan.json", |it| it["version"] = "4.1.4".into())),
    ("another release throughout", passing, |s| {
        s.edit("plan.json", |it| it["version"] = "4.1.4".into());
        s.edit("agent.json", |it| it["version"] = "4.1.4".into());
        SMOKE.into_iter().for_each(|id| head(s, id, |line| line["version"] = "4.1.4".into()));
    }),
    ("a feature that is not claimed", passing, |s| s.edit("agent.json", |it| it["features"] = json!([]))),
    ("another text of the manifest", passing, |s| {
        s.edit("agent.json", |it| it["files"]["suite:agents/patroni/agent.toml"] = "0".repeat(64).into());
    }),
    ("no claims at all", passing, |s| fs::remove_file(s.folder.join("agent.json")).unwrap()),
    ("another image in the record", passing, |s| s.edit("image.json", |it| it["digest"] = "sha256:00".into())),
    ("another image in one outcome", passing, |s| s.replace(&format!("{RESTART}/outcome.json"), IMAGE, "sha256:00")),
    ("another name of the image", passing, |s| s.edit("image.json", |it| it["reference"] = "other:1".into())),
    ("no image", passing, |s| fs::remove_file(s.folder.join("image.json")).unwrap()),
    ("no machine", passing, |s| fs::remove_file(s.folder.join("machine.json")).unwrap()),
    ("a failure made known", failing, |s| {
        let checks: Vec<String> =
            serde_json::from_str::<Value>(&s.read("certificate.json")).unwrap()["deviations"]["unknown"]
                .as_array()
                .unwrap()
                .iter()
                .map(|one| format!("{}", one["check"]))
                .collect();
        s.write("deviations.toml", &format!(
            "[[deviation]]\nchecks = [{}]\nscenarios = [\"{FAILOVER}\"]\nreason = \"known\"\nlink = \"https://a.b\"\n",
            checks.join(", ")
        ));
    }),
    ("known deviations thrown away", passing, |s| fs::remove_file(s.folder.join("deviations.toml")).unwrap()),
    ("known deviations emptied", passing, |s| s.write("deviations.toml", "")),
    // ---- the outcomes
    ("a failure that was not supported", failing, |s| {
        s.write(
            &format!("{FAILOVER}/outcome.json"),
            "{\"image_digest\":null,\"time\":[],\"error\":null,\"unsupported\":\"no\"}",
        );
    }),
    ("a failure that was not supported, and no recording", failing, |s| {
        s.write(
            &format!("{FAILOVER}/outcome.json"),
            "{\"image_digest\":null,\"time\":[],\"error\":null,\"unsupported\":\"no\"}",
        );
        fs::remove_file(s.folder.join(events(FAILOVER))).unwrap();
        fs::remove_dir_all(s.folder.join(FAILOVER).join("logs")).unwrap();
    }),
    ("times of the parts", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"][4]["seconds"] = json!(0.01));
    }),
    ("a part of the time twice", passing, |s| {
        s.edit(&format!("{RESTART}/outcome.json"), |it| it["time"][4] = it["time"][3].clone());
    }),
    ("a whole recording put aside", failing, |s| {
        fs::rename(s.folder.join(FAILOVER), s.folder.join(format!("{FAILOVER}.attempt-1"))).unwrap();
        fs::create_dir_all(s.folder.join(FAILOVER)).unwrap();
    }),
    // ---- the histories
    ("a passing folder over the failing one", failing, |s| copy_over(s, RESTART, FAILOVER)),
    ("a passing history over the failing one", failing, |s| s.write(&events(FAILOVER), &s.read(&events(RESTART)))),
    ("another agent's history", failing, |s| s.write(&events(FAILOVER), &passing().read(&events(FAILOVER)))),
    ("another agent's history, headed as this one's", failing, replace_history),
    ("a history of another format", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            assert_eq!(line["v"], FORMAT);
            line["v"] = 1.into();
            line.as_object_mut().unwrap().remove("control");
            Some(line)
        });
    }),
    ("settings of the history", failing, |s| head(s, FAILOVER, |line| line["primary_start_timeout_s"] = 300.into())),
    ("an observer that was not there", failing, |s| {
        head(s, FAILOVER, |line| line["observed"].as_array_mut().unwrap().retain(|one| one != "agent-log"));
        rewrite(s, FAILOVER, |line| (line["source"] != "agent-log").then_some(line));
    }),
    ("words of the agent in the history", failing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["kind"] == "recover" {
                line["message"] = "starting as readonly because i had the session lock!".into();
            }
            Some(line)
        });
    }),
    ("a server's start left out of the history", passing, |s| {
        rewrite(s, FAILOVER, |line| {
            (line["kind"] != "process-started" || line["what"] != "postmaster").then_some(line)
        });
    }),
    ("a server that nobody saw", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            if line["kind"] == "process-started" && line["what"] == "postmaster" {
                line["pid"] = (line["pid"].as_u64().unwrap() + 100_000).into();
            }
            Some(line)
        });
    }),
    ("a run of the sound agent, with its logs, headed as this one's", failing, |s| {
        let other = passing();
        let [run, others] = [s, &other].map(|it| it.folder.file_name().unwrap().to_str().unwrap().to_owned());
        replace_history(s);
        for part in ["n1", "n2", "n3", "observer", "etcd"] {
            s.write(&s.log(FAILOVER, part), &other.read(&other.log(FAILOVER, part)));
        }
        s.write(&format!("{FAILOVER}/outcome.json"), &other.read(&format!("{FAILOVER}/outcome.json")));
        assert_ne!(run, others);
    }),
    ("a seed where nothing is drawn", passing, |s| s.edit("plan.json", |it| it["seed"] = 7.into())),
    ("logs thrown away", passing, |s| fs::remove_dir_all(s.folder.join(RESTART).join("logs")).unwrap()),
    ("one log thrown away", passing, |s| fs::remove_file(s.folder.join(s.log(FAILOVER, "n2"))).unwrap()),
];

/// Denied, and of no use to a pipeline that asks for a pass.
#[track_caller]
fn denied(sample: &Sample, words: &str) {
    let (code, document) = sample.verify(&["--require", "pass", "--require-profile", "smoke"]);
    assert!(matches!(code, 1 | 2), "{words}: {code} {document:#}");
    assert!(code == 2 || document["standing"] == "denied", "{words}: {document:#}");
}

#[test]
fn documents_say_what_the_evidence_says() {
    for (name, begin, forge) in OF_DOCUMENTS {
        let sample = begin();
        let (_, before) = sample.verify(&[]);
        forge(&sample);
        denied(&sample, name);
        assert!(sample.report(), "{name}");
        assert_eq!(sample.verify(&[]), (0, before), "{name}: all is as it was");
    }
}

#[test]
fn evidence_is_that_of_a_run() {
    for (name, begin, forge) in OF_EVIDENCE {
        let sample = begin();
        forge(&sample);
        denied(&sample, name);
        // Whoever forges makes the rest again, if that can be made.
        if sample.report() {
            denied(&sample, &format!("{name}, and all else made again"));
        }
    }
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

/// A forgery is told by where it is, and what is wrong there.
#[test]
fn a_denial_says_where_and_why() {
    let sample = failing();
    drop_scenario(&sample, FAILOVER);
    assert!(sample.report());
    let words = String::from_utf8(pghaspec(&["verify", sample.path()]).stdout).unwrap();
    assert!(words.starts_with("denied: this folder is not what it says\n"), "{words}");
    assert!(words.contains(&format!("plan.json: lacks {FAILOVER}, which belongs to the profile smoke")), "{words}");
}
