//! The removal of containers and networks by their labels: at the end of a scenario, and of what dead runs left behind.
//!
//! Whose run is dead is told by [`crate::run::owner`]. What cannot be told is left, and said.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, RemoveContainerOptionsBuilder,
};
use futures_util::future::join_all;

use super::{asked, is_local};
use crate::lab::error::LabError;
use crate::run::folder::RunDir;
use crate::run::owner::{Owner, Standing, booted_at, standing};

/// Label with the run's name.
pub const RUN_LABEL: &str = "org.pghaspec.run";
/// Label with the absolute path of the run's folder.
pub const DIR_LABEL: &str = "org.pghaspec.dir";
/// Label with the owner of the run, a JSON object.
pub const OWNER_LABEL: &str = "org.pghaspec.owner";
/// Label with the scenario's name.
pub const SCENARIO_LABEL: &str = "org.pghaspec.lane";

/// Time between two rounds of removing. Docker finishes what was requested before a run was cut short, and a network
/// can be removed only after the last container has left it.
const PAUSE: Duration = Duration::from_millis(100);
/// The time after which what a dead run left is given up: Docker may lose count of a network's containers and keep it
/// for ever, which harms no other run.
const STUCK: Duration = Duration::from_secs(20);
/// Most runs that are told of, a line each.
const TOLD: usize = 5;
/// Seconds by which the clocks of Docker and of this kernel's boot may differ.
const CLOCKS_S: i64 = 60;

/// Labels of a container or a network.
pub type Labels = HashMap<String, String>;

/// The outcome of a sweep.
#[derive(Debug, Default)]
pub struct Swept {
    /// The number of containers and networks that were removed.
    pub removed: usize,
    /// What is left, in words: of runs of which it cannot be told whether they live, and what Docker does not give up.
    pub left: Vec<String>,
}

/// Removes the containers and networks of runs that are certainly dead, and of these runs all that was left when they
/// were interrupted: their lock is held by this process now.
///
/// # Errors
/// Docker does not answer.
pub async fn sweep(docker: &Docker, runs: &[&RunDir]) -> Result<Swept, LabError> {
    let found = Labelled::with(docker, RUN_LABEL).await?;
    let boot = booted_at().filter(|_| is_local());
    let (mut swept, mut unknown) = (Swept::default(), Vec::new());
    for left in Left::by_owner(&found) {
        let older = boot.is_some_and(|boot| left.newest.is_some_and(|newest| newest + CLOCKS_S < boot));
        match left.standing(runs, older) {
            Standing::Lives => {}
            Standing::Unknown(why) => unknown.push(left.told(&why)),
            Standing::Dead => {
                let its = |labels: &Labels| left.has(labels);
                match tokio::time::timeout(STUCK, remove(docker, &left.run, its)).await {
                    Ok(Ok(count)) => swept.removed += count,
                    Ok(Err(error)) => return Err(error),
                    Err(_) => swept.left.push(format!(
                        "left behind: Docker does not remove all that the dead run {} has left; by hand: {}",
                        left.run,
                        by_hand(&left.run)
                    )),
                }
            }
        }
    }
    let more = unknown.len().saturating_sub(TOLD);
    unknown.truncate(TOLD);
    swept.left.extend(unknown);
    if more > 0 {
        swept.left.push(format!("… and of {more} more runs: docker ps --all --filter label={RUN_LABEL}"));
    }
    Ok(swept)
}

/// Says whether whatever has these labels was made for a run that is certainly dead.
pub fn is_dead(labels: &Labels, runs: &[&RunDir]) -> bool {
    let thing = Thing { id: String::new(), labels: labels.clone(), made: None };
    let left = Left::by_owner(&Labelled { containers: vec![thing], networks: Vec::new() });
    left.first().is_some_and(|left| left.standing(runs, false) == Standing::Dead)
}

/// The command that removes what is labelled with a run.
pub fn by_hand(run: &str) -> String {
    let filter = format!("--filter label={RUN_LABEL}={run}");
    format!(
        "docker rm --force --volumes $(docker ps --all --quiet {filter}); \
         docker network rm $(docker network ls --quiet {filter})"
    )
}

