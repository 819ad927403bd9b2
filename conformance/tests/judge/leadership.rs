//! Each property that events alone can tell: a history that fails it, and a near miss that passes.

use pghaspec::judge::{Judgement, Verdict};
use serde_json::{Value, json};

use crate::recorded::*;

const MS: u64 = 1_000_000;
const DATA: &str = "/var/lib/postgresql/data";

fn verdict(judgement: &Judgement, id: &str) -> Verdict {
    check(judgement, id).verdict
}

fn says(text: &[u8], scenario: &str, id: &str, wanted: Verdict) -> String {
    let judgement = judged(text, scenario);
    let found = check(&judgement, id);
    assert_eq!(found.verdict, wanted, "{found:#?}");
    found.why.clone()
}

/// The one run of `postgres --single` that is recorded: its node, from when to when.
fn single_user() -> (Vec<u8>, String, u64, u64) {
    let text = trace("always-single-user", RESTART);
    let start = find(&text, |event| is_start(event, "single-user"));
    let from = start["at"][1].as_u64().unwrap();
    let to = moment(&text, |event| is_exit(event, "single-user"));
    (text, start["node"].as_str().unwrap().to_owned(), from, to)
}

#[test]
fn single_user_mode_beside_another_user_of_the_data_directory_fails() {
    let (text, node, from, to) = single_user();
    for (what, program) in [("postmaster", "postgres"), ("pg-rewind", "pg_rewind"), ("pg-basebackup", "pg_basebackup")]
    {
        let beside = |ends: u64| {
            let argv = [program, "-D", DATA];
            let process =
                [started(from - 3 * MS, &node, what, 900, &argv), exited(ends, &node, what, 900, Some(1), None)];
            with(&text, process)
        };
        let why = says(&beside(to + MS), RESTART, "crash-recovery-alone", Verdict::Fail);
        assert!(why.contains(program) || why.contains(what), "{why}");
        // It was gone before.
        says(&beside(from - MS), RESTART, "crash-recovery-alone", Verdict::Pass);
    }
    // On another node.
    let other = started(from - 3 * MS, "n1", "pg-rewind", 900, &["pg_rewind", "-D", DATA]);
    says(&with(&text, [other]), RESTART, "crash-recovery-alone", Verdict::Pass);
}

#[test]
fn single_user_mode_that_was_turned_away_recovered_nothing() {
    let (text, node, from, to) = single_user();
    let beside = [
        started(from - 3 * MS, &node, "pg-rewind", 900, &["pg_rewind", "-D", DATA]),
        exited(to + MS, &node, "pg-rewind", 900, Some(0), None),
    ];
    let text = with(&text, beside);
    says(&text, RESTART, "crash-recovery-alone", Verdict::Fail);
    let turned_away = changed(&text, |event| {
        if is_exit(event, "single-user") {
            event["code"] = json!(1);
        }
        true
    });
    says(&turned_away, RESTART, "crash-recovery-alone", Verdict::Pass);
    // pg_rewind runs it itself.
    let own = changed(&text, |event| {
        if is_start(event, "single-user") {
            event["argv"].as_array_mut().unwrap().insert(2, json!("-F"));
        }
        true
    });
    says(&own, RESTART, "crash-recovery-alone", Verdict::Pass);
}

#[test]
fn single_user_mode_beside_a_backend_that_still_writes_fails() {
    let (text, node, from, to) = single_user();
    let why =
        says(&with(&text, [wrote([from + MS, to - MS], &node, 1)]), RESTART, "crash-recovery-alone", Verdict::Fail);
    assert!(why.contains("a backend still wrote"), "{why}");
    // It may have been before.
    says(&with(&text, [wrote([from - MS, to - MS], &node, 1)]), RESTART, "crash-recovery-alone", Verdict::Pass);
}

