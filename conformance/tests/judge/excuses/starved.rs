//! Starvation: failures on a machine that had no time for the nodes are inconclusive, and near misses stay failures.

use pghaspec::history::History;
use pghaspec::history::parts::Recording;
use pghaspec::judge::{Judgement, Verdict, judge, judge_recording};
use pghaspec::scenario::Scenario;
use pghaspec_model::rules::edition::Edition;
use serde_json::{Value, json};

use crate::recorded::*;

const MS: u64 = 1_000_000;

/// A history of the format that tells who waited for a CPU.
fn of_the_format(text: &[u8]) -> Vec<u8> {
    changed(text, |event| {
        event["v"] = json!(3);
        true
    })
}

fn failing() -> Vec<u8> {
    of_the_format(&trace("keeps-lock", FAILOVER))
}

/// The agent of a node: its process.
fn agent(text: &[u8], node: &str) -> u64 {
    find(text, |event| is_start(event, "agent") && event["node"] == node)["pid"].as_u64().unwrap()
}

fn phase(text: &[u8], phase: &str) -> u64 {
    moment(text, |event| event["phase"] == phase)
}

/// For so many milliseconds until then.
fn starved(until: u64, node: &str, what: &str, pid: u64, waited: u64) -> Value {
    json!({"v": 3, "seq": 0, "at": [until - (waited + 100) * MS, until], "node": node, "source": "process",
        "kind": "starved",
        "what": what, "pid": pid, "waited_ns": waited * MS})
}

fn failed(judgement: &Judgement) -> Vec<(&str, &str)> {
    let fails = judgement.checks.iter().filter(|check| check.verdict == Verdict::Fail);
    fails.map(|check| (check.id.as_str(), check.why.as_str())).collect()
}

#[test]
fn what_fails_on_a_machine_that_is_too_slow_is_inconclusive() {
    let text = failing();
    let without = judged(&text, FAILOVER);
    let fails = failed(&without);
    assert_eq!((without.verdict, fails.len()), (Verdict::Fail, 4), "{without:#?}");
    let (fault, n1, n2) = (phase(&text, "fault"), agent(&text, "n1"), agent(&text, "n2"));
    let slow = [
        starved(fault + 1_000 * MS, "n1", "agent", n1, 800),
        starved(fault + 4_000 * MS, "n1", "agent", n1, 2_500),
        starved(fault + 4_000 * MS, "n2", "agent", n2, 3_000),
    ];
    let judgement = judged(&with(&text, slow), FAILOVER);
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
    for (id, why) in fails {
        let excused = check(&judgement, id);
        assert_eq!(excused.verdict, Verdict::Inconclusive, "{excused:#?}");
        // Lines of the model's words count events.
        let first = why.lines().next().unwrap();
        assert!(excused.why.starts_with(first.split("event").next().unwrap()), "{excused:#?}");
        let process = format!("agent of n1 (process {n1}) waited 3.300 s for a CPU between 17.066 s and 20.966 s");
        for words in [process.as_str(), "and one more waited", "fewer --jobs"] {
            assert!(excused.why.contains(words), "{words}: {excused:#?}");
        }
    }
    // All else is as it was.
    for (one, other) in without.checks.iter().zip(&judgement.checks).filter(|(one, _)| one.verdict != Verdict::Fail) {
        assert_eq!((&one.id, one.verdict), (&other.id, other.verdict));
    }
}

