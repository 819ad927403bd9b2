//! Rows about the leader, in a table that only grows: each says of one node whether it may be writable from then on.
//!
//! Nothing is missed, however late an answer comes: the next one has all rows since the last. A row was committed after
//! the query before it was sent, and before its own answer came.

use std::collections::BTreeSet;
use std::time::Duration;

use pghaspec_model::vocabulary::event::Source;
use tokio_postgres::Config;

use super::changes::Changes;
use crate::manifest::{AFTER, render};
use crate::observe::postgres::Session;
use crate::observe::recorder::Recorder;
use crate::observe::silence::Silence;

/// Pause between two queries.
const EACH: Duration = Duration::from_millis(100);
/// The time that an answer may take.
const LIMIT: Duration = Duration::from_secs(1);
/// The time for which no answer may have come at the end of a run before that is a gap.
const BLIND: Duration = Duration::from_secs(2);

/// A query that is asked again and again.
pub struct SqlWatch {
    recorder: Recorder,
    config: Config,
    query: String,
    /// The number of the last row that was seen.
    after: i64,
    /// When the last query that was answered was sent.
    sent: u64,
    /// The nodes that may be writable, by the last row about each.
    holding: BTreeSet<String>,
    changes: Changes,
}

/// A row: its number, a node, and whether that may be writable from then on.
type Row = (i64, String, bool);

impl SqlWatch {
    /// Asks this query of the Postgres at that address.
    pub fn new(recorder: Recorder, config: Config, query: String) -> SqlWatch {
        let (sent, changes) = (recorder.clock().now(), Changes::new(recorder.clone()));
        SqlWatch { recorder, config, query, after: 0, sent, holding: BTreeSet::new(), changes }
    }

    /// Waits until the query is answered once.
    ///
    /// # Errors
    /// It is not within `limit`: the last answer, in words.
    pub async fn prepare(&mut self, limit: Duration) -> Result<(), String> {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            let last = match Session::open(&self.config).await {
                Ok(session) => match self.ask(&session).await {
                    Ok(()) => return Ok(()),
                    Err(why) => why,
                },
                Err(failure) => failure.words(),
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(last);
            }
            tokio::time::sleep(EACH).await;
        }
    }

    /// Asks for ever.
    pub async fn run(mut self) {
        let why = "the query about the leader was not answered";
        let mut silence = Silence::new(self.recorder.clone(), None, Source::Authority, BLIND, why);
        loop {
            if let Ok(session) = Session::open(&self.config).await {
                while !session.has_ended() {
                    tokio::time::sleep(EACH).await;
                    if self.ask(&session).await.is_err() {
                        break;
                    }
                    silence.resume(self.recorder.clock().now());
                }
            }
            tokio::time::sleep(EACH).await;
        }
    }

    async fn ask(&mut self, session: &Session) -> Result<(), String> {
        let sent = self.recorder.clock().now();
        let query = render(&self.query, |name| (name == AFTER).then(|| self.after.to_string()))?;
        let rows = session.query(&query, LIMIT).await.map_err(|failure| failure.words())?;
        let at = [self.sent, self.recorder.clock().now()];
        let rows = rows.iter().map(|row| read(row)).collect::<Result<Vec<Row>, String>>()?;
        for (number, node, holds) in rows {
            if number <= self.after {
                continue;
            }
            self.after = number;
            match holds {
                true => self.holding.insert(node.clone()),
                false => self.holding.remove(&node),
            };
            let holder = match holds {
                true => Some(&node),
                false => self.holding.iter().next(),
            };
            self.changes.tell(at, holder.map(String::as_str));
        }
        self.sent = sent;
        Ok(())
    }
}

/// The row in an answer.
fn read(row: &[Option<String>]) -> Result<Row, String> {
    let column = |index: usize| row.get(index).and_then(Option::as_deref);
    let holds = match column(2) {
        Some("t" | "true" | "1") => true,
        Some("f" | "false" | "0") => false,
        _ => return Err("the third column of the query is no boolean".to_owned()),
    };
    let number = column(0).and_then(|text| text.parse().ok()).ok_or("the first column of the query is no number")?;
    Ok((number, column(1).ok_or("the second column of the query names no node")?.to_owned(), holds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read_and_others_are_told() {
        let row = |columns: [&str; 3]| columns.map(|column| Some(column.to_owned())).to_vec();
        assert_eq!(read(&row(["7", "n1", "t"])), Ok((7, "n1".to_owned(), true)));
        assert_eq!(read(&row(["8", "n1", "false"])), Ok((8, "n1".to_owned(), false)));
        assert!(read(&row(["8", "n1", "primary"])).unwrap_err().contains("third"));
        assert!(read(&row(["x", "n1", "t"])).unwrap_err().contains("first"));
        assert!(read(&[Some("7".into()), None, Some("t".into())]).unwrap_err().contains("second"));
    }
}
