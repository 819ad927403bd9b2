//! The judge on recorded histories: right ones pass, each check has a history that fails it, damaged ones are refused.

use pghaspec::history::History;
use pghaspec::judge::Verdict;
use serde_json::{Value, json};

use crate::recorded::*;

#[test]
fn patroni_passes() {
    for (scenario, branch) in [(RESTART, "start-primary"), (FAILOVER, "fail-over")] {
        let judgement = judged(&trace("patroni-4.1.5", scenario), scenario);
        assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
        assert_eq!(judgement.branches, [branch]);
    }
}

#[test]
fn keeping_the_lock_fails_and_is_named() {
    let judgement = judged(&trace("keeps-lock", FAILOVER), FAILOVER);
    assert_only_fails(&judgement, &["takes-branch", "leader", "rejoins", "allowed-by-the-model"]);
    assert!(check(&judgement, "allowed-by-the-model").why.contains("[keeps-lock]"), "{judgement:#?}");
}

#[test]
fn single_user_mode_where_a_start_was_due_fails_and_is_named() {
    let judgement = judged(&trace("always-single-user", RESTART), RESTART);
    assert_only_fails(&judgement, &["takes-branch", "timeline", "single-user", "allowed-by-the-model"]);
    assert!(check(&judgement, "allowed-by-the-model").why.contains("[always-single-user]"), "{judgement:#?}");
}

#[test]
fn starting_without_the_lock_fails_and_is_named() {
    let judgement = judged(&trace("starts-without-lock", FAILOVER), FAILOVER);
    assert_only_fails(
        &judgement,
        &[
            "one-writable-leader",
            "writable-needs-lock",
            "key-released-after-stop",
            "acknowledged-writes",
            "allowed-by-the-model",
        ],
    );
    assert!(check(&judgement, "allowed-by-the-model").why.contains("[starts-without-signal]"), "{judgement:#?}");
}

#[test]
fn the_explanation_reads_well() {
    let judgement = judged(&trace("keeps-lock", FAILOVER), FAILOVER);
    insta::assert_snapshot!(check(&judgement, "allowed-by-the-model").why);
}

#[test]
fn a_fault_without_effect_proves_nothing() {
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "fault" {
            event["effect"] = Value::Null;
        }
        true
    });
    assert_eq!(check(&judged(&text, RESTART), "fault-took-effect").verdict, Verdict::Inconclusive);
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| event["kind"] != "fault");
    let judgement = judged(&text, RESTART);
    assert_eq!(check(&judgement, "fault-took-effect").verdict, Verdict::Inconclusive);
    assert_ne!(judgement.verdict, Verdict::Pass);
}

#[test]
fn a_second_single_user_recovery_fails() {
    let mut events = events(&trace("always-single-user", RESTART));
    let single_user = |event: &Value| event["kind"] == "process-started" && event["what"] == "single-user";
    let first = events.iter().position(single_user).expect("single-user mode was started");
    let mut again = events[first].clone();
    let at = again["at"][0].as_u64().unwrap() + 1_000_000;
    again["at"] = json!([at, at]);
    again["pid"] = json!(9);
    events.insert(first + 1, again);
    let judgement = judged(&written(events.clone()), RESTART);
    assert_eq!(check(&judgement, "crash-recovery-once").verdict, Verdict::Fail);
    assert_eq!(check(&judgement, "single-user").verdict, Verdict::Fail);
    // What pg_rewind runs itself is no recovery that the agent decided on.
    for event in events.iter_mut().filter(|event| single_user(event)) {
        event["argv"].as_array_mut().unwrap().push(json!("-F"));
    }
    let judgement = judged(&written(events), RESTART);
    assert_eq!(check(&judgement, "crash-recovery-once").verdict, Verdict::Pass);
    assert_eq!(check(&judgement, "single-user").verdict, Verdict::Pass);
}

#[test]
fn processes_that_were_not_seen_are_inconclusive() {
    let judgement = judged(&with_gap(&trace("patroni-4.1.5", RESTART), "process", "the observer was late"), RESTART);
    assert_eq!(check(&judgement, "crash-recovery-once").verdict, Verdict::Inconclusive);
    assert_eq!(check(&judgement, "single-user").verdict, Verdict::Inconclusive);
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
}

