//! Bounded waits for something to be observed; whoever waited in vain learns what was seen last.

use std::time::Duration;

use tokio::time::Instant;

use super::error::LabError;
use crate::interrupt;
use crate::observe::recorder::Recorder;
use crate::observe::view::View;
use crate::progress;

/// The time between two reports on a wait that goes on.
const TELL: Duration = Duration::from_secs(1);

/// The answer of one look at the view.
pub enum Seen<T> {
    /// The awaited thing.
    Yes(T),
    /// Not yet, and what there is instead.
    NotYet(String),
    /// The reason why it will never come.
    Never(String),
}

impl<T> From<Result<T, String>> for Seen<T> {
    fn from(result: Result<T, String>) -> Seen<T> {
        match result {
            Ok(found) => Seen::Yes(found),
            Err(instead) => Seen::NotYet(instead),
        }
    }
}

/// Waits until `look` finds the awaited thing in the view of the cluster; `what` completes "waiting for …".
///
/// # Errors
/// The awaited thing did not come within `limit`, or never will; the error says what was seen last.
pub async fn until<T>(
    recorder: &Recorder,
    report: &progress::Lane,
    what: &str,
    limit: Duration,
    mut look: impl FnMut(&View) -> Seen<T>,
) -> Result<T, LabError> {
    let deadline = Instant::now() + limit;
    let mut view = recorder.view();
    let mut tell = tokio::time::interval(TELL);
    loop {
        report.doing(&format!("waiting for {what}"));
        let last = match look(&view.borrow_and_update()) {
            Seen::Yes(found) => return Ok(found),
            Seen::NotYet(last) => last,
            Seen::Never(why) => return Err(LabError::harness(format!("waiting for {what} is in vain: {why}"))),
        };
        if Instant::now() >= deadline {
            let message = format!("waited {} s for {what}; last seen: {last}", limit.as_secs());
            return Err(LabError::harness(message));
        }
        tokio::select! {
            _ = view.changed() => {}
            _ = tell.tick() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
    }
}

/// Waits for a signal that ends the run; returns at once if it has come already.
pub async fn interrupted() -> LabError {
    match interrupt::listen() {
        Ok(()) => LabError::interrupted(interrupt::wait().await.words()),
        Err(why) => LabError::harness(why),
    }
}

/// Does something that needs no cleaning up, unless a signal ends the run meanwhile.
///
/// # Errors
/// Its own, or that of the run that was ended.
pub async fn unless_interrupted<T>(doing: impl Future<Output = Result<T, LabError>>) -> Result<T, LabError> {
    tokio::select! {
        biased;
        error = interrupted() => Err(error),
        done = doing => done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::clock::RunClock;
    use crate::progress::Progress;

    #[tokio::test]
    async fn a_wait_in_vain_says_what_was_seen_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let recorder = Recorder::create(&path, RunClock::start(), &[]).unwrap();
        let report = Progress::silent().lane("test");
        let look = |view: &View| Seen::<()>::from(view.healthy().map(drop));
        let error = until(&recorder, &report, "a leader", Duration::from_millis(20), look).await.unwrap_err();
        assert_eq!(error.message, "waited 0 s for a leader; last seen: nobody holds the leader key");
    }

    #[tokio::test]
    async fn a_change_ends_a_wait() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let recorder = Recorder::create(&path, RunClock::start(), &[]).unwrap();
        let report = Progress::silent().lane("test");
        let other = recorder.clone();
        tokio::spawn(async move { other.phase(pghaspec_model::vocabulary::event::Phase::Bootstrap) });
        let look = |view: &View| Seen::from((view.phases == 1).then_some(()).ok_or_else(String::new));
        until(&recorder, &report, "a phase", Duration::from_secs(5), look).await.unwrap();
    }
}
