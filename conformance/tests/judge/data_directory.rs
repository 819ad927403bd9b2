//! Data directories: histories in which two processes use one, or one is copied over, and near misses.

use pghaspec::judge::Verdict;
use serde_json::json;

use crate::recorded::*;

const MS: u64 = 1_000_000;
const DATA: &str = "/var/lib/postgresql/data";

fn says(text: &[u8], scenario: &str, id: &str, wanted: Verdict) -> String {
    let judgement = judged(text, scenario);
    let found = check(&judgement, id);
    assert_eq!(found.verdict, wanted, "{found:#?}");
    found.why.clone()
}

/// A server that starts 40 ms before the node's first postmaster that is seen to end does so, and ends so much later
/// than that one, or before it.
fn beside(what: &str, argv: &[&str], code: Option<i32>, signal: Option<i32>, later: i64) -> Vec<u8> {
    let text = trace("patroni-4.1.5", FAILOVER);
    let end = find(&text, |event| is_exit(event, "postmaster"));
    let (node, at) = (end["node"].as_str().unwrap(), end["at"][0].as_u64().unwrap());
    let process = [
        started(at - 40 * MS, node, what, 900, argv),
        exited(at.saturating_add_signed(later * MS as i64), node, what, 900, code, signal),
    ];
    with(&text, process)
}

#[test]
fn two_servers_at_one_time_on_one_data_directory_fail() {
    const ID: &str = "one-postmaster";
    let postgres = ["/usr/lib/postgresql/17/bin/postgres", "-D", DATA];
    let single = ["postgres", "--single", "-D", DATA, "template1"];
    says(&trace("patroni-4.1.5", FAILOVER), FAILOVER, ID, Verdict::Pass);
    let rewind = ["pg_rewind", "-D", DATA, "--source-server", "host=n2"];
    let copy = ["pg_basebackup", "--pgdata", DATA, "-X", "stream"];
    let second = [
        ("postmaster", &postgres[..]),
        ("single-user", &single),
        ("postmaster", &["postgres"]),
        ("pg-rewind", &rewind),
        ("pg-basebackup", &copy),
    ];
    for (what, argv) in second {
        for (code, signal, later) in [(Some(0), None, -10), (None, Some(9), -10), (Some(1), None, 10)] {
            let why = says(&beside(what, argv, code, signal, later), FAILOVER, ID, Verdict::Fail);
            assert!(why.contains("(process 900)"), "{why}");
        }
        // The lock file turned it away.
        says(&beside(what, argv, Some(1), None, -10), FAILOVER, ID, Verdict::Pass);
    }
    // Another directory, and what pg_rewind runs itself while nothing else does.
    says(&beside("postmaster", &["postgres", "-D", "/elsewhere"], Some(0), None, -10), FAILOVER, ID, Verdict::Pass);
    says(
        &beside("single-user", &["postgres", "--single", "-F", "-D", DATA], Some(0), None, -10),
        FAILOVER,
        ID,
        Verdict::Pass,
    );
}

/// Backends that outlive a killed postmaster are no server: the next one may start beside them.
#[test]
fn orphans_are_no_postmaster() {
    let text = trace("patroni-4.1.5", RESTART);
    let end = find(&text, |event| is_exit(event, "postmaster") && event["signal"] == 9);
    let node = end["node"].as_str().unwrap();
    let next = moment(&text, |event| {
        is_start(event, "postmaster") && event["node"] == node && event["at"][0].as_u64() > end["at"][1].as_u64()
    });
    let text = with(&text, [wrote([next, next + MS], node, 1)]);
    says(&text, RESTART, "one-postmaster", Verdict::Pass);
}

#[test]
fn an_end_that_may_have_been_missed_is_no_overlap() {
    let text = trace("patroni-4.1.5", FAILOVER);
    let end = find(&text, |event| is_exit(event, "postmaster"));
    let node = end["node"].as_str().unwrap();
    let started_twice =
        with(&text, [started(end["at"][0].as_u64().unwrap() - 40 * MS, node, "postmaster", 900, &["postgres"])]);
    says(&started_twice, FAILOVER, "one-postmaster", Verdict::Fail);
    let gap = with_gap(&started_twice, "process", "the observer was late");
    says(&gap, FAILOVER, "one-postmaster", Verdict::Inconclusive);
}

#[test]
fn copying_over_a_data_directory_fails_where_it_is_not_allowed() {
    let text = trace("patroni-4.1.5", FAILOVER);
    says(&text, FAILOVER, "data-directory-kept", Verdict::Pass);
    let at = moment(&text, |event| event["branch"] == "fail-over");
    let copy = |folder: &str| {
        let argv = ["pg_basebackup", &format!("--pgdata={folder}"), "-X", "stream"];
        with(
            &text,
            [
                started(at, "n1", "pg-basebackup", 900, &argv),
                exited(at + MS, "n1", "pg-basebackup", 900, Some(0), None),
            ],
        )
    };
    let why = says(&copy(DATA), FAILOVER, "data-directory-kept", Verdict::Fail);
    assert!(why.contains(DATA), "{why}");
    says(&copy("/backup"), FAILOVER, "data-directory-kept", Verdict::Pass);
    let allowed = configured(&copy(DATA), json!({"remove_data_directory_on_diverged_timelines": true}));
    says(&allowed, FAILOVER, "data-directory-kept", Verdict::Pass);
}
