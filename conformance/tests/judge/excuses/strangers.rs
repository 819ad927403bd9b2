//! Strangers: deaths and shortages that no fault of the scenario caused are no failures of the agent, and near misses
//! are.

use pghaspec::history::History;
use pghaspec::judge::{Judgement, Verdict, judge};
use pghaspec::scenario::Scenario;
use serde_json::{Value, json};

use crate::recorded::*;

const MS: u64 = 1_000_000;
const STANDBY: &str = "standby-postmaster-killed";

/// A recorded history in the newest format.
fn newest(agent: &str, scenario: &str) -> Vec<u8> {
    changed(&trace(agent, scenario), |event| {
        event["v"] = json!(6);
        true
    })
}

fn phase(text: &[u8], phase: &str) -> u64 {
    moment(text, |event| event["phase"] == phase)
}

fn agent(text: &[u8], node: &str) -> u32 {
    let pid = find(text, |event| is_start(event, "agent") && event["node"] == node)["pid"].as_u64().unwrap();
    u32::try_from(pid).unwrap()
}

/// The postmaster that lives on a node at that moment.
fn postmaster(text: &[u8], node: &str, at: u64) -> u32 {
    let of_node = |event: &&Value| event["node"] == node && event["at"][1].as_u64().unwrap() <= at;
    let all = events(text);
    let last = all.iter().filter(of_node).rfind(|event| is_start(event, "postmaster")).unwrap();
    u32::try_from(last["pid"].as_u64().unwrap()).unwrap()
}

/// Nobody injected anything: the death that the scenario asked for is nobody's doing.
fn undeclared(text: &[u8]) -> Vec<u8> {
    changed(text, |event| event["kind"] != "fault")
}

/// The same of one fault.
fn undeclared_of(text: &[u8], fault: &str) -> Vec<u8> {
    changed(text, |event| event["fault"] != fault)
}

fn oom(at: [u64; 2], node: &str, kills: u32) -> Value {
    json!({"v": 6, "seq": 0, "at": at, "node": node, "source": "process", "kind": "out-of-memory", "kills": kills})
}

fn node_ended(at: [u64; 2], node: &str) -> Value {
    json!({"v": 6, "seq": 0, "at": at, "node": node, "source": "harness", "kind": "node-ended", "code": 137,
        "out_of_memory": false})
}

fn child_killed(at: u64, node: &str, postmaster: u32) -> Value {
    json!({"v": 6, "seq": 0, "at": [at, at], "node": node, "source": "process", "kind": "child-killed",
        "postmaster": postmaster, "pid": 999_999, "signal": 9})
}

fn failed(judgement: &Judgement) -> Vec<&str> {
    let fails = judgement.checks.iter().filter(|check| check.verdict == Verdict::Fail);
    fails.map(|check| check.id.as_str()).collect()
}

/// The worst of all checks but one: the oldest histories do not tell control files, as the newest ones do.
fn worst(judgement: &Judgement) -> Verdict {
    Verdict::worst(
        judgement.checks.iter().filter(|check| check.id != "one-system-identifier").map(|check| check.verdict),
    )
}

/// The run is inconclusive and no check fails; returns what is said of who died.
fn spoiled(judgement: &Judgement) -> String {
    assert_eq!(failed(judgement), [""; 0], "{judgement:#?}");
    assert_eq!(worst(judgement), Verdict::Inconclusive, "{judgement:#?}");
    let alive = check(judgement, "observers-alive");
    assert_eq!(alive.verdict, Verdict::Inconclusive, "{alive:#?}");
    alive.why.clone()
}

/// The same history with the death as the scenario's fault and as nobody's: the model explains both.
#[test]
fn a_strangers_kill_of_a_postmaster_is_no_failure() {
    for scenario in [RESTART, FAILOVER, STANDBY] {
        let text = newest("patroni-4.1.5", scenario);
        assert_eq!(worst(&judged(&text, scenario)), Verdict::Pass);
        let judgement = judged(&undeclared(&text), scenario);
        let why = spoiled(&judgement);
        for words in
            ["postmaster of n", "ended by signal 9 at", "no fault of the scenario did that", "nobody tells who"]
        {
            assert!(why.contains(words), "{words}: {why}");
        }
        let model = check(&judgement, "allowed-by-the-model");
        assert_eq!(model.verdict, Verdict::Pass, "{model:#?}");
    }
}