#[test]
fn rewinding_what_was_not_shut_down_cleanly_fails() {
    let text = trace("starts-without-lock", FAILOVER);
    let why = says(&text, FAILOVER, "clean-before-rewind", Verdict::Pass);
    assert!(why.contains("after its postmaster ended cleanly"), "{why}");
    let rewind = find(&text, |event| is_start(event, "pg-rewind"));
    let last = events(&text)
        .into_iter()
        .rfind(|event| is_exit(event, "postmaster") && event["seq"].as_u64() < rewind["seq"].as_u64())
        .unwrap();
    let ended = |code: Value, signal: Value| {
        changed(&text, |event| {
            if event["seq"] == last["seq"] {
                event["code"] = code.clone();
                event["signal"] = signal.clone();
            }
            true
        })
    };
    let why = says(&ended(Value::Null, json!(9)), FAILOVER, "clean-before-rewind", Verdict::Fail);
    assert!(why.contains("ended by signal 9"), "{why}");
    says(&ended(json!(1), Value::Null), FAILOVER, "clean-before-rewind", Verdict::Fail);
    says(&ended(Value::Null, Value::Null), FAILOVER, "clean-before-rewind", Verdict::Inconclusive);
    // Single-user recovery in between makes it clean again.
    let killed = ended(Value::Null, json!(9));
    let (node, at) = (rewind["node"].as_str().unwrap(), rewind["at"][0].as_u64().unwrap());
    let recovered = |code: i32| {
        let single = [
            started(at - 20 * MS, node, "single-user", 901, &["postgres", "--single", "-D", DATA]),
            exited(at - 10 * MS, node, "single-user", 901, Some(code), None),
        ];
        with(&killed, single)
    };
    says(&recovered(0), FAILOVER, "clean-before-rewind", Verdict::Pass);
    says(&recovered(1), FAILOVER, "clean-before-rewind", Verdict::Fail);
    // A server that was killed as soon as it started had not written anything yet; one that was not, had.
    let killed_after = |lived: u64| {
        let server = [
            started(at - (lived + 5) * MS, node, "postmaster", 902, &["postgres", "-D", DATA]),
            exited(at - 5 * MS, node, "postmaster", 902, None, Some(9)),
        ];
        with(&text, server)
    };
    says(&killed_after(30), FAILOVER, "clean-before-rewind", Verdict::Pass);
    says(&killed_after(50), FAILOVER, "clean-before-rewind", Verdict::Fail);
}

#[test]
fn releasing_the_lock_before_writes_end_fails() {
    let why = says(&trace("starts-without-lock", FAILOVER), FAILOVER, "key-released-after-stop", Verdict::Fail);
    assert!(why.contains("was deleted before"), "{why}");
    let text = trace("patroni-4.1.5", FAILOVER);
    let gone = find(&text, |event| event["change"] == "deleted");
    let [from, to] = [0, 1].map(|edge| gone["at"][edge].as_u64().unwrap());
    says(&text, FAILOVER, "key-released-after-stop", Verdict::Pass);
    // The write may have been acknowledged before the key was gone.
    says(&with(&text, [wrote([from, to + MS], "n1", 1)]), FAILOVER, "key-released-after-stop", Verdict::Pass);
    says(&with(&text, [wrote([to, to + MS], "n1", 1)]), FAILOVER, "key-released-after-stop", Verdict::Fail);
    // A lease that ended was not released.
    let expired = changed(&with(&text, [wrote([to, to + MS], "n1", 1)]), |event| {
        if event["change"] == "deleted" {
            event["change"] = json!("expired");
        }
        true
    });
    says(&expired, FAILOVER, "key-released-after-stop", Verdict::Pass);
}

#[test]
fn writing_over_the_lock_of_another_fails() {
    let text = trace("patroni-4.1.5", FAILOVER);
    says(&text, FAILOVER, "single-lock-owner", Verdict::Pass);
    // The new leader writes its name over the old one's.
    let overwritten = changed(&text, |event| {
        if event["change"] == "created" && event["holder"] == "n2" {
            event["change"] = json!("overwritten");
        }
        event["change"] != "deleted"
    });
    let why = says(&overwritten, FAILOVER, "single-lock-owner", Verdict::Fail);
    assert!(why.contains("n2 wrote over the leader key, which named n1"), "{why}");
    // A holder may write its own name again.
    let again = find(&text, |event| event["change"] == "created" && event["holder"] == "n2");
    let mut own = again.clone();
    own["change"] = json!("overwritten");
    own["revision"] = json!(again["revision"].as_i64().unwrap() + 1);
    says(&with(&text, [own]), FAILOVER, "single-lock-owner", Verdict::Pass);
}

