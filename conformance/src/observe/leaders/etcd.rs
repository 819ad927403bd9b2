//! The watch on the leader key.
//!
//! etcd orders all changes by revision but does not say when they happened. So the lab puts a key of its own every 100
//! ms, a tick whose value is the time of sending, into the same watch: a change that comes after a tick in revision
//! order happened after that tick was sent. The upper bound is the arrival of the change.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error, Event, EventType, KvClient, LeaseClient, WatchOptions};
use pghaspec_model::vocabulary::event::{KeyChange, Kind, Source};
use tokio::time::MissedTickBehavior;

use crate::observe::recorder::Recorder;
use crate::observe::silence::Silence;

/// Key of the ticks, out of every agent's way.
pub const TICK_KEY: &str = "/pghaspec/tick";
const TICK: Duration = Duration::from_millis(100);
/// The time that an ordinary request may take.
const LIMIT: Duration = Duration::from_secs(1);
/// Pause before a broken watch is made anew.
const AGAIN: Duration = Duration::from_millis(100);
/// The time for which no tick may have come back at the end of a run before that is a gap.
const BLIND: Duration = Duration::from_secs(1);
/// The time for which a watch may bring nothing, not even a tick, before it is taken for broken.
const DEAD: Duration = Duration::from_secs(3);

/// A watch that can be taken up again where it broke off.
pub struct LeaderWatch {
    recorder: Recorder,
    client: Client,
    leader_key: String,
    /// The next revision to see.
    next: i64,
    /// The time at which the newest tick that came back was sent: a lower bound for all that follows.
    not_before: u64,
}

impl LeaderWatch {
    /// Waits until etcd answers and notes its revision: from there on nothing is missed, however late
    /// [`LeaderWatch::run`] begins.
    ///
    /// # Errors
    /// etcd does not answer within `limit`: its last answer, in words.
    pub async fn prepare(
        recorder: Recorder,
        endpoint: &str,
        leader_key: String,
        limit: Duration,
    ) -> Result<LeaderWatch, String> {
        let deadline = tokio::time::Instant::now() + limit;
        let not_before = recorder.clock().now();
        // Pings are the only way to notice a peer that vanished. Ticks keep the connection busy, so pings are rare.
        let options = ConnectOptions::new()
            .with_connect_timeout(LIMIT)
            .with_keep_alive(LIMIT, LIMIT * 2)
            .with_keep_alive_while_idle(true)
            .with_tcp_keepalive(LIMIT);
        let client = Client::connect([endpoint], Some(options)).await.map_err(|error| error.to_string())?;
        loop {
            let answer = tokio::time::timeout(LIMIT, client.kv_client().get(TICK_KEY, None)).await;
            let last = match answer {
                Ok(Ok(answer)) => match answer.header() {
                    Some(header) => {
                        let next = header.revision() + 1;
                        return Ok(LeaderWatch { recorder, client, leader_key, next, not_before });
                    }
                    None => "an answer without a header".to_owned(),
                },
                Ok(Err(error)) => error.to_string(),
                Err(_) => "no answer in time".to_owned(),
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(last);
            }
            tokio::time::sleep(AGAIN / 2).await;
        }
    }

    /// A client of the etcd that is watched.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The task that puts the ticks, for ever.
    pub fn ticks(&self) -> impl Future<Output = ()> + Send + 'static {
        tick(self.recorder.clone(), self.client.kv_client())
    }

    /// Watches for ever. etcd reports every revision in order: a watch that breaks is made again from the next revision
    /// on, and a tick that comes late proves that nothing before it was missed. So only intervals grow. Revisions that
    /// etcd has compacted away meanwhile are a gap, and so is a time at the end from which no tick comes back any more.
    pub async fn run(mut self) {
        let why = "no tick came back through the watch on the leader key";
        let mut silence = Silence::new(self.recorder.clone(), None, Source::Etcd, BLIND, why);
        loop {
            let broken_at = self.recorder.clock().now();
            if let Ok(Some(compacted)) = self.watch_once(&mut silence).await {
                let why = format!("etcd compacted the revisions {} to {compacted} away", self.next);
                self.recorder.gap(None, broken_at, Source::Etcd, why);
                self.next = compacted;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Watches until the watch breaks. Returns the oldest revision that is left if a compaction broke it.
    async fn watch_once(&mut self, silence: &mut Silence) -> Result<Option<i64>, Error> {
        // Ticks and leader key must be in one watch: etcd orders revisions within a watch, not between two.
        let options = WatchOptions::new().with_all_keys().with_start_revision(self.next).with_prev_key();
        let mut client = self.client.watch_client();
        let Ok(stream) = tokio::time::timeout(DEAD, client.watch("", Some(options))).await else { return Ok(None) };
        let mut stream = stream?;
        while let Ok(message) = tokio::time::timeout(DEAD, stream.message()).await {
            let Some(response) = message? else { break };
            let received = self.recorder.clock().now();
            if response.canceled() {
                return Ok((response.compact_revision() > 0).then(|| response.compact_revision()));
            }
            for event in response.events() {
                self.take(event, received, silence).await;
            }
        }
        Ok(None)
    }

    async fn take(&mut self, event: &Event, received: u64, silence: &mut Silence) {
        let Some(kv) = event.kv() else { return };
        let revision = kv.mod_revision();
        self.next = self.next.max(revision + 1);
        if kv.key() == TICK_KEY.as_bytes() {
            let sent = std::str::from_utf8(kv.value()).ok().and_then(|text| text.parse::<u64>().ok());
            self.not_before = self.not_before.max(sent.unwrap_or(0));
            silence.resume(received);
            return;
        }
        if kv.key() != self.leader_key.as_bytes() {
            return;
        }
        let at = [self.not_before.min(received), received];
        let kind = match event.event_type() {
            EventType::Put => Kind::LeaderKey {
                change: if kv.create_revision() == revision { KeyChange::Created } else { KeyChange::Overwritten },
                holder: Some(String::from_utf8_lossy(kv.value()).into_owned()),
                revision,
                lease: kv.lease(),
            },
            EventType::Delete => {
                let lease = event.prev_kv().map_or(0, |before| before.lease());
                let ended = lease != 0 && has_ended(self.client.lease_client(), lease).await;
                let change = if ended { KeyChange::Expired } else { KeyChange::Deleted };
                Kind::LeaderKey { change, holder: None, revision, lease }
            }
        };
        self.recorder.record(None, Source::Etcd, at, kind);
    }
}

/// Asks whether a lease has ended. When a client deletes the key, the lease stays alive.
async fn has_ended(mut client: LeaseClient, lease: i64) -> bool {
    let answer = tokio::time::timeout(LIMIT, client.time_to_live(lease, None)).await;
    matches!(answer, Ok(Ok(answer)) if answer.ttl() <= -1)
}

async fn tick(recorder: Recorder, mut client: KvClient) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let sent = recorder.clock().now().to_string();
        // A tick that is lost only makes intervals longer.
        let _ = tokio::time::timeout(LIMIT, client.put(TICK_KEY, sent, None)).await;
    }
}