#[test]
fn the_kernels_kill_for_want_of_memory_is_named() {
    let text = newest("patroni-4.1.5", RESTART);
    let killed = find(&text, |event| is_exit(event, "postmaster"));
    let (at, node) = (killed["at"][1].as_u64().unwrap(), killed["node"].as_str().unwrap());
    let why = spoiled(&judged(&with(&undeclared(&text), [oom([at - 900 * MS, at + MS], node, 1)]), RESTART));
    let counted = format!("the kernel killed a process of {node} for want of memory then (oom_kill rose by 1)");
    assert!(why.contains(&counted), "{why}");
    let elsewhere = if node == "n1" { "n2" } else { "n1" };
    // Of another node, or at another time, it is another process that nobody saw.
    for other in [oom([at - 900 * MS, at + MS], elsewhere, 1), oom([at + 2_100 * MS, at + 2_200 * MS], node, 1)] {
        let why = spoiled(&judged(&with(&undeclared(&text), [other]), RESTART));
        assert!(!why.contains("want of memory") && why.contains("one more death"), "{why}");
    }
    // A fault that was injected is no stranger's doing, however little memory there is.
    let why = spoiled(&judged(&with(&text, [oom([at + 2_100 * MS, at + 2_200 * MS], node, 2)]), RESTART));
    assert!(why.contains("killed 2 processes of n") && why.contains("not seen which"), "{why}");
}

#[test]
fn a_second_death_after_the_injected_one_is_not_explained_by_it() {
    let text = newest("patroni-4.1.5", RESTART);
    let settled = phase(&text, "settled");
    let at = settled - 200 * MS;
    let pid = postmaster(&text, "n1", at);
    let judgement = judged(&with(&text, [exited(at, "n1", "postmaster", pid, None, Some(9))]), RESTART);
    // That Postgres of a dead postmaster goes on is another matter.
    let alive = check(&judgement, "observers-alive");
    assert_eq!(alive.verdict, Verdict::Inconclusive, "{alive:#?}");
    assert!(alive.why.contains(&format!("process {pid}")), "{alive:#?}");
}

/// What is wrong with or without the death stays a failure.
#[test]
fn a_death_excuses_nothing_but_what_follows_from_it() {
    // A node that starts without the lock does so after any crash.
    let text = newest("starts-without-lock", FAILOVER);
    let declared = judged(&text, FAILOVER);
    let judgement = judged(&undeclared(&text), FAILOVER);
    for id in ["writable-needs-lock", "allowed-by-the-model"] {
        assert_eq!(check(&declared, id).verdict, Verdict::Fail);
        assert_eq!(check(&judgement, id).verdict, Verdict::Fail, "{:#?}", check(&judgement, id));
    }
    assert_eq!(judgement.verdict, Verdict::Fail);
    // A standby's death has nothing to do with what the lock holder does: the model refuses that as before.
    let text = newest("keeps-lock", FAILOVER);
    let before = judged(&text, FAILOVER);
    let at = phase(&text, "fault") - 50 * MS;
    let dead = with(&text, [exited(at, "n2", "postmaster", postmaster(&text, "n2", at), None, Some(9))]);
    let after = judged(&dead, FAILOVER);
    assert_eq!(failed(&before), ["takes-branch", "leader", "rejoins", "allowed-by-the-model"]);
    assert_eq!(failed(&after), ["allowed-by-the-model"], "{after:#?}");
    // Demands that failed before the death, or after the end of it all, stay failures.
    let (late, read_back) = (phase(&text, "settled") + MS, phase(&text, "read-back"));
    let pid = postmaster(&text, "n2", late);
    let late = judged(&with(&text, [exited(late, "n2", "postmaster", pid, None, Some(9))]), FAILOVER);
    assert!(failed(&late).contains(&"takes-branch"), "{late:#?}");
    assert_eq!(check(&late, "leader").verdict, Verdict::Inconclusive);
    let later = judged(&with(&text, [exited(read_back + MS, "n2", "postmaster", pid, None, Some(9))]), FAILOVER);
    assert_eq!(failed(&later), failed(&before), "{later:#?}");
}