#[test]
fn an_acknowledged_write_that_is_gone_fails() {
    let mut first = None;
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "write" && event["result"] == "ok" {
            first = first.or(event["id"].as_u64());
        }
        if event["kind"] == "read-back" {
            let gone = first.expect("a write was acknowledged");
            let rows = event["rows"].as_array().unwrap().iter().flat_map(|range| {
                let (from, to) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
                (from..=to).filter(|row| *row != gone).map(|row| json!([row, row])).collect::<Vec<_>>()
            });
            event["rows"] = Value::Array(rows.collect());
        }
        true
    });
    assert_only_fails(&judged(&text, RESTART), &["acknowledged-writes"]);
}

#[test]
fn a_row_that_only_one_node_holds_fails() {
    // Each node gets one that nobody else has, so a standby has one that the primary has not.
    let mut own = 900_000_000_u64;
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "read-back" {
            own += 1;
            event["rows"].as_array_mut().unwrap().push(json!([own, own]));
        }
        true
    });
    assert_eq!(check(&judged(&text, RESTART), "no-silent-divergence").verdict, Verdict::Fail);
}

#[test]
fn a_refused_write_that_is_there_fails() {
    let mut first = true;
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "write" && event["result"] == "ok" && std::mem::take(&mut first) {
            event["result"] = json!("failed");
        }
        true
    });
    assert_eq!(check(&judged(&text, RESTART), "acknowledged-writes").verdict, Verdict::Fail);
}

#[test]
fn rows_that_the_new_leader_acknowledged_and_lost_fail() {
    let text = trace("patroni-4.1.5", FAILOVER);
    let promoted =
        moment(&text, |event| event["kind"] == "server" && event["state"] == "primary" && event["timeline"] == 2);
    let mut gone = Vec::new();
    let text = changed(&text, |event| {
        if event["kind"] == "write" && event["result"] == "ok" && is_after(event, promoted) {
            gone.push(event["id"].as_u64().unwrap());
        }
        if event["kind"] == "read-back" {
            let rows = event["rows"].as_array().unwrap().iter().flat_map(|range| {
                let (from, to) = (range[0].as_u64().unwrap(), range[1].as_u64().unwrap());
                (from..=to).filter(|row| !gone.contains(row)).map(|row| json!([row, row])).collect::<Vec<_>>()
            });
            event["rows"] = Value::Array(rows.collect());
        }
        true
    });
    let judgement = judged(&text, FAILOVER);
    assert_only_fails(&judgement, &["acknowledged-writes"]);
}

#[test]
fn a_backend_that_outlives_its_postmaster_and_the_lock_fails() {
    let text = trace("patroni-4.1.5", FAILOVER);
    let fault = events(&text).into_iter().find(|event| event["kind"] == "fault").unwrap();
    let from = fault["at"][1].as_u64().unwrap();
    let released =
        moment(&text, |event| event["kind"] == "leader-key" && event["holder"].is_null() && is_after(event, from));
    let mut events = events(&text);
    let place = events.iter().position(|event| event["phase"] == "settled").unwrap();
    events.insert(
        place,
        json!({"v": 1, "seq": 0, "at": [released + 1_000_000, released + 2_000_000], "node": fault["node"],
            "source": "writer",
            "kind": "write", "id": 1, "session": "held", "result": "ok"}),
    );
    let judgement = judged(&written(events), FAILOVER);
    assert_only_fails(&judgement, &["writable-needs-lock", "key-released-after-stop"]);
}

/// A write that began a few milliseconds after the SIGKILL and committed all the same, before its backend noticed that
/// the postmaster was gone. The node still held the lock, so nothing is wrong with that.
#[test]
fn a_commit_just_after_the_postmasters_death_passes() {
    let judgement = judged(&trace("patroni-4.1.5-late-commit", RESTART), RESTART);
    assert_eq!(judgement.verdict, Verdict::Pass, "{judgement:#?}");
}

