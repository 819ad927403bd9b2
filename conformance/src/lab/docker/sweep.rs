//! The removal of containers and networks by their labels: at the end of a scenario, and of what dead runs left behind.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::future::join_all;

use super::{connect, failed};
use crate::lab::error::LabError;
use crate::run::folder::has_living_owner;

/// Label with the run's name.
pub const RUN_LABEL: &str = "org.pghaspec.run";
/// Label with the absolute path of the run's folder, whose lock says whether the run lives.
pub const DIR_LABEL: &str = "org.pghaspec.dir";
/// Label with the scenario's name.
pub const SCENARIO_LABEL: &str = "org.pghaspec.lane";

/// Rounds of removing until nothing is left. Docker finishes what was requested before a run was cut short, and a
/// network can be removed only after the last container has left it.
const ROUNDS: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

/// Removes the containers and networks of runs whose owner is dead: nobody holds the lock of their folder. Returns how
/// many were removed, and the errors of those that could not be: Docker may lose count of a network's containers and
/// keep it for ever, which harms no other run.
///
/// # Errors
/// Docker does not answer.
pub async fn sweep() -> Result<(usize, Vec<LabError>), LabError> {
    let docker = connect().await?;
    let labelled = Labelled::with(&docker, &[RUN_LABEL.to_owned()]).await?;
    let dead = dead_runs(&labelled.runs, |folder| has_living_owner(Path::new(folder)));
    let (mut removed, mut stuck) = (0, Vec::new());
    for run in dead {
        match remove(&docker, &[format!("{RUN_LABEL}={run}")]).await {
            Ok(count) => removed += count,
            Err(error) => stuck.push(error),
        }
    }
    Ok((removed, stuck))
}

/// The runs whose owner is dead.
fn dead_runs(folders: &BTreeMap<String, String>, lives: impl Fn(&str) -> bool) -> Vec<String> {
    folders.iter().filter(|(_, folder)| !lives(folder)).map(|(run, _)| run.clone()).collect()
}

/// Removes all containers and networks that have all of the labels. Returns how many there were.
///
/// # Errors
/// Docker does not answer, or something is still there in the end.
pub async fn remove(docker: &Docker, labels: &[String]) -> Result<usize, LabError> {
    let mut removed = 0;
    let mut empty_before = false;
    for _ in 0..ROUNDS {
        let found = Labelled::with(docker, labels).await?;
        let empty = found.containers.is_empty() && found.networks.is_empty();
        if empty && empty_before {
            return Ok(removed);
        }
        empty_before = empty;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let containers = found.containers.iter().map(|id| docker.remove_container(id, Some(options.clone())));
        removed += join_all(containers).await.iter().filter(|done| done.is_ok()).count();
        let networks = found.networks.iter().map(|id| docker.remove_network(id));
        removed += join_all(networks).await.iter().filter(|done| done.is_ok()).count();
        tokio::time::sleep(PAUSE).await;
    }
    Err(LabError::harness(format!("containers or networks with the labels {} cannot be removed", labels.join(", "))))
}

/// The containers and networks that have certain labels.
struct Labelled {
    containers: Vec<String>,
    networks: Vec<String>,
    /// Folder of each run that something belongs to.
    runs: BTreeMap<String, String>,
}

impl Labelled {
    async fn with(docker: &Docker, labels: &[String]) -> Result<Labelled, LabError> {
        let filters = HashMap::from([("label".to_owned(), labels.to_vec())]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = docker.list_containers(Some(options)).await.map_err(failed("listing containers"))?;
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = docker.list_networks(Some(options)).await.map_err(failed("listing networks"))?;
        let labels_of_all = containers.iter().map(|one| &one.labels).chain(networks.iter().map(|one| &one.labels));
        let runs = labels_of_all.flatten().filter_map(|labels| {
            let folder = labels.get(DIR_LABEL).cloned().unwrap_or_default();
            labels.get(RUN_LABEL).map(|run| (run.clone(), folder))
        });
        Ok(Labelled {
            runs: runs.collect(),
            containers: containers.into_iter().filter_map(|one| one.id).collect(),
            networks: networks.into_iter().filter_map(|one| one.id).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::folder::RunDir;

    #[test]
    fn only_runs_without_a_living_owner_are_dead() {
        let out = tempfile::tempdir().unwrap();
        let living = RunDir::create(out.path(), "a").unwrap();
        let ended = RunDir::create(out.path(), "a").unwrap();
        let folders: BTreeMap<String, String> = [&living, &ended]
            .into_iter()
            .map(|run| (run.id().to_owned(), run.path().display().to_string()))
            .chain([("gone".to_owned(), "/no/such/folder".to_owned())])
            .collect();
        let ended_id = ended.id().to_owned();
        drop(ended);
        assert_eq!(dead_runs(&folders, |folder| has_living_owner(Path::new(folder))), [ended_id, "gone".to_owned()]);
    }
}
