//! What is recorded of the agent's image and of the machine, once for each run.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bollard::Docker;

use super::docker;
use super::docker::agent_image::remedy;
use super::docker::packages::{Listing, packages};
use super::error::LabError;
use super::machine::docker_version;
use super::wait::unless_interrupted;
use crate::input::InputError;
use crate::manifest::Manifest;
use crate::run::folder::RunDir;
use crate::run::records::{ImageRecord, MachineRecord};

/// Listings by the digest of the image: many seeded defects share one.
static LISTED: Mutex<BTreeMap<String, Listing>> = Mutex::new(BTreeMap::new());

/// Records the image and the machine in the folder of a run, unless they are recorded there.
///
/// # Errors
/// A run that is resumed has another image than it began with; Docker does not answer; a file cannot be written; or the
/// run is ended by a signal.
pub async fn record_image(manifest: &Manifest, dir: &RunDir) -> Result<(), LabError> {
    let (docker, digest) = unless_interrupted(async {
        let docker = docker::connect().await?;
        let digest = docker::image_digest(&docker, &manifest.image, &remedy(manifest)).await?;
        Ok((docker, digest))
    })
    .await?;
    match ImageRecord::read(dir.path()).map_err(damaged)? {
        Some(before) => same_image(&before, &manifest.image, &digest)?,
        None => {
            // A container lists them, which is removed whatever happens.
            let Listing { packages, unknown } = listed(&docker, &digest, manifest, dir).await?;
            let reference = manifest.image.clone();
            ImageRecord { reference, digest, packages, packages_unknown: unknown }.write(dir.path())?;
        }
    }
    if MachineRecord::read(dir.path()).map_err(damaged)?.is_none() {
        machine(unless_interrupted(docker_version()).await?).write(dir.path())?;
    }
    Ok(())
}

/// Makes sure that a run goes on with the image that it began with: its scenarios are to be about one.
fn same_image(before: &ImageRecord, image: &str, digest: &str) -> Result<(), LabError> {
    if before.digest == digest {
        return Ok(());
    }
    let message = format!("the image {image} is {digest} now, and the run began with {}", before.digest);
    Err(LabError::environment(message, "begin a new run"))
}

async fn listed(docker: &Docker, digest: &str, manifest: &Manifest, dir: &RunDir) -> Result<Listing, LabError> {
    let all = || LISTED.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all().get(digest).cloned();
    if let Some(known) = known {
        return Ok(known);
    }
    let listing = packages(docker, digest, manifest.limits, dir).await?;
    all().insert(digest.to_owned(), listing.clone());
    Ok(listing)
}

fn damaged(error: InputError) -> LabError {
    LabError::environment(format!("{}: {}", error.file.display(), error.problem), "begin a new run")
}

/// This machine.
fn machine(docker: String) -> MachineRecord {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let memory = read("/proc/meminfo");
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse().ok());
    MachineRecord {
        cpus: std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX)),
        memory_mib: kib.map_or(0, |kib: u64| kib >> 10),
        kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        architecture: std::env::consts::ARCH.to_owned(),
        docker,
        pghaspec: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::error::Trouble;

    #[test]
    fn a_machine_has_processors_and_memory() {
        let found = machine("Docker Engine 20.10".into());
        assert!(found.cpus > 0 && found.memory_mib > 0 && !found.kernel.is_empty(), "{found:?}");
    }

    #[test]
    fn a_run_goes_on_with_the_image_that_it_began_with() {
        let before = ImageRecord {
            reference: "agent:1".into(),
            digest: "sha256:aa".into(),
            packages: Vec::new(),
            packages_unknown: None,
        };
        same_image(&before, "agent:1", "sha256:aa").unwrap();
        // The same image may have got another name.
        same_image(&before, "agent:latest", "sha256:aa").unwrap();
        let error = same_image(&before, "agent:1", "sha256:bb").unwrap_err();
        assert_eq!(error.trouble, Trouble::Environment);
        for part in ["sha256:aa", "sha256:bb", "begin a new run"] {
            assert!(error.to_string().contains(part), "{error}");
        }
    }
}
