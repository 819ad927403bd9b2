//! The lab: brings a real cluster up, injects the faults of a scenario, and records what an outside observer sees. It
//! judges nothing.

mod cluster;
mod docker;
mod error;
mod faults;
mod machine;
mod nemesis;
mod observer;
mod power;
mod read_back;
mod records;
mod runner;
mod stopwatch;
mod tasks;
mod template;
mod testbed;
mod wait;
mod writers;

use std::path::PathBuf;
use std::time::Instant;

use bollard::Docker;

use crate::manifest::Manifest;
use crate::observe::clock::RunClock;
use crate::observe::recorder::Recorder;
use crate::progress::Progress;
use crate::run::folder::RunDir;
use crate::run::lap::{Lap, Part};
use crate::run::scenario_folder::{Outcome, ScenarioDir};
use crate::scenario::Scenario;

pub use docker::agent_image::{Build, ensure_agent_image};
pub use docker::sweep::Swept;
pub use error::{LabError, Trouble};
pub use faults::{Description, descriptions};
pub use machine::{docker_version, has_image, needed_images};
pub use records::record_image;

use docker::agent_image::remedy;
use docker::sandbox::Sandbox;
use runner::Runner;
use stopwatch::Stopwatch;
use tasks::Tasks;
use testbed::Testbed;
use wait::{interrupted, unless_interrupted};

/// The options of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Leave containers and networks behind, for a look inside. The next [`sweep`] removes them.
    pub keep: bool,
    /// Let the agents bootstrap the cluster, instead of beginning with one that was prepared.
    pub fresh: bool,
}

/// A scenario that ran to its end. The judge decides whether the agent did well.
#[derive(Clone, Debug, PartialEq)]
pub struct Completed {
    /// Folder of the scenario's evidence.
    pub dir: PathBuf,
    /// The recorded history, `events.jsonl` in it.
    pub events: PathBuf,
    /// Seconds from the first container to the end of the read-back, cleanup not counted.
    pub seconds: f64,
    /// Digest of the agent's image, `sha256:…`.
    pub image_digest: String,
    /// The times of its parts, the cleanup included.
    pub laps: Vec<Lap>,
}

/// Runs a scenario against an agent and records it below `dir`.
///
/// Containers and networks of the run are removed at its end, be it success, an error, Ctrl-C, SIGTERM or SIGHUP (from
/// the first call on, this process handles those signals so). After a SIGKILL of the harness they stay until the next
/// [`sweep`]. Several scenarios may run at once.
///
/// # Errors
/// [`Trouble::Environment`] when the machine lacks something, [`Trouble::Manifest`] when the agent is not as its
/// manifest says, [`Trouble::Harness`] when the lab could not do its work, and [`Trouble::Interrupted`] on Ctrl-C. What
/// was recorded until then stays.
pub async fn run(
    scenario: &Scenario,
    manifest: &Manifest,
    dir: &RunDir,
    options: Options,
    progress: &Progress,
) -> Result<Completed, LabError> {
    let (docker, image_digest) = unless_interrupted(has_all(scenario, manifest)).await?;
    let prepared = match options.fresh {
        true => None,
        false => template::prepared(&docker, scenario, manifest, dir, progress).await?,
    };
    let folder = dir.scenario(&scenario.id)?;
    let ScenarioDir { path, events, logs, .. } = folder.clone();
    let (started, stopwatch) = (Instant::now(), Stopwatch::start());
    let recorder = Recorder::create(&events, RunClock::start(), &scenario.node_names())?;
    let sandbox = Sandbox::new(docker, dir, &scenario.id, &logs);
    let report = progress.lane(&scenario.id);
    let outcome = {
        // Tasks that observe end with this block, before the containers go.
        let tasks = Tasks::new();
        let bed =
            Testbed { scenario, manifest, sandbox: &sandbox, recorder: &recorder, report: &report, tasks: &tasks };
        let runner = Runner { bed, run: dir.id(), prepared: prepared.as_ref(), stopwatch: &stopwatch };
        tokio::select! {
            outcome = runner.run() => outcome,
            message = recorder.failed() => {
                Err(LabError { trouble: Trouble::Environment, message, help: None, logs: None })
            }
            error = interrupted() => Err(error),
        }
    };
    let seconds = started.elapsed().as_secs_f64();
    if outcome.is_ok() {
        // The recording is whole: whoever ends the harness while it removes containers does not undo that.
        let (image_digest, time) = (Some(image_digest.clone()), stopwatch.laps());
        folder.end(&Outcome { image_digest, time, ..Outcome::default() })?;
    }
    let cleaned = if options.keep {
        Ok(())
    } else {
        report.doing("removing containers and networks");
        sandbox.remove().await
    };
    stopwatch.lap(Part::Removing);
    report.done();
    if let (Err(_), Err(left)) = (&outcome, &cleaned) {
        report.say(&left.to_string());
    }
    // A failure of the run itself says more than that of the cleanup after it.
    outcome.and(cleaned).map_err(|error| error.with_logs(logs))?;
    Ok(Completed { dir: path, events, seconds, image_digest, laps: stopwatch.laps() })
}

/// Removes the containers, networks and half-made templates of runs that are certainly dead, and of these runs all that
/// was left when they were interrupted.
///
/// # Errors
/// Docker does not answer, or the run is ended by a signal.
pub async fn sweep(runs: &[&RunDir]) -> Result<Swept, LabError> {
    unless_interrupted(async {
        let docker = docker::connect().await?;
        let mut swept = docker::sweep::sweep(&docker, runs).await?;
        swept.removed += template::remove_half_made(&docker, runs).await?;
        Ok(swept)
    })
    .await
}

/// Checks that Docker and all images are there; returns a client, and the digest of the agent's image.
async fn has_all(scenario: &Scenario, manifest: &Manifest) -> Result<(Docker, String), LabError> {
    let docker = docker::connect().await?;
    let image_digest = docker::image_digest(&docker, &manifest.image, &remedy(manifest)).await?;
    let remote = scenario.settings.standby_cluster.then_some(cluster::REMOTE_IMAGE);
    for image in [cluster::ETCD_IMAGE, observer::OBSERVER_IMAGE].into_iter().chain(remote) {
        docker::own_image_digest(&docker, image).await?;
    }
    Ok((docker, image_digest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_can_be_spawned() {
        fn send(_: &impl Send) {}
        let out = tempfile::tempdir().unwrap();
        let scenario = Scenario::load("leader-postmaster-killed").unwrap();
        let manifest = Manifest::load("patroni").unwrap();
        let dir = RunDir::create(out.path(), &manifest.name).unwrap();
        let progress = Progress::silent();
        send(&run(&scenario, &manifest, &dir, Options::default(), &progress));
    }
}