#[test]
fn observers_that_stop_are_inconclusive() {
    let text = trace("patroni-4.1.5", RESTART);
    let fault = moment(&text, |event| event["phase"] == "fault");
    let settled = moment(&text, |event| event["phase"] == "settled");
    let without = |like: &dyn Fn(&Value) -> bool| judged(&changed(&text, |event| !like(event)), RESTART);
    for judgement in [
        without(&|event| event["kind"] == "write" && is_after(event, fault)),
        without(&|event| event["kind"] == "server" && event["node"] == "n2" && is_after(event, settled)),
        judged(&with_gap(&text, "etcd", "no tick came back"), RESTART),
        judged(&with_gap(&text, "postgres", "no answer"), RESTART),
        judged(&with_gap(&text, "agent-log", "the stream broke"), RESTART),
    ] {
        assert_eq!(check(&judgement, "observers-alive").verdict, Verdict::Inconclusive, "{judgement:#?}");
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "the agent is not to blame: {judgement:#?}");
    }
}

#[test]
fn an_unwatched_leader_key_is_inconclusive_and_not_the_agents_fault() {
    let judgement = judged(&with_gap(&trace("patroni-4.1.5", FAILOVER), "etcd", "no tick came back"), FAILOVER);
    for id in ["writable-needs-lock", "leader"] {
        assert_eq!(check(&judgement, id).verdict, Verdict::Inconclusive, "{id}");
    }
    assert_eq!(judgement.verdict, Verdict::Inconclusive);
}

#[test]
fn polled_processes_are_inconclusive() {
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "run" {
            event["process_observation"] = json!("polling");
        }
        true
    });
    let judgement = judged(&text, RESTART);
    assert_eq!(check(&judgement, "crash-recovery-once").verdict, Verdict::Inconclusive);
    assert_eq!(check(&judgement, "single-user").verdict, Verdict::Inconclusive);
}

#[test]
fn an_agent_that_somebody_else_killed_is_inconclusive() {
    let mut events = events(&trace("patroni-4.1.5", RESTART));
    let heal = events.iter().position(|event| event["phase"] == "read-back").unwrap();
    let at = events[heal]["at"].clone();
    let agent = events.iter().find(|event| is_start(event, "agent") && event["node"] == "n2").unwrap().clone();
    events.insert(
        heal,
        json!({"v": 1, "seq": 0, "at": at, "node": "n2", "source": "process", "kind": "process-exited", "what": "agent",
            "pid": agent["pid"], "code": null, "signal": 9}),
    );
    assert_eq!(judged(&written(events), RESTART).verdict, Verdict::Inconclusive);
}

#[test]
fn an_effect_that_was_not_seen_refutes() {
    // The postmaster was killed, and no event says that it ended.
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        !(event["kind"] == "process-exited" && event["what"] == "postmaster")
    });
    assert_eq!(check(&judged(&text, RESTART), "allowed-by-the-model").verdict, Verdict::Fail);
}

#[test]
fn words_that_do_not_fit_the_deeds_are_refuted() {
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "recover" {
            event["branch"] = json!("start-read-only");
        }
        true
    });
    assert_only_fails(&judged(&text, RESTART), &["takes-branch", "allowed-by-the-model"]);
    // What another node says counts for nothing.
    let text = trace("patroni-4.1.5", RESTART);
    let crashed = events(&text).into_iter().find(|event| event["kind"] == "fault").unwrap()["node"].clone();
    let other = if crashed == "n1" { "n2" } else { "n1" };
    let text = changed(&text, |event| {
        if event["kind"] == "recover" {
            event["node"] = json!(other);
        }
        true
    });
    let judgement = judged(&text, RESTART);
    assert_eq!(check(&judgement, "takes-branch").verdict, Verdict::Inconclusive);
    assert_eq!(check(&judgement, "allowed-by-the-model").verdict, Verdict::Fail);
}

#[test]
fn a_standby_that_does_not_stream_has_not_rejoined() {
    let text = changed(&trace("patroni-4.1.5", FAILOVER), |event| {
        if event["kind"] == "server" && event["state"] == "standby" {
            event["streaming"] = json!(false);
        }
        true
    });
    assert_eq!(check(&judged(&text, FAILOVER), "rejoins").verdict, Verdict::Fail);
}

#[test]
fn a_primary_on_an_impossible_timeline_is_refuted() {
    let fault = moment(&trace("patroni-4.1.5", RESTART), |event| event["kind"] == "fault");
    for timeline in [2, 7] {
        let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
            if event["kind"] == "server" && event["state"] == "primary" && is_after(event, fault) {
                event["timeline"] = json!(timeline);
            }
            true
        });
        assert_eq!(check(&judged(&text, RESTART), "allowed-by-the-model").verdict, Verdict::Fail, "{timeline}");
    }
}

