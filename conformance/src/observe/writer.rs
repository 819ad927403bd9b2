//! Clients that write. Each is pinned to one node, whatever its role: a client that followed the leader would never
//! show two of them.

use std::time::Duration;

use pghaspec_model::vocabulary::event::{Kind, Session as Through, Source, WriteResult};
use tokio::sync::watch;
use tokio_postgres::Config;
use tokio_postgres::error::SqlState;

use super::postgres::{Failure, Session, query_once};
use super::recorder::Recorder;

/// The table that is written to.
pub const TABLE: &str = "pghaspec_writes";

/// Pause after an acknowledged write of a held session.
const QUICK: Duration = Duration::from_millis(50);
/// Pause after a write that was not acknowledged, and between fresh sessions.
const SLOW: Duration = Duration::from_millis(200);
/// The time that a write may take before its answer counts as lost.
const LIMIT: Duration = Duration::from_secs(2);

/// One client at one node.
pub struct Writer {
    /// The recorder of its events.
    pub recorder: Recorder,
    /// The node's name.
    pub node: String,
    /// The connection to the node.
    pub config: Config,
    /// Number of the next row. Each writer has numbers of its own, and uses each for one attempt only.
    pub next: u64,
    /// Turns true when the writer is to stop.
    pub stop: watch::Receiver<bool>,
}

impl Writer {
    /// Writes through the given session, which was opened before any fault, until it ends or the writer is stopped. The
    /// end of the session shows as a last write, which failed because it could not be sent.
    pub async fn hold(mut self, session: Session) {
        let mut last = None;
        while !*self.stop.borrow() {
            let (id, start) = self.begin();
            if session.has_ended() {
                let outcome = (WriteResult::Failed, Some("the session has ended".to_owned()));
                return self.finish(id, start, Through::Held, outcome, &mut last);
            }
            let answer = session.query(&insert(id), LIMIT).await.map(drop);
            let acknowledged = answer.is_ok();
            self.finish(id, start, Through::Held, after_sending(answer), &mut last);
            self.pause(if acknowledged { QUICK } else { SLOW }).await;
        }
    }

    /// Writes through a new session each time until the writer is stopped.
    pub async fn renew(mut self) {
        let mut last = None;
        while !*self.stop.borrow() {
            let (id, start) = self.begin();
            let outcome = match Session::open(&self.config).await {
                // Nothing was sent: whatever went wrong, the row is not there.
                Err(failure) => (WriteResult::Failed, Some(failure.words())),
                Ok(session) => after_sending(session.query(&insert(id), LIMIT).await.map(drop)),
            };
            self.finish(id, start, Through::Fresh, outcome, &mut last);
            self.pause(SLOW).await;
        }
    }

    /// Number and start of the next write.
    fn begin(&mut self) -> (u64, u64) {
        self.next += 1;
        (self.next - 1, self.recorder.clock().now())
    }

    /// Records a write, unless it failed just as the one before it did: a standby refuses every write in the same
    /// words. The number of a write that is not recorded is never used again, and a row with it would be one that
    /// certainly was refused.
    fn finish(
        &self,
        id: u64,
        start: u64,
        session: Through,
        (result, error): (WriteResult, Option<String>),
        last: &mut Option<(WriteResult, Option<String>)>,
    ) {
        let outcome = (result, error);
        let repeated = result == WriteResult::Failed && last.as_ref() == Some(&outcome);
        if !repeated {
            let kind = Kind::Write { id, session, result, error: outcome.1.clone() };
            self.recorder.record(Some(&self.node), Source::Writer, [start, self.recorder.clock().now()], kind);
        }
        *last = Some(outcome);
    }

    async fn pause(&mut self, pause: Duration) {
        // An error means that the sender is gone, and then the writer stops.
        let _ = tokio::time::timeout(pause, self.stop.wait_for(|stop| *stop)).await;
    }
}

/// Makes the table at the primary and returns when it is committed.
///
/// # Errors
/// See [`query_once`].
pub async fn make_table(config: &Config) -> Result<(), Failure> {
    query_once(config, &format!("CREATE TABLE {TABLE} (id bigint PRIMARY KEY)"), LIMIT * 5).await.map(drop)
}

fn insert(id: u64) -> String {
    format!("INSERT INTO {TABLE} VALUES ({id})")
}

/// The result of a write that was sent.
fn after_sending(answer: Result<(), Failure>) -> (WriteResult, Option<String>) {
    let Err(failure) = answer else { return (WriteResult::Ok, None) };
    let result = match &failure {
        // When the server ends a session while a commit is under way, nothing is known of that commit.
        Failure::Server { code, .. } if !ends_session(code) => WriteResult::Failed,
        _ => WriteResult::Indeterminate,
    };
    (result, Some(failure.words()))
}

fn ends_session(code: &SqlState) -> bool {
    [SqlState::ADMIN_SHUTDOWN, SqlState::CRASH_SHUTDOWN, SqlState::CANNOT_CONNECT_NOW, SqlState::DATABASE_DROPPED]
        .contains(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(code: SqlState) -> Result<(), Failure> {
        Err(Failure::Server { code, message: "no".to_owned() })
    }

    #[test]
    fn a_lost_answer_is_indeterminate() {
        assert_eq!(after_sending(Ok(())), (WriteResult::Ok, None));
        assert_eq!(after_sending(Err(Failure::TimedOut)).0, WriteResult::Indeterminate);
        assert_eq!(after_sending(Err(Failure::Broken("reset".to_owned()))).0, WriteResult::Indeterminate);
        assert_eq!(after_sending(server(SqlState::ADMIN_SHUTDOWN)).0, WriteResult::Indeterminate);
    }

    #[test]
    fn a_refusal_is_a_failure() {
        let refused = after_sending(server(SqlState::READ_ONLY_SQL_TRANSACTION));
        assert_eq!(refused, (WriteResult::Failed, Some("25006: no".to_owned())));
    }
}
