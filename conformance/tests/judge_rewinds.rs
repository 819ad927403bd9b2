//! What is rewound or cloned anew must have diverged: recorded histories of a release that did not know, and near misses.

mod recorded;

use pghaspec::judge::Verdict;
use serde_json::{Value, json};

use recorded::*;

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
            json!({"v": 1, "seq": 0, "at": [at, at], "node": "n1", "source": "postgres", "kind": "server", "state": "standby",
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