#[test]
fn a_required_watchdog_that_is_not_armed_fails() {
    let text = configured(&trace("patroni-4.1.5", FAILOVER), json!({"watchdog_required": true}));
    says(&text, FAILOVER, "watchdog-while-writable", Verdict::Inconclusive);
    let sources = json!(["harness", "etcd", "process", "postgres", "writer", "agent-log", "watchdog"]);
    let text = run_with(&text, "observed", sources);
    let watchdog = |at: u64, node: &str, change: &str| {
        json!({"v": 1, "seq": 0, "at": [at, at], "node": node,
        "source": "watchdog", "kind": "watchdog", "change": change})
    };
    let up = moment(&text, |event| event["kind"] == "leader-key" && event["holder"] == "n1");
    let fault = moment(&text, |event| event["phase"] == "fault");
    let taken = find(&text, |event| event["holder"] == "n2")["at"][0].as_u64().unwrap();
    // Bootstrap's first writable moments come before the key; it is armed by then, too.
    let first = moment(&text, |event| is_start(event, "postmaster"));
    let both = [watchdog(first.min(up), "n1", "armed"), watchdog(taken, "n2", "armed")];
    says(&with(&text, both.clone()), FAILOVER, "watchdog-while-writable", Verdict::Pass);
    let why = says(&with(&text, both[..1].to_vec()), FAILOVER, "watchdog-while-writable", Verdict::Fail);
    assert!(why.contains("n2 was writable"), "{why}");
    let mut closed = both.to_vec();
    closed.push(watchdog(fault - 900 * MS, "n1", "disarmed"));
    says(&with(&text, closed), FAILOVER, "watchdog-while-writable", Verdict::Fail);
    // Left behind by its agent, it still guards.
    let mut abandoned = both.to_vec();
    abandoned.push(watchdog(fault - 900 * MS, "n1", "abandoned"));
    says(&with(&text, abandoned), FAILOVER, "watchdog-while-writable", Verdict::Pass);
}

#[test]
fn a_standby_cluster_that_writes_fails() {
    let text = configured(&trace("patroni-4.1.5", RESTART), json!({"standby_cluster": true}));
    says(&text, RESTART, "standby-cluster-read-only", Verdict::Fail);
    let read_only = changed(&text, |event| event["kind"] != "write" && event["state"] != "primary");
    says(&read_only, RESTART, "standby-cluster-read-only", Verdict::Pass);
    assert!(
        judged(&trace("patroni-4.1.5", RESTART), RESTART).checks.iter().all(|c| c.id != "standby-cluster-read-only")
    );
}

#[test]
fn a_streaming_standby_with_other_rows_fails() {
    let text = trace("patroni-4.1.5", RESTART);
    let more = |rows: Value| {
        changed(&text, |event| {
            if event["kind"] == "read-back" && event["node"] == "n1" {
                event["rows"] = rows.clone();
            }
            true
        })
    };
    let recorded = find(&text, |event| event["kind"] == "read-back" && event["node"] == "n1")["rows"].clone();
    let mut own = recorded.clone();
    own.as_array_mut().unwrap().push(json!([900_000_000, 900_000_001]));
    let why = says(&more(own.clone()), RESTART, "no-silent-divergence", Verdict::Fail);
    assert!(why.contains("n1 holds rows that the primary n2 does not: 900000000–900000001 (2 rows)"), "{why}");
    let mut fewer = recorded.clone();
    fewer.as_array_mut().unwrap().pop();
    says(&more(fewer.clone()), RESTART, "no-silent-divergence", Verdict::Fail);
    // Rows whose answer was lost may have come later.
    let asked = changed(&more(own), |event| {
        if event["kind"] == "write" && event["id"] == 3_000_031 {
            event["id"] = json!(900_000_000);
            event["result"] = json!("indeterminate");
        }
        if event["kind"] == "read-back" && event["node"] == "n1" {
            event["rows"].as_array_mut().unwrap().pop();
            event["rows"].as_array_mut().unwrap().push(json!([900_000_000, 900_000_000]));
        }
        true
    });
    says(&asked, RESTART, "no-silent-divergence", Verdict::Pass);
    // Who does not stream does not say that it is healthy.
    let broken = changed(&more(fewer), |event| {
        if event["node"] == "n1" && event["state"] == "standby" {
            event["streaming"] = json!(false);
        }
        true
    });
    says(&broken, RESTART, "no-silent-divergence", Verdict::Inconclusive);
}

