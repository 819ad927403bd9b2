//! Read-only probes of Postgres, each through a fresh connection: they find what a new client would find.

use std::time::Duration;

use pghaspec_model::recover::control::ControlFile;
use pghaspec_model::vocabulary::event::{Kind, ServerState, Source};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use super::postgres::{Failure, query_once};
use super::recorder::Recorder;
use super::silence::Silence;
use super::view::Finding;

/// Time between the starts of two probes of a node.
const INTERVAL: Duration = Duration::from_millis(100);
/// The time that a probe's statement may take.
const LIMIT: Duration = Duration::from_secs(1);
/// The time for which all probes may fail to tell the state before that is a gap.
const BLIND: Duration = Duration::from_secs(2);
/// A finding that still held this long after it was recorded is recorded once more when it changes. Nanoseconds.
const HELD: u64 = 300_000_000;

/// The query of a probe. Its columns: in recovery or not, WAL position in bytes, timeline, whether the WAL receiver
/// streams, the beginning of the control file in hexadecimal digits, whether sessions begin read-only.
///
/// A standby's timeline is the one that it replays. `received_tli` may run ahead of that and
/// `min_recovery_end_timeline` lag behind it until the next flush, but the history of the received timeline says to
/// which of its ancestors the replayed position belongs. Without a WAL receiver the timeline is unknown.
const PROBE: &str = "
SELECT standby,
       CASE WHEN standby THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END - '0/0'::pg_lsn,
       CASE WHEN standby
            THEN (SELECT coalesce((SELECT switch[1]::int
                                     FROM regexp_matches(
                                            pg_read_file('pg_wal/' || upper(lpad(to_hex(received_tli), 8, '0'))
                                                                   || '.history', 0, 1000000, true),
                                            '^\\s*(\\d+)\\s+([0-9A-F]+/[0-9A-F]+)', 'gn') AS switch
                                    WHERE pg_last_wal_replay_lsn() <= switch[2]::pg_lsn
                                    ORDER BY switch[1]::int LIMIT 1),
                                  received_tli)
                    FROM pg_stat_get_wal_receiver() WHERE pid IS NOT NULL)
            ELSE ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int END,
       CASE WHEN standby THEN EXISTS (SELECT FROM pg_stat_get_wal_receiver() WHERE status = 'streaming') END,
       encode(pg_read_binary_file('global/pg_control', 0, 20), 'hex'),
       current_setting('default_transaction_read_only')
  FROM (SELECT pg_is_in_recovery() AS standby OFFSET 0) AS now";

/// Probes a node for ever and records its findings when they change, and once for each phase. A time in which no probe
/// can tell the state is a gap.
pub async fn watch(recorder: Recorder, node: String, config: Config) {
    let mut reported = Reported::default();
    let why = "no probe told in what state Postgres is";
    let mut silence = Silence::new(recorder.clone(), Some(&node), Source::Postgres, BLIND, why);
    let mut ticks = tokio::time::interval_at(Instant::now(), INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let phases = recorder.view().borrow().phases;
        let start = recorder.clock().now();
        // In a container that has ended nothing listens, though no answer says so: a machine without power refuses
        // nothing.
        let off = || recorder.view().borrow().nodes.get(&node).is_some_and(|seen| seen.container_ended);
        let was_off = off();
        let (mut finding, login) = look(&config).await;
        if finding.state == ServerState::Unknown && was_off && off() {
            finding.state = ServerState::Refused;
        }
        let at = [start, recorder.clock().now()];
        if finding.state != ServerState::Unknown {
            silence.heard(at[1]);
        }
        for (Finding { state, timeline, lsn, streaming, control }, at) in
            reported.next(finding, at, phases).into_iter().flatten()
        {
            let kind = Kind::Server { state, timeline, lsn, streaming, control };
            recorder.record(Some(&node), Source::Postgres, at, kind);
        }
        recorder.update(|view| {
            if let Some(seen) = view.nodes.get_mut(&node) {
                seen.probed_at = start;
                match login {
                    Login::Accepted => seen.login_refused = None,
                    Login::Refused(words) => seen.login_refused = Some(words),
                    Login::Unknown => {}
                }
            }
        });
    }
}

/// The findings of a node's probes that were recorded.
#[derive(Default)]
struct Reported {
    /// The end of the probe that was recorded last, and the number of phases that had begun by then.
    recorded: Option<(u64, u64)>,
    /// The newest finding, which says the same as the one recorded last, and the interval of its probe.
    newest: Option<(Finding, [u64; 2])>,
}

impl Reported {
    /// The findings to record after a new probe: once more the old finding if it has changed, with the time when it
    /// held last, so that it is known since when it may not have held; then the new one.
    fn next(&mut self, finding: Finding, at: [u64; 2], phases: u64) -> [Option<(Finding, [u64; 2])>; 2] {
        let before = self.newest.replace((finding, at));
        let (Some((old, held)), Some((recorded, phases_then))) = (before, self.recorded) else {
            self.recorded = Some((at[1], phases));
            return [None, Some((finding, at))];
        };
        let changed = !old.same(&finding) || old.control != finding.control;
        if !changed && phases_then == phases {
            return [None, None];
        }
        self.recorded = Some((at[1], phases));
        let once_more = changed && held[1].saturating_sub(recorded) > HELD;
        [once_more.then_some((old, held)), Some((finding, at))]
    }
}

/// The login of a probe.
#[derive(Debug, PartialEq, Eq)]
enum Login {
    /// It was not refused.
    Accepted,
    /// Postgres refused it, in its own words.
    Refused(String),
    /// There was no answer.
    Unknown,
}