/// Removes all containers and networks of a run that `its` picks by their labels. Returns how many there were; goes on
/// until nothing is left, so the caller sets a limit.
///
/// # Errors
/// Docker does not answer.
pub async fn remove(docker: &Docker, run: &str, its: impl Fn(&Labels) -> bool) -> Result<usize, LabError> {
    let mut removed = 0;
    let mut empty_before = false;
    loop {
        let found = Labelled::with(docker, &format!("{RUN_LABEL}={run}")).await?;
        let of = |all: &[Thing]| -> Vec<String> {
            all.iter().filter(|thing| its(&thing.labels)).map(|thing| thing.id.clone()).collect()
        };
        let (containers, networks) = (of(&found.containers), of(&found.networks));
        let empty = containers.is_empty() && networks.is_empty();
        if empty && empty_before {
            return Ok(removed);
        }
        empty_before = empty;
        let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
        let containers = containers.iter().map(|id| docker.remove_container(id, Some(options.clone())));
        removed += join_all(containers).await.iter().filter(|done| done.is_ok()).count();
        let networks = networks.iter().map(|id| docker.remove_network(id));
        removed += join_all(networks).await.iter().filter(|done| done.is_ok()).count();
        tokio::time::sleep(PAUSE).await;
    }
}

/// A container or a network.
struct Thing {
    id: String,
    labels: Labels,
    /// The second since 1970 in which it was made, if Docker tells.
    made: Option<i64>,
}

/// The containers and networks that have a label.
struct Labelled {
    containers: Vec<Thing>,
    networks: Vec<Thing>,
}

impl Labelled {
    async fn with(docker: &Docker, label: &str) -> Result<Labelled, LabError> {
        let filters = HashMap::from([("label".to_owned(), vec![label.to_owned()])]);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let containers = asked("listing containers", docker.list_containers(Some(options))).await?;
        let options = ListNetworksOptionsBuilder::new().filters(&filters).build();
        let networks = asked("listing networks", docker.list_networks(Some(options))).await?;
        let containers = containers
            .into_iter()
            .filter_map(|one| Some(Thing { id: one.id?, labels: one.labels.unwrap_or_default(), made: one.created }));
        let networks = networks
            .into_iter()
            .filter_map(|one| Some(Thing { id: one.id?, labels: one.labels.unwrap_or_default(), made: None }));
        Ok(Labelled { containers: containers.collect(), networks: networks.collect() })
    }
}

/// The containers and networks that one owner of a run has left.
#[derive(Debug)]
struct Left {
    run: String,
    folder: String,
    owner: Option<String>,
    count: usize,
    /// The second since 1970 in which the newest of it was made; none if that is not known of any.
    newest: Option<i64>,
}

impl Left {
    /// All that was found, by run and owner.
    fn by_owner(found: &Labelled) -> Vec<Left> {
        let mut all: BTreeMap<(String, Option<String>), Left> = BTreeMap::new();
        for thing in found.containers.iter().chain(&found.networks) {
            let label = |name: &str| thing.labels.get(name).cloned();
            let Some(run) = label(RUN_LABEL) else { continue };
            let left = all.entry((run.clone(), label(OWNER_LABEL))).or_insert_with(|| Left {
                run,
                folder: label(DIR_LABEL).unwrap_or_default(),
                owner: label(OWNER_LABEL),
                count: 0,
                newest: None,
            });
            left.count += 1;
            left.newest = left.newest.max(thing.made);
        }
        all.into_values().collect()
    }

    fn has(&self, labels: &Labels) -> bool {
        labels.get(RUN_LABEL) == Some(&self.run) && labels.get(OWNER_LABEL) == self.owner.as_ref()
    }

    /// Says whether its owner lives, as seen by the process that holds the locks of these runs.
    fn standing(&self, runs: &[&RunDir], older: bool) -> Standing {
        let owner = self.owner.as_deref().and_then(Owner::of_label);
        let here = match runs.first() {
            Some(run) => run.owner(),
            None => return Standing::Unknown("no run is begun here".to_owned()),
        };
        if let Some(run) = runs.iter().find(|run| run.id() == self.run) {
            let was_ours = match &owner {
                Some(owner) if owner == run.owner() => return Standing::Lives,
                Some(owner) => owner.held_lock_of(run.owner()),
                None => run.path() == Path::new(&self.folder),
            };
            if was_ours {
                return Standing::Dead;
            }
        }
        standing(owner.as_ref(), Path::new(&self.folder), here, older)
    }

