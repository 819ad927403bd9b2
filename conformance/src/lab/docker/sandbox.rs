//! The sandbox of one scenario: its containers and networks, named and labelled so that they are found again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{KillContainerOptionsBuilder, LogsOptionsBuilder, TopOptionsBuilder};
use futures_util::StreamExt;
use testcontainers::runners::AsyncRunner;
use tokio::sync::watch;

use super::container::{ContainerPlan, START};
use super::sweep::{self, DIR_LABEL, OWNER_LABEL, RUN_LABEL, SCENARIO_LABEL};
use super::{asked, failed_with, stalled};
use crate::interrupt;
use crate::lab::error::LabError;
use crate::run::folder::RunDir;
use crate::untrusted::escape;

/// The time that cleaning up may take.
const REMOVAL: Duration = Duration::from_secs(120);
/// The same from the moment on when the user wants an end.
const HASTY_REMOVAL: Duration = Duration::from_secs(25);
/// The part of that for which a start that was under way is waited for.
const UNDER_WAY: Duration = Duration::from_secs(10);

/// The number of last lines that are told of a container that has ended.
const LAST_LINES: &str = "6";

/// The containers and networks of one scenario.
pub struct Sandbox {
    /// Docker Engine.
    pub docker: Docker,
    prefix: String,
    labels: BTreeMap<String, String>,
    logs: PathBuf,
    /// The number of requests under way that make something.
    making: watch::Sender<usize>,
}

