//! The testbed of one scenario: all that the parts of the lab share while it runs.
//!
//! Whoever builds the cluster, starts nodes again, injects faults or follows logs is handed this one value, and borrows
//! nothing else from its surroundings.

use std::time::Duration;

use pghaspec_model::vocabulary::event::{Event, Kind, Source};

use super::docker::sandbox::Sandbox;
use super::docker::{self, Output};
use super::error::LabError;
use super::tasks::{Ends, Tasks};
use super::wait::{Seen, until};
use crate::manifest::Manifest;
use crate::observe::container_log::{ContainerLog, Ended, Line, Speaker};
use crate::observe::recorder::Recorder;
use crate::observe::view::View;
use crate::progress;
use crate::scenario::Scenario;

/// The end of a container that was started again before it was looked at.
const UNTOLD: Ended = Ended { code: None, out_of_memory: false };

/// All that the parts of the lab share while a scenario runs.
#[derive(Clone, Copy)]
pub struct Testbed<'run> {
    /// The scenario.
    pub scenario: &'run Scenario,
    /// The agent.
    pub manifest: &'run Manifest,
    /// The containers and networks.
    pub sandbox: &'run Sandbox,
    /// The history that is written.
    pub recorder: &'run Recorder,
    /// The line of progress on the user's terminal.
    pub report: &'run progress::Lane,
    /// Tasks that end with the run.
    pub tasks: &'run Tasks,
}

impl Testbed<'_> {
    /// The present moment, nanoseconds of the run.
    pub fn now(&self) -> u64 {
        self.recorder.clock().now()
    }

    /// Runs a command in a running container and waits for its end.
    ///
    /// # Errors
    /// Docker cannot run it. A command that fails is no error, see [`Output::code`].
    pub async fn exec(&self, container: &str, command: &[&str]) -> Result<Output, LabError> {
        docker::exec(&self.sandbox.docker, container, command).await
    }

    /// Waits as [`until`] does, on this run's view of the cluster.
    ///
    /// # Errors
    /// As of [`until`].
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        look: impl FnMut(&View) -> Seen<T>,
    ) -> Result<T, LabError> {
        until(self.recorder, self.report, what, limit, look).await
    }

    /// Waits for an event that ended at or after `since`, of that node or, without one, of anybody; `None` when none
    /// comes within `limit`.
    pub async fn event_of<T>(
        &self,
        node: Option<&str>,
        what: &str,
        limit: Duration,
        since: u64,
        mut fits: impl FnMut(&Event) -> Option<T>,
    ) -> Option<T> {
        let seen = self.until(what, limit, |view| {
            let mut events = view.events_since(since);
            match events.find_map(|event| (node.is_none() || event.node.as_deref() == node).then(|| fits(event))?) {
                Some(found) => Seen::Yes(found),
                None => Seen::NotYet("nothing yet".to_owned()),
            }
        });
        seen.await.ok()
    }

    /// Copies a container's log to the run's folder, and hands each line to `take`, until the run ends. The log of a
    /// node goes on after its container was started again; any other container must last.
    pub fn follow(&self, part: &str, of: Source, mut take: impl FnMut(&Recorder, Line) + Send + 'static) {
        let (docker, recorder) = (self.sandbox.docker.clone(), self.recorder.clone());
        let (container, file) = (self.sandbox.name(part), self.sandbox.log_file(part));
        let node = self.scenario.node_names().into_iter().find(|name| name == part);
        // All is heard of the lab's own helper; elsewhere an agent writes, or has its say.
        let most_mib = (of != Source::Process).then_some(self.manifest.limits.log_mib);
        let speaker = Speaker { container, node: node.clone(), of, most_mib };
        self.tasks.spawn(format!("following the log of {part}"), Ends::WhenStopped, async move {
            let followed = async {
                let mut log = ContainerLog::new(docker, recorder.clone(), speaker, &file)?;
                loop {
                    log.follow(|line| take(&recorder, line)).await?;
                    let Some(node) = &node else { return Ok(()) };
                    let Ended { code, out_of_memory } = log.how_it_ended().await.unwrap_or(UNTOLD);
                    let at = [log.heard_at(), recorder.clock().now()];
                    recorder.record(Some(node), Source::Harness, at, Kind::NodeEnded { code, out_of_memory });
                    recorder.update(|view| view.container_ended(node, true));
                    log.until_it_runs().await;
                    recorder.update(|view| view.container_ended(node, false));
                }
            };
            if let Err(error) = followed.await {
                recorder.fail(error);
                // That ends the run, and says more than the end of this task would.
                std::future::pending().await
            }
        });
    }
}