/// The write that the old leader acknowledged last before the fault.
fn last_of_the_old_leader(text: &[u8]) -> Value {
    let fault = moment(text, |event| event["kind"] == "fault");
    let old = |event: &Value| event["node"] == "n1" && event["result"] == "ok" && event["at"][1].as_u64() < Some(fault);
    events(text).into_iter().rfind(old).unwrap()
}

#[test]
fn a_lost_synchronous_commit_fails() {
    let text = configured(&trace("patroni-4.1.5", FAILOVER), json!({"synchronous_mode": true}));
    says(&text, FAILOVER, "no-lost-sync-commit", Verdict::Pass);
    let gone = last_of_the_old_leader(&text)["id"].as_u64().unwrap();
    let lost = without_rows(&text, |row| row == gone);
    let why = says(&lost, FAILOVER, "no-lost-sync-commit", Verdict::Fail);
    assert!(why.contains(&format!("{gone} (1 row) at n1 through")), "{why}");
    // An answer that was lost promised nothing.
    let unsure = changed(&lost, |event| {
        if event["id"] == gone {
            event["result"] = json!("indeterminate");
        }
        true
    });
    says(&unsure, FAILOVER, "no-lost-sync-commit", Verdict::Pass);
}

#[test]
fn what_was_acknowledged_under_the_last_leader_may_not_be_lost() {
    let text = trace("patroni-4.1.5", FAILOVER);
    let taken = find(&text, |event| event["kind"] == "leader-key" && event["holder"] == "n2");
    let under = |event: &Value| event["result"] == "ok" && is_after(event, taken["at"][1].as_u64().unwrap());
    let write = find(&text, |event| event["kind"] == "write" && under(event));
    let lost = without_rows(&text, |row| row == write["id"].as_u64().unwrap());
    let why = says(&lost, FAILOVER, "acknowledged-writes", Verdict::Fail);
    assert!(why.contains("acknowledged when n2 held the lock already"), "{why}");
    // Who writes its own name anew begins nothing anew.
    let mut again = taken;
    again["change"] = json!("overwritten");
    again["revision"] = json!(again["revision"].as_i64().unwrap() + 1);
    let later = write["at"][1].as_u64().unwrap() + 1;
    again["at"] = json!([later, later]);
    says(&with(&lost, [again]), FAILOVER, "acknowledged-writes", Verdict::Fail);
}

#[test]
fn asynchronous_loss_is_named_and_bounded() {
    let text = trace("patroni-4.1.5", FAILOVER);
    says(&text, FAILOVER, "bounded-async-loss", Verdict::Pass);
    let gone = last_of_the_old_leader(&text)["id"].as_u64().unwrap();
    let lost = without_rows(&text, |row| row == gone);
    let why = says(&lost, FAILOVER, "bounded-async-loss", Verdict::Pass);
    assert!(why.contains("lost 1 acknowledged writes") && why.contains(&gone.to_string()), "{why}");
    // More than a ttl before: only within maximum_lag_on_failover.
    let early = without_rows(&text, |row| (1_000_000..2_000_000).contains(&row));
    let early = run_with(&early, "ttl_s", json!(1));
    let why = says(&early, FAILOVER, "bounded-async-loss", Verdict::Pass);
    assert!(why.contains("is at most"), "{why}");
    // What the old leader wrote since it can have told for the last time how far its WAL goes does not count.
    let narrow = configured(&early, json!({"maximum_lag_on_failover": 10}));
    says(&narrow, FAILOVER, "bounded-async-loss", Verdict::Inconclusive);
    // If it lost the lock two seconds later, which is two ttls, it told later than that.
    let narrow = changed(&narrow, |event| {
        if event["kind"] == "leader-key" && (event["change"] == "deleted" || event["holder"] == "n2") {
            event["at"] = json!([0, 1].map(|edge: usize| event["at"][edge].as_u64().unwrap() + 2_000_000_000));
        }
        true
    });
    let why = says(&narrow, FAILOVER, "bounded-async-loss", Verdict::Fail);
    assert!(why.contains("10 may be lost"), "{why}");
    // Where nobody knows how much WAL it was, the rows may have been too much.
    let unknown = changed(&narrow, |event| {
        if event["kind"] == "server" {
            event["lsn"] = Value::Null;
        }
        true
    });
    says(&unknown, FAILOVER, "bounded-async-loss", Verdict::Inconclusive);
}