#[test]
fn two_failed_starts_do_not_excuse_a_second_single_user_recovery() {
    // Between two runs of postgres --single a postmaster started and ended, and never came up.
    let mut events = events(&trace("always-single-user", RESTART));
    let like = |what: &str, kind: &str| {
        let (what, kind) = (what.to_owned(), kind.to_owned());
        move |event: &Value| event["kind"] == kind.as_str() && event["what"] == what.as_str()
    };
    let single = events.iter().position(like("single-user", "process-started")).unwrap();
    let mut at = events[single]["at"][0].as_u64().unwrap();
    let node = events[single]["node"].clone();
    let mut more = Vec::new();
    for (kind, what) in
        [("process-started", "postmaster"), ("process-exited", "postmaster"), ("process-started", "single-user")]
    {
        at += 1_000_000;
        let mut event = json!({"v": 1, "seq": 0, "at": [at, at], "node": node, "source": "process", "kind": kind,
            "what": what, "pid": 9});
        if kind == "process-started" {
            event["argv"] = json!(["postgres"]);
        } else {
            event["code"] = json!(1);
            event["signal"] = Value::Null;
        }
        more.push(event);
    }
    events.splice(single + 1..single + 1, more);
    assert_eq!(check(&judged(&written(events), RESTART), "crash-recovery-once").verdict, Verdict::Fail);
}

#[test]
fn another_scenarios_demands_fail() {
    // The restart judged as if a failover had been due, and the other way round.
    let judgement = judged(&trace("patroni-4.1.5", RESTART), FAILOVER);
    assert_only_fails(&judgement, &["takes-branch", "leader", "timeline", "rejoins"]);
    let judgement = judged(&trace("patroni-4.1.5", FAILOVER), RESTART);
    assert_only_fails(&judgement, &["takes-branch", "leader", "timeline", "rejoins"]);
}

#[test]
fn a_cluster_that_does_not_settle_fails() {
    let text = with_gap(&trace("patroni-4.1.5", RESTART), "harness", "not settled: nobody leads");
    assert_eq!(check(&judged(&text, RESTART), "rejoins").verdict, Verdict::Fail);
}

#[test]
fn a_key_that_never_moved_refutes_the_failover() {
    // The new leader is writable, and no event says that it ever got the lock.
    let mut ready = false;
    let text = changed(&trace("patroni-4.1.5", FAILOVER), |event| {
        ready |= event["phase"] == "ready";
        !(ready && event["kind"] == "leader-key")
    });
    let judgement = judged(&text, FAILOVER);
    assert_eq!(check(&judgement, "writable-needs-lock").verdict, Verdict::Fail);
    assert_eq!(check(&judgement, "allowed-by-the-model").verdict, Verdict::Fail);
}

#[test]
fn a_release_is_held_to_its_own_rules() {
    let with_rule = |rule: &str| {
        changed(&trace("patroni-4.1.5", RESTART), |event| {
            if event["kind"] == "run" {
                event["rules"] = json!([rule]);
            }
            true
        })
    };
    // The decision is the newest edition's, and that of a release which differs elsewhere. What the scenario demands
    // goes by the rule, too.
    assert_eq!(judged(&with_rule("skips_backup_label: no"), RESTART).verdict, Verdict::Pass);
    let judgement = judged(&with_rule("starts_crashed_primary: no"), RESTART);
    assert_only_fails(&judgement, &["takes-branch", "timeline", "single-user", "allowed-by-the-model"]);
    let why = &check(&judgement, "allowed-by-the-model").why;
    assert!(why.contains("in edition 4.1 with starts_crashed_primary: no"), "{why}");
    let (line, words) = History::parse(&with_rule("lock_update: maybe")).unwrap_err();
    assert_eq!(line, Some(1));
    assert!(words.contains("only: trusts-keepalive, overwrites, compares-and-swaps"), "{words}");
}