#[test]
fn a_death_before_the_cluster_was_ready_is_not_judged() {
    let text = newest("patroni-4.1.5", RESTART);
    let ready = phase(&text, "ready");
    let first = postmaster(&text, "n1", ready);
    let start = moment(&text, |event| is_start(event, "postmaster") && event["pid"] == first);
    let more = [
        started(start - 3 * MS, "n1", "postmaster", 77_777, &["postgres"]),
        exited(start - 2 * MS, "n1", "postmaster", 77_777, None, Some(9)),
    ];
    assert_eq!(worst(&judged(&with(&text, more), RESTART)), Verdict::Pass);
}

#[test]
fn an_agent_that_fences_its_primary_by_force_is_judged_as_it_was() {
    // Nobody declared the kill; the node had lost its lock a moment before, so its agent had a reason to kill.
    let text = undeclared(&newest("patroni-4.1.5", RESTART));
    let node = find(&text, |event| is_exit(event, "postmaster"))["node"].as_str().unwrap().to_owned();
    let killed = find(&text, |event| is_exit(event, "postmaster"))["at"][0].as_u64().unwrap();
    let key = find(&text, |event| event["kind"] == "leader-key");
    let (revision, lease) = (key["revision"].as_i64().unwrap(), key["lease"].clone());
    let gone = |at: u64| {
        json!({"v": 6, "seq": 0, "at": [at, at], "source": "etcd", "kind": "leader-key", "change": "expired",
            "holder": null, "revision": revision + 1, "lease": lease})
    };
    let lost = judged(&with(&text, [gone(killed - 500 * MS)]), RESTART);
    assert_eq!(check(&lost, "observers-alive").verdict, Verdict::Pass, "{:#?}", check(&lost, "observers-alive"));
    assert_ne!(check(&lost, "allowed-by-the-model").verdict, Verdict::Fail, "{lost:#?}");
    // With the lock it has no reason; and an agent that is dead or frozen kills nobody.
    let kept = judged(&with(&text, [gone(killed + 500 * MS)]), RESTART);
    assert_eq!(check(&kept, "observers-alive").verdict, Verdict::Inconclusive);
    let dead = exited(killed - 600 * MS, &node, "agent", agent(&text, &node), Some(0), None);
    let dead = judged(&with(&text, [dead, gone(killed - 500 * MS)]), RESTART);
    assert_eq!(check(&dead, "observers-alive").verdict, Verdict::Inconclusive);
}

/// Tools are the agent's own: it may cancel them. What comes of it is not held against it, and passes stay passes.
#[test]
fn a_tool_that_is_killed_may_have_been_cancelled() {
    for (scenario, what) in [("single-user-fails", "single-user"), ("rewind-fails", "pg-rewind")] {
        let text = undeclared_of(&newest("patroni-4.1.5", scenario), &format!("{}-fails", what.replace("pg-", "")));
        let judgement = judged(&text, scenario);
        assert_eq!(failed(&judgement), [""; 0], "{scenario}: {judgement:#?}");
        assert_eq!(check(&judgement, "observers-alive").verdict, Verdict::Pass, "{scenario}: {judgement:#?}");
        // Of a kernel's kill it is known that it is not the agent's.
        let killed = find(&text, |event| is_exit(event, what) && event["signal"] == 9);
        let (at, node) = (killed["at"][1].as_u64().unwrap(), killed["node"].as_str().unwrap());
        let judgement = judged(&with(&text, [oom([at, at + MS], node, 1)]), scenario);
        assert!(spoiled(&judgement).contains("oom_kill"), "{scenario}: {judgement:#?}");
        assert_eq!(check(&judgement, "allowed-by-the-model").verdict, Verdict::Pass, "{scenario}: {judgement:#?}");
    }
}

