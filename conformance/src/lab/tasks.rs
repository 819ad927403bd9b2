//! The tasks that observe a run. None of them ends unnoticed: a run that has gone blind must not look clean.

use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::error::LabError;

/// Tasks that run until the scenario ends.
pub struct Tasks {
    set: Mutex<JoinSet<()>>,
    stop: watch::Sender<bool>,
    /// The first task that ended though it should not have, and how it ended.
    lost: watch::Sender<Option<String>>,
}

/// The freedom of a task to end before it is told to stop. No task may panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// The task may end at any time.
    Anytime,
    /// The task may end only when it is stopped.
    WhenStopped,
}

impl Tasks {
    /// No task runs yet.
    pub fn new() -> Tasks {
        Tasks { set: Mutex::default(), stop: watch::Sender::new(false), lost: watch::Sender::new(None) }
    }

    /// Runs a task until [`Tasks::stop`]. The name completes "… ended before the run did".
    pub fn spawn(&self, name: impl Into<String>, ends: Ends, task: impl Future<Output = ()> + Send + 'static) {
        let task = self.guarded(name, ends, self.stop.subscribe(), task);
        self.set.lock().unwrap_or_else(PoisonError::into_inner).spawn(task);
    }

    /// A task to be spawned elsewhere. Its end is noticed like that of the others, unless `stop` is true by then.
    pub fn guarded(
        &self,
        name: impl Into<String>,
        ends: Ends,
        stop: watch::Receiver<bool>,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let guard = Guard { name: name.into(), ends, stop, lost: self.lost.clone() };
        async move {
            let _guard = guard;
            task.await;
        }
    }

    /// Ends all tasks and waits until they have ended.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let mut set = std::mem::take(&mut *self.set.lock().unwrap_or_else(PoisonError::into_inner));
        set.shutdown().await;
    }

    /// Waits until a task has ended that should not have; returns that as an error.
    pub async fn lost(&self) -> LabError {
        let mut lost = self.lost.subscribe();
        match lost.wait_for(Option::is_some).await.ok().and_then(|found| found.clone()) {
            Some(message) => LabError::harness(message),
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }
}

/// Notices the end of its task, in whichever way that ends, by being dropped.
struct Guard {
    name: String,
    ends: Ends,
    stop: watch::Receiver<bool>,
    lost: watch::Sender<Option<String>>,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let how = if std::thread::panicking() {
            "panicked"
        } else if self.ends == Ends::WhenStopped && !*self.stop.borrow() {
            "ended before the run did"
        } else {
            return;
        };
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            if first {
                *lost = Some(format!("{} {how}", self.name));
            }
            first
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn lost(tasks: &Tasks) -> Option<String> {
        let waited = tokio::time::timeout(Duration::from_millis(200), tasks.lost()).await;
        waited.ok().map(|error| error.message)
    }

    #[tokio::test]
    async fn an_early_end_is_noticed() {
        let tasks = Tasks::new();
        tasks.spawn("the follower", Ends::Anytime, async {});
        tasks.spawn("the probe", Ends::WhenStopped, std::future::pending());
        assert_eq!(lost(&tasks).await, None);
        tasks.spawn("the watch", Ends::WhenStopped, async {});
        assert_eq!(lost(&tasks).await.unwrap(), "the watch ended before the run did");
    }

    #[tokio::test]
    async fn a_panic_is_noticed_even_of_a_task_that_may_end() {
        let tasks = Tasks::new();
        tasks.spawn("the follower", Ends::Anytime, async {
            tokio::task::yield_now().await;
            panic!("on purpose");
        });
        assert_eq!(lost(&tasks).await.unwrap(), "the follower panicked");
    }

    #[tokio::test]
    async fn what_is_stopped_is_not_lost() {
        let tasks = Tasks::new();
        tasks.spawn("the probe", Ends::WhenStopped, std::future::pending());
        tokio::task::yield_now().await;
        tasks.stop().await;
        assert_eq!(lost(&tasks).await, None);

        let stop = watch::Sender::new(false);
        let task = tasks.guarded("the writer", Ends::WhenStopped, stop.subscribe(), async {});
        stop.send_replace(true);
        task.await;
        assert_eq!(lost(&tasks).await, None);
    }
}