/// The kernel takes its time on a busy machine: meanwhile the next node may have been killed.
#[test]
fn a_killed_node_may_be_slow_to_die() {
    const ALL: &str = "all-nodes-killed";
    let text = trace("patroni-4.1.5", ALL);
    let killed = |node: &str| moment(&text, |event| event["fault"] == "node-killed" && event["node"] == node);
    let (first, late) = (killed("n1"), killed("n2") + 1_000_000);
    let slow = changed(&text, |event| {
        let of_n1 = event["node"] == "n1" && (first..late).contains(&event["at"][0].as_u64().unwrap());
        if of_n1 && is_exit(event, "postmaster") {
            event["at"] = json!([late, late]);
        }
        // No probe told that it was gone.
        !(of_n1 && event["kind"] == "server")
    });
    assert_ne!(slow, text);
    let judgement = judged(&slow, ALL);
    assert_eq!(check(&judgement, "allowed-by-the-model").verdict, Verdict::Pass, "{judgement:#?}");
}

#[test]
fn an_agent_is_not_failed_for_what_a_trap_missed() {
    const SCENARIO: &str = "single-user-fails";
    let of_trap = |event: &Value| event["kind"] == "fault" && event["fault"] == "single-user-fails";
    let honest = trace("forgets-crash-recovery", SCENARIO);
    assert_eq!(check(&judged(&honest, SCENARIO), "takes-branch").verdict, Verdict::Fail);
    // From when the trap was laid until it was taken away.
    let missed = changed(&honest, |event| {
        if of_trap(event) {
            let at = event["at"][0].as_u64().unwrap();
            event["effect"] = Value::Null;
            event["at"][0] = json!(at.saturating_sub(20_000_000_000));
        }
        true
    });
    let judgement = judged(&missed, SCENARIO);
    let branch = check(&judgement, "takes-branch");
    assert_eq!(branch.verdict, Verdict::Inconclusive, "{branch:?}");
    assert!(branch.why.contains("single-user-fails had no effect"), "{branch:?}");
    // Where nothing was started the trap has missed nothing: that is the agent's doing.
    let nothing_there = changed(&missed, |event| event["what"] != "single-user");
    assert_eq!(check(&judged(&nothing_there, SCENARIO), "takes-branch").verdict, Verdict::Fail);
}

#[test]
fn an_agent_is_not_failed_after_a_kill_that_nothing_shows() {
    const SCENARIO: &str = "killed-during-crash-recovery";
    let honest = trace("keeps-lock-after-failed-start", SCENARIO);
    assert_eq!(check(&judged(&honest, SCENARIO), "leader").verdict, Verdict::Fail);
    let text = changed(&honest, |event| {
        if event["kind"] == "fault" && event["fault"] == "postmaster-killed" {
            event["effect"] = Value::Null;
        }
        true
    });
    assert_eq!(check(&judged(&text, SCENARIO), "leader").verdict, Verdict::Inconclusive);
}

#[test]
fn a_trap_that_found_nothing_to_strike_excuses_nothing() {
    const SCENARIO: &str = "killed-during-crash-recovery";
    let all = events(&trace("keeps-lock-after-failed-start", SCENARIO));
    let is_kill = |event: &&Value| event["kind"] == "fault" && event["fault"] == "postmaster-killed";
    let mut kills: Vec<u64> = all.iter().filter(is_kill).map(|event| event["at"][0].as_u64().unwrap()).collect();
    kills.sort_unstable();
    let [direct, trap] = kills[..] else { panic!("a kill at once, and one by a trap: {kills:?}") };
    // The trap was laid before the first kill, and taken away at the end; with a start or without one.
    let of = |with_start: bool| {
        let text = changed(&trace("keeps-lock-after-failed-start", SCENARIO), |event| {
            let at = event["at"][0].as_u64().unwrap();
            if event["kind"] == "fault" && event["fault"] == "postmaster-killed" && at == trap {
                event["effect"] = Value::Null;
                event["at"] = json!([direct - 1_000_000_000, at + 1]);
            }
            let started = event["kind"] == "process-started" && event["what"] == "postmaster";
            let ended = event["kind"] == "process-exited" && event["what"] == "postmaster";
            with_start
                || !((started && at > direct && at < trap) || (ended && at > trap - 1 && at < trap + 1_000_000_000))
        });
        check(&judged(&text, SCENARIO), "leader").clone()
    };
    assert_eq!(of(true).verdict, Verdict::Inconclusive);
    assert_eq!(of(false).verdict, Verdict::Fail);
}