/// The restart, in which the crashed leader's Postgres never comes back, with settings that give it time enough.
fn never_back(keeps_key: bool) -> Vec<u8> {
    let text = trace("patroni-4.1.5", RESTART);
    let fault = moment(&text, |event| event["kind"] == "fault");
    let text = changed(&text, |event| {
        if event["kind"] == "run" {
            event["ttl_s"] = json!(1);
            event["retry_timeout_s"] = json!(0);
            event["primary_start_timeout_s"] = json!(0);
        }
        let later = is_after(event, fault);
        if event["kind"] == "server" && event["node"] == "n2" && later {
            event["state"] = json!("refused");
            for field in ["timeline", "lsn", "streaming"] {
                event[field] = Value::Null;
            }
        }
        !(later && event["node"] == "n2" && event["result"] == "ok")
    });
    if keeps_key {
        return text;
    }
    let key = find(&text, |event| event["kind"] == "leader-key");
    let mut gone = key.clone();
    (gone["change"], gone["holder"]) = (json!("expired"), Value::Null);
    gone["revision"] = json!(key["revision"].as_i64().unwrap() + 9);
    gone["at"] = json!([fault + 500 * MS, fault + 600 * MS]);
    with(&text, [gone])
}

#[test]
fn what_must_come_at_last_and_does_not_fails() {
    let kept = judged(&never_back(true), RESTART);
    for id in ["leader-eventually", "unstartable-leader-yields", "crashed-node-rejoins"] {
        assert_eq!(verdict(&kept, id), Verdict::Fail, "{:#?}", check(&kept, id));
    }
    let free = judged(&never_back(false), RESTART);
    assert_eq!(verdict(&free, "leader-eventually"), Verdict::Fail);
    assert_eq!(verdict(&free, "unstartable-leader-yields"), Verdict::Pass);
    // With its default settings an agent may take longer than the run lasted.
    let patient = judged(&run_with(&never_back(true), "primary_start_timeout_s", json!(300)), RESTART);
    for id in ["leader-eventually", "unstartable-leader-yields", "crashed-node-rejoins"] {
        assert_eq!(verdict(&patient, id), Verdict::Inconclusive, "{:#?}", check(&patient, id));
    }
    for scenario in [RESTART, FAILOVER] {
        let well = judged(&trace("patroni-4.1.5", scenario), scenario);
        for id in ["leader-eventually", "unstartable-leader-yields", "crashed-node-rejoins"] {
            assert_eq!(verdict(&well, id), Verdict::Pass, "{:#?}", check(&well, id));
        }
    }
}

#[test]
fn times_are_measured_as_intervals() {
    let judgement = judged(&trace("patroni-4.1.5", FAILOVER), FAILOVER);
    let of = |id: &str| {
        let found = judgement.measured.iter().find(|measure| measure.id == id);
        found.unwrap_or_else(|| panic!("{id}: {:#?}", judgement.measured)).seconds
    };
    // The SIGKILL was sent between 13.869 s and 13.871 s; the key was deleted from 14.442 s to 14.542 s, taken from
    // 14.643 s to 14.666 s.
    assert_eq!(of("fault-to-key-change").map(|s| (s * 100.0).round()), [57.0, 67.0]);
    assert_eq!(of("failover").map(|s| (s * 100.0).round()), [77.0, 80.0]);
    for id in ["fault-to-first-write", "without-writes"] {
        let [least, most] = of(id);
        assert!(0.77 < least && least < most && most < 3.0, "{id}: {least} to {most}");
    }
}

#[test]
fn rows_that_nobody_wrote_are_ghosts() {
    let text = changed(&trace("patroni-4.1.5", RESTART), |event| {
        if event["kind"] == "read-back" {
            event["rows"].as_array_mut().unwrap().push(json!([900_000_000, 900_000_000]));
        }
        true
    });
    let why = says(&text, RESTART, "acknowledged-writes", Verdict::Fail);
    // Of a writer whose writes were acknowledged, something may not have been recorded.
    let unrecorded = changed(&trace("patroni-4.1.5", RESTART), |event| event["id"] != 3_000_010);
    says(&unrecorded, RESTART, "acknowledged-writes", Verdict::Inconclusive);
    assert!(why.contains("rows of writers who were refused all that time: 900000000 (1 row)"), "{why}");
}
