//! Needless rewinds: a data directory that is rewound or cloned anew must have diverged. Recorded histories of a
//! release that did not know, and near misses.

use pghaspec::history::History;
use pghaspec::judge::{Verdict, judge};
use pghaspec_model::rules::edition::Edition;
use serde_json::{Value, json};

use crate::recorded::*;

const BEHIND: &str = "standby-one-timeline-behind";
const MS: u64 = 1_000_000;

fn says(text: &[u8], wanted: Verdict) -> String {
    let judgement = judged(text, BEHIND);
    let found = check(&judgement, "diverged-before-rewind");
    assert_eq!(found.verdict, wanted, "{found:#?}");
    found.why.clone()
}

fn is_phase(event: &Value, phase: &str) -> bool {
    event["kind"] == "phase" && event["phase"] == phase
}

#[test]
fn a_standby_that_only_followed_had_nothing_of_its_own() {
    let text = trace("patroni-2.1.2", BEHIND);
    let why = says(&text, Verdict::Fail);
    assert!(why.contains("n2 had led before") && why.contains("[walk-never-stops]"), "{why}");
    // The release that mended it follows with the data that it has.
    says(&trace("patroni-2.1.3", BEHIND), Verdict::Pass);
    // A node that lost rows of its own was rewound for a reason.
    let why = says(&trace("patroni-2.1.4", "former-leader-killed-as-standby"), Verdict::Pass);
    assert!(why.contains("may have diverged"), "{why}");
}

#[test]
fn a_former_primary_has_diverged_if_its_wal_ends_later() {
    let text = trace("patroni-2.1.2", BEHIND);
    let ready = moment(&text, |event| is_phase(event, "ready"));
    let stop = moment(&text, |event| is_exit(event, "postmaster") && event["node"] == "n1");
    let replayed = events(&text)
        .iter()
        .filter(|event| event["node"] == "n2" && event["state"] == "standby" && is_after(event, ready))
        .map(|event| event["lsn"].as_u64().unwrap())
        .max()
        .unwrap();
    // It wrote once, which a standby cannot, and what it has replayed is said twice, long after.
    let ended = |ends: [u64; 2]| {
        let look = |at: u64, lsn: u64| {
            json!({"v": 1, "seq": 0, "at": [at, at], "node": "n1", "source": "postgres", "kind": "server",
                "state": "standby",
                "timeline": null, "lsn": lsn, "streaming": false})
        };
        let at = stop - 200 * MS;
        with(&text, [wrote([ready + MS, ready + 2 * MS], "n1", 1), look(at, ends[0]), look(at + 100 * MS, ends[1])])
    };
    let why = says(&ended([replayed, replayed]), Verdict::Fail);
    assert!(why.contains("had replayed"), "{why}");
    says(&ended([replayed + 1, replayed + 1]), Verdict::Pass);
    // It was still replaying.
    says(&ended([replayed - 8, replayed]), Verdict::Pass);
}

#[test]
fn after_two_promotions_positions_do_not_tell() {
    let text = trace("patroni-2.1.2", BEHIND);
    let twice = changed(&text, |event| {
        if event["node"] == "n2" && event["state"] == "primary" && event["timeline"] == 3 {
            event["timeline"] = json!(4);
        }
        true
    });
    says(&twice, Verdict::Pass);
}

fn allowed(text: &[u8], edition: Edition) -> (Verdict, String) {
    let judgement = judge(&History::parse(text).unwrap(), edition, None);
    let check = check(&judgement, "allowed-by-the-model");
    (check.verdict, check.why.clone())
}

/// A standby leader that is up compares timelines again when it hears of a new one, and only then.
#[test]
fn a_standby_that_is_up_is_rewound_if_there_is_a_new_timeline() {
    let text = trace("patroni-traced-4.1.5", "standby-leader-killed-then-diverged");
    assert_eq!(allowed(&text, Edition::V4_1).0, Verdict::Pass);
    let same_primary = changed(&text, |event| event["disturbance"] != "remote-failover");
    let (found, why) = allowed(&same_primary, Edition::V4_1);
    assert_eq!(found, Verdict::Fail, "{why}");
    assert!(why.contains("recover decides rewind"), "{why}");
}

/// The control file that a server leaves that refuses to start says where the data ends, if it was stopped cleanly
/// before: a new agent of 2.1.2 rewinds it. What one leaves that came up does not: there 2.1.2 starts it, and to rewind
/// it would have to be a later release.
#[test]
fn a_server_that_never_came_up_leaves_pg_control_as_it_was() {
    let text = trace("patroni-traced-2.1.2", "standby-leader-diverged-rewind-fails");
    let killed = moment(&text, |event| event["fault"] == "agent-killed");
    let before = |event: &&Value| !is_after(event, killed) && is_exit(event, "postmaster");
    let last = events(&text).iter().rfind(before).expect("a start was refused").clone();
    let ended = last["at"][0].as_u64().unwrap();
    let with_kill = changed(&text, |event| {
        if event["kind"] == last["kind"] && event["pid"] == last["pid"] {
            (event["code"], event["signal"]) = (json!(null), json!(9));
        }
        true
    });
    let fault = json!({"at": [ended, ended], "node": "n1", "source": "harness", "kind": "fault",
        "fault": "postmaster-killed",
        "effect": "ended by signal 9"});
    let came_up = json!({"at": [ended - MS, ended - MS], "node": "n1", "source": "postgres", "kind": "server",
        "state": "standby",
        "timeline": 1, "lsn": null, "streaming": false});
    assert_eq!(allowed(&with(&with_kill, [fault.clone()]), Edition::V2_1_2).0, Verdict::Pass);
    let (found, why) = allowed(&with(&with_kill, [came_up, fault]), Edition::V2_1_2);
    assert_eq!(found, Verdict::Fail, "{why}");
    assert!(why.contains("recover decides rewind"), "{why}");
}
