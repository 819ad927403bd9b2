//! Forgeries of histories and logs: each is held to the other.

use std::fs;

use pghaspec_model::vocabulary::event::FORMAT;
use serde_json::Value;

use crate::forgeries::{Forgery, copy_over, denied, events, head, rewrite, try_all};
use crate::sample::{FAILOVER, RESTART, SMOKE, STANDBY, Sample, failing, passing, run};

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

/// The forgeries.
const OF_RECORDINGS: &[Forgery] = &[
    // ---- the histories
    (
        "a passing folder over the failing one",
        "has a process that leader-postmaster-killed has: the two are one recording",
        failing,
        |s| copy_over(s, RESTART, FAILOVER),
    ),
    ("a passing history over the failing one", "and the observer's log has no start of its processes", failing, |s| {
        s.write(&events(FAILOVER), &s.read(&events(RESTART)))
    }),
    (
        "another agent's history",
        "events.jsonl: agent: says patroni, and the run is about patroni-defects/keeps-lock",
        failing,
        |s| s.write(&events(FAILOVER), &passing().read(&events(FAILOVER))),
    ),
    (
        "another agent's history, headed as this one's",
        "and the observer's log has no start of its processes",
        failing,
        replace_history,
    ),
    ("a history of another format", "is of format 6, and this pghaspec records format 7", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            assert_eq!(line["v"], FORMAT);
            line["v"] = (FORMAT - 1).into();
            Some(line)
        });
    }),
    ("settings of the history", "primary_start_timeout: says 300, and the run is about 0", failing, |s| {
        head(s, FAILOVER, |line| line["primary_start_timeout_s"] = 300.into())
    }),
    (
        "an observer that was not there",
        "observed: says {Harness, Etcd, Process, Postgres, Writer}, and the run is about",
        failing,
        |s| {
            head(s, FAILOVER, |line| line["observed"].as_array_mut().unwrap().retain(|one| one != "agent-log"));
            rewrite(s, FAILOVER, |line| (line["source"] != "agent-log").then_some(line));
        },
    ),
    (
        "words of the agent in the history",
        "with words that are not in its log there: starting as readonly because i had the session lock!",
        failing,
        |s| {
            rewrite(s, FAILOVER, |mut line| {
                if line["kind"] == "recover" {
                    line["message"] = "starting as readonly because i had the session lock!".into();
                }
                Some(line)
            });
        },
    ),
    ("a server's start left out of the history", "lacks what the observer's log has: n2: ", passing, |s| {
        rewrite(s, FAILOVER, |line| (line["pid"] != 22284).then_some(line));
    }),
    ("a server that nobody saw", "and the observer's log has not", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            if line["pid"] == 20220 {
                line["pid"] = 120_220.into();
            }
            Some(line)
        });
    }),
    ("a server of another node", "and the observer's log has not", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            if line["pid"] == 20246 {
                line["node"] = "n3".into();
            }
            Some(line)
        });
    }),
    ("a tool that is called a server", "and the observer's log has not", passing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["pid"] == 22119 {
                line["what"] = "pg-basebackup".into();
            }
            Some(line)
        });
    }),
    ("another end of a server", "and the observer's log has not", passing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["kind"] == "process-exited" && line["pid"] == 22119 {
                line["code"] = 1.into();
            }
            Some(line)
        });
    }),
    ("the end of a tool left out", "lacks what the observer's log has: n2: ", passing, |s| {
        rewrite(s, FAILOVER, |line| (line["kind"] != "process-exited" || line["pid"] != 22119).then_some(line));
    }),
    ("a wait for a CPU left out", "lacks what the observer's log has: n2: agent had no CPU", passing, |s| {
        rewrite(s, FAILOVER, |line| (line["kind"] != "starved").then_some(line));
    }),
    ("a wait for a CPU that nobody saw", "and the observer's log has not", failing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["kind"] == "starved" {
                line["waited_ns"] = 900_000_000.into();
            }
            Some(line)
        });
    }),
    ("a shorter failover", "and the observer's log has not", passing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["kind"] == "starved" {
                return None;
            }
            for edge in 0..2 {
                let at = line["at"][edge].as_u64().unwrap();
                let fault = 19_405_482_511;
                line["at"][edge] = if at > fault { fault + (at - fault) / 5 } else { at }.into();
            }
            Some(line)
        });
    }),
    ("all times halved", "and the observer's log has not", passing, |s| {
        rewrite(s, RESTART, |mut line| {
            if line["kind"] == "starved" {
                return None;
            }
            for edge in 0..2 {
                line["at"][edge] = (line["at"][edge].as_u64().unwrap() / 2).into();
            }
            Some(line)
        });
    }),
    ("processes that were only polled", "says that processes were observed by Polling", passing, |s| {
        head(s, RESTART, |line| line["process_observation"] = "polling".into());
    }),
    ("words left out", "quotes n2 with words that are not in its log there: Leader key released", passing, |s| {
        rewrite(s, FAILOVER, |line| (line["pattern"] != "crashed" || line["node"] != "n2").then_some(line));
    }),
    ("the last words left out", "lacks words that are in the log of n2: starting as a secondary", passing, |s| {
        let mut spoken = 0;
        rewrite(s, FAILOVER, |line| {
            spoken += usize::from(line["branch"] == "start-secondary" && line["node"] == "n2");
            (spoken < 2 || line["branch"] != "start-secondary").then_some(line)
        });
    }),
    ("another branch for the same words", "with words that are not in its log there: ", passing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["branch"] == "start-secondary" {
                line["branch"] = "follow-remote".into();
            }
            Some(line)
        });
    }),
    ("a decision left out", "quotes n2 with words that are not in its log there: ", passing, |s| {
        rewrite(s, FAILOVER, |line| (line["branch"] != "rewind" || line["node"] != "n2").then_some(line));
    }),
    ("one recording as two scenarios", "has a process that leader-postmaster-killed has", passing, |s| {
        let heading: Value = serde_json::from_str(s.read(&events(STANDBY)).lines().next().unwrap()).unwrap();
        let end = s.read(&format!("{STANDBY}/scenario.toml"));
        copy_over(s, RESTART, STANDBY);
        s.write(&format!("{STANDBY}/scenario.toml"), &end);
        head(s, STANDBY, |line| line["scenario"] = heading["scenario"].clone());
    }),
    ("another fault", "has agent-frozen, which is no step of the scenario", failing, |s| {
        rewrite(s, FAILOVER, |mut line| {
            if line["kind"] == "fault" {
                line["fault"] = "agent-frozen".into();
            }
            Some(line)
        });
    }),
    ("a fault left out", "the step postmaster-killed of the scenario is not in it", failing, |s| {
        rewrite(s, FAILOVER, |line| (line["kind"] != "fault").then_some(line));
    }),
    ("a cycle of another length", "loop_wait: says 2, and the run is about", passing, |s| {
        head(s, RESTART, |line| line["loop_wait_s"] = 2.into());
    }),
    ("a lease of another length", "ttl: says 5, and the run is about", passing, |s| {
        head(s, RESTART, |line| line["ttl_s"] = 5.into());
    }),
    ("retries of another length", "retry_timeout: says 9, and the run is about", passing, |s| {
        head(s, RESTART, |line| line["retry_timeout_s"] = 9.into());
    }),
    ("another configuration", "configuration: says ", passing, |s| {
        head(s, RESTART, |line| line["configuration"]["maximum_lag_on_failover"] = 1.into());
    }),
    (
        "a run of the sound agent, with its logs, headed as this one's",
        "lacks what the observer's log has: n1: pg_rewind starts (process 21609)",
        failing,
        |s| {
            let other = passing();
            let [run, others] = [s, &other].map(|it| it.folder.file_name().unwrap().to_str().unwrap().to_owned());
            replace_history(s);
            for part in ["n1", "n2", "n3", "observer", "etcd"] {
                s.write(&s.log(FAILOVER, part), &other.read(&other.log(FAILOVER, part)));
            }
            s.write(&format!("{FAILOVER}/outcome.json"), &other.read(&format!("{FAILOVER}/outcome.json")));
            assert_ne!(run, others);
        },
    ),
    ("logs thrown away", "-observer.log: is missing, though the scenario was run to its end", passing, |s| {
        fs::remove_dir_all(s.folder.join(RESTART).join("logs")).unwrap()
    }),
    ("one log thrown away", "-n2.log: is missing, though the scenario was run to its end", passing, |s| {
        fs::remove_file(s.folder.join(s.log(FAILOVER, "n2"))).unwrap()
    }),
    ("the log of etcd thrown away", "-etcd.log: is missing", passing, |s| {
        fs::remove_file(s.folder.join(s.log(FAILOVER, "etcd"))).unwrap();
    }),
    ("a log of another run's name", "is no log of the run", passing, |s| {
        let log = s.log(FAILOVER, "etcd");
        fs::rename(
            s.folder.join(&log),
            s.folder.join(log.replace("-etcd", "-more").replace("pghaspec-", "pghaspec-0")),
        )
        .unwrap();
    }),
];