#[test]
fn a_process_that_waits_a_little_or_at_another_time_is_no_excuse() {
    let text = failing();
    let (ready, fault, settled) = (phase(&text, "ready"), phase(&text, "fault"), phase(&text, "settled"));
    let (n1, n2) = (agent(&text, "n1"), agent(&text, "n2"));
    let verdict = |slow: &[Value]| judged(&with(&text, slow.to_vec()), FAILOVER).verdict;
    // `retry_timeout` is three seconds. The agent of n1 goes wrong some time after the fault.
    let at = |seconds: u64| fault + seconds * 1_000 * MS;
    let enough = [starved(at(2), "n1", "agent", n1, 1_500), starved(at(4), "n1", "agent", n1, 1_500)];
    assert_eq!(verdict(&enough), Verdict::Inconclusive);
    assert_eq!(verdict(&enough[..1]), Verdict::Fail);
    assert_eq!(verdict(&[starved(at(4), "n1", "agent", n1, 2_999)]), Verdict::Fail);
    // Each of two processes for half of it, at the same time.
    let two = [starved(at(4), "n1", "agent", n1, 1_800), starved(at(4), "n2", "agent", n2, 1_800)];
    assert_eq!(verdict(&two), Verdict::Fail);
    // When nothing was asked of it yet, and when it was over.
    assert_eq!(verdict(&[starved(ready + MS, "n1", "agent", n1, 3_000)]), Verdict::Fail);
    assert_eq!(verdict(&[starved(ready + 3_101 * MS, "n1", "agent", n1, 3_000)]), Verdict::Inconclusive);
    let read_back = json!({"v": 3, "seq": 0, "at": [settled + MS, settled + 101 * MS], "node": "n1",
        "source": "process",
        "kind": "starved", "what": "agent", "pid": n1, "waited_ns": 100 * MS});
    assert_eq!(verdict(&vec![read_back; 31]), Verdict::Fail);
    // What shows at an event before the waits has another cause: not all that failed is excused.
    assert_eq!(verdict(&[starved(settled - MS, "n1", "agent", n1, 3_000)]), Verdict::Fail);
    // Slower agents bear more.
    let keys = ["loop_wait_s", "retry_timeout_s"];
    let patient = keys.iter().fold(text.clone(), |text, key| run_with(&text, key, json!(4)));
    let slow = |waited| starved(ready + 4_200 * MS, "n1", "agent", n1, waited);
    assert_eq!(judged(&with(&patient, [slow(3_999)]), FAILOVER).verdict, Verdict::Fail);
    assert_eq!(judged(&with(&patient, [slow(4_000)]), FAILOVER).verdict, Verdict::Inconclusive);
}

/// For so many milliseconds until then.
fn stalled(until: u64, waited: u64) -> Value {
    json!({"v": 4, "seq": 0, "at": [until - waited * MS, until], "source": "process", "kind": "disk-stalled"})
}

#[test]
fn what_fails_while_the_disk_does_not_answer_is_inconclusive() {
    let text = changed(&failing(), |event| {
        event["v"] = json!(4);
        true
    });
    let fault = phase(&text, "fault");
    let waits = |each: [u64; 2]| [stalled(fault + 2_000 * MS, each[0]), stalled(fault + 4_000 * MS, each[1])];
    let judgement = judged(&with(&text, waits([1_100, 1_900])), FAILOVER);
    assert_eq!(judgement.verdict, Verdict::Inconclusive, "{judgement:#?}");
    let branch = check(&judgement, "takes-branch");
    assert!(branch.why.contains("its disk did not answer for 3.000 s between"), "{branch:#?}");
    assert_eq!(judged(&with(&text, waits([1_100, 1_899])), FAILOVER).verdict, Verdict::Fail);
    // What one waits for does not add up with what another waits for.
    let pid = agent(&text, "n1");
    let mut cpu = starved(fault + 4_000 * MS, "n1", "agent", pid, 1_900);
    cpu["v"] = json!(4);
    assert_eq!(judged(&with(&text, [stalled(fault + 2_000 * MS, 1_100), cpu]), FAILOVER).verdict, Verdict::Fail);
    let refused = |key: &str, value: Value, problem: &str| {
        let mut wait = stalled(fault, 600);
        wait[key] = value;
        let (_, words) = History::parse(&with(&text, [wait])).expect_err(problem);
        assert!(words.contains(problem), "{words}");
    };
    refused("at", json!([fault, fault]), "at: nobody waited");
    refused("node", json!("n1"), "is about the cluster");
    refused("source", json!("etcd"), "does not see such events");
    refused("pid", json!(7), "no such field");
    let old = changed(&with(&text, [stalled(fault, 600)]), |event| {
        event["v"] = json!(3);
        true
    });
    let (_, words) = History::parse(&old).unwrap_err();
    assert_eq!(words, "kind: a history of format 3 has no such events");
}

#[test]
fn what_passes_on_a_slow_machine_passes_and_what_strangers_did_stays() {
    let text = of_the_format(&trace("patroni-4.1.5-control", FAILOVER));
    let slow = |text: &[u8]| {
        let (fault, pid) = (phase(text, "fault"), agent(text, "n1"));
        with(text, [starved(fault + 3_200 * MS, "n1", "agent", pid, 3_000)])
    };
    let (before, after) = (judged(&text, FAILOVER), judged(&slow(&text), FAILOVER));
    assert_eq!(after.verdict, Verdict::Pass, "{after:#?}");
    assert_eq!(before.checks.len(), after.checks.len());
    assert!(after.checks.iter().all(|check| !check.why.contains("too slow")), "{after:#?}");
    // Somebody else killed an agent.
    let end = phase(&text, "read-back") + MS;
    let killed = exited(end, "n1", "agent", u32::try_from(agent(&text, "n1")).unwrap(), None, Some(9));
    let judgement = judged(&with(&slow(&text), [killed]), FAILOVER);
    assert_eq!(check(&judgement, "observers-alive").verdict, Verdict::Inconclusive, "{judgement:#?}");
}