/// Counts a request that makes something, until it is dropped.
struct UnderWay(watch::Sender<usize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Sandbox {
    /// A sandbox without containers yet. Its containers' logs go to the folder `logs`.
    pub fn new(docker: Docker, run: &RunDir, scenario: &str, logs: &Path) -> Sandbox {
        let labels = [
            (RUN_LABEL, run.id().to_owned()),
            (DIR_LABEL, run.path().display().to_string()),
            (OWNER_LABEL, run.owner().label()),
            (SCENARIO_LABEL, scenario.to_owned()),
        ];
        Sandbox {
            docker,
            prefix: run.lane_prefix(),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            logs: logs.to_path_buf(),
            making: watch::Sender::new(0),
        }
    }

    /// Name of the container or network with that part in the sandbox.
    pub fn name(&self, part: &str) -> String {
        format!("{}-{part}", self.prefix)
    }

    /// File of a container's log.
    pub fn log_file(&self, part: &str) -> PathBuf {
        self.logs.join(format!("{}.log", self.name(part)))
    }

    /// Labels of all containers and networks of the sandbox.
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Does what makes something in Docker, to its end even if the caller is gone by then: only what has been made can
    /// be removed.
    pub(super) async fn to_its_end<T: Send + 'static>(
        &self,
        making: impl Future<Output = Result<T, LabError>> + Send + 'static,
    ) -> Result<T, LabError> {
        self.making.send_modify(|count| *count += 1);
        let under_way = UnderWay(self.making.clone());
        let task = tokio::spawn(async move {
            let _under_way = under_way;
            making.await
        });
        task.await.unwrap_or_else(|error| Err(LabError::harness(format!("asking Docker for something: {error}"))))
    }

    /// Starts a container and returns its name. It is not waited for beyond its start.
    ///
    /// # Errors
    /// Docker refuses, or takes longer than a minute.
    pub async fn start(&self, plan: ContainerPlan<'_>) -> Result<String, LabError> {
        let name = self.name(plan.part);
        let doing = format!("starting {name}");
        let request = plan.request(&name, &self.labels);
        self.to_its_end(async move {
            match tokio::time::timeout(START, request.start()).await {
                Ok(Ok(container)) => {
                    // It is removed by its label; testcontainers would remove it when it is dropped.
                    std::mem::forget(container);
                    Ok(name)
                }
                Ok(Err(error)) => Err(failed_with(&doing, &error.to_string())),
                Err(_) => Err(stalled(&doing)),
            }
        })
        .await
    }

    /// The end of a container that does not run any more, in words: its exit code and its last lines.
    pub async fn end_of(&self, container: &str) -> Option<String> {
        let found = asked("looking at its end", self.docker.inspect_container(container, None)).await.ok()?;
        let state = found.state?;
        if state.running.unwrap_or(false) {
            return None;
        }
        let code = state.exit_code.map_or("an unknown exit code".to_owned(), |code| format!("exit code {code}"));
        let memory = if state.oom_killed.unwrap_or(false) { ", out of memory" } else { "" };
        let said = match self.last_lines(container).await.as_slice() {
            [] => "it wrote nothing".to_owned(),
            lines => format!("its last lines:\n  {}", lines.join("\n  ")),
        };
        Some(format!("with {code}{memory}; {said}"))
    }

    /// The last lines that a container wrote, safe for a terminal.
    pub async fn last_lines(&self, container: &str) -> Vec<String> {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(LAST_LINES).build();
        let read = async {
            let mut lines = Vec::new();
            let mut stream = self.docker.logs(container, Some(options));
            while let Some(Ok(frame)) = stream.next().await {
                lines.extend(String::from_utf8_lossy(frame.as_ref()).lines().map(printable));
            }
            lines
        };
        tokio::time::timeout(UNDER_WAY, read).await.unwrap_or_default()
    }

    /// The command lines of all processes in a container, words joined with blanks; none if Docker does not tell.
    pub async fn command_lines(&self, container: &str) -> Option<Vec<String>> {
        let options = TopOptionsBuilder::new().ps_args("-eo pid,args").build();
        let told = asked("listing processes", self.docker.top_processes(container, Some(options))).await.ok()?;
        let place = told.titles?.iter().position(|title| matches!(title.as_str(), "COMMAND" | "ARGS" | "CMD"))?;
        Some(told.processes?.into_iter().filter_map(|mut row| (place < row.len()).then(|| row.remove(place))).collect())
    }

    /// Says whether a container runs.
    ///
    /// # Errors
    /// Docker does not know it.
    pub async fn runs(&self, container: &str) -> Result<bool, LabError> {
        let doing = format!("looking whether {container} runs");
        let found = asked(doing, self.docker.inspect_container(container, None)).await?;
        Ok(found.state.and_then(|state| state.running).unwrap_or(false))
    }

    /// Starts a container again that has ended.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn start_again(&self, container: &str) -> Result<(), LabError> {
        let doing = format!("starting {container} again");
        asked(doing, self.docker.start_container(container, None)).await
    }

    /// Sends a signal to the first process of the container with that part; an init passes it on to its child.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn signal(&self, part: &str, signal: &str) -> Result<(), LabError> {
        let container = self.name(part);
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let doing = format!("sending {signal} to {container}");
        asked(doing, self.docker.kill_container(&container, Some(options))).await
    }

    /// Freezes all processes of a container.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn pause(&self, container: &str) -> Result<(), LabError> {
        asked(format!("freezing {container}"), self.docker.pause_container(container)).await
    }

    /// Lets the processes of a container go on.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn unpause(&self, container: &str) -> Result<(), LabError> {
        asked(format!("thawing {container}"), self.docker.unpause_container(container)).await
    }

    /// Process id on the host of a container's first process.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn process_id(&self, container: &str) -> Result<i64, LabError> {
        let doing = format!("looking for the first process of {container}");
        let found = asked(&doing, self.docker.inspect_container(container, None)).await?;
        let pid = found.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        pid.ok_or_else(|| LabError::node(format!("{doing}: it does not run")))
    }

    /// Removes all containers and networks of the sandbox, also those whose start was cut short.
    ///
    /// # Errors
    /// Something is still there when the time is over; the error says what, and how it is removed.
    pub async fn remove(&self) -> Result<(), LabError> {
        let removing = async {
            let made = async { drop(self.making.subscribe().wait_for(|count| *count == 0).await) };
            // What is made later than that is found by the next sweep.
            let _ = tokio::time::timeout(UNDER_WAY, made).await;
            let mine = |labels: &sweep::Labels| {
                self.labels.iter().all(|(key, value)| labels.get(key).is_some_and(|found| found == value))
            };
            sweep::remove(&self.docker, &self.labels[RUN_LABEL], mine).await.map(drop)
        };
        let overdue = async {
            tokio::select! {
                () = tokio::time::sleep(REMOVAL) => {}
                () = async {
                    interrupt::wait().await;
                    tokio::time::sleep(HASTY_REMOVAL).await;
                } => {}
            }
        };
        tokio::select! {
            removed = removing => removed,
            () = overdue => Err(LabError::harness("Docker takes too long to remove them")),
        }
        .map_err(|error| {
            let help = sweep::by_hand(&self.labels[RUN_LABEL]);
            let message = format!("containers and networks of {} are left: {}", self.prefix, error.message);
            LabError { message, help: Some(format!("the next run removes them; or, by hand: {help}")), ..error }
        })
    }
}

/// A line of a container for a terminal, and not longer than a few lines of it.
fn printable(line: &str) -> String {
    escape::terminal(&line.chars().take(400).collect::<String>())
}
