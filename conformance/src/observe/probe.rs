//! Read-only probes of Postgres, each through a fresh connection: what a new client would find.

use std::time::Duration;

use pghaspec_model::event::{Kind, ServerState, Source};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use super::postgres::{Failure, query_once};
use super::recorder::Recorder;
use super::view::Finding;

/// Time between the starts of two probes of a node.
const INTERVAL: Duration = Duration::from_millis(100);
/// How long a probe's statement may take.
const LIMIT: Duration = Duration::from_secs(1);

/// In recovery?, WAL position, timeline, does the WAL receiver stream?
///
/// A standby's timeline is the one that it replays. `received_tli` may run ahead of that and `min_recovery_end_timeline` lag behind it
/// until the next flush, but the history of the received timeline says to which of its ancestors the replayed position belongs. Without a
/// WAL receiver the timeline is unknown.
const PROBE: &str = "
SELECT standby,
       CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn,
       CASE WHEN standby
            THEN (SELECT coalesce((SELECT switch[1]::int
                                     FROM regexp_matches(
                                            pg_read_file('pg_wal/' || upper(lpad(to_hex(received_tli), 8, '0')) || '.history',
                                                         0, 1000000, true),
                                            '^\\s*(\\d+)\\s+([0-9A-F]+/[0-9A-F]+)', 'gn') AS switch
                                    WHERE pg_last_wal_replay_lsn() <= switch[2]::pg_lsn
                                    ORDER BY switch[1]::int LIMIT 1),
                                  received_tli)
                    FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END,
       CASE WHEN standby THEN EXISTS (SELECT FROM pg_stat_get_wal_receiver() WHERE status = 'streaming') END
  FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS now";

/// Probes a node for ever and records what changes; all findings once for each phase.
pub async fn watch(recorder: Recorder, node: String, config: Config) {
    let mut told: Option<(Finding, u64)> = None;
    let mut ticks = tokio::time::interval_at(Instant::now(), INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let phases = recorder.view().borrow().phases;
        let start = recorder.clock().now();
        let finding = probe(&config).await;
        let at = [start, recorder.clock().now()];
        if told.is_none_or(|(old, told_phases)| told_phases != phases || !old.same(&finding)) {
            let Finding { state, timeline, lsn, streaming } = finding;
            let kind = Kind::Server { state, timeline, lsn, streaming };
            recorder.record(Some(&node), Source::Postgres, at, kind);
            told = Some((finding, phases));
        }
        recorder.update(|view| {
            if let Some(seen) = view.nodes.get_mut(&node) {
                seen.probed_at = start;
            }
        });
    }
}

/// What a new client finds right now.
pub async fn probe(config: &Config) -> Finding {
    match query_once(config, PROBE, LIMIT).await {
        Ok(rows) => rows.first().map_or(Finding::only(ServerState::Unknown), |row| read(row)),
        Err(failure) => Finding::only(state_of(&failure)),
    }
}

/// What an answer to [`PROBE`] says.
fn read(row: &[Option<String>]) -> Finding {
    let column = |index: usize| row.get(index).and_then(Option::as_deref);
    let state = match column(0) {
        Some("t") => ServerState::Standby,
        Some("f") => ServerState::Primary,
        _ => ServerState::Unknown,
    };
    Finding {
        state,
        lsn: column(1).and_then(|text| text.parse().ok()),
        timeline: column(2).and_then(|text| text.parse().ok()),
        streaming: column(3).map(|text| text == "t"),
    }
}

/// What a failed probe says. Silence never means "not writable".
fn state_of(failure: &Failure) -> ServerState {
    match failure {
        Failure::Refused => ServerState::Refused,
        Failure::Server { code, .. } if *code == SqlState::CANNOT_CONNECT_NOW => ServerState::Starting,
        Failure::Server { .. } | Failure::Broken(_) | Failure::TimedOut => ServerState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: [Option<&str>; 4]) -> Vec<Option<String>> {
        columns.iter().map(|column| column.map(str::to_owned)).collect()
    }

    #[test]
    fn answers_are_read() {
        let primary = read(&row([Some("f"), Some("50331648"), Some("2"), None]));
        let expected =
            Finding { state: ServerState::Primary, timeline: Some(2), lsn: Some(50_331_648), streaming: None };
        assert_eq!(primary, expected);
        let standby = read(&row([Some("t"), Some("7"), None, Some("f")]));
        let expected = Finding { state: ServerState::Standby, timeline: None, lsn: Some(7), streaming: Some(false) };
        assert_eq!(standby, expected);
        assert_eq!(read(&[]).state, ServerState::Unknown);
    }

    #[test]
    fn silence_is_unknown() {
        assert_eq!(state_of(&Failure::TimedOut), ServerState::Unknown);
        assert_eq!(state_of(&Failure::Refused), ServerState::Refused);
        let starting = Failure::Server { code: SqlState::CANNOT_CONNECT_NOW, message: String::new() };
        assert_eq!(state_of(&starting), ServerState::Starting);
        let other = Failure::Server { code: SqlState::TOO_MANY_CONNECTIONS, message: String::new() };
        assert_eq!(state_of(&other), ServerState::Unknown);
    }
}
