//! The sandbox of one scenario: its containers and networks, named and labelled so that they are found again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bollard::Docker;
use bollard::query_parameters::KillContainerOptionsBuilder;
use futures_util::future::join_all;
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage};

use super::container::ContainerPlan;
use super::sweep::{self, DIR_LABEL, RUN_LABEL, SCENARIO_LABEL};
use super::{failed, failed_with};
use crate::lab::error::LabError;
use crate::run::folder::RunDir;

/// The containers and networks of one scenario.
pub struct Sandbox {
    /// Docker Engine.
    pub docker: Docker,
    prefix: String,
    labels: BTreeMap<String, String>,
    logs: PathBuf,
    containers: Mutex<Vec<ContainerAsync<GenericImage>>>,
}

impl Sandbox {
    /// A sandbox without containers yet. Its containers' logs go to the folder `logs`.
    pub fn new(docker: Docker, run: &RunDir, scenario: &str, logs: &Path) -> Sandbox {
        let labels = [
            (RUN_LABEL, run.id().to_owned()),
            (DIR_LABEL, run.path().display().to_string()),
            (SCENARIO_LABEL, scenario.to_owned()),
        ];
        Sandbox {
            docker,
            prefix: format!("pghaspec-{}-{}", run.short_id(), run.next_lane()),
            labels: labels.map(|(key, value)| (key.to_owned(), value)).into(),
            logs: logs.to_path_buf(),
            containers: Mutex::new(Vec::new()),
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
    pub(super) fn labels(&self) -> &BTreeMap<String, String> {
        &self.labels
    }

    /// Starts a container and returns its name. It is not waited for beyond its start.
    ///
    /// # Errors
    /// Docker refuses, or takes longer than a minute.
    pub async fn start(&self, plan: ContainerPlan<'_>) -> Result<String, LabError> {
        let name = self.name(plan.part);
        let started = plan.request(&name, &self.labels).start().await;
        let container = started.map_err(|error| failed_with(&format!("starting {name}"), &error.to_string()))?;
        self.containers.lock().unwrap_or_else(PoisonError::into_inner).push(container);
        Ok(name)
    }

    /// Says whether a container runs.
    ///
    /// # Errors
    /// Docker does not know it.
    pub async fn runs(&self, container: &str) -> Result<bool, LabError> {
        let doing = format!("looking whether {container} runs");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(doing))?;
        Ok(found.state.and_then(|state| state.running).unwrap_or(false))
    }

    /// Starts a container again that has ended.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn start_again(&self, container: &str) -> Result<(), LabError> {
        let doing = format!("starting {container} again");
        self.docker.start_container(container, None).await.map_err(failed(doing))
    }

    /// Sends a signal to the first process of the container with that part; an init passes it on to its child.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn signal(&self, part: &str, signal: &str) -> Result<(), LabError> {
        let container = self.name(part);
        let options = KillContainerOptionsBuilder::new().signal(signal).build();
        let sent = self.docker.kill_container(&container, Some(options)).await;
        sent.map_err(failed(format!("sending {signal} to {container}")))
    }

    /// Freezes all processes of a container.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn pause(&self, container: &str) -> Result<(), LabError> {
        self.docker.pause_container(container).await.map_err(failed(format!("freezing {container}")))
    }

    /// Lets the processes of a container go on.
    ///
    /// # Errors
    /// Docker refuses.
    pub async fn unpause(&self, container: &str) -> Result<(), LabError> {
        self.docker.unpause_container(container).await.map_err(failed(format!("thawing {container}")))
    }

    /// Process id on the host of a container's first process.
    ///
    /// # Errors
    /// The container does not run.
    pub async fn process_id(&self, container: &str) -> Result<i64, LabError> {
        let doing = format!("looking for the first process of {container}");
        let found = self.docker.inspect_container(container, None).await.map_err(failed(&doing))?;
        let pid = found.state.and_then(|state| state.pid).filter(|pid| *pid > 0);
        pid.ok_or_else(|| LabError::node(format!("{doing}: it does not run")))
    }

    /// Removes all containers and networks of the sandbox, also those whose start was cut short.
    ///
    /// # Errors
    /// Something is still there in the end.
    pub async fn remove(&self) -> Result<(), LabError> {
        let started = std::mem::take(&mut *self.containers.lock().unwrap_or_else(PoisonError::into_inner));
        // What fails here is found again by its label.
        join_all(started.into_iter().map(ContainerAsync::rm)).await;
        let labels = [RUN_LABEL, SCENARIO_LABEL].map(|key| format!("{key}={}", self.labels[key]));
        sweep::remove(&self.docker, &labels).await.map(drop)
    }

    /// Leaves all containers and networks behind.
    pub fn leave(&self) {
        let started = std::mem::take(&mut *self.containers.lock().unwrap_or_else(PoisonError::into_inner));
        // testcontainers removes what it drops.
        started.into_iter().for_each(std::mem::forget);
    }
}