#[test]
fn recordings_are_those_of_a_run() {
    try_all(OF_RECORDINGS);
}

/// An agent that is not the suite's: what its words mean is not known, and that they were said is.
#[test]
fn an_agent_of_its_own_is_held_to_its_logs_as_well() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("agent.toml");
    fs::write(&manifest, "extends = \"patroni\"\nname = \"mine\"\n").unwrap();
    let mine = || run(manifest.to_str().unwrap(), Some("smoke"), &SMOKE.map(|id| (id, "sound")));
    let (code, document) = mine().verify(&["--require", "pass", "--require-profile", "smoke"]);
    assert_eq!((code, &document["manifest"]), (0, &"own".into()), "{document:#}");
    let sample = mine();
    rewrite(&sample, FAILOVER, |mut line| {
        if line["pattern"] == "crashed" {
            line["message"] = "Primary crashed. Waiting.".into();
        }
        Some(line)
    });
    denied(&sample, "with words that are not in its log: Primary crashed. Waiting.", "other words");
    let sample = mine();
    rewrite(&sample, FAILOVER, |mut line| {
        if line["pid"] == 22284 {
            line["what"] = "agent".into();
        }
        Some(line)
    });
    denied(&sample, "calls process 22284 the agent, which is postmaster", "a server that is called the agent");
    let sample = mine();
    rewrite(&sample, FAILOVER, |line| (line["pid"] != 22284).then_some(line));
    denied(&sample, "lacks what the observer's log has: n2: ", "a server's start left out");
}