/// Every recorded history, with the deaths that the scenario asked for as nobody's doing, one kind at a time: what
/// passed does not fail, and what failed does not pass.
#[test]
fn no_recorded_death_is_a_failure_when_nobody_declared_it_and_no_failure_becomes_a_pass() {
    const DEATHS: [&[&str]; 6] = [
        &["postmaster-killed"],
        &["agent-killed", "agent-restarted"],
        &["node-killed", "agent-restarted"],
        &["start-fails"],
        &["single-user-fails"],
        &["rewind-fails"],
    ];
    let (mut tried, mut wrong) = (0, Vec::new());
    for file in crate::traces::histories(&traces()) {
        let text = std::fs::read(&file).unwrap();
        let judged = |text: &[u8]| {
            let history = History::parse(text).unwrap();
            let scenario = Scenario::load(&history.run.scenario).unwrap();
            judge(&history, history.edition(&file).unwrap(), Some(&scenario.expect))
        };
        let declared = DEATHS.iter().filter(|faults| {
            events(&text).iter().any(|event| event["fault"] == faults[0] && event["effect"].is_string())
        });
        for faults in declared {
            let before = judged(&text);
            let undeclared = changed(&text, |event| !faults.iter().any(|fault| event["fault"] == *fault));
            let after = judged(&undeclared);
            let new: Vec<&str> = failed(&after).into_iter().filter(|id| !failed(&before).contains(id)).collect();
            let name = format!("{} without {}", file.display(), faults.join(", "));
            if !new.is_empty() {
                wrong.push(format!("{name} fails: {}", new.join(", ")));
            }
            if before.verdict == Verdict::Fail && after.verdict == Verdict::Pass {
                wrong.push(format!("{name} passes"));
            }
            tried += 1;
        }
    }
    assert_eq!(wrong, [""; 0], "{wrong:#?}");
    assert!(tried > 50, "{tried}");
}

#[test]
fn a_strangers_kill_of_an_agent_is_no_failure() {
    let text = newest("patroni-4.1.5", STANDBY);
    let at = phase(&text, "settled") - 500 * MS;
    let killed = exited(at, "n1", "agent", agent(&text, "n1"), None, Some(9));
    let why = spoiled(&judged(&with(&text, [killed]), STANDBY));
    assert!(why.contains("agent of n1"), "{why}");
    // One that ends by itself has done so, and one that crashes has its own faults.
    for (code, signal) in [(Some(1), None), (None, Some(11))] {
        let ended = judged(&with(&text, [exited(at, "n1", "agent", agent(&text, "n1"), code, signal)]), STANDBY);
        assert!(failed(&ended).contains(&"allowed-by-the-model"), "{ended:#?}");
    }
}

#[test]
fn a_node_that_ends_is_somebodys_doing() {
    let text = newest("patroni-4.1.5", STANDBY);
    let at = phase(&text, "settled") - 500 * MS;
    let (agent, server) = (agent(&text, "n2"), postmaster(&text, "n2", at));
    let server = exited(at + MS, "n2", "postmaster", server, None, Some(9));
    let ended = node_ended([at, at + 100 * MS], "n2");
    let by_force = [exited(at, "n2", "agent", agent, None, Some(9)), server.clone(), ended.clone()];
    // Nothing is seen of it any more.
    let text = changed(&text, |event| {
        !(event["node"] == "n2" && is_after(event, at) && ["server", "write"].iter().any(|kind| event["kind"] == *kind))
    });
    let judgement = judged(&with(&text, by_force), STANDBY);
    let why = check(&judgement, "observers-alive").why.clone();
    assert!(why.contains("the whole node n2 ended"), "{why}");
    assert_ne!(check(&judgement, "allowed-by-the-model").verdict, Verdict::Fail, "{judgement:#?}");
    // An agent that ends by itself takes its node along.
    let by_itself = [exited(at, "n2", "agent", agent, Some(1), None), server, ended];
    let judgement = judged(&with(&text, by_itself), STANDBY);
    assert!(failed(&judgement).contains(&"allowed-by-the-model"), "{judgement:#?}");
    assert!(!check(&judgement, "observers-alive").why.contains("whole node"), "{judgement:#?}");
}

