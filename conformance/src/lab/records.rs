//! What is recorded of the agent's image and of the machine, once for each run.

use super::docker;
use super::docker::agent_image::remedy;
use super::docker::packages::packages;
use super::error::LabError;
use super::machine::docker_version;
use super::wait::unless_interrupted;
use crate::manifest::Manifest;
use crate::run::folder::RunDir;
use crate::run::records::{ImageRecord, MachineRecord};

/// Records the image and the machine in the folder of a run, unless they are recorded there.
///
/// # Errors
/// A run that is resumed has another image than it began with; Docker does not answer; or a file cannot be written.
pub async fn record_image(manifest: &Manifest, dir: &RunDir) -> Result<(), LabError> {
    unless_interrupted(async {
        let docker = docker::connect().await?;
        let digest = docker::image_digest(&docker, &manifest.image, &remedy(manifest)).await?;
        let damaged = |error: crate::input::InputError| LabError::environment(error.to_string(), "begin a new run");
        match ImageRecord::read(dir.path()).map_err(damaged)? {
            Some(before) if before.digest != digest => {
                let (image, before) = (&manifest.image, before.digest);
                let message = format!("the image {image} is {digest} now, and the run began with {before}");
                return Err(LabError::environment(message, "begin a new run"));
            }
            Some(_) => {}
            None => {
                let (packages, packages_unknown) = match packages(&docker, manifest, dir).await {
                    Ok(packages) => (packages, None),
                    Err(why) => (Vec::new(), Some(why)),
                };
                let reference = manifest.image.clone();
                ImageRecord { reference, digest, packages, packages_unknown }.write(dir.path())?;
            }
        }
        if MachineRecord::read(dir.path()).map_err(damaged)?.is_none() {
            machine(docker_version().await?).write(dir.path())?;
        }
        Ok(())
    })
    .await
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

    #[test]
    fn a_machine_has_processors_and_memory() {
        let found = machine("Docker Engine 20.10".into());
        assert!(found.cpus > 0 && found.memory_mib > 0 && !found.kernel.is_empty(), "{found:?}");
    }
}
