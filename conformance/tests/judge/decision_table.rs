//! Every row of the decision tables of `Ha.recover()`, of the first release that is specified and of the newest one,
//! was seen on containers: in a recorded history of that release, whose verdict is beside it. Which, is in
//! `fixtures/traces/rows.toml`.

use std::collections::BTreeSet;

use pghaspec::history::History;
use pghaspec_model::recover::branch::Branch;
use pghaspec_model::vocabulary::event::{Event, Kind, Phase, Process, ServerState};
use serde::Deserialize;

use crate::recorded::traces;

/// The rows by release. `1b` and `4a` came with later releases.
const ROWS: [(&str, &[&str]); 2] = [
    ("2.1.2", &["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]),
    ("4.1.5", &["1", "1b", "2", "3", "4a", "4", "5", "6", "7", "8", "9", "10"]),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

/// A row of a table, and where it is seen.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    release: String,
    row: String,
    /// The condition under which it applies, in words.
    when: String,
    history: String,
    /// `seq` of the event that says so.
    event: u64,
}

/// The decision of a row, whether it is one of a standby cluster only, and the role of Postgres before it died, where
/// the row turns on that.
fn decides(row: &str) -> (Branch, Option<bool>, Option<ServerState>) {
    match row {
        "1" => (Branch::FailOver, None, None),
        "1b" => (Branch::StartPrimary, Some(false), Some(ServerState::Primary)),
        "2" => (Branch::CrashRecovery, None, Some(ServerState::Primary)),
        "3" => (Branch::StartReadOnly, Some(false), None),
        "4a" => (Branch::CrashRecovery, None, Some(ServerState::Standby)),
        "4" => (Branch::Rewind, Some(false), None),
        "5" => (Branch::Reinitialize, Some(false), None),
        "6" => (Branch::StartSecondary, Some(false), None),
        "7" => (Branch::Rewind, Some(true), None),
        "8" => (Branch::StartStandbyLeader, Some(true), None),
        "9" => (Branch::FollowRemote, Some(true), None),
        "10" => (Branch::StartSecondary, Some(true), None),
        other => panic!("there is no row {other}"),
    }
}

/// The state of a node's Postgres when it was last found to be in one, and whether a postmaster runs there, at that
/// moment.
fn before<'h>(history: &'h History, said: &'h Event) -> (Option<ServerState>, bool) {
    let mut events: Vec<&Event> =
        history.events.iter().filter(|event| event.node == said.node && event.at[1] <= said.at[1]).collect();
    events.sort_by_key(|event| event.at[1]);
    let (mut was, mut postmasters) = (None, BTreeSet::new());
    for event in events {
        match &event.kind {
            Kind::Server { state: state @ (ServerState::Primary | ServerState::Standby), .. } => was = Some(*state),
            Kind::ProcessStarted { what: Process::Postmaster, pid, .. } => {
                postmasters.insert(pid);
            }
            Kind::ProcessExited { what: Process::Postmaster, pid, .. } => {
                postmasters.remove(pid);
            }
            _ => {}
        }
    }
    (was, !postmasters.is_empty())
}

#[test]
fn every_row_of_the_decision_tables_is_seen_in_a_recorded_history() {
    let file = traces().join("rows.toml");
    let table: Table = toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    for (release, rows) in ROWS {
        let written: Vec<&str> =
            table.row.iter().filter(|row| row.release == release).map(|row| row.row.as_str()).collect();
        assert_eq!(written, rows, "the rows of {release}, in their order");
    }
    for Row { release, row, when, history: name, event } in &table.row {
        let place = format!("row {row} of {release} ({when}) in {name}");
        let history = History::read(&traces().join(name)).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(&history.run.version, release, "{place}");
        let said = history.events.iter().find(|one| one.seq == *event).unwrap_or_else(|| panic!("{place}: no event"));
        let (branch, standby_cluster, was) = decides(row);
        assert!(matches!(said.kind, Kind::Recover { branch: said, .. } if said == branch), "{place}: {:?}", said.kind);
        assert!(said.at[1] >= history.phase(Phase::Ready).unwrap(), "{place}: before the cluster was ready");
        let configured = history.run.configuration.standby_cluster;
        assert!(standby_cluster.is_none_or(|wanted| wanted == configured), "{place}: standby cluster {configured}");
        let (found, runs) = before(&history, said);
        assert!(was.is_none_or(|was| found == Some(was)), "{place}: Postgres was {found:?}");
        // A running standby that has diverged is rewound in the same words, outside of `recover()`.
        assert!(!runs, "{place}: Postgres runs");
        let verdict = std::fs::read_to_string(traces().join(name).with_extension("expected.toml")).unwrap();
        assert!(!verdict.contains("allowed-by-the-model"), "{place}: the model does not explain it");
    }
}