#[test]
fn waits_that_cannot_be_are_refused() {
    let text = failing();
    let (fault, pid) = (phase(&text, "fault"), agent(&text, "n1"));
    let refused = |wait: Value, problem: &str| {
        let (_, words) = History::parse(&with(&text, [wait])).expect_err(problem);
        assert!(words.contains(problem), "{words}");
    };
    let good = starved(fault, "n1", "agent", pid, 600);
    assert!(History::parse(&with(&text, [good.clone()])).is_ok());
    let other = |key: &str, value: Value| {
        let mut wait = good.clone();
        wait[key] = value;
        wait
    };
    refused(other("waited_ns", json!(701 * MS)), "waited_ns: nobody waits for longer");
    refused(other("waited_ns", json!(0)), "waited_ns: nobody waits for longer");
    refused(other("node", json!("n2")), "does not run");
    refused(other("node", Value::Null), "is about a node");
    refused(other("what", json!("postmaster")), "started as agent");
    refused(other("pid", json!(4_000_000)), "does not run");
    refused(other("pid", json!(0)), "0 is no process");
    refused(other("source", json!("etcd")), "does not see such events");
    // Histories of older formats do not know of it.
    for format in [1, 2] {
        let old = changed(&with(&text, [good.clone()]), |event| {
            event["v"] = json!(format);
            true
        });
        let (_, words) = History::parse(&old).unwrap_err();
        assert_eq!(words, format!("kind: a history of format {format} has no such events"));
    }
}

/// The waits of a process are added up from part to part.
#[test]
fn a_long_history_is_excused_as_a_short_one() {
    let recorded = History::parse(&trace("patroni-4.1.5", RESTART)).unwrap();
    let lines =
        crate::repeated::repeated(&recorded, 4_000).into_iter().map(|event| serde_json::to_value(&event).unwrap());
    let mut events: Vec<Value> = lines.collect();
    let (pid, ready) = {
        let text = of_the_format(&written(events.clone()));
        events = crate::recorded::events(&text);
        (agent(&text, "n1"), phase(&text, "ready"))
    };
    let lost = events[events.len() / 2..].iter().find(|event| event["kind"] == "write" && event["result"] == "ok");
    let lost = lost.unwrap()["id"].as_u64().unwrap();
    let last = events.last().unwrap()["at"][0].as_u64().unwrap();
    let exit = events.iter().find(|event| is_exit(event, "agent"));
    assert!(exit.is_none(), "agents live on");
    let every = |step: u64| {
        let moments = (1..).map(move |number| ready + number * step * MS).take_while(|until| *until < last);
        let slow: Vec<Value> = moments.map(|until| starved(until, "n1", "agent", pid, 1_600)).collect();
        assert!(slow.len() > 3, "{}", slow.len());
        without_rows(&with(&written(events.clone()), slow), |row| row == lost)
    };
    let scenario = Scenario::load(RESTART).unwrap();
    for (step, wanted) in [(11_000, Verdict::Inconclusive), (21_000, Verdict::Fail)] {
        let text = every(step);
        let whole = judge(&History::parse(&text).unwrap(), Edition::V4_1, Some(&scenario.expect));
        let recording = Recording::parse(text, 400).unwrap();
        let long = judge_recording(&recording, Edition::V4_1, Some(&scenario.expect)).unwrap();
        assert!(long.held < 1_200, "no rest was found: {} events were held", long.held);
        for judgement in [&whole, &long.judgement] {
            assert_eq!(judgement.verdict, wanted, "every {step} ms: {judgement:#?}");
        }
        let [one, other] = [&whole, &long.judgement].map(|judgement| check(judgement, "acknowledged-writes"));
        assert_eq!((one.verdict, &one.why), (wanted, &other.why));
        assert_eq!(one.why.contains("waited 3.200 s for a CPU"), wanted == Verdict::Inconclusive, "{}", one.why);
    }
}