#[test]
fn a_child_of_a_server_that_is_killed_crashes_the_server() {
    // By no fault of the scenario, then by one that kills children, then by a server that ends its own.
    let text = newest("patroni-4.1.5", RESTART);
    let at = phase(&text, "ready") + 100 * MS;
    let fault = find(&text, |event| event["kind"] == "fault");
    let (node, fault) = (fault["node"].as_str().unwrap(), fault["at"][1].as_u64().unwrap());
    let killed = child_killed(at, node, postmaster(&text, node, at));
    let judgement = judged(&with(&text, [killed]), RESTART);
    let alive = check(&judgement, "observers-alive");
    assert_eq!(alive.verdict, Verdict::Inconclusive, "{alive:#?}");
    assert!(alive.why.contains(&format!("a child of the postmaster of {node} (process 999999)")), "{alive:#?}");
    let killed = child_killed(fault, node, postmaster(&text, node, fault));
    assert_eq!(worst(&judged(&with(&text, [killed]), RESTART)), Verdict::Pass);
}

#[test]
fn a_second_crash_recovery_is_excused_by_a_death_in_between() {
    let events = events(&newest("always-single-user", RESTART));
    let first = events.iter().position(|event| is_start(event, "single-user")).unwrap();
    let (at, node) = (events[first]["at"][0].as_u64().unwrap(), events[first]["node"].as_str().unwrap().to_owned());
    let mut again = events[first].clone();
    again["at"] = json!([at + 3 * MS, at + 3 * MS]);
    again["pid"] = json!(88_888);
    let once = |between: Option<Value>| {
        let mut events = events.clone();
        events.splice(first + 1..first + 1, between.into_iter().chain([again.clone()]));
        check(&judged(&written(events), RESTART), "crash-recovery-once").verdict
    };
    assert_eq!(once(None), Verdict::Fail);
    assert_eq!(once(Some(oom([at + MS, at + 2 * MS], &node, 1))), Verdict::Inconclusive);
    let elsewhere = if node == "n1" { "n2" } else { "n1" };
    assert_eq!(once(Some(oom([at + MS, at + 2 * MS], elsewhere, 1))), Verdict::Fail);
}

#[test]
fn a_disk_without_room_excuses_what_fails_after_it() {
    let text = newest("keeps-lock", FAILOVER);
    let (fault, settled) = (phase(&text, "fault"), phase(&text, "settled"));
    let full =
        |at: u64| json!({"v": 6, "seq": 0, "at": [at, at + 1_000 * MS], "source": "process", "kind": "no-space"});
    let judgement = judged(&with(&text, [full(fault)]), FAILOVER);
    assert_eq!(worst(&judgement), Verdict::Inconclusive, "{judgement:#?}");
    assert!(check(&judgement, "takes-branch").why.contains("had no room between"), "{judgement:#?}");
    // What shows before it has another cause, and what passes stays a pass.
    assert!(failed(&judged(&with(&text, [full(settled - 1_000 * MS)]), FAILOVER)).contains(&"takes-branch"));
    let right = newest("patroni-4.1.5", RESTART);
    assert_eq!(worst(&judged(&with(&right, [full(phase(&right, "fault"))]), RESTART)), Verdict::Pass);
}

#[test]
fn deaths_that_cannot_be_are_refused() {
    let text = newest("patroni-4.1.5", RESTART);
    let at = phase(&text, "fault");
    let pid = postmaster(&text, "n1", at);
    let refused = |event: Value, key: &str, value: Value, problem: &str| {
        assert!(History::parse(&with(&text, [event.clone()])).is_ok());
        let mut wrong = event;
        wrong[key] = value;
        let (_, words) = History::parse(&with(&text, [wrong])).expect_err(problem);
        assert!(words.contains(problem), "{words}");
    };
    refused(oom([at, at], "n1", 1), "kills", json!(0), "nobody was killed");
    refused(oom([at, at], "n1", 1), "source", json!("harness"), "does not see such events");
    refused(oom([at, at], "n1", 1), "node", Value::Null, "names none");
    refused(child_killed(at, "n1", pid), "signal", json!(0), "no such signal");
    refused(child_killed(at, "n1", pid), "pid", json!(pid), "a child of its own");
    refused(node_ended([at, at], "n1"), "code", json!(999), "code: is none");
    refused(node_ended([at, at], "n1"), "node", json!("n9"), "no node of this run");
}
