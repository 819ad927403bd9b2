//! Batches: a procedure in Postgres that commits row after row without ever waiting, so that its backend outlives a
//! killed postmaster.
//!
//! It waits neither for its disk (`synchronous_commit = off`) nor for a standby, nor on a latch, where a backend would
//! notice that its postmaster is gone. While it runs it reports how far it is, and when by the server's clock, so that
//! each row's commit lies between two reports.

use std::future::poll_fn;
use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Source, WriteResult};
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Config};

use super::postgres::{Failure, connected, query_once};
use super::recorder::Recorder;
use super::writer::TABLE;

/// The time that a connection, and making the procedure, may take.
const LIMIT: Duration = Duration::from_secs(5);
/// The time after its own for which a call may go on without an end: a stopped backend goes on after all other steps.
const SILENT: Duration = Duration::from_secs(600);
/// Row numbers that one call may use.
pub const NUMBERS: u64 = 1_000_000;

/// The query for the backend that runs the procedure: its process id in the server's own namespace.
pub const CALLING: &str =
    "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'CALL pghaspec_batch(%'";

/// A call of the procedure.
pub struct Batch {
    progress: watch::Receiver<Progress>,
}

/// The newest report of the procedure.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// The last row that it committed.
    row: u64,
    /// The earliest moment at which that row can have been committed, nanoseconds of the run.
    not_before: u64,
}

/// The procedure. It reports each 100 ms, at the first row and at the last; between two rows it counts for 2 ms, so
/// that it stays busy and writes little. A report is `pghaspec ROW SINCE NOW`: the row was committed between the two
/// moments, microseconds since 1970.
const PROCEDURE: &str = "
CREATE OR REPLACE PROCEDURE pghaspec_batch(first bigint, lasts interval) LANGUAGE plpgsql AS $$
DECLARE
    row bigint := first;
    ends timestamptz := clock_timestamp() + lasts;
    tells timestamptz := clock_timestamp();
    since timestamptz;
    now timestamptz;
BEGIN
    LOOP
        since := clock_timestamp();
        INSERT INTO TABLE_NAME VALUES (row);
        COMMIT;
        now := clock_timestamp();
        IF now >= tells OR now >= ends THEN
            RAISE NOTICE 'pghaspec % % %', row,
                (extract(epoch FROM since) * 1000000)::bigint, (extract(epoch FROM now) * 1000000)::bigint;
            tells := now + interval '100 ms';
        END IF;
        EXIT WHEN now >= ends;
        row := row + 1;
        WHILE clock_timestamp() < now + interval '2 ms' LOOP
        END LOOP;
    END LOOP;
END $$";

impl Batch {
    /// Calls the procedure, which numbers its rows from `first` on; the future records its reports until it ends.
    ///
    /// # Errors
    /// The server refuses the procedure, or the connection.
    pub async fn call(
        recorder: Recorder,
        node: &str,
        config: &Config,
        first: u64,
        lasts: Duration,
    ) -> Result<(Batch, impl Future<Output = ()> + Send + 'static), Failure> {
        query_once(config, &PROCEDURE.replace("TABLE_NAME", TABLE), LIMIT).await?;
        let (client, connection) = connected(LIMIT, config).await?;
        let (say, progress) = watch::channel(Progress::default());
        let node = node.to_owned();
        let task = async move {
            let sql = format!("CALL pghaspec_batch({first}, '{} s')", lasts.as_secs());
            let mut next = first;
            let mut since = recorder.clock().now();
            let listening = async {
                // It ends here, and with it a call that nobody answers any more.
                let mut connection = connection;
                while let Some(Ok(message)) = poll_fn(|context| connection.poll_message(context)).await {
                    let AsyncMessage::Notice(notice) = message else { continue };
                    let Some((row, [from, to])) = read(notice.message()) else { continue };
                    let clock = recorder.clock();
                    let (from, to) = (clock.of_realtime(from)[0], clock.of_realtime(to)[1]);
                    let kind = Kind::Batch { rows: [next, row], result: WriteResult::Ok };
                    recorder.record(Some(&node), Source::Writer, [since.min(from), to], kind);
                    (next, since) = (row.saturating_add(1), from);
                    say.send_replace(Progress { row, not_before: from });
                }
            };
            // No wait for a commit; and notices are sent to the client.
            let calling = async {
                let ready =
                    client.batch_execute("SET synchronous_commit = off; SET client_min_messages = notice").await;
                let called = match ready {
                    Ok(()) => client.batch_execute(&sql).await,
                    Err(error) => Err(error),
                };
                drop(client);
                called
            };
            // A node that is gone for good says nothing, not even that.
            let both = async { tokio::join!(calling, listening).0 };
            let called = tokio::time::timeout(lasts + SILENT, both).await;
            if !matches!(called, Ok(Ok(()))) {
                let rows = [next, first + NUMBERS - 1];
                let at = [since, recorder.clock().now()];
                recorder.record(
                    Some(&node),
                    Source::Writer,
                    at,
                    Kind::Batch { rows, result: WriteResult::Indeterminate },
                );
            }
        };
        Ok((Batch { progress }, task))
    }

    /// Waits until a row is committed after that moment of the run; returns its number, or `None` if none is within
    /// `limit`.
    pub async fn committed_after(&self, moment: u64, limit: Duration) -> Option<u64> {
        let mut progress = self.progress.clone();
        let found = tokio::time::timeout(limit, progress.wait_for(|newest| newest.not_before > moment)).await;
        found.ok()?.ok().map(|newest| newest.row)
    }
}

/// Row and interval (nanoseconds since 1970, closed) of a report of the procedure.
fn read(report: &str) -> Option<(u64, [u64; 2])> {
    let mut numbers = report.strip_prefix("pghaspec ")?.split(' ').map(|word| word.parse::<u64>().ok());
    let (row, since, now) = (numbers.next()??, numbers.next()??, numbers.next()??);
    // Microseconds are cut off below.
    Some((row, [since * 1000, now * 1000 + 999]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_are_read() {
        assert_eq!(read("pghaspec 7 1000000 1000002"), Some((7, [1_000_000_000, 1_000_002_999])));
        assert_eq!(read("something else"), None);
        assert_eq!(read("pghaspec 7 x 1"), None);
    }
}