/// What the observer's log has of other containers of the machine is no concern of the run.
#[test]
fn what_else_runs_on_the_machine_is_no_objection() {
    let sample = passing();
    let log = sample.log(RESTART, "observer");
    let other = r#"2026-11-30T10:00:00.000000000Z {"kind":"exec","at":[5,5],"pid":7,"nspid":7,"pidns":1,"#.to_owned()
        + r#""exe":"/usr/bin/pg_basebackup","argv":["pg_basebackup","host=pghaspec-0123456789ab-0a1b2c-1-n2"]}"#;
    sample.write(&log, &format!("{other}\n{}", sample.read(&log)));
    assert!(sample.report());
    let (code, document) = sample.verify(&["--require", "pass"]);
    assert_eq!(code, 0, "{document:#}");
    // In an agent's own log it is one.
    let log = sample.log(RESTART, "n1");
    sample.write(&log, &(sample.read(&log) + "x INFO: waiting for pghaspec-0123456789ab-0a1b2c-1-etcd\n"));
    assert!(sample.report());
    assert_eq!(sample.verify(&[]).0, 1);
}

/// A whole recording that holds a failure is a failure, whatever the harness says of its own end.
#[test]
fn a_failure_stays_one() {
    for name in ["an error of the harness", "no end at all"] {
        let sample = failing();
        let file = format!("{FAILOVER}/outcome.json");
        match name {
            "no end at all" => fs::remove_file(sample.folder.join(&file)).unwrap(),
            _ => sample.edit(&file, |outcome| outcome["error"] = "Docker is gone".into()),
        }
        assert!(sample.report(), "{name}");
        let (code, document) = sample.verify(&[]);
        assert_eq!((code, &document["verdict"]), (0, &"fail".into()), "{name}: {document:#}");
        let results: Value = serde_json::from_str(&sample.read("results.json")).unwrap();
        assert_eq!(results["scenarios"][1]["verdict"], "fail", "{name}");
    }
    // Nor is a pass made of one: the harness has to come to its end.
    let sample = passing();
    sample.edit(&format!("{FAILOVER}/outcome.json"), |outcome| outcome["error"] = "Docker is gone".into());
    assert!(sample.report());
    assert_eq!(sample.verify(&[]).1["verdict"], "error");
    let sample = passing();
    fs::remove_file(sample.folder.join(format!("{FAILOVER}/outcome.json"))).unwrap();
    assert!(sample.report());
    assert_eq!(sample.verify(&[]).1["verdict"], "inconclusive");
}

/// A recording that was put aside because it was interrupted is part of an honest run.
#[test]
fn an_interrupted_recording_is_no_objection() {
    let sample = passing();
    let aside = format!("{RESTART}.attempt-1");
    copy_over(&sample, RESTART, &aside);
    fs::remove_file(sample.folder.join(&aside).join("outcome.json")).unwrap();
    let text = sample.read(&format!("{aside}/events.jsonl"));
    let cut: Vec<&str> = text.lines().take(40).collect();
    sample.write(&format!("{aside}/events.jsonl"), &(cut.join("\n") + "\n"));
    assert!(sample.report());
    let (code, document) = sample.verify(&["--require", "pass", "--require-profile", "smoke"]);
    assert_eq!(code, 0, "{document:#}");
}
