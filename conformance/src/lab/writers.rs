//! The clients that write to the cluster while a scenario runs: two at each node, one through a session from before all
//! faults and one through new sessions.

use std::time::Duration;

use futures_util::future::try_join_all;
use pghaspec_model::vocabulary::event::{Event, Kind, Session as Through};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::cluster::Node;
use super::error::LabError;
use super::read_back::caught_up;
use super::tasks::Ends;
use super::testbed::Testbed;
use super::wait::Seen;
use crate::observe::postgres::{Failure, Session};
use crate::observe::writer::{Writer, make_table};

/// The time that writers may take to have their first write acknowledged, and to stop.
const LIMIT: Duration = Duration::from_secs(15);

/// Row numbers that each writer has for itself, so that the rows of one writer stay a range.
const NUMBERS: u64 = 1_000_000;

/// The clients that write.
pub struct Writers {
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Writers {
    /// Makes the table, opens the held sessions at every node, and waits until the leader has acknowledged a write
    /// through each kind of session.
    ///
    /// # Errors
    /// A node cannot be written to, or the leader acknowledges nothing in time.
    pub async fn start(bed: &Testbed<'_>, nodes: &[Node], leader: &str) -> Result<Writers, LabError> {
        let primary = nodes.iter().find(|node| node.name == leader);
        let writers = Writers::open(bed, nodes, primary).await?;
        bed.until("the leader to acknowledge writes", LIMIT, |view| {
            let wrote = view.nodes.get(leader).map(|node| &node.wrote);
            let missing = [Through::Held, Through::Fresh]
                .into_iter()
                .find(|through| wrote.is_none_or(|wrote| !wrote.contains(through)));
            match missing {
                None => Seen::Yes(()),
                Some(Through::Held) => Seen::NotYet("no write through a held session".to_owned()),
                Some(Through::Fresh) => Seen::NotYet("no write through a new session".to_owned()),
            }
        })
        .await?;
        Ok(writers)
    }

    /// The same for a cluster in which no node may acknowledge any write: waits until each has refused one. The table
    /// is made at the remote primary that the cluster follows.
    ///
    /// # Errors
    /// A node cannot be reached, or does not answer a write in time.
    pub async fn start_refused(bed: &Testbed<'_>, nodes: &[Node], remote: &Node) -> Result<Writers, LabError> {
        let since = bed.now();
        let writers = Writers::open(bed, nodes, Some(remote)).await?;
        bed.until("every node to answer a write", LIMIT, |view| {
            let answered = |name: &String| {
                let of_node =
                    |event: &Event| event.node.as_ref() == Some(name) && matches!(event.kind, Kind::Write { .. });
                view.events_since(since).any(of_node)
            };
            match view.nodes.keys().find(|name| !answered(name)) {
                None => Seen::Yes(()),
                Some(name) => Seen::NotYet(format!("no answer of {name}")),
            }
        })
        .await?;
        Ok(writers)
    }

    /// Makes the table at the primary, opens the held sessions at every node, and begins to write.
    async fn open(bed: &Testbed<'_>, nodes: &[Node], primary: Option<&Node>) -> Result<Writers, LabError> {
        bed.report.doing("opening the writers' sessions");
        let failed = |what: &str, node: &str, why: &str| LabError::harness(format!("{what} at {node}: {why}"));
        if let Some(primary) = primary {
            let made = make_table(&primary.config).await;
            made.map_err(|failure| failed("making the table", &primary.name, &failure.words()))?;
        }
        // Otherwise a standby would refuse the first writes because it does not know the table yet.
        caught_up(nodes, primary).await.map_err(LabError::harness)?;
        let held = try_join_all(nodes.iter().map(async |node| {
            let deadline = Instant::now() + LIMIT;
            loop {
                match Session::open(&node.config).await {
                    Ok(session) => return Ok(session),
                    // A busy machine answers late; no fault was injected yet.
                    Err(Failure::TimedOut) if Instant::now() < deadline => {}
                    Err(failure) => return Err(failed("opening a session", &node.name, &failure.words())),
                }
            }
        }))
        .await?;

        let stop = watch::Sender::new(false);
        let mut next = 0;
        let mut writer = |node: &Node| {
            next += NUMBERS;
            Writer {
                recorder: bed.recorder.clone(),
                node: node.name.clone(),
                config: node.config.clone(),
                next,
                stop: stop.subscribe(),
            }
        };
        let mut tasks = JoinSet::new();
        for (node, session) in nodes.iter().zip(held) {
            let name = format!("writing through the held session at {}", node.name);
            // It ends with its session.
            tasks.spawn(bed.tasks.guarded(name, Ends::Anytime, stop.subscribe(), writer(node).hold(session)));
            let name = format!("writing through new sessions at {}", node.name);
            tasks.spawn(bed.tasks.guarded(name, Ends::WhenStopped, stop.subscribe(), writer(node).renew()));
        }
        Ok(Writers { stop, tasks })
    }

    /// Stops all writers; each finishes the write that it is at.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        // A write has a limit of its own; a writer that passes even this one is aborted when it is dropped.
        let _ = tokio::time::timeout(LIMIT, async { while self.tasks.join_next().await.is_some() {} }).await;
    }
}

/// The first row number of a batch, behind those of all writers and of the batches before it.
pub fn batch_numbers(nodes: usize, batches: usize) -> u64 {
    let writers = u64::try_from(2 * nodes + 2).unwrap_or(u64::MAX);
    (writers + u64::try_from(batches).unwrap_or(0)) * NUMBERS
}