/// The finding of a new client, and whether it was let in.
async fn look(config: &Config) -> (Finding, Login) {
    match query_once(config, PROBE, LIMIT).await {
        Ok(rows) => (rows.first().map_or(Finding::only(ServerState::Unknown), |row| read(row)), Login::Accepted),
        Err(failure) => (Finding::only(state_of(&failure)), login_of(&failure)),
    }
}

/// The login of a probe that failed. A user who may not read the control file is no superuser.
fn login_of(failure: &Failure) -> Login {
    let refusals = [
        SqlState::INVALID_PASSWORD,
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
        SqlState::INVALID_CATALOG_NAME,
        SqlState::INSUFFICIENT_PRIVILEGE,
    ];
    match failure {
        Failure::Server { code, .. } if refusals.contains(code) => {
            Login::Refused(failure.words().chars().filter(|one| !one.is_control()).take(300).collect())
        }
        Failure::TimedOut => Login::Unknown,
        Failure::Refused | Failure::Broken(_) | Failure::Server { .. } => Login::Accepted,
    }
}

/// The finding in an answer to [`PROBE`].
fn read(row: &[Option<String>]) -> Finding {
    let column = |index: usize| row.get(index).and_then(Option::as_deref);
    let state = match (column(0), column(5)) {
        (Some("t"), _) => ServerState::Standby,
        (Some("f"), Some("on")) => ServerState::ReadOnlyPrimary,
        (Some("f"), _) => ServerState::Primary,
        _ => ServerState::Unknown,
    };
    Finding {
        state,
        lsn: column(1).and_then(|text| text.parse().ok()),
        timeline: column(2).and_then(|text| text.parse().ok()),
        streaming: column(3).map(|text| text == "t"),
        control: column(4).and_then(|text| ControlFile::read(&bytes(text)?)),
    }
}

/// The bytes that hexadecimal digits stand for; `None` if they are no such digits.
fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// The state that a failed probe shows. Silence never means "not writable".
fn state_of(failure: &Failure) -> ServerState {
    match failure {
        Failure::Refused => ServerState::Refused,
        Failure::Server { code, .. } if *code == SqlState::CANNOT_CONNECT_NOW => ServerState::Starting,
        Failure::Server { .. } | Failure::Broken(_) | Failure::TimedOut => ServerState::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use pghaspec_model::recover::control::ControlState;

    use super::*;

    const CONTROL: &str = "c7af0d3a5c2bf2681007000040ffec0b06000000";

    fn row<const N: usize>(columns: [Option<&str>; N]) -> Vec<Option<String>> {
        columns.iter().map(|column| column.map(str::to_owned)).collect()
    }

    #[test]
    fn answers_are_read() {
        let primary = read(&row([Some("f"), Some("50331648"), Some("2"), None, Some(CONTROL)]));
        let control = ControlFile { system: 7_562_154_399_419_445_191, state: ControlState::InProduction };
        let expected = Finding {
            state: ServerState::Primary,
            timeline: Some(2),
            lsn: Some(50_331_648),
            streaming: None,
            control: Some(control),
        };
        assert_eq!(primary, expected);
        let standby = read(&row([Some("t"), Some("7"), None, Some("f"), Some("c7af")]));
        let found = Finding::only(ServerState::Standby);
        let expected = Finding { lsn: Some(7), streaming: Some(false), ..found };
        assert_eq!(standby, expected);
        let read_only = read(&row([Some("f"), Some("7"), Some("2"), None, None, Some("on")]));
        assert_eq!(read_only.state, ServerState::ReadOnlyPrimary);
        let writable = read(&row([Some("f"), Some("7"), Some("2"), None, None, Some("off")]));
        assert_eq!(writable.state, ServerState::Primary);
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

    #[test]
    fn a_login_that_is_refused_is_told_from_a_server_that_is_not_ready() {
        let server = |code: SqlState| Failure::Server { code, message: "no\u{1b}".to_owned() };
        for code in [SqlState::INVALID_PASSWORD, SqlState::INVALID_CATALOG_NAME, SqlState::INSUFFICIENT_PRIVILEGE] {
            let words = format!("{}: no", code.code());
            assert_eq!(login_of(&server(code)), Login::Refused(words));
        }
        assert_eq!(login_of(&server(SqlState::CANNOT_CONNECT_NOW)), Login::Accepted);
        assert_eq!(login_of(&server(SqlState::TOO_MANY_CONNECTIONS)), Login::Accepted);
        assert_eq!(login_of(&Failure::Refused), Login::Accepted);
        assert_eq!(login_of(&Failure::TimedOut), Login::Unknown);
    }

    #[test]
    fn a_finding_is_recorded_again_as_it_last_held() {
        let ms = |at: u64| [at * 1_000_000, (at + 1) * 1_000_000];
        let (up, down) = (Finding::only(ServerState::Primary), Finding::only(ServerState::Refused));
        let later = Finding { lsn: Some(9), ..up };
        let mut reported = Reported::default();
        assert_eq!(reported.next(up, ms(0), 1), [None, Some((up, ms(0)))]);
        assert_eq!(reported.next(up, ms(100), 1), [None, None]);
        assert_eq!(reported.next(later, ms(500), 1), [None, None]);
        assert_eq!(reported.next(down, ms(600), 1), [Some((later, ms(500))), Some((down, ms(600)))]);
        // It held for too short a time to be recorded twice.
        assert_eq!(reported.next(down, ms(700), 1), [None, None]);
        assert_eq!(reported.next(up, ms(800), 1), [None, Some((up, ms(800)))]);
        // A new phase is no change.
        assert_eq!(reported.next(up, ms(1900), 1), [None, None]);
        assert_eq!(reported.next(up, ms(2000), 2), [None, Some((up, ms(2000)))]);
    }
}
