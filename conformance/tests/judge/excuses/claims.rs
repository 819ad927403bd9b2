//! Agents without an edition: what they do not claim is unsupported, and what nobody can claim away is judged.

use pghaspec::judge::{Judgement, Verdict};
use serde_json::json;

use crate::recorded::*;

/// A history as that of an agent that claims these features, and no edition.
fn claiming(text: &[u8], features: &[&str]) -> Vec<u8> {
    changed(text, |event| {
        event["v"] = json!(7);
        if event["kind"] == "run" {
            event["edition"].take();
            event.as_object_mut().unwrap().remove("edition");
            event["rules"] = json!([]);
            event["claims"] = json!(features);
            event["recovers_s"] = json!(60);
        }
        true
    })
}

/// As if nobody but probes told who leads.
fn without_an_authority(text: &[u8]) -> Vec<u8> {
    changed(text, |event| {
        if event["kind"] == "run" {
            event["leadership"] = json!("none");
            let observed = event["observed"].as_array_mut().unwrap();
            observed.retain(|source| source != "etcd");
            observed.push(json!("authority"));
        }
        if event["source"] == "etcd" {
            event["source"] = json!("authority");
            if event["kind"] == "gap" {
                event["of"] = json!("authority");
            }
        }
        true
    })
}

fn unsupported(judgement: &Judgement) -> Vec<&str> {
    let checks = judgement.checks.iter().filter(|check| check.verdict == Verdict::Unsupported);
    checks.map(|check| check.id.as_str()).collect()
}

const DEAF: &str = "leader-hears-nothing-from-dcs";

const ALL: [&str; 6] =
    ["restarts-in-place", "fails-over", "rejoins", "synchronous", "bounded-loss", "clean-before-rewind"];

#[test]
fn an_agent_is_held_to_what_it_claims() {
    let text = trace("patroni-4.1.5", RESTART);
    let judgement = judged(&claiming(&text, &ALL), RESTART);
    assert_ne!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
    assert_eq!(unsupported(&judgement), ["takes-branch", "single-user", "allowed-by-the-model"]);
    let judgement = judged(&claiming(&text, &[]), RESTART);
    assert_ne!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
    let unclaimed = unsupported(&judgement);
    for id in ["leader", "timeline", "rejoins", "bounded-async-loss", "crashed-node-rejoins", "clean-before-rewind"] {
        assert!(unclaimed.contains(&id), "{id}: {unclaimed:?}");
    }
    for id in
        ["one-writable-leader", "acknowledged-writes", "no-silent-divergence", "leader-eventually", "one-postmaster"]
    {
        assert_eq!(check(&judgement, id).verdict, Verdict::Pass, "{id}");
    }
}

#[test]
fn a_failover_is_another_claim_than_a_restart_in_place() {
    let text = trace("patroni-4.1.5", FAILOVER);
    // The scenario wants another leader.
    let judgement = judged(&claiming(&text, &["fails-over"]), FAILOVER);
    assert_eq!(check(&judgement, "leader").verdict, Verdict::Pass);
    let judgement = judged(&claiming(&text, &["restarts-in-place"]), FAILOVER);
    assert_eq!(check(&judgement, "leader").verdict, Verdict::Unsupported);
    // The other scenario wants the same one: whoever claims that fails, and whoever does not is not asked.
    let judgement = judged(&claiming(&text, &["restarts-in-place"]), RESTART);
    assert_eq!(check(&judgement, "leader").verdict, Verdict::Fail);
    let judgement = judged(&claiming(&text, &["fails-over"]), RESTART);
    assert_eq!(check(&judgement, "leader").verdict, Verdict::Unsupported);
}

#[test]
fn a_leader_that_need_not_go_need_not_come_back_as_a_standby() {
    // The leader hears nothing from etcd, and the scenario wants another leader, and the old one as its standby.
    let text = claiming(&trace("patroni-4.1.5", DEAF), &["fails-over", "rejoins"]);
    let judgement = judged(&text, DEAF);
    assert_eq!(check(&judgement, "rejoins").verdict, Verdict::Pass, "{judgement:#?}");
    let assigned = changed(&text, |event| {
        if event["kind"] == "run" {
            event["leadership"] = json!("assignment");
        }
        true
    });
    let judgement = judged(&assigned, DEAF);
    assert_eq!(unsupported(&judgement).iter().filter(|id| ["leader", "rejoins"].contains(id)).count(), 2);
}

#[test]
fn what_nobody_can_claim_away_fails_without_any_claim() {
    let text = claiming(&trace("patroni-4.1.5", RESTART), &[]);
    // A row that was acknowledged is gone everywhere.
    let lost = changed(&text, |event| {
        if event["kind"] == "read-back" {
            let rows = event["rows"].as_array_mut().unwrap();
            rows.pop();
        }
        true
    });
    let judgement = judged(&lost, RESTART);
    assert_eq!(check(&judgement, "acknowledged-writes").verdict, Verdict::Fail, "{judgement:#?}");
}

#[test]
fn without_an_authority_no_lock_is_asked_about() {
    let text = without_an_authority(&claiming(&trace("patroni-4.1.5", RESTART), &ALL));
    let judgement = judged(&text, RESTART);
    assert_ne!(judgement.verdict, Verdict::Fail, "{judgement:#?}");
    let unclaimed = unsupported(&judgement);
    for id in ["writable-needs-lock", "single-lock-owner", "key-released-after-stop"] {
        assert!(unclaimed.contains(&id), "{id}: {unclaimed:?}");
    }
    assert_eq!(check(&judgement, "leader").verdict, Verdict::Pass);
}