    fn told(&self, why: &str) -> String {
        let whose = match self.owner.as_deref().and_then(Owner::of_label) {
            Some(owner) => format!(", of {}", owner.words()),
            None => String::new(),
        };
        let Left { run, count, folder, .. } = self;
        let by_hand = by_hand(run);
        format!(
            "left alone: {count} containers and networks of the run {run} in {folder}{whose}, since nobody here can \
             tell whether it lives: {why}; if it is dead: {by_hand}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a run has left when these labels are on a container of it.
    fn left(run: &str, folder: &str, owner: Option<&Owner>) -> Left {
        let labels = [(RUN_LABEL, run.to_owned()), (DIR_LABEL, folder.to_owned())];
        let mut labels: Labels = labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        labels.extend(owner.map(|owner| (OWNER_LABEL.to_owned(), owner.label())));
        let things = vec![Thing { id: "c".into(), labels, made: Some(7) }];
        Left::by_owner(&Labelled { containers: things, networks: Vec::new() }).remove(0)
    }

    fn of(run: &RunDir) -> Left {
        left(run.id(), &run.path().display().to_string(), Some(run.owner()))
    }

    #[test]
    fn a_living_run_is_left_and_a_dead_one_is_not() {
        let out = tempfile::tempdir().unwrap();
        let (here, living) = (RunDir::create(out.path(), "a").unwrap(), RunDir::create(out.path(), "a").unwrap());
        assert_eq!(of(&living).standing(&[&here], true), Standing::Lives);
        assert_eq!(of(&here).standing(&[&here], true), Standing::Lives);
        // Its folder is gone, but not its process.
        std::fs::remove_dir_all(living.path()).unwrap();
        assert_eq!(of(&living).standing(&[&here], true), Standing::Lives);
        // Its process is gone.
        let dead = Owner { started: 1, ..living.owner().clone() };
        assert_eq!(left("r", "/no/such/folder", Some(&dead)).standing(&[&here], false), Standing::Dead);
    }

    #[test]
    fn a_run_of_an_older_pghaspec_is_told_by_its_lock() {
        let out = tempfile::tempdir().unwrap();
        let (here, other) = (RunDir::create(out.path(), "a").unwrap(), RunDir::create(out.path(), "a").unwrap());
        let folder = other.path().display().to_string();
        assert_eq!(left("r", &folder, None).standing(&[&here], true), Standing::Lives);
        drop(other);
        assert_eq!(left("r", &folder, None).standing(&[&here], true), Standing::Dead);
        assert!(matches!(left("r", "/no/such/folder", None).standing(&[&here], true), Standing::Unknown(_)));
    }

    #[test]
    fn what_is_left_of_a_run_that_is_resumed_is_dead_whoever_ran_it() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        let path = run.path().to_path_buf();
        // As in a container that is gone.
        let before = Owner { namespaces: "pid:[1]".into(), ..run.owner().clone() };
        let folder = path.display().to_string();
        drop(run);
        let again = RunDir::open(&path).unwrap();
        assert_eq!(left(again.id(), &folder, Some(&before)).standing(&[&again], false), Standing::Dead);
        assert_eq!(left(again.id(), &folder, None).standing(&[&again], false), Standing::Dead);
        // The same run in a copy of the folder, whose lock is another file, on another machine.
        let copy = Owner { file: [1, 2], boot: "other".into(), machine: "other".into(), ..before };
        assert!(matches!(left(again.id(), &folder, Some(&copy)).standing(&[&again], true), Standing::Unknown(_)));
    }

    #[test]
    fn what_is_left_alone_is_said_with_the_command_that_removes_it() {
        let owner = Owner { host: "elsewhere".into(), pid: 7, user: 1000, ..Owner::default() };
        let words = left("r", "/runs/r", Some(&owner)).told("it was made on another machine");
        for part in ["1 containers", "/runs/r", "process 7 of user 1000 on elsewhere", "label=org.pghaspec.run=r"] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn owners_of_one_run_are_told_apart() {
        let out = tempfile::tempdir().unwrap();
        let run = RunDir::create(out.path(), "a").unwrap();
        let (new, old) = (of(&run), left(run.id(), "f", Some(&Owner::default())));
        let labels = |left: &Left| -> Labels {
            HashMap::from([
                (RUN_LABEL.to_owned(), left.run.clone()),
                (OWNER_LABEL.to_owned(), left.owner.clone().unwrap()),
            ])
        };
        assert!(new.has(&labels(&new)) && !old.has(&labels(&new)));
        assert_eq!(new.newest, Some(7));
    }
}
